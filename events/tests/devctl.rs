//! The four triggers of the devctl description (S4), as printed there, from a delivery to the workflow that is durable,
//! and the exact replies of its webhooks. No step is run here.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner_controller::{Controller, Options, Runners, SystemClock, SystemIds};
use runner_events::daemon::{Daemon, Parts, Settings};
use runner_events::devctl::Rules;
use runner_events::ingress::sns::Fetch;
use runner_runners::{Objects, SecretData};
use runner_sensors::devctl::{check, read};
use runner_store::{BoxFuture, Catalog, MemoryStore, Store, WorkflowQuery};
use runner_workflows::spec::Workflow;
use serde_json::{Value, json};

struct NoObjects;

impl Objects for NoObjects {
    fn config_map(
        &self,
        _: &str,
        _: &str,
    ) -> Result<Option<BTreeMap<String, String>>, runner_runners::Error> {
        Ok(None)
    }

    fn secret(&self, _: &str, _: &str) -> Result<Option<SecretData>, runner_runners::Error> {
        Ok(None)
    }
}

/// The test certificate of the corpus for the address of the corpus, and nothing else.
#[derive(Debug)]
struct Certificate(PathBuf);

impl Fetch for Certificate {
    fn get<'a>(&'a self, url: &'a str, _max: usize) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        Box::pin(async move {
            assert!(url.starts_with("https://sns.us-east-1.amazonaws.com/"), "{url}");
            std::fs::read(self.0.join("sns-test-certificate.pem")).map_err(|error| error.to_string())
        })
    }
}

const FILE: &str = r#"
events:
  enabled: true
  deduplication: {enabled: true, window_seconds: 300}
  sources:
    cloudwatch: {enabled: true, sns_topic_arn: "arn:aws:sns:us-east-1:123456789012:devctl-events"}
    grafana: {enabled: true}
    github: {enabled: true, webhook_secret: "from_env"}
    pagerduty: {enabled: true}
    scheduler: {enabled: true}
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
      schedule: "@every 1s"
      workflow: daily-ops-report.yaml
      variables:
        report_type: "cost"
"#;

fn rules() -> Rules {
    let (document, problems) = read("devctl.yaml", FILE);
    let document = document.unwrap_or_else(|| panic!("{problems:?}"));
    let wrong: Vec<_> = check(&document).into_iter().filter(|problem| problem.is_error()).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let workflow = |name: &str| -> Workflow {
        let value = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow",
            "metadata": {"generateName": format!("{name}-")},
            "spec": {"entrypoint": "main",
                "templates": [{"name": "main", "container": {"image": "busybox", "command": ["true"]}}]}});
        serde_json::from_value(value).unwrap()
    };
    let names = ["incident-response", "deploy-with-jira", "daily-ops-report"];
    let workflows = names.map(|name| (format!("{name}.yaml"), workflow(name)));
    Rules { config: document.object, namespace: "default".to_owned(), workflows: workflows.into() }
}

async fn post(address: SocketAddr, path: &str, headers: &Value, body: Vec<u8>) -> (u16, Value) {
    let mut request = reqwest::Client::new().post(format!("http://{address}{path}")).body(body);
    for (name, value) in headers.as_object().into_iter().flatten() {
        request = request.header(name, value.as_str().unwrap());
    }
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_str(&answer.text().await.unwrap()).unwrap_or_default())
}

/// Parameters of the first workflow whose name begins so.
async fn parameters(store: &MemoryStore, controller: &Controller, prefix: &str) -> Value {
    let began = Instant::now();
    loop {
        let rows = Catalog::list_workflows(store, WorkflowQuery::default()).await.unwrap().items;
        if let Some(row) = rows.iter().find(|row| row.name.starts_with(prefix)) {
            let plan = controller.load_uid(&row.uid).await.unwrap().plan;
            let list = serde_json::to_value(&plan.workflow.spec.arguments.parameters).unwrap();
            let pairs = list.as_array().unwrap().iter();
            return pairs.map(|p| (p["name"].as_str().unwrap().to_owned(), p["value"].clone())).collect();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "no workflow {prefix}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s4_the_four_triggers_start_their_workflows_and_the_replies_are_exact() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance");
    let root = std::env::var("CONFORMANCE_DIR").map_or(here, PathBuf::from).join("events/payloads");
    if !root.is_dir() {
        eprintln!("skipped: no corpus at {}", root.display());
        return;
    }
    let index: Value = serde_json::from_slice(&std::fs::read(root.join("index.json")).unwrap()).unwrap();
    let case = |id: &str| {
        let case = index["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).unwrap().clone();
        let body = std::fs::read(root.join(case["bodyFile"].as_str().unwrap())).unwrap();
        (case["headers"].clone(), body)
    };
    let rules = rules();
    let secret = |name: &str| {
        (name == "DEVCTL_GITHUB_WEBHOOK_SECRET").then(|| "test-secret-not-for-production".to_owned())
    };
    assert!(rules.hooks(&|_| None).is_err(), "V21: a secret that is named must be there");
    let hooks = rules.hooks(&secret).unwrap();
    let store = Arc::new(MemoryStore::new());
    let controller = Controller::start(
        Arc::clone(&store) as Arc<dyn Store>,
        Runners::new(),
        Arc::new(SystemClock),
        Arc::new(SystemIds),
        Options::new(std::env::temp_dir()),
    );
    let parts = Parts {
        controller: controller.clone(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(SystemIds),
        objects: Arc::new(NoObjects),
        fetch: Arc::new(Certificate(root.clone())),
        is_dead: Arc::new(|_| false),
    };
    let settings = Settings {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        hooks,
        rules: Some(Arc::new(rules)),
        detached: true,
        ..Settings::default()
    };
    let (daemon, problems) = Daemon::start(parts, settings).await.unwrap();
    assert!(problems.is_empty(), "{problems:?}");
    let address = daemon.address();
    let _task = tokio::spawn(daemon.run(std::future::pending()));

    let accepted = (200, json!({"status": "accepted"}));
    let (headers, body) = case("sns/alarm-v2");
    assert_eq!(post(address, "/webhooks/cloudwatch", &headers, body).await, accepted);
    let (headers, body) = case("grafana/firing");
    assert_eq!(post(address, "/webhooks/grafana", &headers, body).await, accepted);
    let (headers, body) = case("github/pull-request-merged");
    for _ in 0..3 {
        assert_eq!(post(address, "/webhooks/github", &headers, body.clone()).await, accepted);
    }
    let unknown = post(address, "/webhooks/jenkins", &json!({}), b"{}".to_vec()).await;
    assert_eq!(unknown, (404, json!({"error": "Unknown source"})));
    let (status, reply) = post(address, "/webhooks/github", &json!({}), body.clone()).await;
    assert_eq!((status, reply["error"].is_string()), (400, true), "{reply}");
    let (headers, body) = case("sns/other-topic");
    assert_eq!(post(address, "/webhooks/cloudwatch", &headers, body).await.0, 400);
    let health = reqwest::get(format!("http://{address}/health")).await.unwrap();
    assert_eq!((health.status().as_u16(), health.text().await.unwrap()), (200, "OK".to_owned()));

    let of = async |prefix: &str| parameters(&store, &controller, prefix).await;
    let deploy = of("deploy-with-jira-").await;
    assert_eq!(deploy["version"], "ec26c3e5");
    assert!(deploy["repo"].is_string(), "{deploy}");
    assert_eq!(of("daily-ops-report-").await, json!({"report_type": "cost"}));
    let began = Instant::now();
    loop {
        let rows = Catalog::list_workflows(store.as_ref(), WorkflowQuery::default()).await.unwrap().items;
        let count = |prefix: &str| rows.iter().filter(|row| row.name.starts_with(prefix)).count();
        if count("incident-response-") == 2 {
            assert_eq!(count("deploy-with-jira-"), 1, "three deliveries of one event");
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{rows:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mut titles = Vec::new();
    for row in Catalog::list_workflows(store.as_ref(), WorkflowQuery::default()).await.unwrap().items {
        if row.name.starts_with("incident-response-") {
            let plan = controller.load_uid(&row.uid).await.unwrap().plan;
            let list = serde_json::to_value(&plan.workflow.spec.arguments.parameters).unwrap();
            let text = |name: &str| {
                let found = list.as_array().unwrap().iter().find(|p| p["name"] == name);
                found.and_then(|p| p["value"].as_str()).unwrap_or_default().to_owned()
            };
            titles.push((text("title"), text("severity"), text("service")));
        }
    }
    titles.sort();
    let wanted = [("HighErrorRate", "critical", ""), ("web-cpu-high", "p2", "web-asg")];
    assert_eq!(titles, wanted.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
}
