//! Bodies that are no JSON, or JSON at its edges: one answer each, and the daemon goes on (F47).
//! How large bodies may be is tested in `limits.rs`.

use std::time::{Duration, Instant};

use runner_events::bus::Query;
use runner_sensors::machine::Gate;

use crate::lab::{PATH, lab, post};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f47_odd_json_is_refused_at_once_and_leaves_no_event() {
    let lab = lab().await;
    let running = lab.start(Gate::Closed).await;
    let deep = "[".repeat(200_000);
    let closed = format!("{}{}", "[".repeat(500), "]".repeat(500));
    let keys = format!("{}1{}", "{\"a\":".repeat(500), "}".repeat(500));
    let refused = [
        &deep,
        &closed,
        &keys,
        r#"{"n": 1e999}"#,
        r#"{"s": "\ud800"}"#,
        "{\"s\": \"\0\"}",
        "{} {}",
        "{'a': 1}",
        "",
    ];
    for body in refused {
        let begun = Instant::now();
        let (status, reply) = post(running.address, PATH, &[], body).await;
        let shown: String = body.chars().take(20).collect();
        assert_eq!(status, 400, "{shown:?}: {reply}");
        assert!(reply["error"].as_str().unwrap().contains("JSON"), "{shown:?}: {reply}");
        assert!(begun.elapsed() < Duration::from_secs(5), "{shown:?} took {:?}", begun.elapsed());
    }
    assert!(lab.bus().list(&Query::default()).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f47_odd_json_that_is_json_is_kept_as_it_came() {
    let lab = lab().await;
    let running = lab.start(Gate::Closed).await;
    let deep = format!("{{\"kind\": \"none\", \"deep\": {}{}}}", "[".repeat(100), "]".repeat(100));
    let bodies =
        [deep.as_str(), r#"{"kind": "none", "s": "\u0000\ud83d\ude00"}"#, r#"{"kind": "a", "kind": "none"}"#];
    for body in bodies {
        assert_eq!(post(running.address, PATH, &[], body).await.0, 200, "{body}");
    }
    let kept = lab.bus().list(&Query::default()).await.unwrap();
    assert_eq!(kept.len(), bodies.len());
    for body in bodies {
        let wanted: serde_json::Value = serde_json::from_str(body).unwrap();
        let found = kept.iter().any(|event| event.event.data["body"] == wanted);
        assert!(found, "{body}");
    }
}
