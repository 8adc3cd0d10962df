//! What makes a workflow wait: locks, timers, room, a gate, a runner that is not willing.
//! The store is the memory driver, the runner is a fake.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::lab::{Lab, assert_verified, finished, node, spec, status, step, steps, submit};
use runner_controller::{Manual, SYNC_LIMIT};
use runner_machine::{Command, NodePhase, WorkflowPhase};
use runner_store::{Append, Catalog, Epoch, Journal, LockChange, Locks, Maintenance, NewManifest, StreamId};
use serde_json::{Value, json};

fn locked(seconds: &str) -> Value {
    let mut value = spec(&[step("main", &["run", seconds])]);
    value["synchronization"] = json!({"mutexes": [{"name": "m"}]});
    value
}

#[tokio::test(start_paused = true)]
async fn a_mutex_lets_workflows_through_one_by_one() {
    let lab = Lab::new();
    let engine = lab.engine();
    let first = submit(&engine, "first", locked("10")).await;
    let second = submit(&engine, "second", locked("10")).await;
    lab.pass(Duration::from_secs(5)).await;
    assert_eq!(lab.world.started(), ["first"]);
    let waiting = status(&engine, "second").await.status;
    assert_eq!(waiting.phase, WorkflowPhase::Pending);
    assert_eq!(waiting.message, "Waiting for ns/Mutex/m lock. Lock status: 0/1");
    assert_eq!(finished(&engine, &first.uid).await, WorkflowPhase::Succeeded);
    lab.pass(Duration::from_millis(1)).await;
    assert_eq!(lab.world.started(), ["first", "second"], "at once, without waiting for a poll");
    assert_eq!(finished(&engine, &second.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.most_running(), 1);
    assert!(lab.store.lock_state("ns/Mutex/m").await.unwrap().holders.is_empty());
    assert_verified(&engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_another_process_releases_is_taken_within_200_ms() {
    let lab = Lab::new();
    let (one, two) = (lab.engine(), lab.engine());
    let first = submit(&one, "first", locked("10")).await;
    let second = submit(&two, "second", locked("10")).await;
    assert_eq!(finished(&one, &first.uid).await, WorkflowPhase::Succeeded);
    lab.pass(Duration::from_millis(200)).await;
    assert_eq!(lab.world.started(), ["first", "second"]);
    assert_eq!(finished(&two, &second.uid).await, WorkflowPhase::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn f61_a_lock_is_held_until_the_fate_of_its_holder_is_decided() {
    let lab = Lab::new();
    let dying = lab.engine();
    let waiting = lab.engine();
    let holder = submit(&dying, "holder", locked("100")).await;
    let waiter = submit(&waiting, "waiter", locked("1")).await;
    lab.pass(Duration::from_secs(10)).await;
    drop(dying);
    lab.pass(Duration::from_secs(50)).await;
    assert_eq!(lab.world.starts("waiter"), 0, "the holder's step still runs");
    let next = lab.adopter(&["engine-0"]);
    assert_eq!(finished(&next, &holder.uid).await, WorkflowPhase::Succeeded);
    let released = lab.clock.elapsed();
    assert_eq!(finished(&waiting, &waiter.uid).await, WorkflowPhase::Succeeded);
    assert!(lab.clock.elapsed() - released < Duration::from_secs(2));
    assert!(lab.store.waiting().await.unwrap().is_empty());
    assert_eq!(lab.world.started(), ["holder", "waiter"]);
}

#[tokio::test(start_paused = true)]
async fn f61_a_waiter_that_dies_keeps_its_place() {
    let lab = Lab::new();
    let alive = lab.engine();
    let dying = lab.engine();
    let holder = submit(&alive, "holder", locked("30")).await;
    let waiter = submit(&dying, "waiter", locked("1")).await;
    lab.pass(Duration::from_secs(1)).await;
    drop(dying);
    let late = submit(&alive, "late", locked("1")).await;
    let next = lab.adopter(&["engine-1"]);
    for run in [&holder, &waiter, &late] {
        assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded);
    }
    assert_eq!(lab.world.started(), ["holder", "waiter", "late"]);
}

#[tokio::test(start_paused = true)]
async fn f61_a_place_that_was_lost_is_asked_for_again() {
    let lab = Lab::new();
    let alive = lab.engine();
    let dying = lab.engine();
    submit(&alive, "holder", locked("30")).await;
    let waiter = submit(&dying, "waiter", locked("1")).await;
    lab.pass(Duration::from_secs(1)).await;
    drop(dying);
    let stream = StreamId::workflow(&waiter.uid).unwrap();
    let last = lab.store.stream(&stream).await.unwrap().unwrap().last_seq;
    let mut append = Append::new(stream, Epoch::FIRST, last, crate::lab::epoch(), Vec::new());
    append.locks = vec![LockChange::Release { holder: waiter.uid.clone() }];
    lab.store.append(append).await.unwrap();
    assert!(lab.store.waiting().await.unwrap().is_empty());
    let next = lab.adopter(&["engine-1"]);
    assert_eq!(finished(&next, &waiter.uid).await, WorkflowPhase::Succeeded);
}

async fn manifest(lab: &Lab, kind: &str, name: &str, body: Value) {
    let body = serde_json::to_vec(&body).unwrap();
    let (kind, namespace, name) = (kind.to_owned(), "ns".to_owned(), name.to_owned());
    let new = NewManifest { kind, namespace, name, body, source: String::new(), at: crate::lab::epoch() };
    lab.store.put_manifest(new).await.unwrap();
}

fn semaphore(reference: &Value) -> Value {
    let mut value = spec(&[
        steps("main", &[&["loop"]]),
        json!({"name": "loop", "synchronization": {"semaphores": [reference]},
               "container": {"image": "fake", "command": ["fake"], "args": ["run", "10"]}}),
    ]);
    value["templates"][0]["steps"][0][0]["withSequence"] = json!({"count": "6"});
    value
}

#[tokio::test(start_paused = true)]
async fn semaphores_take_their_limit_from_config_maps_and_limits() {
    let from_map = json!({"configMapKeyRef": {"name": "limits", "key": "two"}});
    let from_row = json!({"database": {"key": "three"}});
    for (reference, limit) in [(from_map, 2), (from_row, 3)] {
        let lab = Lab::new();
        manifest(&lab, "ConfigMap", "limits", json!({"data": {"two": "2"}})).await;
        manifest(&lab, SYNC_LIMIT, "three", json!({"limit": 3})).await;
        let engine = lab.engine();
        let run = submit(&engine, "w", semaphore(&reference)).await;
        assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
        assert_eq!(lab.world.started().len(), 6);
        assert_eq!(lab.world.most_running(), limit);
        assert!(
            lab.clock.elapsed() < Duration::from_secs(10 * 6 / limit as u64 + 2),
            "{:?}",
            lab.clock.elapsed()
        );
        assert_verified(&engine).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_semaphore_without_a_limit_is_an_error_that_says_what_is_missing() {
    let lab = Lab::new();
    let engine = lab.engine();
    let reference = json!({"configMapKeyRef": {"name": "limits", "key": "two"}});
    let run = submit(&engine, "w", semaphore(&reference)).await;
    assert!(finished(&engine, &run.uid).await.completed());
    let snapshot = status(&engine, "w").await;
    let message = &node(&snapshot, "loop(0:0)").message;
    assert!(message.contains("ConfigMap ns/limits not found"), "{message}");
    assert!(lab.world.started().is_empty());
}

#[tokio::test(start_paused = true)]
async fn f12_a_sleeping_workflow_is_put_away_and_wakes_in_time_also_after_a_crash() {
    let lab = Lab::new();
    let engine = lab.adopter(&[]);
    let nap = spec(&[
        steps("main", &[&["nap"], &["b"]]),
        json!({"name": "nap", "suspend": {"duration": "3600"}}),
        step("b", &["run", "1"]),
    ]);
    let run = submit(&engine, "w", nap).await;
    lab.pass(Duration::from_secs(30)).await;
    assert!(engine.runs_here(&run.uid).unwrap());
    lab.pass(Duration::from_secs(60)).await;
    assert!(!engine.runs_here(&run.uid).unwrap(), "nothing of it is in memory");
    drop(engine);
    lab.pass(Duration::from_secs(1_000)).await;
    let next = lab.adopter(&[]);
    lab.pass(Duration::from_secs(1_000)).await;
    assert!(!next.runs_here(&run.uid).unwrap());
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded);
    let late = lab.clock.elapsed().checked_sub(Duration::from_secs(3_601)).unwrap();
    assert!(late <= Duration::from_secs(1), "{late:?} late");
}

#[tokio::test(start_paused = true)]
async fn f12_back_off_is_kept_over_a_crash() {
    let lab = Lab::new();
    let engine = lab.engine();
    let mut retried = spec(&[step("main", &["fail", "1"])]);
    retried["templates"][0]["retryStrategy"] =
        json!({"limit": "2", "backoff": {"duration": "100", "factor": "1"}});
    let run = submit(&engine, "w", retried).await;
    lab.pass(Duration::from_secs(50)).await;
    assert_eq!(lab.world.started().len(), 1);
    drop(engine);
    let next = lab.adopter(&["engine-0"]);
    lab.pass(Duration::from_secs(45)).await;
    assert_eq!(lab.world.started().len(), 1, "95 s: not yet");
    lab.pass(Duration::from_secs(8)).await;
    assert_eq!(lab.world.started(), ["w(0)", "w(1)"], "103 s: the second attempt, and no other");
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Failed);
    assert_eq!(lab.world.started().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn no_more_steps_run_than_there_is_room_for() {
    let lab = Lab::new();
    let mut options = lab.options();
    options.max_running = 3;
    let engine = lab.engine_with(options);
    let mut wide = spec(&[steps("main", &[&["a"]]), step("a", &["run", "10"])]);
    wide["templates"][0]["steps"][0][0]["withSequence"] = json!({"count": "10"});
    let one = submit(&engine, "one", wide.clone()).await;
    let two = submit(&engine, "two", wide).await;
    lab.pass(Duration::from_secs(15)).await;
    let started = lab.world.started();
    assert!(started.iter().any(|node| node.starts_with("two")), "workflows take turns: {started:?}");
    for run in [one, two] {
        assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    }
    assert_eq!(lab.world.most_running(), 3);
    assert_eq!(lab.world.started().len(), 20);
    assert_verified(&engine).await;
}

#[tokio::test(start_paused = true)]
async fn a_ready_daemon_does_not_take_room_and_ends_with_its_workflow() {
    let lab = Lab::new();
    let mut options = lab.options();
    options.max_running = 1;
    let engine = lab.engine_with(options);
    let mut value = spec(&[
        steps("main", &[&["server"], &["client"]]),
        step("server", &["daemon"]),
        step("client", &["run", "1"]),
    ]);
    value["templates"][1]["daemon"] = json!(true);
    let run = submit(&engine, "w", value).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    lab.pass(Duration::from_secs(1)).await;
    assert_eq!(lab.world.running(), 0);
    assert!(!engine.runs_here(&run.uid).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_runner_that_is_not_willing_is_asked_again() {
    let lab = Lab::new();
    lab.world.refuse(3);
    let engine = lab.engine();
    let run = submit(&engine, "w", spec(&[step("main", &["run", "1"])])).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.ensured(), 4);
}

#[tokio::test(start_paused = true)]
async fn an_executor_without_a_runner_is_an_error_that_says_so() {
    let lab = Lab::new();
    let engine = lab.engine();
    let template = json!({
        "name": "main",
        "metadata": {"annotations": {"runner/executor": "kubernetes"}},
        "container": {"image": "i", "command": ["c"]},
    });
    let run = submit(&engine, "w", spec(&[template])).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Error);
    let message = status(&engine, "w").await.status.message;
    assert!(message.contains("no runner for executor \"kubernetes\" is configured"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn the_gate_holds_starts_back_and_lets_go_of_what_is_cancelled() {
    let lab = Lab::new();
    let gate = Arc::new(Manual::default());
    let mut options = lab.options();
    options.gate = gate.clone();
    let engine = lab.engine_with(options);
    let run = submit(&engine, "w", crate::lab::chain()).await;
    lab.pass(Duration::from_secs(5)).await;
    assert_eq!(gate.waiting().len(), 1);
    gate.step(1);
    lab.pass(Duration::from_secs(5)).await;
    assert_eq!(lab.world.started(), ["w[0].a"]);
    assert_eq!(gate.waiting()[0].node, "w[1].b");
    engine.command("ns", "w", Command::Terminate, "me").await.unwrap();
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Failed);
    assert_eq!(lab.world.started(), ["w[0].a"]);
    assert!(gate.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_suspended_workflow_with_a_due_timer_does_not_spin() {
    let lab = Lab::new();
    let engine = lab.engine();
    let mut retried = spec(&[step("main", &["fail", "1"])]);
    retried["templates"][0]["retryStrategy"] = json!({"limit": "1", "backoff": {"duration": "10"}});
    let run = submit(&engine, "w", retried).await;
    lab.pass(Duration::from_secs(5)).await;
    engine.command("ns", "w", Command::Suspend, "me").await.unwrap();
    let before = lab.store.commits();
    lab.pass(Duration::from_secs(1_000)).await;
    assert!(lab.store.commits() - before < 300, "only lease renewals: {}", lab.store.commits() - before);
    assert_eq!(lab.world.started().len(), 1);
    let resume =
        Command::Resume { selector: String::new(), parameters: BTreeMap::new(), message: String::new() };
    engine.command("ns", "w", resume, "me").await.unwrap();
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Failed);
    assert_eq!(lab.world.started().len(), 2);
    assert_eq!(node(&status(&engine, "w").await, "w(1)").phase, NodePhase::Failed);
}
