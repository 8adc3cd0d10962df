//! What a run has of earlier ones, and what it leaves to be counted: estimates and metrics.
//! The store is the memory driver, the runner is a fake.

use runner_controller::Resubmit;
use runner_machine::WorkflowPhase;
use serde_json::json;

use crate::lab::{Lab, assert_verified, chain, finished, request, spec, status, step, steps, submit};

#[tokio::test(start_paused = true)]
async fn estimates_come_from_the_newest_success_of_the_same_origin() {
    let lab = Lab::new();
    let engine = lab.engine();
    let of_template = |name: &str, body: serde_json::Value| {
        let mut new = request(name, body);
        new.resolved.metadata.labels.insert("workflows.argoproj.io/workflow-template".into(), "t".into());
        new
    };
    let slow = spec(&[steps("main", &[&["a"], &["b"]]), step("a", &["run", "5"]), step("b", &["run", "2"])]);
    let failing = spec(&[step("main", &["fail", "90"])]);
    for (name, body) in [("first", chain()), ("second", slow.clone()), ("third", failing)] {
        let run = engine.submit(of_template(name, body)).await.unwrap();
        finished(&engine, &run.uid).await;
        let other = submit(&engine, &format!("{name}-of-nothing"), chain()).await;
        assert_eq!(finished(&engine, &other.uid).await, WorkflowPhase::Succeeded);
    }
    let run = engine.submit(of_template("next", slow)).await.unwrap();
    finished(&engine, &run.uid).await;
    let snapshot = status(&engine, "next").await;
    let argo = snapshot.to_argo();
    assert_eq!(argo["estimatedDuration"], 7, "as `second`");
    let of = |name: &str| {
        let nodes = argo["nodes"].as_object().unwrap();
        let node = nodes.values().find(|node| node["displayName"] == name).unwrap();
        node["estimatedDuration"].clone()
    };
    assert_eq!((of("next"), of("a"), of("b")), (json!(7), json!(5), json!(2)));
    let unlabelled = status(&engine, "third-of-nothing").await.to_argo();
    assert!(unlabelled.get("estimatedDuration").is_none());
}

#[tokio::test(start_paused = true)]
async fn metrics_are_counted_once_whoever_asks_and_gauges_of_time_follow_the_clock() {
    let lab = Lab::new();
    let engine = lab.engine();
    let mut body =
        spec(&[steps("main", &[&["a", "b"]]), step("a", &["run", "3"]), step("b", &["run", "60"])]);
    let prometheus = |metric: serde_json::Value| json!({"prometheus": [metric]});
    body["templates"][1]["metrics"] =
        prometheus(json!({"name": "steps", "help": "h", "counter": {"value": "1"}}));
    body["templates"][2]["metrics"] =
        prometheus(json!({"name": "age", "help": "h", "gauge": {"realtime": true, "value": "{{duration}}"}}));
    let first = submit(&engine, "one", body.clone()).await;
    lab.pass(std::time::Duration::from_secs(10)).await;
    let text = engine.metrics_text();
    assert!(text.contains("argo_workflows_age 10\n"), "{text}");
    assert!(text.contains("argo_workflows_steps 1\n"), "{text}");
    let second = submit(&engine, "two", body).await;
    for run in [first, second] {
        assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    }
    let text = engine.metrics_text();
    assert!(text.contains("argo_workflows_steps 2\n") && !text.contains("age"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn a_memoized_resubmit_runs_nothing_again_that_succeeded() {
    let lab = Lab::new();
    let engine = lab.engine();
    let body = spec(&[steps("main", &[&["a"], &["b"]]), step("a", &["run", "1"]), step("b", &["fail", "1"])]);
    let run = submit(&engine, "w", body).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Failed);
    let memoized = Resubmit { memoized: true, ..Resubmit::default() };
    let again = engine.submit(engine.resubmit("ns", "w", &memoized).await.unwrap()).await.unwrap();
    assert_eq!(finished(&engine, &again.uid).await, WorkflowPhase::Failed);
    let expected = ["w[0].a".to_owned(), "w[1].b".to_owned(), format!("{}[1].b", again.name)];
    assert_eq!(lab.world.started(), expected);
    assert_verified(&engine).await;
}

#[tokio::test(start_paused = true)]
async fn claims_are_given_back_at_the_end_that_means_it_and_at_the_latest_when_the_run_is_deleted() {
    let lab = Lab::new();
    let engine = lab.engine();
    for (name, word, kept) in [("good", "run", false), ("bad", "fail", true)] {
        let mut body = spec(&[step("main", &[word, "1"])]);
        body["volumeClaimTemplates"] = json!([{"metadata": {"name": "work"}}]);
        let run = submit(&engine, name, body).await;
        finished(&engine, &run.uid).await;
        while engine.runs_here(&run.uid).unwrap() {
            lab.pass(std::time::Duration::from_millis(50)).await;
        }
        let released = || {
            let mine = lab.world.released().into_iter().filter(|one| one.workflow_uid == run.uid);
            mine.flat_map(|one| one.claims).collect::<Vec<_>>()
        };
        let claim = format!("{name}-work");
        assert_eq!(released(), if kept { vec![] } else { vec![claim.clone()] }, "{name}");
        engine.delete("ns", name).await.unwrap();
        assert_eq!(released().last(), Some(&claim), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn pods_go_with_the_end_of_the_workflow_that_pod_gc_means() {
    let lab = Lab::new();
    let engine = lab.engine();
    let cases = [
        ("a", "OnWorkflowCompletion", "fail", 1),
        ("b", "OnWorkflowSuccess", "fail", 0),
        ("c", "OnWorkflowSuccess", "run", 1),
        ("d", "OnPodCompletion", "run", 0),
    ];
    for (name, strategy, word, expected) in cases {
        let mut body = spec(&[step("main", &[word, "1"])]);
        body["podGC"] = json!({"strategy": strategy, "deleteDelayDuration": "90s"});
        let run = submit(&engine, name, body).await;
        finished(&engine, &run.uid).await;
        while engine.runs_here(&run.uid).unwrap() {
            lab.pass(std::time::Duration::from_millis(50)).await;
        }
        let mine = lab.world.released().into_iter().filter(|one| one.workflow_uid == run.uid);
        let guests: Vec<_> = mine.filter_map(|one| one.guests).collect();
        assert_eq!(guests.iter().map(|guests| guests.attempts.len()).sum::<usize>(), expected, "{name}");
        let ended = engine.load_status("ns", name).await.unwrap().status.finished_at.unwrap();
        let late = guests.iter().all(|guests| guests.due == ended + jiff::SignedDuration::from_secs(90));
        assert!(late, "{name}");
    }
}
