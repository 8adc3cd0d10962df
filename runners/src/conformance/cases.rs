//! The cases of the suite; each name is the sentence it proves.
//! Nothing here knows how a runner does it.

use std::time::{Duration, Instant};

use runner_runners::{ExitPhase, LogQuery, Observation, Reason, Stream};
use runner_workflows::spec::Artifact;

use super::{
    SLOW, Subject, attempt, channel, finished, from_path, log_text, next, next_within, run, script, shell,
    succeed, value,
};

pub(super) async fn it_starts_and_reports(subject: &dyn Subject) {
    let runner = subject.runner();
    let (sink, mut events) = channel();
    let spec = attempt(subject, "starts", shell("echo hello"));
    let before = jiff::Timestamp::now();
    runner.ensure(spec, sink).await.unwrap();
    match next(&mut events, |o| matches!(o, Observation::Started { .. })).await {
        Observation::Started { at, .. } => assert!(at >= before),
        other => panic!("{other:?}"),
    }
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    assert_eq!(exit.exit_code, Some(0));
    assert_eq!(exit.outputs.result.as_deref(), Some("hello"));
    assert_eq!(exit.outputs.exit_code.as_deref(), Some("0"));
    assert!(exit.started_at >= before && exit.finished_at >= exit.started_at);
}

pub(super) async fn ensure_twice_starts_once(subject: &dyn Subject) {
    let runner = subject.runner();
    let spec = attempt(subject, "twice", shell("date +%s%N; sleep 0.3"));
    let (first, mut first_events) = channel();
    let (second, mut second_events) = channel();
    let (a, b) = tokio::join!(runner.ensure(spec.clone(), first), runner.ensure(spec.clone(), second));
    a.unwrap();
    b.unwrap();
    let (first, second) = (finished(&mut first_events).await, finished(&mut second_events).await);
    assert_eq!(first, second);
    assert_eq!(log_text(&*runner, &spec.id).await.len(), 1);
}

pub(super) async fn exit_codes_become_phases(subject: &dyn Subject) {
    let runner = subject.runner();
    let exit = run(&*runner, attempt(subject, "code-3", shell("exit 3"))).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(3)));
    assert_eq!(exit.message, "main: Error (exit code 3)");
    assert_eq!(exit.outputs.exit_code.as_deref(), Some("3"));
    let exit = run(&*runner, attempt(subject, "signal", script("kill -KILL $$"))).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(137)));
}

pub(super) async fn it_adopts_after_the_engine_is_gone(subject: &dyn Subject) {
    let spec = attempt(subject, "adopt", shell("echo one; sleep 1; echo two"));
    let runner = subject.runner();
    let (sink, _events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    drop(runner);
    let runner = subject.runner();
    let exit = succeed(&*runner, spec.clone()).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("one\ntwo"));
    assert_eq!(log_text(&*runner, &spec.id).await, ["one", "two"]);
}

pub(super) async fn it_reads_the_record_of_what_ended_meanwhile(subject: &dyn Subject) {
    let spec = attempt(subject, "record", shell("exit 7"));
    let runner = subject.runner();
    let first = run(&*runner, spec.clone()).await;
    drop(runner);
    let again = run(&*subject.runner(), spec).await;
    assert_eq!(first, again);
}

pub(super) async fn outputs_are_collected(subject: &dyn Subject) {
    let runner = subject.runner();
    let mut template = shell("mkdir -p /mnt/out; printf 'a\\n\\n' > /tmp/a; echo b > /mnt/out/b; exit 1");
    template.outputs.parameters = vec![from_path("a", "/tmp/a"), from_path("b", "/mnt/out/b")];
    let mut absent = from_path("c", "/tmp/absent");
    if let Some(from) = &mut absent.value_from {
        from.default = Some("fallback".into());
    }
    template.outputs.parameters.push(absent);
    let exit = run(&*runner, attempt(subject, "outputs", template)).await;
    // Saved although main failed, and main's message stays.
    assert_eq!(exit.message, "main: Error (exit code 1)");
    assert_eq!(value(&exit, "a").as_deref(), Some("a\n"));
    assert_eq!(value(&exit, "b").as_deref(), Some("b"));
    assert_eq!(value(&exit, "c").as_deref(), Some("fallback"));
}

pub(super) async fn a_missing_output_is_an_error(subject: &dyn Subject) {
    let runner = subject.runner();
    let mut template = shell("true");
    template.outputs.parameters = vec![from_path("a", "/tmp/a")];
    let exit = run(&*runner, attempt(subject, "missing", template)).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::Output)));
    assert!(exit.message.contains("\"a\"") && exit.message.contains("/tmp/a"), "{}", exit.message);
    assert_eq!(exit.exit_code, Some(0));
}

pub(super) async fn logs_keep_their_streams(subject: &dyn Subject) {
    let runner = subject.runner();
    let spec = attempt(subject, "logs", shell("echo out; sleep 0.1; echo err >&2; sleep 0.1; printf tail"));
    let exit = succeed(&*runner, spec.clone()).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("out\ntail"));
    let lines = runner.logs(&spec.id, LogQuery::default()).await.unwrap().collect().await.unwrap();
    let seen: Vec<(Stream, &str)> = lines.iter().map(|line| (line.stream, line.text.as_str())).collect();
    assert_eq!(seen, [(Stream::Stdout, "out"), (Stream::Stderr, "err"), (Stream::Stdout, "tail")]);
    assert!(lines.is_sorted_by_key(|line| line.at));
    let query = LogQuery { tail: Some(1), ..LogQuery::default() };
    let last = runner.logs(&spec.id, query).await.unwrap().collect().await.unwrap();
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].text, "tail");
}

pub(super) async fn logs_can_be_followed(subject: &dyn Subject) {
    let runner = subject.runner();
    let spec = attempt(subject, "follow", shell("echo one; sleep 1; echo two"));
    let (sink, mut events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    let query = LogQuery { follow: true, ..LogQuery::default() };
    let mut lines = runner.logs(&spec.id, query).await.unwrap();
    assert_eq!(lines.next().await.unwrap().unwrap().text, "one");
    next(&mut events, |o| matches!(o, Observation::Started { .. })).await;
    assert_eq!(lines.next().await.unwrap().unwrap().text, "two");
    assert!(lines.next().await.is_none());
}

pub(super) async fn cancel_ends_it_within_the_grace(subject: &dyn Subject) {
    let runner = subject.runner();
    let spec =
        attempt(subject, "cancel", shell("trap '' TERM; echo up; sleep 60 & wait; sleep 60; sleep 60"));
    let (sink, mut events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    let query = LogQuery { follow: true, ..LogQuery::default() };
    assert_eq!(runner.logs(&spec.id, query).await.unwrap().next().await.unwrap().unwrap().text, "up");
    let start = Instant::now();
    runner.cancel(&spec.id, Duration::from_millis(500)).await.unwrap();
    let exit = finished(&mut events).await;
    assert!(start.elapsed() >= Duration::from_millis(400), "{:?} {exit:?}", start.elapsed());
    assert!(start.elapsed() < Duration::from_millis(2500) + subject.slack(), "{:?}", start.elapsed());
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Failed, Some(Reason::Cancelled)));
    // Repeatable, and harmless afterwards and before.
    runner.cancel(&spec.id, Duration::ZERO).await.unwrap();
    let never = attempt(subject, "never", shell("true"));
    runner.cancel(&never.id, Duration::ZERO).await.unwrap();
}

pub(super) async fn a_deadline_ends_it(subject: &dyn Subject) {
    let runner = subject.runner();
    let mut spec = attempt(subject, "deadline", shell("echo up; sleep 60"));
    spec.timeout = Some(Duration::from_millis(500) + subject.slack() / 2);
    let start = Instant::now();
    let exit = run(&*runner, spec).await;
    assert!(start.elapsed() < Duration::from_secs(4) + subject.slack() * 2, "{:?}", start.elapsed());
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Failed, Some(Reason::Deadline)));
    assert_eq!(exit.message, "Pod was active on the node longer than the specified deadline");
    assert_eq!(exit.outputs.result.as_deref(), Some("up"));
}

pub(super) async fn what_is_lost_is_reported_as_lost(subject: &dyn Subject) {
    let runner = subject.runner();
    let spec = attempt(subject, "lost", shell("echo up; sleep 60"));
    let (sink, mut events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    let query = LogQuery { follow: true, ..LogQuery::default() };
    assert_eq!(runner.logs(&spec.id, query).await.unwrap().next().await.unwrap().unwrap().text, "up");
    if !subject.lose(&spec.id) {
        eprintln!("conformance: this runner cannot lose a step on purpose");
        return;
    }
    next(&mut events, |o| matches!(o, Observation::Lost { .. })).await;
    // And says so again to the next engine, instead of starting it once more.
    drop(runner);
    let (sink, mut events) = channel();
    let runner = subject.runner();
    runner.ensure(spec.clone(), sink).await.unwrap();
    next(&mut events, |o| matches!(o, Observation::Lost { .. })).await;
    assert_eq!(log_text(&*runner, &spec.id).await, ["up"]);
}

pub(super) async fn big_output_is_capped(subject: &dyn Subject) {
    let runner = subject.runner();
    let spec = attempt(subject, "big", shell("echo first; yes 0123456789 | head -c 110000000; echo last"));
    let (sink, mut events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    let end = |o: &Observation| matches!(o, Observation::Finished(_) | Observation::Lost { .. });
    let Observation::Finished(exit) = next_within(SLOW, &mut events, end).await else {
        panic!("expected a record");
    };
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    let result = exit.outputs.result.unwrap_or_default();
    assert!(result.len() <= 256 << 10 && result.ends_with("\nlast"), "{}", result.len());
    let lines = log_text(&*runner, &spec.id).await;
    assert_eq!(lines.first().map(String::as_str), Some("first"));
    assert_eq!(lines.last().map(String::as_str), Some("last"));
    let kept: usize = lines.iter().map(|line| line.len() + 1).sum();
    assert!(kept < 66 << 20, "{kept}");
    let gaps = lines.iter().filter(|line| line.contains("bytes of output were dropped")).count();
    // Where somebody else keeps the log first, more than once something may be missing.
    assert!(gaps == 1 || gaps > 1 && !subject.slack().is_zero(), "{gaps}");
}

pub(super) async fn artifacts_travel(subject: &dyn Subject) {
    let runner = subject.runner();
    let mut template = shell("mkdir -p /tmp/d/e; echo deep > /tmp/d/e/f; echo plain > /hello.txt");
    let artifact =
        |name: &str, path: &str| Artifact { name: name.into(), path: path.into(), ..Artifact::default() };
    template.outputs.artifacts =
        vec![artifact("dir", "/tmp/d"), artifact("file", "/hello.txt"), artifact("none", "/tmp/absent")];
    template.outputs.artifacts[2].optional = true;
    let exit = succeed(&*runner, attempt(subject, "produce", template)).await;
    assert_eq!(exit.outputs.artifacts.len(), 2);
    let key = exit.outputs.artifact("file").unwrap().s3.as_ref().unwrap().key.clone();
    assert_eq!(key, "produce/produce-pod/file.tgz");

    let mut template = shell("cat /in/d/e/f /in/file /in/raw; stat -c %a /in/file");
    for (name, path) in [("dir", "/in/d"), ("file", "/in/file")] {
        let mut input = exit.outputs.artifact(name).unwrap().clone();
        input.path = path.into();
        input.mode = (name == "file").then_some(0o600);
        template.inputs.artifacts.push(input);
    }
    let raw = runner_workflows::spec::RawArtifact { data: "raw\n".into() };
    template.inputs.artifacts.push(Artifact { raw: Some(raw), ..artifact("raw", "/in/raw") });
    let exit = succeed(&*runner, attempt(subject, "consume", template)).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("deep\nplain\nraw\n600"));

    let mut template = shell("true");
    let mut gone = artifact("gone", "/in/gone");
    runner_runners::artifacts::set_repository_key(&mut gone, "no/such/key".into());
    template.inputs.artifacts.push(gone);
    let exit = run(&*runner, attempt(subject, "gone", template)).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Error, Some(Reason::Input)));
    assert!(exit.message.contains("\"gone\""), "{}", exit.message);
}

pub(super) async fn a_command_that_is_not_there_fails(subject: &dyn Subject) {
    let runner = subject.runner();
    let mut template = shell("");
    if let Some(container) = &mut template.container {
        container.command = vec!["no-such-command".into()];
    }
    let exit = run(&*runner, attempt(subject, "no-command", template)).await;
    assert_eq!((exit.phase, exit.exit_code), (ExitPhase::Failed, Some(127)));
    assert!(exit.message.starts_with("main: Error (exit code 127)"), "{}", exit.message);
    assert!(exit.message.contains("no-such-command"), "{}", exit.message);
}

pub(super) async fn remove_forgets(subject: &dyn Subject) {
    let runner = subject.runner();
    let spec = attempt(subject, "remove", shell("echo x"));
    succeed(&*runner, spec.clone()).await;
    runner.remove(&spec.id).await.unwrap();
    runner.remove(&spec.id).await.unwrap();
    assert!(runner.logs(&spec.id, LogQuery::default()).await.is_err());
    let running = attempt(subject, "remove-running", shell("sleep 60"));
    let (sink, mut events) = channel();
    runner.ensure(running.clone(), sink).await.unwrap();
    assert!(runner.remove(&running.id).await.is_err());
    runner.cancel(&running.id, Duration::ZERO).await.unwrap();
    finished(&mut events).await;
}
