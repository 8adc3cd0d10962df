//! Submitting, following, caches, deleting, checking: what callers see of the controller.
//! The store is the memory driver, the runner is a fake.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::lab::{
    CountedIds, Lab, assert_verified, chain, finished, node, request, spec, status, step, steps, submit,
};
use runner_controller::{Archive, Error, LABEL_ARCHIVED, Options, PERSISTED, Resubmit, RowDetail};
use runner_machine::{NodePhase, WorkflowPhase};
use runner_store::{Catalog, Maintenance, StreamId};
use serde_json::json;

#[tokio::test(start_paused = true)]
async fn f60_concurrent_submits_with_one_key_make_one_workflow() {
    let lab = Lab::new();
    let engines = [lab.engine(), lab.engine(), lab.engine()];
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64 {
        let engine = engines[n % 3].clone();
        let mut new = request("", chain());
        new.generate_name = Some("w-".to_owned());
        new.idempotency_key = Some("key".to_owned());
        tasks.spawn(async move { engine.submit(new).await.unwrap() });
    }
    let answers = tasks.join_all().await;
    assert_eq!(answers.iter().filter(|run| !run.existing).count(), 1);
    let uids: BTreeSet<&str> = answers.iter().map(|run| run.uid.as_str()).collect();
    let names: BTreeSet<&str> = answers.iter().map(|run| run.name.as_str()).collect();
    assert_eq!((uids.len(), names.len()), (1, 1));
    assert_eq!(finished(&engines[0], &answers[0].uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn f59_names_are_unique_and_generated_ones_are_tried_again() {
    let lab = Lab::with_ids(CountedIds { colliding: 3, ..CountedIds::default() });
    let engine = lab.engine();
    submit(&engine, "w", chain()).await;
    let again = engine.submit(request("w", chain())).await;
    assert!(matches!(again, Err(Error::NameTaken { .. })), "{again:?}");
    let mut names = BTreeSet::new();
    for _ in 0..3 {
        let mut new = request("", chain());
        new.resolved.metadata.generate_name = "g-".to_owned();
        names.insert(engine.submit(new).await.unwrap().name);
    }
    assert_eq!(names.len(), 3, "{names:?}");
    let nameless = engine.submit(request("", chain())).await;
    assert!(matches!(nameless, Err(Error::Invalid(_))));
}

#[tokio::test(start_paused = true)]
async fn a_detached_workflow_is_run_by_an_engine_that_adopts() {
    let lab = Lab::new();
    let client = lab.engine();
    let mut new = request("w", chain());
    new.detached = true;
    let run = client.submit(new).await.unwrap();
    lab.pass(Duration::from_secs(30)).await;
    assert!(lab.world.started().is_empty());
    let engine = lab.adopter(&[]);
    lab.pass(Duration::from_secs(1)).await;
    assert!(engine.runs_here(&run.uid).unwrap());
    assert_eq!(finished(&client, &run.uid).await, WorkflowPhase::Succeeded);
}

#[tokio::test(start_paused = true)]
async fn the_row_says_what_lists_show() {
    let lab = Lab::new();
    let engine = lab.engine();
    let mut value = chain();
    value["arguments"] = json!({"parameters": [{"name": "who", "value": "x".repeat(1000)}]});
    let mut new = request("w", value);
    new.resolved.metadata.labels.insert("team".to_owned(), "red".to_owned());
    let run = engine.submit(new).await.unwrap();
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    let row = lab.store.get_workflow("ns", "w").await.unwrap().unwrap();
    assert_eq!((row.phase.as_str(), row.progress.as_str()), ("Succeeded", "3/3"));
    assert_eq!(row.labels["team"], "red");
    assert_eq!(row.labels["workflows.argoproj.io/completed"], "true");
    assert_eq!(row.finished_at.unwrap(), crate::lab::epoch() + Duration::from_secs(3));
    let detail = RowDetail::of(&row);
    assert_eq!(detail.entrypoint, "main");
    assert!(detail.parameters["who"].len() < 300);
    let stream = StreamId::workflow(&run.uid).unwrap();
    let nodes = lab.store.nodes(&stream, 0, 0).await.unwrap();
    assert!(nodes.iter().any(|row| row.display_name == "b" && row.phase == "Succeeded"));
}

#[tokio::test(start_paused = true)]
async fn snapshots_follow_a_workflow_of_this_and_of_another_process() {
    let lab = Lab::new();
    let engine = lab.engine();
    let elsewhere = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    for follower in [&engine, &elsewhere] {
        let mut live = follower.subscribe(&run.uid).await.unwrap();
        assert_eq!(live.borrow_and_update().status.phase, WorkflowPhase::Running);
    }
    let mut live = elsewhere.subscribe(&run.uid).await.unwrap();
    let mut seen = BTreeSet::new();
    loop {
        let snapshot = live.borrow_and_update().clone();
        seen.extend(snapshot.status.nodes().map(|(_, node)| (node.display_name.clone(), node.phase)));
        if snapshot.status.phase.completed() {
            break;
        }
        live.changed().await.unwrap();
    }
    assert!(seen.contains(&("b".to_owned(), NodePhase::Running)), "{seen:?}");
    assert!(lab.clock.elapsed() < Duration::from_millis(3_400), "{:?}", lab.clock.elapsed());
    let argo = status(&elsewhere, "w").await.to_argo();
    assert_eq!(argo["phase"], "Succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_memoized_step_runs_once() {
    let lab = Lab::new();
    let engine = lab.engine();
    let mut value = spec(&[step("main", &["say", "hello"])]);
    value["templates"][0]["memoize"] =
        json!({"key": "k", "maxAge": "1h", "cache": {"configMap": {"name": "c", "key": "x"}}});
    let first = submit(&engine, "first", value.clone()).await;
    assert_eq!(finished(&engine, &first.uid).await, WorkflowPhase::Succeeded);
    let second = submit(&engine, "second", value.clone()).await;
    assert_eq!(finished(&engine, &second.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), ["first"]);
    let snapshot = status(&engine, "second").await;
    let hit = node(&snapshot, "second");
    assert!(hit.memo.as_ref().unwrap().hit);
    assert_eq!(hit.outputs.as_ref().unwrap().result.as_deref(), Some("hello"));
    lab.pass(Duration::from_secs(3_700)).await;
    let third = submit(&engine, "third", value).await;
    assert_eq!(finished(&engine, &third.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started(), ["first", "third"], "older than an hour");
}

#[tokio::test(start_paused = true)]
async fn a_time_to_live_deletes_a_workflow_and_what_its_attempts_left() {
    let lab = Lab::new();
    let engine = lab.engine();
    let mut value = chain();
    value["ttlStrategy"] = json!({"secondsAfterCompletion": 100, "secondsAfterSuccess": 50});
    let run = submit(&engine, "w", value.clone()).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    lab.pass(Duration::from_secs(49)).await;
    assert!(lab.store.get_workflow("ns", "w").await.unwrap().is_some());
    lab.pass(Duration::from_secs(2)).await;
    assert!(lab.store.get_workflow("ns", "w").await.unwrap().is_none());
    assert_eq!(lab.world.removed().len(), 3);
    // One that ended under an engine that is gone is found by another.
    let run = submit(&engine, "w", value).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    lab.pass(Duration::from_secs(1)).await;
    drop(engine);
    let _next = lab.adopter(&[]);
    lab.pass(Duration::from_secs(700)).await;
    assert!(lab.store.get_workflow("ns", "w").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn with_an_archive_a_time_to_live_takes_a_workflow_out_of_the_lists_and_nothing_away() {
    let lab = Lab::new();
    let archive = Some(Archive { keep: Some(Duration::from_secs(5_000)) });
    let options = Options { archive, adopt: true, is_dead: Some(Arc::new(|_| true)), ..lab.options() };
    let engine = lab.engine_with(options);
    let mut value = chain();
    value["ttlStrategy"] = json!({"secondsAfterCompletion": 50});
    let run = submit(&engine, "w", value).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    let archived = async || {
        let row = lab.store.get_workflow("ns", "w").await.unwrap()?;
        Some(row.labels.get(LABEL_ARCHIVED).map(String::as_str) == Some(PERSISTED))
    };
    lab.pass(Duration::from_secs(49)).await;
    assert_eq!(archived().await, Some(false));
    lab.pass(Duration::from_secs(3)).await;
    assert_eq!(archived().await, Some(true));
    assert!(lab.world.removed().is_empty(), "logs stay");
    let snapshot = status(&engine, "w").await;
    assert_eq!((snapshot.status.phase, snapshot.status.nodes().count()), (WorkflowPhase::Succeeded, 7));
    assert_verified(&engine).await;
    // It is looked at again and again, and archived once.
    let stream = StreamId::workflow(&run.uid).unwrap();
    let last = lab.store.stream(&stream).await.unwrap().unwrap().last_seq;
    lab.pass(Duration::from_secs(4_000)).await;
    assert_eq!(lab.store.stream(&stream).await.unwrap().unwrap().last_seq, last);
    // Until its time there is over, too.
    lab.pass(Duration::from_secs(2_000)).await;
    assert_eq!(archived().await, None);
    assert_eq!(lab.world.removed().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn who_follows_a_workflow_that_is_deleted_is_told_so() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    finished(&engine, &run.uid).await;
    let mut live = lab.engine().subscribe(&run.uid).await.unwrap();
    assert!(live.borrow_and_update().status.phase.completed());
    engine.delete(&run.namespace, &run.name).await.unwrap();
    let told = tokio::time::timeout(Duration::from_secs(60), live.changed()).await;
    assert!(told.unwrap().is_err(), "nothing follows the last snapshot");
}

#[tokio::test(start_paused = true)]
async fn delete_refuses_what_has_not_ended() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    assert!(matches!(engine.delete("ns", "w").await, Err(Error::Refused(_))));
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    lab.pass(Duration::from_secs(1)).await;
    engine.delete("ns", "w").await.unwrap();
    assert!(matches!(engine.load_status("ns", "w").await, Err(Error::NotFound(_))));
    assert!(matches!(engine.wait_terminal(&run.uid).await, Err(Error::NotFound(_))));
}

#[tokio::test(start_paused = true)]
async fn resubmit_runs_the_same_again_under_a_new_name() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    let changes = Resubmit { memoized: false, parameters: vec![("who".to_owned(), "me".to_owned())] };
    let again = engine.submit(engine.resubmit("ns", "w", &changes).await.unwrap()).await.unwrap();
    assert!(again.name.starts_with("w-"), "{}", again.name);
    assert_eq!(finished(&engine, &again.uid).await, WorkflowPhase::Succeeded);
    let row = lab.store.get_workflow("ns", &again.name).await.unwrap().unwrap();
    assert_eq!(row.labels["workflows.argoproj.io/resubmitted-from-workflow"], "w");
    assert_eq!(RowDetail::of(&row).parameters["who"], "me");
    let memoized = Resubmit { memoized: true, ..changes };
    let refused = engine.resubmit("ns", "w", &memoized).await;
    assert!(matches!(refused, Err(Error::Refused(_))), "it did not fail: {refused:?}");
}

#[tokio::test(start_paused = true)]
async fn verify_finds_rows_that_lie_and_rebuild_makes_them_true() {
    let lab = Lab::new();
    let engine = lab.engine();
    let run = submit(&engine, "w", chain()).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    lab.pass(Duration::from_secs(1)).await;
    assert_verified(&engine).await;
    let stream = StreamId::workflow(&run.uid).unwrap();
    let mut rows = lab.store.projection(&stream).await.unwrap().unwrap();
    rows.as_of = lab.store.stream(&stream).await.unwrap().unwrap().last_seq;
    rows.workflow.phase = "Failed".to_owned();
    rows.nodes[2].message = "nonsense".to_owned();
    rows.nodes.pop();
    lab.store.rebuild(&stream, rows).await.unwrap();
    let found = engine.verify().await.unwrap();
    assert_eq!(found.problems.len(), 3, "{found:#?}");
    assert_eq!(engine.rebuild().await.unwrap(), (1, Vec::new()));
    assert_verified(&engine).await;
}

#[tokio::test(start_paused = true)]
async fn f55_a_wide_workflow_costs_what_changes() {
    let lab = Lab::new();
    let engine = lab.engine();
    let mut wide = spec(&[steps("main", &[&["a"]]), step("a", &["run", "0"])]);
    wide["templates"][0]["steps"][0][0]["withSequence"] = json!({"count": "2000"});
    let run = submit(&engine, "w", wide).await;
    assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(lab.world.started().len(), 2000);
    assert!(lab.world.most_running() <= 64);
    let row = lab.store.get_workflow("ns", "w").await.unwrap().unwrap();
    assert_eq!(row.progress, "2000/2000");
    assert_verified(&engine).await;
}
