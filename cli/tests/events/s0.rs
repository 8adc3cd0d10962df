//! The three event sources, three sensors and four workflows of S0, and what holds for all of them.
//! Sends the requests itself; real senders are in `senders`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Place, signal};
use crate::lab::{APP, Daemon, FUSE, ended, name, parameters, ports, post, s0, workflows};

#[test]
fn s0_requests_on_the_sources_own_ports_become_finished_workflows() {
    let place = Place::new();
    place.write("config.toml", FUSE);
    let ports = ports();
    place.write("s0.yaml", &s0(ports));
    place.run(&["events", "validate", "s0.yaml"]).code(0).out_has("6 checked");
    place.run(&["apply", "-f", "s0.yaml"]).code(0);
    let _daemon = Daemon::start(&place);

    let provision = json!({"eventType": "provision-app", "appName": "shop", "repoUrl": "https://github.com/acme/shop",
        "owner": "team-shop", "businessUnit": "retail", "environment": "dev", "containerPort": 8080, "replicas": 2,
        "dockerRegistry": "registry.example.com", "dockerImageName": "shop", "dockerImageTag": "1.2.3"});
    let (status, reply) = post(ports[0], "/backstage/provision", &[], &provision.to_string()).unwrap();
    assert_eq!(status, 200, "{reply}");
    let id = serde_json::from_str::<Value>(&reply).unwrap()["id"].as_str().unwrap().to_owned();
    let alert = |slo: &str, name: &str| {
        json!({"version": "4", "groupKey": slo, "status": "firing", "receiver": "argo", "commonLabels": {"slo": slo},
            "alerts": [{"status": "firing", "fingerprint": name, "startsAt": "2026-01-01T00:00:00Z",
                "labels": {"slo": slo, "name": name, "namespace": "ns1", "dest_namespace": "shop-prod"}}]})
        .to_string()
    };
    for (slo, name) in
        [("argocd-application-health", "shop"), ("externalsecrets-sync-success", "db-password")]
    {
        // Alertmanager sends a group again every repeat_interval: that is the same event
        for _ in 0..3 {
            assert_eq!(post(ports[1], "/webhook", &[], &alert(slo, name)).unwrap().0, 200);
        }
    }
    for kind in ["argocd.app.sync.failed", "argocd.app.health.degraded", "argocd.app.deployed"] {
        let body = json!({"eventType": kind, "app": "shop", "namespace": "argocd"}).to_string();
        assert_eq!(post(ports[2], "/argocd/notifications", &[], &body).unwrap().0, 200);
    }

    let all = ended(&place, "cicd", 5);
    assert_eq!(all.len(), 5, "{all:?}");
    let of = |prefix: &str| {
        let found: Vec<String> = all.iter().map(name).filter(|name| name.starts_with(prefix)).collect();
        assert_eq!(found.len(), 1, "{prefix}: {found:?}");
        parameters(&place, &found[0])
    };
    let wanted: Vec<(String, Value)> = APP
        .iter()
        .map(|name| {
            let value = &provision[*name];
            (name.to_string(), json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        })
        .collect();
    assert_eq!(of("provision-app-"), wanted);
    let pair = |a: &str, b: &str| vec![("app-name".to_owned(), json!(a)), ("namespace".to_owned(), json!(b))];
    assert_eq!(of("remediate-argocd-"), pair("shop", "shop-prod"));
    assert_eq!(of("remediate-secret-")[0], ("externalsecret-name".to_owned(), json!("db-password")));
    assert_eq!(of("sync-failed-"), pair("shop", "argocd"));
    assert_eq!(of("degraded-"), pair("shop", "argocd"));

    let shown = place.run(&["events", "show", &id, "--why"]).code(0);
    shown
        .out_has("matched")
        .out_has("its conditions hold")
        .out_has("body.eventType")
        .out_has("provision-app-");
    let latest = place.run(&["events", "show", "@latest"]).code(0);
    latest.out_has("no-match").out_has("argocd.app.deployed");
    place.run(&["triggers", "list"]).code(0).out_has("remediate-secret").out_has("alertmanager/slo-alerts");
    let triggers = place.run(&["triggers", "list", "-o", "json"]).code(0).json();
    let secret =
        triggers.as_array().unwrap().iter().find(|one| one["trigger"] == "remediate-secret").unwrap();
    let counts = &secret["counts"];
    assert_eq!(
        (&counts["matched"], &counts["dropped"], &counts["fired"]),
        (&json!(1), &json!(1), &json!(1)),
        "{counts}"
    );

    // an event by hand goes where its source is, not where the shell happens to be
    place.write("other.json", r#"{"eventType": "other"}"#);
    place.run(&["events", "send", "--source", "backstage/provision", "--payload", "other.json"]).code(0);
    let sent = place.run(&["events", "history", "--limit", "1", "-o", "json"]).code(0).json();
    assert_eq!(sent[0]["namespace"], "argo-events", "{sent}");
    let nowhere = place.run(&["events", "send", "--source", "nobody/e", "--payload", "other.json"]).code(0);
    nowhere.err_has("no EventSource `nobody`");
}

#[test]
fn s0_2_without_the_fuse_events_are_recorded_and_nothing_runs() {
    let place = Place::new();
    place.write("s0.yaml", &s0(ports()));
    place.run(&["apply", "-f", "s0.yaml"]).code(0);
    let daemon = Daemon::start(&place);
    let body =
        json!({"eventType": "argocd.app.sync.failed", "app": "shop", "namespace": "argocd"}).to_string();
    let path = "/events/argo-events/argocd-notifications/notifications";
    assert_eq!(post(daemon.port, path, &[], &body).unwrap().0, 200);
    let began = Instant::now();
    while !place.run(&["events", "history"]).code(0).out.contains("gated") {
        assert!(began.elapsed() < Duration::from_secs(30), "never settled");
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(workflows(&place, "cicd").is_empty());
    place.run(&["events", "history"]).code(0).err_has("cicd is false");
    place.run(&["events", "show", "@latest"]).code(0).out_has("nothing is executed");
}

#[test]
fn s0_22_a_template_that_does_not_exist_is_found_by_validate() {
    let place = Place::new();
    let without =
        s0(ports()).replace("name: remediate-externalsecret-failure, namespace", "name: other, namespace");
    place.write("s0.yaml", &without);
    place.run(&["events", "validate", "s0.yaml"]).code(3).err_has("remediate-externalsecret-failure");
}

#[test]
fn events_test_explains_and_its_exit_code_is_for_ci() {
    let place = Place::new();
    place.write("s0.yaml", &s0(ports()));
    place.write(
        "yes.json",
        r#"{"eventType": "argocd.app.sync.failed", "app": "shop", "namespace": "argocd"}"#,
    );
    place.write("no.json", r#"{"eventType": "argocd.app.deployed"}"#);
    let test = ["events", "test", "--source", "argocd-notifications", "-f", "s0.yaml", "--payload"];
    let yes = place.run(&[&test[..], &["yes.json"]].concat()).code(0);
    yes.out_has("✓ argo-events/argocd-notifications on-failed")
        .out_has("✗ argo-events/argocd-notifications on-degraded")
        .out_has("(is \"argocd.app.sync.failed\")")
        .out_has("generateName: sync-failed-")
        .out_has("value: shop");
    place.run(&[&test[..], &["no.json"]].concat()).code(1).out_has("argocd.app.deployed");
    place.run(&[&test[..], &["no.json", "--assert", "not-matched"]].concat()).code(0);
    assert!(!place.has_store() || workflows(&place, "cicd").is_empty());
}

#[test]
fn f40_f41_kills_lose_no_acknowledged_event_and_make_no_workflow_twice() {
    let place = Place::new();
    place.write("config.toml", FUSE);
    place.write("s0.yaml", &s0(ports()));
    place.run(&["apply", "-f", "s0.yaml"]).code(0);
    let (mut acknowledged, mut next) = (Vec::new(), 0);
    for round in 0..4 {
        let daemon = Daemon::start(&place);
        let until = Instant::now() + Duration::from_millis(700 + 400 * round);
        while Instant::now() < until {
            let body = json!({"eventType": "argocd.app.sync.failed", "app": format!("app-{next}"), "namespace": "n"});
            let key = format!("delivery-{next}");
            let path = "/events/argo-events/argocd-notifications/notifications";
            // a sender that tries again until it is acknowledged
            if let Some((200, _)) = post(daemon.port, path, &[("Idempotency-Key", &key)], &body.to_string()) {
                acknowledged.push(next);
                next += 1;
            }
        }
        signal(&daemon.child, "KILL");
    }
    assert!(acknowledged.len() > 20, "only {} were acknowledged", acknowledged.len());
    let _daemon = Daemon::start(&place);
    let all = ended(&place, "cicd", acknowledged.len());
    assert_eq!(all.len(), acknowledged.len(), "one workflow per event");
    let events = place.run(&["events", "history", "--limit", "0", "-o", "json"]).code(0).json();
    assert_eq!(events.as_array().unwrap().len(), acknowledged.len());
    println!("{} events acknowledged over 4 kills, {} workflows", acknowledged.len(), all.len());
}
