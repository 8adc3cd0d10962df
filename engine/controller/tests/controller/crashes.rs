//! Crashes at every boundary of a turn: nothing that finished is repeated, nothing is lost.
//! The store is the memory driver with injected faults, the runner is a fake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::lab::{Lab, assert_verified, chain, finished, node, request, spec, status, step, steps, submit};
use runner_controller::{Leave, Manual};
use runner_machine::{NodePhase, WorkflowPhase};
use runner_store::{Append, Create, Epoch, Fault, Journal, NewRecord, Seq, StreamId, Wakeup};
use serde_json::json;

const STEPS: [&str; 3] = ["w[0].a", "w[1].b", "w[2].c"];

#[tokio::test(start_paused = true)]
async fn a_chain_runs_to_its_end_with_one_commit_per_step() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    assert!(!run.existing);
    let before = lab.store.commits();
    // Steps of no duration: what is seen running and what ended share a commit.
    let quick = spec(&[
        steps("main", &[&["a"], &["b"], &["c"]]),
        step("a", &["run", "0"]),
        step("b", &["run", "0"]),
        step("c", &["run", "0"]),
    ]);
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), STEPS);
    let between = lab.store.commits();
    assert!(between > before);
    let run = submit(&engine, "q", quick).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    // The submit and one per step; nothing renewed a lease in so short a time.
    assert!(lab.store.commits() - between <= 1 + 3 + 1, "{} commits", lab.store.commits() - between);
    assert_verified(&engine).await;
}

/// Every writing transaction fails once, before or after it took effect; the same engine goes on.
#[tokio::test(start_paused = true)]
async fn f6_f7_every_commit_may_fail_before_or_after() {
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        for victim in 1..20 {
            let lab = Lab::new();
            let engine = lab.engine();
            let at = lab.store.commits() + victim;
            lab.store.set_faults(Some(Box::new(move |n| if n == at { fault } else { Fault::None })));
            let run = match engine.submit(request("w", chain())).await {
                Ok(run) => run,
                // Not recorded, and said so: the caller tries again.
                Err(_) => submit(&engine, "w", chain()).await,
            };
            assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded, "{fault:?} {victim}");
            assert_eq!(lab.world.started(), STEPS, "{fault:?} at commit {victim}");
            lab.pass(Duration::from_secs(5)).await;
            lab.store.set_faults(None);
            assert_verified(&engine).await;
        }
    }
}

/// From some transaction on nothing is written any more, then the engine is killed; another one goes on.
#[tokio::test(start_paused = true)]
async fn f2_f3_f5_f6_an_engine_killed_at_any_commit_is_replaced() {
    for fault in [Fault::FailBefore, Fault::FailAfter] {
        for victim in 2..16 {
            let lab = Lab::new();
            let engine = lab.engine();
            let run = submit(&engine, "w", chain()).await;
            let at = lab.store.commits() + victim - 1;
            let hit = Arc::new(AtomicBool::new(false));
            let flag = Arc::clone(&hit);
            lab.store.set_faults(Some(Box::new(move |n| {
                flag.fetch_or(n >= at, Ordering::SeqCst);
                match n {
                    _ if n < at => Fault::None,
                    _ if n == at => fault,
                    _ => Fault::FailBefore,
                }
            })));
            for _ in 0..1_000 {
                if hit.load(Ordering::SeqCst) || !engine.runs_here(&run.uid).unwrap() {
                    break;
                }
                lab.pass(Duration::from_millis(10)).await;
            }
            engine.shutdown(Leave::Now).await;
            drop(engine);
            lab.pass(Duration::from_secs(2)).await;
            lab.store.set_faults(None);
            let next = lab.adopter(&["engine-0"]);
            assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded, "{fault:?} {victim}");
            assert_eq!(lab.world.started(), STEPS, "{fault:?} at commit {victim}");
            assert_verified(&next).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn f2_killed_after_the_intent_and_before_the_spawn() {
    let lab = Lab::new();
    let mut options = lab.options();
    options.gate = Arc::new(Manual::default());
    let engine = lab.engine_with(options);
    let run = submit(&engine, "w", chain()).await;
    lab.pass(Duration::from_secs(3)).await;
    assert!(lab.world.started().is_empty(), "the gate is closed");
    drop(engine);
    let next = lab.adopter(&["engine-0"]);
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), STEPS);
    let attempts = next.attempts(&run.uid).await.unwrap();
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|id| id.attempt == 0), "attempt numbers are unchanged: {attempts:?}");
}

#[tokio::test(start_paused = true)]
async fn f4_f5_a_step_goes_on_while_no_engine_is_there() {
    let lab = Lab::new();
    let engine = lab.engine();
    let long =
        spec(&[steps("main", &[&["a"], &["b"]]), step("a", &["run", "100"]), step("b", &["run", "1"])]);
    let run = submit(&engine, "w", long).await;
    lab.pass(Duration::from_secs(10)).await;
    drop(engine);
    lab.pass(Duration::from_secs(200)).await;
    assert_eq!(lab.world.running(), 0, "it ended meanwhile");
    let next = lab.adopter(&["engine-0"]);
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), ["w[0].a", "w[1].b"]);
    let snapshot = status(&next, "w").await;
    let ended = node(&snapshot, "a").finished_at.unwrap();
    assert_eq!(
        ended,
        crate::lab::epoch() + Duration::from_secs(100),
        "its real end, not when it was noticed"
    );
}

#[tokio::test(start_paused = true)]
async fn f15_after_a_reboot_the_step_is_lost_and_says_so() {
    let lab = Lab::new();
    let engine = lab.engine();
    let long = spec(&[steps("main", &[&["a"]]), step("a", &["run", "100"])]);
    let run = submit(&engine, "w", long).await;
    lab.pass(Duration::from_secs(10)).await;
    drop(engine);
    lab.world.reboot();
    let next = lab.adopter(&["engine-0"]);
    assert_eq!(
        finished(&next, &run.uid).await,
        WorkflowPhase::Failed,
        "as Argo: a step that is an Error fails its group"
    );
    let snapshot = status(&next, "w").await;
    assert_eq!(node(&snapshot, "a").phase, NodePhase::Error);
    assert!(node(&snapshot, "a").message.contains("lost"), "{}", node(&snapshot, "a").message);
    assert_eq!(lab.world.starts("w[0].a"), 1);
}

#[tokio::test(start_paused = true)]
async fn f72_shutdown_hands_over_and_steps_go_on() {
    let lab = Lab::new();
    let engine = lab.engine();
    let long = spec(&[steps("main", &[&["a"], &["b"]]), step("a", &["run", "30"]), step("b", &["run", "1"])]);
    let run = submit(&engine, "w", long).await;
    lab.pass(Duration::from_secs(2)).await;
    let before = lab.clock.elapsed();
    engine.shutdown(Leave::HandOver).await;
    assert!(lab.clock.elapsed() - before < Duration::from_secs(5));
    assert!(engine.submit(request("x", chain())).await.is_err(), "nothing new is taken");
    assert_eq!(lab.world.running(), 1, "the step keeps running");
    let next = lab.adopter(&[]);
    lab.pass(Duration::from_secs(1)).await;
    assert!(next.runs_here(&run.uid).unwrap(), "no lease had to run out");
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), ["w[0].a", "w[1].b"]);
}

#[tokio::test(start_paused = true)]
async fn f72_a_parked_workflow_waits_until_somebody_asks() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    lab.pass(Duration::from_millis(500)).await;
    engine.shutdown(Leave::Park).await;
    let next = lab.adopter(&[]);
    lab.pass(Duration::from_secs(60)).await;
    assert!(!next.runs_here(&run.uid).unwrap());
    let open = next.interrupted().await.unwrap();
    assert_eq!(open.len(), 1);
    assert_eq!((open[0].name.as_str(), &open[0].why), ("w", &runner_controller::Why::NoEngine));
    next.adopt(&run.uid).await.unwrap();
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), STEPS);
    assert!(next.interrupted().await.unwrap().is_empty());
}

/// A DAG with a loop, a condition, a retry and a bound on parallelism.
fn everything() -> serde_json::Value {
    let mut value = spec(&[
        json!({"name": "main", "dag": {"tasks": [
            {"name": "a", "template": "a"},
            {"name": "loop", "template": "a", "dependencies": ["a"], "withSequence": {"count": "3"}},
            {"name": "never", "template": "a", "dependencies": ["a"], "when": "1 == 2"},
            {"name": "again", "template": "again", "dependencies": ["a"]},
            {"name": "last", "template": "inner", "depends": "loop && again && (never || never.Skipped)"}
        ]}}),
        step("a", &["run", "1"]),
        step("again", &["run", "1"]),
        steps("inner", &[&["a"], &["a"]]),
    ]);
    value["templates"][2]["retryStrategy"] = json!({"limit": "1"});
    value["parallelism"] = json!(2);
    value["onExit"] = json!("a");
    value
}

/// A large turn is written in parts and may be cut off between them: wherever that is, the
/// next engine goes on and reaches the same end.
#[tokio::test(start_paused = true)]
async fn f8_f9_f10_every_beginning_of_a_journal_can_be_continued() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", everything()).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    let expected = outcome(&engine).await;
    let stream = StreamId::workflow(&run.uid).unwrap();
    let journal = lab.store.read(&stream, Seq::ZERO, 0).await.unwrap();
    let mut stuck = Vec::new();
    // No part of a turn ends behind the creation of a node.
    for length in (1..journal.len()).filter(|length| journal[length - 1].kind != "nodeCreated") {
        let lab = Lab::new();
        let begun = journal.iter().take(length);
        let records = begun.map(|r| NewRecord { kind: r.kind.clone(), body: r.body.clone() }).collect();
        let mut append = Append::new(stream.clone(), Epoch::ZERO, Seq::ZERO, crate::lab::epoch(), records);
        append.create = Some(Create {
            namespace: "ns".to_owned(),
            name: "w".to_owned(),
            idempotency_key: None,
            lease: None,
        });
        append.wakeup = Wakeup::At(crate::lab::epoch());
        lab.store.append(append).await.unwrap();
        let engine = lab.adopter(&[]);
        // Rows are in the last part of a turn: wait for the engine rather than for a row.
        lab.pass(Duration::from_secs(600)).await;
        if outcome(&engine).await != expected {
            stuck.push(format!("cut after record {length} `{}`", journal[length - 1].kind));
        }
    }
    assert!(stuck.is_empty(), "{stuck:#?}");
}

/// The phase of the run, names and phases of all nodes.
async fn outcome(engine: &runner_controller::Controller) -> (WorkflowPhase, Vec<(String, NodePhase)>) {
    let snapshot = engine.load_uid("uid-0000").await.unwrap();
    let nodes = snapshot.status.nodes().map(|(_, node)| (node.name.clone(), node.phase));
    let mut nodes: Vec<_> = nodes.collect();
    nodes.sort();
    (snapshot.status.phase, nodes)
}
