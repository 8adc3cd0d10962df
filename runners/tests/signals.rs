//! What a step says while it runs, and what its supervisor says when it cannot even begin.
//! Real processes, real sockets.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::time::Duration;

use common::Processes;
use common::conformance::{Subject, attempt, channel, finished, next, run, script};
use runner_runners::{AttemptId, ExitPhase, IsolationChoice, LogQuery, Observation, Reason};
use runner_workflows::spec::Template;

const MODES: [IsolationChoice; 2] = [IsolationChoice::Auto, IsolationChoice::Remap];

fn daemon(source: &str, probe: &serde_json::Value) -> Template {
    let mut template = script(source);
    template.daemon = Some(true);
    if !probe.is_null() {
        template.script.as_mut().unwrap().readiness_probe =
            Some(serde_json::from_value(probe.clone()).unwrap());
    }
    template
}

#[tokio::test]
async fn a_step_tells_its_progress_also_to_the_next_engine() {
    for isolation in MODES {
        let processes = Processes::new(isolation);
        let runner = processes.runner();
        let source = "echo 1/3 > $ARGO_PROGRESS_FILE; while ! test -e /tmp/go; do sleep 0.1; done";
        let spec = attempt(&processes, "progress", script(source));
        let (sink, mut events) = channel();
        runner.ensure(spec.clone(), sink).await.unwrap();
        let seen = next(&mut events, |o| matches!(o, Observation::Progress { .. })).await;
        assert_eq!(seen, Observation::Progress { done: 1, total: 3 });
        drop(runner);
        let again = processes.runner();
        let (sink, mut events) = channel();
        again.ensure(spec.clone(), sink).await.unwrap();
        let seen = next(&mut events, |o| matches!(o, Observation::Progress { .. })).await;
        assert_eq!(seen, Observation::Progress { done: 1, total: 3 });
        again.cancel(&spec.id, Duration::from_millis(100)).await.unwrap();
        finished(&mut events).await;
    }
}

#[tokio::test]
async fn a_daemon_is_ready_when_its_probe_says_so_and_not_before() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let serve = format!("sleep 1; touch /tmp/up; exec python3 -m http.server --bind 127.0.0.1 {port}");
    let probes = [
        serde_json::Value::Null,
        serde_json::json!({"tcpSocket": {"port": port}}),
        serde_json::json!({"httpGet": {"path": "/", "port": port}, "initialDelaySeconds": 1}),
        serde_json::json!({"exec": {"command": ["test", "-e", "/tmp/up"]}}),
    ];
    for (number, probe) in probes.iter().enumerate() {
        let processes = Processes::new(IsolationChoice::Auto);
        let runner = processes.runner();
        let spec = attempt(&processes, &format!("daemon-{number}"), daemon(&serve, probe));
        let (sink, mut events) = channel();
        let before = std::time::Instant::now();
        runner.ensure(spec.clone(), sink).await.unwrap();
        let ready =
            next(&mut events, |o| matches!(o, Observation::Ready { .. } | Observation::Finished(_))).await;
        assert!(matches!(&ready, Observation::Ready { ip, .. } if ip == "127.0.0.1"), "{probe}: {ready:?}");
        if !probe.is_null() {
            assert!(before.elapsed() >= Duration::from_secs(1), "{probe}: it was not up yet");
        }
        runner.cancel(&spec.id, Duration::from_millis(100)).await.unwrap();
        assert_eq!(finished(&mut events).await.phase, ExitPhase::Failed);
    }
}

#[tokio::test]
async fn a_job_that_cannot_be_read_leaves_a_record_that_says_so() {
    let processes = Processes::new(IsolationChoice::Auto);
    // A supervisor of another version: it damages the job before the real one reads it.
    let wrapper = processes.state().with_file_name("damaging");
    std::fs::create_dir_all(processes.state()).unwrap();
    let real = env!("CARGO_BIN_EXE_runner-step");
    let text = format!("#!/bin/sh\necho '{{\"unknown\": 1}}' > \"$2/spec.json\"\nexec {real} \"$@\"\n");
    std::fs::write(&wrapper, text).unwrap();
    std::fs::set_permissions(&wrapper, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let runner = processes.with(|config| config.program = wrapper);
    let exit = run(&runner, attempt(&processes, "damaged", script("true"))).await;
    assert_eq!(exit.phase, ExitPhase::Error);
    assert!(exit.message.contains("the job of the supervisor cannot be read"), "{}", exit.message);
}

/// Waits until a step says where it is paused, looks, and lets it go on.
async fn paused_at(
    events: &mut tokio::sync::mpsc::UnboundedReceiver<(AttemptId, Observation)>,
    place: &str,
) -> std::path::PathBuf {
    let seen =
        next(events, |o| matches!(o, Observation::Waiting { message } if message.contains(place))).await;
    let Observation::Waiting { message } = seen else { unreachable!() };
    message.rsplit("touch ").next().unwrap().into()
}

#[tokio::test]
async fn a_step_is_paused_before_and_after_its_command_also_for_the_next_engine() {
    for isolation in MODES {
        let processes = Processes::new(isolation);
        let runner = processes.runner();
        let mut template = script("echo done");
        let asked = ["ARGO_DEBUG_PAUSE_BEFORE", "ARGO_DEBUG_PAUSE_AFTER"];
        let env = asked.map(|name| serde_json::json!({"name": name, "value": "true"}));
        template.script.as_mut().unwrap().env = serde_json::from_value(serde_json::json!(env)).unwrap();
        let mut spec = attempt(&processes, "paused", template);
        // Whoever looks has no hurry.
        spec.timeout = Some(Duration::from_millis(1));
        let (sink, mut events) = channel();
        runner.ensure(spec.clone(), sink).await.unwrap();
        let marker = paused_at(&mut events, "before its command").await;
        let lines = runner.logs(&spec.id, LogQuery::default()).await.unwrap().collect().await.unwrap();
        assert!(lines.is_empty(), "it has not begun: {lines:?}");
        drop(runner);
        let again = processes.runner();
        let (sink, mut events) = channel();
        again.ensure(spec.clone(), sink).await.unwrap();
        assert_eq!(paused_at(&mut events, "before its command").await, marker);
        std::fs::write(marker, "").unwrap();
        let marker = paused_at(&mut events, "after its command").await;
        let lines = again.logs(&spec.id, LogQuery::default()).await.unwrap().collect().await.unwrap();
        assert_eq!(lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>(), ["done"]);
        std::fs::write(marker, "").unwrap();
        let exit = finished(&mut events).await;
        assert_eq!((exit.phase, exit.outputs.result.as_deref()), (ExitPhase::Succeeded, Some("done")));
        // One that is cancelled while it is paused ends.
        spec.id.attempt = 1;
        let (sink, mut events) = channel();
        again.ensure(spec.clone(), sink).await.unwrap();
        paused_at(&mut events, "before its command").await;
        again.cancel(&spec.id, Duration::from_millis(100)).await.unwrap();
        assert_eq!(finished(&mut events).await.reason, Some(Reason::Cancelled));
    }
}
