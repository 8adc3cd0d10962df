//! Several engines over one store: leases, fences, takeovers, commands from elsewhere, workflows that cannot be read.
//! The store is the memory driver shared by all, the runner is a fake.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::lab::{Lab, assert_verified, chain, finished, node, spec, status, step, steps, submit};
use runner_controller::{Error, Why};
use runner_machine::{Command, NodePhase, WorkflowPhase};
use runner_store::{Append, Epoch, Fault, Journal, Maintenance, NewRecord, Seq, StreamId};
use serde_json::json;

fn resume() -> Command {
    Command::Resume { selector: String::new(), parameters: BTreeMap::new(), message: String::new() }
}

fn approval() -> serde_json::Value {
    spec(&[
        steps("main", &[&["a"], &["approve"], &["b"]]),
        step("a", &["run", "1"]),
        json!({"name": "approve", "suspend": {}}),
        step("b", &["run", "1"]),
    ])
}

#[tokio::test(start_paused = true)]
async fn f30_f31_the_loser_of_a_takeover_drops_everything() {
    let lab = Lab::new();
    let loser = lab.engine();
    let run = submit(&loser, "w", chain()).await;
    lab.pass(Duration::from_millis(500)).await;
    // Another engine believes the first to be dead, while it is not.
    let winner = lab.adopter(&["engine-0"]);
    assert_eq!(finished(&winner, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), ["w[0].a", "w[1].b", "w[2].c"], "each step once, by whichever engine");
    assert!(!loser.runs_here(&run.uid).unwrap());
    assert_verified(&winner).await;
    assert_eq!(finished(&loser, &run.uid).await, WorkflowPhase::Succeeded, "the loser sees it too");
}

#[tokio::test(start_paused = true)]
async fn f36_a_lease_that_cannot_be_renewed_is_let_go_at_two_thirds_and_taken_again() {
    let lab = Lab::new();
    let engine = lab.engine();
    let long = spec(&[steps("main", &[&["a"], &["b"]]), step("a", &["run", "12"]), step("b", &["run", "1"])]);
    let run = submit(&engine, "w", long).await;
    lab.pass(Duration::from_secs(1)).await;
    lab.store.set_faults(Some(Box::new(|_| Fault::FailBefore)));
    lab.pass(Duration::from_secs(8)).await;
    assert!(engine.runs_here(&run.uid).unwrap(), "9 s of 15");
    lab.pass(Duration::from_secs(2)).await;
    assert!(!engine.runs_here(&run.uid).unwrap(), "11 s of 15");
    lab.pass(Duration::from_secs(10)).await;
    lab.store.set_faults(None);
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), ["w[0].a", "w[1].b"]);
}

#[tokio::test(start_paused = true)]
async fn an_expired_lease_is_taken_over_without_proof_of_death() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    lab.pass(Duration::from_millis(500)).await;
    drop(engine);
    let next = lab.adopter(&[]);
    lab.pass(Duration::from_secs(10)).await;
    assert!(!next.runs_here(&run.uid).unwrap(), "the lease has not run out");
    let before = lab.clock.elapsed();
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded);
    assert!(lab.clock.elapsed() - before < Duration::from_secs(10));
    assert_eq!(lab.world.started(), ["w[0].a", "w[1].b", "w[2].c"]);
}

#[tokio::test(start_paused = true)]
async fn a_command_reaches_another_process_within_200_ms_and_its_answer_comes_back() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", approval()).await;
    lab.pass(Duration::from_secs(5)).await;
    let elsewhere = lab.engine();
    let before = lab.clock.elapsed();
    elsewhere.command("ns", "w", resume(), "me").await.unwrap();
    let took = lab.clock.elapsed() - before;
    assert!(took <= Duration::from_millis(200), "{took:?}");
    assert!(engine.runs_here(&run.uid).unwrap() && !elsewhere.runs_here(&run.uid).unwrap());
    let refused = elsewhere.command("ns", "w", resume(), "me").await;
    assert!(matches!(&refused, Err(Error::Refused(why)) if why.contains("not suspended")), "{refused:?}");
    assert_eq!(finished(&elsewhere, &run.uid).await, WorkflowPhase::Succeeded);
    let missing = elsewhere.command("ns", "nobody", resume(), "me").await;
    assert!(matches!(missing, Err(Error::NotFound(_))));
}

#[tokio::test(start_paused = true)]
async fn a_command_with_a_key_is_carried_out_once() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", approval()).await;
    lab.pass(Duration::from_secs(5)).await;
    for _ in 0..2 {
        engine.command_once("ns", "w", resume(), "me", Some("k".to_owned())).await.unwrap();
    }
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn a_command_wakes_a_workflow_that_nobody_runs() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", approval()).await;
    lab.pass(Duration::from_secs(5)).await;
    engine.shutdown(runner_controller::Leave::Park).await;
    let next = lab.engine();
    let open = next.interrupted().await.unwrap();
    assert_eq!(open[0].waits, ["approve waits to be resumed"]);
    next.command("ns", "w", resume(), "me").await.unwrap();
    assert!(next.runs_here(&run.uid).unwrap());
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn f11_terminate_starts_nothing_more_and_ends_what_runs() {
    let lab = Lab::new();
    let mut options = lab.options();
    options.max_running = 1;
    let engine = lab.engine_with(options);
    let wide = spec(&[
        steps("main", &[&["a", "b"][..], &["c"]]),
        step("a", &["run", "1000"]),
        step("b", &["run", "1000"]),
        step("c", &["run", "1"]),
    ]);
    let run = submit(&engine, "w", wide).await;
    lab.pass(Duration::from_secs(2)).await;
    assert_eq!(lab.world.started(), ["w[0].a"], "b waits for room");
    engine.command("ns", "w", Command::Terminate, "me").await.unwrap();
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Failed);
    assert_eq!(lab.world.started(), ["w[0].a"], "b was never started");
    assert_eq!(lab.world.running(), 0);
    let snapshot = status(&engine, "w").await;
    assert_eq!(node(&snapshot, "b").phase, NodePhase::Failed);
    lab.pass(Duration::from_secs(1)).await;
    assert!(!engine.runs_here(&run.uid).unwrap(), "closed");
    assert_verified(&engine).await;
}

#[tokio::test(start_paused = true)]
async fn f11_a_cancel_is_driven_on_by_the_next_engine() {
    let lab = Lab::new();
    let engine = lab.engine();
    let wide =
        spec(&[steps("main", &[&["a", "b"]]), step("a", &["run", "1000"]), step("b", &["run", "1000"])]);
    let run = submit(&engine, "w", wide).await;
    lab.pass(Duration::from_secs(2)).await;
    // The command is durable in the inbox, the engine dies before it reads it.
    let stream = StreamId::workflow(&run.uid).unwrap();
    let body = serde_json::to_vec(&json!({"by": "me", "command": Command::Terminate})).unwrap();
    drop(engine);
    let at = crate::lab::epoch();
    let command = runner_store::NewCommand { stream, body, client_key: None, at };
    runner_store::Inbox::post(lab.store.as_ref(), command).await.unwrap();
    let next = lab.adopter(&["engine-0"]);
    assert_eq!(finished(&next, &run.uid).await, WorkflowPhase::Failed);
    assert_eq!(lab.world.running(), 0);
    assert_eq!(lab.world.started().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn retry_reopens_a_finished_workflow() {
    let lab = Lab::new();
    let engine = lab.engine();
    let failing =
        spec(&[steps("main", &[&["a"], &["b"]]), step("a", &["run", "1"]), step("b", &["fail", "1"])]);
    let run = submit(&engine, "w", failing).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Failed);
    lab.pass(Duration::from_secs(1)).await;
    let retry = Command::Retry { restart_successful: false, selector: String::new(), parameters: Vec::new() };
    engine.command("ns", "w", retry, "me").await.unwrap();
    lab.pass(Duration::from_secs(5)).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Failed);
    assert_eq!(lab.world.starts("w[0].a"), 1, "what succeeded is not run again");
    assert_eq!(lab.world.starts("w[1].b"), 2);
    assert_verified(&engine).await;
    let resume = engine.command("ns", "w", resume(), "me").await;
    assert!(matches!(resume, Err(Error::Refused(_))), "{resume:?}");
    lab.pass(Duration::from_secs(1)).await;
    let stream = StreamId::workflow(&run.uid).unwrap();
    assert!(lab.store.stream(&stream).await.unwrap().unwrap().closed, "closed again");
}

#[tokio::test(start_paused = true)]
async fn f13_f20_a_journal_that_cannot_be_replayed_is_put_aside_and_others_go_on() {
    let lab = Lab::new();
    let engine = lab.engine();
    let bad = submit(&engine, "bad", chain()).await;
    let good = submit(&engine, "good", chain()).await;
    lab.pass(Duration::from_millis(500)).await;
    drop(engine);
    let stream = StreamId::workflow(&bad.uid).unwrap();
    let last = lab.store.stream(&stream).await.unwrap().unwrap().last_seq;
    let record = NewRecord { kind: "nodeFinished".to_owned(), body: b"{\"ix\":4711}".to_vec() };
    let append = Append::new(stream.clone(), Epoch::FIRST, last, crate::lab::epoch(), vec![record]);
    lab.store.append(append).await.unwrap();
    let next = lab.adopter(&["engine-0"]);
    assert_eq!(finished(&next, &good.uid).await, WorkflowPhase::Succeeded);
    let open = next.interrupted().await.unwrap();
    assert_eq!(open.len(), 1);
    assert!(
        matches!(&open[0].why, Why::Unusable(reason) if reason.contains("nodeFinished")),
        "{:?}",
        open[0]
    );
    let found = next.verify().await.unwrap();
    assert_eq!(found.problems.len(), 1, "{found:?}");
    assert!(lab.store.read(&stream, Seq::ZERO, 0).await.unwrap().len() > 1, "nothing was deleted");
}

/// The fault hook panics in the middle of an append: stands for a defect of the engine.
async fn panicking(times: u64) -> (Lab, runner_controller::Controller, String) {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    let first = lab.store.commits() + 1;
    lab.store.set_faults(Some(Box::new(move |n| {
        assert!(n < first || n >= first + times, "a planted defect");
        Fault::None
    })));
    (lab, engine, run.uid)
}

#[tokio::test(start_paused = true)]
async fn f13_a_workflow_over_which_the_engine_panics_is_loaded_again() {
    let (lab, engine, uid) = panicking(2).await;
    assert_eq!(finished(&engine, &uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), ["w[0].a", "w[1].b", "w[2].c"]);
}

#[tokio::test(start_paused = true)]
async fn f13_after_three_panics_it_is_put_aside_and_others_go_on() {
    let (lab, engine, _) = panicking(3).await;
    lab.pass(Duration::from_secs(3)).await;
    let open = engine.interrupted().await.unwrap();
    assert!(matches!(&open[0].why, Why::Unusable(why) if why.contains("panicked")), "{open:?}");
    let other = submit(&engine, "other", chain()).await;
    assert_eq!(finished(&engine, &other.uid).await, WorkflowPhase::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn f19_while_the_store_fails_the_engine_says_so_and_goes_on_afterwards() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    let mut trouble = engine.trouble();
    lab.store.set_faults(Some(Box::new(|_| Fault::FailBefore)));
    trouble.changed().await.unwrap();
    assert!(trouble.borrow_and_update().is_some());
    lab.pass(Duration::from_secs(3)).await;
    assert_eq!(lab.world.started(), ["w[0].a"], "nothing new is started");
    lab.store.set_faults(None);
    trouble.wait_for(Option::is_none).await.unwrap();
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), ["w[0].a", "w[1].b", "w[2].c"]);
}

#[tokio::test(start_paused = true)]
async fn f18_a_store_that_takes_no_more_writes_is_reported_once_and_nothing_new_is_started() {
    let lab = Lab::new();
    let told: std::sync::Arc<std::sync::Mutex<Vec<String>>> = Default::default();
    let mut options = lab.options();
    let ear = told.clone();
    options.on_fatal = Some(std::sync::Arc::new(move |why| ear.lock().unwrap().push(why.to_owned())));
    let engine = lab.engine_with(options);
    submit(&engine, "w", chain()).await;
    let mut failures = 0;
    lab.store.set_faults(Some(Box::new(move |_| {
        failures += 1;
        if failures == 2 { Fault::None } else { Fault::FailBefore }
    })));
    lab.pass(Duration::from_secs(1)).await;
    lab.pass(Duration::from_secs(60)).await;
    assert_eq!(told.lock().unwrap().len(), 1, "once, and not after a single failure that passed");
    assert!(told.lock().unwrap()[0].contains("input/output error"), "{told:?}");
    lab.store.set_faults(None);
}
