//! Events from outside: real requests on loopback, to the workflows that they make durable.
//! Runs no step; runs to the end are in `cli/tests/events.rs`.

use std::time::{Duration, Instant};

use runner_events::bus::{Query, State};
use runner_sensors::machine::Gate;
use serde_json::json;

use crate::lab::{Lab, PATH, lab, post};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_becomes_a_workflow_with_its_values_and_the_reason_is_kept() {
    let lab = lab().await;
    let running = lab.start(Gate::Open).await;
    let (status, reply) = post(running.address, PATH, &[], r#"{"kind": "a", "app": "shop"}"#).await;
    assert_eq!((status, &reply["status"]), (200, &json!("accepted")));
    let all = lab.settled(1, 1).await;
    let workflows = lab.workflows().await;
    assert_eq!(workflows.len(), 1);
    assert!(workflows[0].name.starts_with("one-"), "{}", workflows[0].name);
    assert_eq!(workflows[0].namespace, "cicd");
    assert_eq!(workflows[0].labels["events.argoproj.io/sensor"], "s");
    let loaded = running.controller.load_uid(&workflows[0].uid).await.unwrap();
    let parameters = serde_json::to_value(&loaded.plan.workflow.spec.arguments.parameters).unwrap();
    assert_eq!(parameters, json!([{"name": "app", "value": "shop"}]));
    let verdict = all[0].verdicts().next().unwrap().clone();
    let said: Vec<_> = verdict.triggers.iter().map(|t| (t.trigger.as_str(), t.fires)).collect();
    assert_eq!(said, [("both", false), ("one", true)]);
    assert!(verdict.triggers[0].why.contains("kept"), "{}", verdict.triggers[0].why);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f44_a_half_met_condition_survives_a_kill() {
    let lab = lab().await;
    let running = lab.start(Gate::Open).await;
    post(running.address, PATH, &[], r#"{"kind": "a", "app": "first"}"#).await;
    lab.settled(1, 1).await;
    running.kill().await;
    let running = lab.start(Gate::Open).await;
    // the lease of the dead process has to run out
    post(running.address, PATH, &[], r#"{"kind": "b", "app": "second"}"#).await;
    let all = lab.settled(2, 2).await;
    assert!(all.iter().all(|one| one.state() == State::Matched), "{all:?}");
    let names: Vec<String> = lab.workflows().await.into_iter().map(|row| row.name).collect();
    assert!(names.iter().any(|name| name.starts_with("both-")), "{names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn f40_one_delivery_sent_ten_times_at_once_is_one_event_and_one_workflow() {
    let lab = lab().await;
    let running = lab.start(Gate::Open).await;
    let address = running.address;
    let body = r#"{"kind": "a", "app": "shop"}"#;
    let all = (0..10)
        .map(|_| tokio::spawn(async move { post(address, PATH, &[("Idempotency-Key", "d1")], body).await }));
    let mut ids = Vec::new();
    for one in all.collect::<Vec<_>>() {
        let (status, reply) = one.await.unwrap();
        assert_eq!(status, 200);
        ids.push(reply["id"].clone());
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
    lab.settled(1, 1).await;
    assert_eq!(lab.workflows().await.len(), 1);
    let other = r#"{"kind": "a", "app": "another"}"#;
    let (status, reply) = post(address, PATH, &[("Idempotency-Key", "d1")], other).await;
    assert_eq!(status, 409, "{reply}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f40_v23_the_id_of_a_delivery_makes_it_one_event_whatever_its_body_says() {
    let lab = Lab::new(&[("hub", "secret", "s3cret")]);
    let github = json!({"github": {"e": {"webhook": {"endpoint": "/gh"}, "webhookSecret": {"name": "hub", "key": "secret"}}}});
    lab.apply("EventSource", "hub", github, json!({})).await;
    let running = lab.start(Gate::Open).await;
    let send = async |body: &str, delivery: &str| {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"s3cret");
        let tag = ring::hmac::sign(&key, body.as_bytes());
        let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        let signature = format!("sha256={tag}");
        let headers = [
            ("X-GitHub-Event", "push"),
            ("X-GitHub-Delivery", delivery),
            ("X-Hub-Signature-256", &signature),
        ];
        post(running.address, "/events/argo-events/hub/e", &headers, body).await
    };
    let (status, first) = send(r#"{"ref": "a"}"#, "d1").await;
    assert_eq!((status, &first["status"]), (200, &json!("accepted")), "{first}");
    let (status, again) = send(r#"{"ref": "a"}"#, "d1").await;
    assert_eq!((status, &again["status"], &again["id"]), (200, &json!("duplicate"), &first["id"]), "{again}");
    let (status, forged) = send(r#"{"ref": "b"}"#, "d1").await;
    assert_eq!(status, 409, "{forged}");
    // A workflow that is dispatched twice with the same inputs is two events with one body.
    let (status, other) = send(r#"{"ref": "a"}"#, "d2").await;
    assert_eq!((status, &other["status"]), (200, &json!("accepted")), "{other}");
    assert_ne!(other["id"], first["id"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn json_that_curl_calls_a_form_is_json_and_a_form_is_a_form() {
    let lab = lab().await;
    let running = lab.start(Gate::Open).await;
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    for body in [r#"{"kind": "a", "app": "shop"}"#, "kind=a&app=shop", "{kind=a"] {
        let (status, reply) = post(running.address, PATH, &form, body).await;
        assert_eq!(status, 200, "{reply}");
    }
    let all = lab.settled(3, 1).await;
    let bodies: Vec<_> = all.iter().rev().map(|one| one.event.data["body"].clone()).collect();
    let wanted = [
        json!({"kind": "a", "app": "shop"}),
        json!({"kind": ["a"], "app": ["shop"]}),
        json!({"{kind": ["a"]}),
    ];
    assert_eq!(bodies, wanted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_2_a_closed_gate_records_and_explains_and_makes_nothing() {
    let lab = lab().await;
    let running = lab.start(Gate::Closed).await;
    post(running.address, PATH, &[], r#"{"kind": "a", "app": "shop"}"#).await;
    let all = lab.settled(1, 0).await;
    assert_eq!(all[0].state(), State::Gated);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(lab.workflows().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_does_nothing_twice_and_a_new_id_does() {
    let lab = lab().await;
    let running = lab.start(Gate::Open).await;
    let (_, reply) = post(running.address, PATH, &[], r#"{"kind": "a", "app": "shop"}"#).await;
    let id = reply["id"].as_str().unwrap().to_owned();
    lab.settled(1, 1).await;
    // its outcome is noted after it was settled
    let noted = async |count: usize| {
        let began = Instant::now();
        loop {
            let history = lab.bus().history(&id).await.unwrap();
            if history.outcomes().count() >= count && history.state() == State::Matched {
                return history;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{history:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    noted(1).await;
    lab.bus().replay(&id, "tester").await.unwrap();
    let history = noted(2).await;
    assert!(history.outcomes().last().unwrap().message.contains("not done again"), "{history:?}");
    assert_eq!(lab.workflows().await.len(), 1);
    let event = history.event;
    let copy = runner_events::bus::NewEvent {
        namespace: event.namespace,
        source: event.source,
        name: event.name,
        kind: event.kind,
        data: event.data,
        copy_of: Some(id.clone()),
        ..Default::default()
    };
    lab.bus().publish(copy).await.unwrap();
    lab.settled(2, 2).await;
    assert_eq!(lab.workflows().await.len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn v21_v24_who_is_not_believed_or_too_large_leaves_no_event() {
    let lab = Lab::new(&[("gh", "key", "test-secret"), ("empty", "key", "\n")]);
    let github = |secret: &str| {
        json!({"github": {"e": {"webhook": {"endpoint": "/e", "method": "POST", "maxPayloadSize": 1000},
            "events": ["push"], "webhookSecret": {"name": secret, "key": "key"}}}})
    };
    lab.apply("EventSource", "hook", github("gh"), json!({})).await;
    lab.apply("EventSource", "closed", github("empty"), json!({})).await;
    lab.apply("EventSource", "missing", github("nothing"), json!({})).await;
    let running = lab.start(Gate::Open).await;
    assert_eq!(running.problems.len(), 2, "{:?}", running.problems);
    assert!(running.problems.iter().any(|one| one.contains("is empty at `key`")), "{:?}", running.problems);
    let address = running.address;
    let status =
        async |path: &str, headers: &[(&str, &str)], body: &str| post(address, path, headers, body).await.0;
    assert_eq!(status("/events/argo-events/closed/e", &[], "{}").await, 404);
    assert_eq!(status(PATH, &[], "{}").await, 401);
    assert_eq!(status(PATH, &[("X-Hub-Signature-256", "sha256=00")], "{}").await, 401);
    assert_eq!(status(PATH, &[("X-Hub-Signature-256", "sha256=xyz")], "{}").await, 400);
    assert_eq!(status(PATH, &[], &"x".repeat(1001)).await, 413);
    assert_eq!(status(PATH, &[("Content-Encoding", "gzip")], "{}").await, 415);
    assert_eq!(status("/nowhere", &[], "{}").await, 404);
    assert!(lab.bus().list(&Query::default()).await.unwrap().is_empty());
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, b"test-secret");
    let sign = |body: &str| {
        let tag = ring::hmac::sign(&key, body.as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("sha256={hex}")
    };
    let good = r#"{"ref": "refs/heads/main"}"#;
    assert_eq!(status(PATH, &[("X-Hub-Signature-256", &sign(good))], good).await, 200);
    let deep = "[".repeat(200_000 / 201);
    assert_eq!(status(PATH, &[("X-Hub-Signature-256", &sign(&deep))], &deep).await, 400);
    assert_eq!(lab.bus().list(&Query::default()).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f41_f44_kills_lose_nothing_acknowledged_and_make_one_workflow_per_event() {
    let lab = lab().await;
    let mut acknowledged = 0;
    for round in 0..5_u64 {
        let running = lab.start(Gate::Open).await;
        let until = Instant::now() + Duration::from_millis(120 + 70 * round);
        while Instant::now() < until {
            let body = json!({"kind": "a", "app": format!("app-{acknowledged}")}).to_string();
            let key = format!("key-{acknowledged}");
            let (status, _) = post(running.address, PATH, &[("Idempotency-Key", &key)], &body).await;
            acknowledged += usize::from(status == 200);
        }
        running.kill().await;
    }
    assert!(acknowledged > 10, "{acknowledged}");
    let _running = lab.start(Gate::Open).await;
    let all = lab.settled(acknowledged, acknowledged).await;
    assert!(all.iter().all(|one| one.state() == State::Matched), "{all:?}");
    assert_eq!(lab.workflows().await.len(), acknowledged);
    println!("{acknowledged} events over 5 kills: none lost, one workflow each");
}
