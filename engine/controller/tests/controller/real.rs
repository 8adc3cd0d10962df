//! Engines over SQLite files in real time, each with a store of its own as separate processes have.
//! The runner is a fake; times are generous where the machine may be busy.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner_controller::{Controller, Options, Runners, SystemClock, SystemIds};
use runner_machine::{Command, WorkflowPhase};
use runner_store::{SqliteStore, Store};
use serde_json::json;

use crate::lab::{VirtualClock, World, assert_verified, finished, spec, status, step, steps, submit};

async fn store(dir: &Path) -> Arc<dyn Store> {
    let options = runner_store::Options { pregrow_wal_bytes: 0, ..runner_store::Options::default() };
    Arc::new(SqliteStore::open(dir.join("runner.db"), options).await.expect("a store"))
}

async fn engine(dir: &Path, world: &Arc<World>, adopt: bool, dead: Option<String>) -> (Controller, String) {
    let mut options = Options::new(dir);
    options.adopt = adopt;
    options.is_dead = Some(Arc::new(move |owner| dead.as_deref() == Some(owner)));
    let owner = options.owner.clone();
    let runners = Runners::new().with_process(world.clone());
    let (clock, ids) = (Arc::new(SystemClock), Arc::new(SystemIds));
    (Controller::start(store(dir).await, runners, clock, ids, options), owner)
}

fn approval() -> serde_json::Value {
    spec(&[
        steps("main", &[&["a"], &["approve"], &["b"]]),
        step("a", &["run", "0"]),
        json!({"name": "approve", "suspend": {}}),
        step("b", &["run", "0"]),
    ])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_engines_share_a_file_and_one_takes_over_from_the_other() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(VirtualClock::new(), store(dir.path()).await);
    let (one, owner) = engine(dir.path(), &world, false, None).await;
    let (two, _) = engine(dir.path(), &world, false, None).await;
    let first = submit(&one, "first", approval()).await;
    let mut live = two.subscribe(&first.uid).await.unwrap();
    let waits = |snapshot: &Arc<runner_controller::Snapshot>| {
        snapshot.status.nodes().any(|(_, node)| node.display_name == "approve")
    };
    live.wait_for(waits).await.unwrap();
    let resume =
        Command::Resume { selector: String::new(), parameters: BTreeMap::new(), message: String::new() };
    let before = Instant::now();
    two.command("ns", "first", resume, "me").await.unwrap();
    let took = before.elapsed();
    println!("a command to another process took {took:?}");
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(finished(&two, &first.uid).await, WorkflowPhase::Succeeded);

    let mut slow = spec(&[step("main", &["run", "1"])]);
    slow["synchronization"] = json!({"mutexes": [{"name": "m"}]});
    let holder = submit(&one, "holder", slow.clone()).await;
    while status(&two, "holder").await.status.node_count() == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let waiter = submit(&two, "waiter", slow).await;
    drop(one);
    let (three, _) = engine(dir.path(), &world, true, Some(owner)).await;
    assert_eq!(finished(&three, &holder.uid).await, WorkflowPhase::Succeeded);
    assert_eq!(finished(&three, &waiter.uid).await, WorkflowPhase::Succeeded);
    assert_eq!((world.starts("holder"), world.starts("waiter")), (1, 1));
    assert_eq!(world.early(), Vec::<String>::new(), "effect before record");
    assert_verified(&three).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_workflows_share_commits_and_all_end() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(VirtualClock::new(), store(dir.path()).await);
    let (engine, _) = engine(dir.path(), &world, false, None).await;
    let before = Instant::now();
    let mut runs = Vec::new();
    for n in 0..100 {
        let three = spec(&[
            steps("main", &[&["a"], &["b"], &["c"]]),
            step("a", &["run", "0"]),
            step("b", &["run", "0"]),
            step("c", &["run", "0"]),
        ]);
        runs.push(submit(&engine, &format!("w{n}"), three).await);
    }
    for run in &runs {
        assert_eq!(finished(&engine, &run.uid).await, WorkflowPhase::Succeeded);
    }
    let took = before.elapsed();
    println!("100 workflows of 3 steps took {took:?}");
    assert_eq!(world.started().len(), 300);
    assert_verified(&engine).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f61_engines_that_race_for_a_mutex_never_have_it_both() {
    let dir = tempfile::tempdir().unwrap();
    let world = World::new(VirtualClock::new(), store(dir.path()).await);
    let mut engines = Vec::new();
    for _ in 0..3 {
        engines.push(engine(dir.path(), &world, false, None).await.0);
    }
    let mut runs = Vec::new();
    for n in 0..24 {
        let mut locked = spec(&[step("main", &["run", "0.01"])]);
        locked["synchronization"] = json!({"mutexes": [{"name": "m"}]});
        locked["priority"] = json!(n % 5);
        runs.push(submit(&engines[n % 3], &format!("w{n}"), locked).await);
    }
    for run in &runs {
        assert_eq!(finished(&engines[0], &run.uid).await, WorkflowPhase::Succeeded);
    }
    assert_eq!(world.started().len(), 24);
    assert_eq!(world.most_running(), 1);
    assert_verified(&engines[1]).await;
}
