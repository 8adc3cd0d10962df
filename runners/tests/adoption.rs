//! A step outlives the engine, and an engine never takes one process for another (F2-F6, F14-F16).
//! The suite has the plain cases; here engines and supervisors die for real.

mod common;

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::conformance::{self, Subject, attempt, channel, finished, next, shell, succeed};
use common::{Processes, appears, gone, kill, long_sleep, processes_with};
use runner_runners::{ExitPhase, IsolationChoice, Observation, Runner};

fn processes() -> Processes {
    Processes::new(IsolationChoice::Auto)
}

/// The step's side of an exactly-once check: one line per execution.
fn ledger(processes: &Processes) -> std::path::PathBuf {
    let dir = processes.state().with_file_name("shared");
    std::fs::create_dir_all(&dir).unwrap_or_default();
    dir
}

#[tokio::test]
async fn f02_an_attempt_that_was_never_started_is_started() {
    let processes = processes();
    let runner = processes.runner();
    let spec = attempt(&processes, "f02", shell("echo ran"));
    // The engine died between making the directory and starting the supervisor.
    let dir = processes.attempt_dir(&spec.id);
    std::fs::create_dir_all(&dir).unwrap_or_default();
    std::fs::write(dir.join("lock"), b"").unwrap_or_default();
    std::fs::write(dir.join("spec.json"), b"{\"half").unwrap_or_default();
    assert_eq!(succeed(&*runner, spec).await.outputs.result.as_deref(), Some("ran"));
}

#[tokio::test]
async fn f03_a_supervisor_without_a_handle_yet_is_waited_for_and_adopted() {
    let processes = processes();
    let shared = ledger(&processes);
    let slow = shared.join("slow-supervisor");
    let program = processes.config().program;
    let text = format!("#!/bin/sh\nsleep 0.5\nexec '{}' \"$@\"\n", program.display());
    std::fs::write(&slow, text).unwrap_or_default();
    std::fs::set_permissions(&slow, std::fs::Permissions::from_mode(0o755)).unwrap_or_default();
    let mut spec = attempt(&processes, "f03", shell("echo x >> ledger; sleep 0.3"));
    spec.share_cwd = Some(shared.clone());
    let runner = processes.with(|config| config.program = slow);
    let (sink, _events) = channel();
    assert!(runner.ensure(spec.clone(), sink).await.is_ok());
    assert!(!processes.attempt_dir(&spec.id).join("handle.json").exists());
    drop(runner);
    succeed(&*processes.runner(), spec).await;
    assert_eq!(std::fs::read_to_string(shared.join("ledger")).unwrap_or_default(), "x\n");
}

/// Not a test: the engine that `f04` kills. Runs only when it is told where.
#[tokio::test]
async fn engine_to_be_killed() {
    let Ok(state) = std::env::var("RUNNER_TEST_ENGINE") else { return };
    let processes = processes();
    let runner = processes.with(|config| config.state_dir = state.into());
    let mut spec =
        attempt(&processes, "f04", shell("echo x >> ledger; echo one; sleep 1.5; echo two; exit 4"));
    spec.share_cwd = std::env::var_os("RUNNER_TEST_SHARED").map(Into::into);
    let (sink, _events) = channel();
    assert!(runner.ensure(spec, sink).await.is_ok());
    tokio::time::sleep(Duration::from_secs(60)).await;
}

async fn kill_an_engine(processes: &Processes, wait_for_the_end: bool) -> runner_runners::Exit {
    let shared = ledger(processes);
    let mut engine = Command::new(std::env::current_exe().unwrap_or_default())
        .args(["--exact", "engine_to_be_killed"])
        .env("RUNNER_TEST_ENGINE", processes.state())
        .env("RUNNER_TEST_SHARED", &shared)
        .stdout(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("{e}"));
    appears(&shared.join("ledger")).await;
    engine.kill().unwrap_or_default();
    engine.wait().map(drop).unwrap_or_default();
    let mut spec = attempt(processes, "f04", shell("echo never"));
    if wait_for_the_end {
        appears(&processes.attempt_dir(&spec.id).join("exit.json")).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    spec.share_cwd = Some(shared.clone());
    let exit = conformance::run(&*processes.runner(), spec).await;
    assert_eq!(std::fs::read_to_string(shared.join("ledger")).unwrap_or_default(), "x\n");
    exit
}

#[tokio::test]
async fn f04_a_running_step_is_adopted_after_kill_9_of_the_engine() {
    let processes = processes();
    let exit = kill_an_engine(&processes, false).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(4)));
    assert_eq!(exit.outputs.result.as_deref(), Some("one\ntwo"));
}

#[tokio::test]
async fn f05_f06_the_record_of_a_step_that_ended_without_an_engine_is_read() {
    let processes = processes();
    let exit = kill_an_engine(&processes, true).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(4)));
    // When it really ended, not when somebody looked.
    let age = jiff::Timestamp::now().as_millisecond() - exit.finished_at.as_millisecond();
    assert!(age >= 450, "{age}");
}

#[tokio::test]
async fn f14_a_killed_supervisor_is_noticed_and_its_step_does_not_survive() {
    let processes = processes();
    let runner = processes.runner();
    let (plain, daemon) = (long_sleep(), long_sleep());
    let script = format!("setsid env -i /bin/sleep {daemon} & sleep {plain} & echo x > up; sleep 60");
    let mut spec = attempt(&processes, "f14", shell(&script));
    spec.share_cwd = Some(ledger(&processes));
    let (sink, mut events) = channel();
    assert!(runner.ensure(spec.clone(), sink).await.is_ok());
    appears(&ledger(&processes).join("up")).await;
    let start = Instant::now();
    kill(processes.supervisor(&spec.id));
    next(&mut events, |o| matches!(o, Observation::Lost { .. })).await;
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
    gone(&plain).await;
    if processes.handle(&spec.id)["isolation"] == "overlay" {
        gone(&daemon).await;
    } else {
        // Without a namespace and without its environment nothing tells whose it was.
        processes_with(&daemon).into_iter().for_each(kill);
    }
}

#[tokio::test]
async fn f15_after_a_reboot_a_step_is_lost_and_nobody_is_signalled() {
    let processes = processes();
    let runner = processes.runner();
    let sleep = long_sleep();
    let spec = attempt(&processes, "f15", shell(&format!("sleep {sleep}")));
    let (sink, mut events) = channel();
    assert!(runner.ensure(spec.clone(), sink).await.is_ok());
    appears(&processes.attempt_dir(&spec.id).join("handle.json")).await;
    let rebooted = processes.with(|config| config.boot_id = Some("another boot".into()));
    let (other, mut others) = channel();
    assert!(rebooted.ensure(spec.clone(), other).await.is_ok());
    match next(&mut others, |o| matches!(o, Observation::Lost { .. } | Observation::Finished(_))).await {
        Observation::Lost { reason } => assert!(reason.contains("restarted"), "{reason}"),
        other => panic!("{other:?}"),
    }
    while processes_with(&sleep).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(events.try_recv().is_ok_and(|(_, o)| matches!(o, Observation::Started { .. })));
    assert!(events.try_recv().is_err(), "the running step was touched");
    assert!(runner.cancel(&spec.id, Duration::ZERO).await.is_ok());
    finished(&mut events).await;
}

#[tokio::test]
async fn f16_a_process_that_got_the_pid_of_a_supervisor_is_left_alone() {
    let processes = processes();
    let runner = processes.runner();
    let spec = attempt(&processes, "f16", shell("true"));
    succeed(&*runner, spec.clone()).await;
    let mut innocent = Command::new("sleep").arg("60").spawn().unwrap_or_else(|e| panic!("{e}"));
    let mut handle = processes.handle(&spec.id);
    handle["pid"] = innocent.id().into();
    let dir = processes.attempt_dir(&spec.id);
    std::fs::write(dir.join("handle.json"), handle.to_string()).unwrap_or_default();
    std::fs::remove_file(dir.join("exit.json")).unwrap_or_default();
    let (sink, mut events) = channel();
    assert!(runner.ensure(spec, sink).await.is_ok());
    next(&mut events, |o| matches!(o, Observation::Lost { .. })).await;
    assert!(innocent.try_wait().is_ok_and(|ended| ended.is_none()));
    innocent.kill().unwrap_or_default();
    innocent.wait().map(drop).unwrap_or_default();
}

#[tokio::test]
async fn f05_a_record_that_a_power_cut_left_without_its_name_counts() {
    let processes = processes();
    let spec = attempt(&processes, "cut", shell("exit 6"));
    let first = conformance::run(&*processes.runner(), spec.clone()).await;
    let dir = processes.attempt_dir(&spec.id);
    std::fs::rename(dir.join("exit.json"), dir.join("exit.json.new")).unwrap_or_default();
    assert_eq!(conformance::run(&*processes.runner(), spec.clone()).await, first);
    // Half a record is none.
    std::fs::write(dir.join("exit.json.new"), b"{\"phase\":\"Succ").unwrap_or_default();
    std::fs::remove_file(dir.join("exit.json")).unwrap_or_default();
    let (sink, mut events) = channel();
    assert!(processes.runner().ensure(spec, sink).await.is_ok());
    let last = next(&mut events, |o| !matches!(o, Observation::Started { .. })).await;
    assert!(matches!(last, Observation::Lost { .. }), "{last:?}");
}
