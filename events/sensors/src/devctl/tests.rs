//! The file as the source documents print it, and the events that its triggers are for.
//! Starts nothing.
#![expect(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::config::Deduplication;
use super::{Config, check, dedup, normalize, read, render, route};

const FILE: &str = r#"
other: section
events:
  enabled: true

  server:
    host: "0.0.0.0"
    port: 8080
    workers: 4

  store:
    type: "sqlite"  # or "postgresql"
    path: "~/.devctl/events.db"
    retention_days: 30

  deduplication:
    enabled: true
    window_seconds: 300

  sources:
    cloudwatch:
      enabled: true
      sns_topic_arn: "arn:aws:sns:us-east-1:123456789:devctl-events"

    grafana:
      enabled: true

    github:
      enabled: true
      webhook_secret: "from_env"  # DEVCTL_GITHUB_WEBHOOK_SECRET

    pagerduty:
      enabled: true

    scheduler:
      enabled: true

  triggers:
    - name: "cpu-alarm-response"
      source: cloudwatch
      event_type: alarm
      conditions:
        alarm_name_pattern: ".*-cpu-high"
        new_state: "ALARM"
      workflow: incident-response.yaml
      variables:
        title: "{{ event.alarm_name }}"
        severity: "p2"
        service: "{{ event.dimensions.get('AutoScalingGroupName', 'unknown') }}"

    - name: "grafana-critical-alert"
      source: grafana
      event_type: alert
      conditions:
        status: "firing"
        labels:
          severity: "critical"
      workflow: incident-response.yaml
      variables:
        title: "{{ event.labels.alertname }}"
        severity: "{{ event.labels.severity }}"

    - name: "github-deploy-on-merge"
      source: github
      event_type: pull_request
      conditions:
        action: "closed"
        merged: true
        base_branch: "main"
      workflow: deploy-with-jira.yaml
      variables:
        repo: "{{ event.repository.name }}"
        version: "{{ event.pull_request.head.sha[:8] }}"

    - name: "daily-cost-report"
      source: scheduler
      schedule: "0 8 * * 1-5"  # 8 AM weekdays
      workflow: daily-ops-report.yaml
      variables:
        report_type: "cost"
"#;

fn file() -> Config {
    let (document, problems) = read("devctl.yaml", FILE);
    let document = document.unwrap();
    let said: Vec<String> = problems.iter().chain(&check(&document)).map(|p| p.render()).collect();
    assert!(said.is_empty(), "{said:?}");
    document.object
}

fn now() -> Timestamp {
    "2026-01-01T08:00:00Z".parse().unwrap()
}

/// The trigger that an event is for, with its variables.
fn routed(source: &str, kind: &str, payload: Value) -> Vec<(String, Value)> {
    let config = file();
    let event = normalize(source, kind, payload, now()).unwrap();
    let matching = route(&config, &event).into_iter().filter(|routed| routed.verdict.passed);
    matching
        .map(|routed| (routed.trigger.name.clone(), json!(render(routed.trigger, &event).unwrap())))
        .collect()
}

fn pull_request(merged: bool, branch: &str) -> Value {
    json!({"action": "closed", "repository": {"name": "shop", "full_name": "my-org/shop"}, "sender": {"login": "me"},
        "pull_request": {"merged": merged, "title": "x", "base": {"ref": branch}, "head": {"sha": "0123456789abcdef", "ref": "f"}}})
}

#[test]
fn s4_16_the_file_works_as_printed() {
    let config = file();
    assert_eq!(config.triggers.len(), 4);
    assert_eq!((config.server.port, config.store.retention_days), (8080, 30));
    let bare = FILE.replace("other: section\nevents:", "").replace("\n  ", "\n");
    assert_eq!(read("triggers.yaml", &bare).0.unwrap().object, config, "the section alone");
}

#[test]
fn s4_17_an_alarm_finds_its_trigger_and_dimensions_have_a_default() {
    let alarm = |state: &str, dimensions: Value| {
        let alarm = json!({"AlarmName": "web-cpu-high", "NewStateValue": state, "Trigger": {"Dimensions": dimensions}});
        json!({"Type": "Notification", "Message": alarm.to_string()})
    };
    let group = json!([{"name": "AutoScalingGroupName", "value": "web"}]);
    let variables = |service: &str| json!({"title": "web-cpu-high", "severity": "p2", "service": service});
    let name = "cpu-alarm-response".to_owned();
    assert_eq!(routed("cloudwatch", "", alarm("ALARM", group)), [(name.clone(), variables("web"))]);
    assert_eq!(routed("cloudwatch", "", alarm("ALARM", json!([]))), [(name, variables("unknown"))]);
    assert!(routed("cloudwatch", "", alarm("OK", json!([]))).is_empty());
}

#[test]
fn s4_22_labels_are_compared_as_far_as_they_are_named() {
    let alert = |severity: &str| json!({"status": "firing", "commonLabels": {"severity": severity, "team": "a"}, "alerts": [{"labels": {"alertname": "Down"}}]});
    let variables = json!({"title": "Down", "severity": "critical"});
    assert_eq!(routed("grafana", "", alert("critical")), [("grafana-critical-alert".to_owned(), variables)]);
    assert!(routed("grafana", "", alert("warning")).is_empty());
}

#[test]
fn s4_19_a_merge_to_main_deploys_and_templates_see_the_raw_payload() {
    let variables = json!({"repo": "shop", "version": "01234567"});
    assert_eq!(
        routed("github", "pull_request", pull_request(true, "main")),
        [("github-deploy-on-merge".to_owned(), variables)]
    );
    assert!(routed("github", "pull_request", pull_request(false, "main")).is_empty());
    assert!(routed("github", "pull_request", pull_request(true, "dev")).is_empty());
    assert!(routed("github", "push", pull_request(true, "main")).is_empty());
}

#[test]
fn every_trigger_says_why_it_did_not_match() {
    let config = file();
    let event = normalize("github", "pull_request", pull_request(false, "main"), now()).unwrap();
    let trees: Vec<String> = route(&config, &event).iter().map(|routed| routed.verdict.tree()).collect();
    assert!(trees[0].starts_with("✗ source = cloudwatch  (is github)"), "{}", trees[0]);
    assert!(
        trees[2].contains("✗ merged = true  (is false)") && trees[2].contains("✓ action = \"closed\""),
        "{}",
        trees[2]
    );
}

#[test]
fn s4_21_patterns_are_anchored_at_the_start_and_expressions_are_truthy() {
    let trigger = |conditions: Value| -> Config {
        let file = json!({"triggers": [{"name": "t", "source": "github", "workflow": "w", "conditions": conditions}]});
        read("t.json", &file.to_string()).0.unwrap().object
    };
    let event = normalize("github", "push", json!({"ref": "refs/heads/main", "n": 2}), now()).unwrap();
    let passes = |conditions: Value| route(&trigger(conditions), &event)[0].verdict.passed;
    assert!(passes(json!({"ref_pattern": "refs/heads"})) && !passes(json!({"ref_pattern": "heads"})));
    assert!(passes(json!({"branch": "main"})) && !passes(json!({"nothing_pattern": ".*"})));
    assert!(passes(json!({"expression": "{{ event.n > 1 }}"})) && passes(json!({"expression": "YES"})));
    assert!(!passes(json!({"expression": "{{ event.n > 2 }}"})));
    assert!(!passes(json!({"expression": "{{ event.a.b.c }}"})), "what cannot be evaluated does not match");
}

#[test]
fn s4_25_deliveries_that_are_none_are_refused() {
    assert!(normalize("github", "", json!({}), now()).unwrap_err().contains("X-GitHub-Event"));
    assert_eq!(normalize("nothing", "", json!({}), now()).unwrap_err(), "Unknown source");
    assert!(normalize("cloudwatch", "", json!({"Message": "hello"}), now()).is_err());
    assert!(normalize("pagerduty", "", json!({}), now()).is_err());
    assert!(normalize("grafana", "", json!([1]), now()).is_err());
}

#[test]
fn s4_27_the_same_delivery_is_a_duplicate_within_the_window() {
    let event = |status: &str| {
        let payload = json!({"groupKey": "k", "status": status, "alerts": [{"fingerprint": "b"}, {"fingerprint": "a"}]});
        normalize("grafana", "", payload, now()).unwrap()
    };
    assert_eq!(dedup::key(&event("firing"), ""), dedup::key(&event("firing"), ""));
    assert_ne!(dedup::key(&event("firing"), ""), dedup::key(&event("resolved"), ""));
    assert_eq!(dedup::key(&event("firing"), "1"), dedup::key(&event("resolved"), "1"));
    let settings = Deduplication::default();
    let later = |seconds: i64| now().checked_add(jiff::SignedDuration::from_secs(seconds)).unwrap();
    assert!(dedup::is_duplicate(&settings, Some(now()), later(299)));
    assert!(
        !dedup::is_duplicate(&settings, Some(now()), later(300))
            && !dedup::is_duplicate(&settings, None, now())
    );
}

#[test]
fn mistakes_are_found_with_their_place() {
    let text = "triggers:\n- {name: a, source: gitub, workflow: w}\n- {name: a, source: scheduler, workflow: w, schedule: '* * *'}\n- {name: c, source: github, workflow: w, variables: {x: '{{ event.'}, conditions: {a_pattern: '('}}\n";
    let (document, _) = read("t.yaml", text);
    let said: String = check(&document.unwrap()).iter().map(|problem| problem.render()).collect();
    for part in [
        "t.yaml:2:21: error[unknown-source]",
        "did you mean `github`?",
        "error[duplicate-trigger]",
        "error[schedule]",
        "error[template]",
        "error[condition]",
        "warning[source-disabled]",
    ] {
        assert!(said.contains(part), "`{part}` is not in\n{said}");
    }
}

#[test]
fn f57_templates_end() {
    let event = json!({"s": "x"});
    for endless in [
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    ] {
        assert!(super::templates::fill(endless, &event).is_err(), "{endless}");
    }
}

proptest! {
    /// No template and no payload panics.
    #[test]
    fn no_template_panics(words in proptest::collection::vec(proptest::sample::select(WORDS), 1..12)) {
        let event = json!({"s": "héllo", "n": 5, "m": {"k": [1, 2]}});
        let _ = super::templates::fill(&words.concat(), &event);
    }
}

const WORDS: &[&str] = &[
    "{{ ",
    " }}",
    "{% ",
    " %}",
    "event",
    ".s",
    ".n",
    ".m",
    ".get('k', 'd')",
    "[:2]",
    "[1:]",
    "[-9:99]",
    "| upper",
    "| default('x')",
    "| length",
    "if ",
    "endif",
    "for x in ",
    "endfor",
    "x",
    " + ",
    " * ",
    "1",
    "'a'",
    ".split('l')",
    ".replace('l', '')",
    "| int",
];
