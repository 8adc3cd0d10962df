//! What every runner has to do, as a suite that each of them runs: see `all`.
//! Knows no runner; a subject gives it one, and a way to lose a step.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "a test suite")]

mod cases;

use std::time::Duration;

use runner_runners::{
    ArtifactRepository, AttemptId, AttemptSpec, Exit, ExitPhase, LogQuery, Observation, Runner, Sink,
};
use runner_workflows::spec::{AnyString, Container, Parameter, ScriptTemplate, Template, ValueFrom};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

/// A runner under test.
pub trait Subject: Send + Sync {
    /// A runner over the same state each time: dropping one and asking for another is an engine restart.
    fn runner(&self) -> Box<dyn Runner>;
    /// Where artifacts go.
    fn repository(&self) -> ArtifactRepository;
    /// Makes the attempt's supervision vanish without a trace; false when that cannot be done.
    fn lose(&self, id: &AttemptId) -> bool;
    /// How much longer than a process of this machine a step may take to start and to end.
    fn slack(&self) -> Duration {
        Duration::ZERO
    }
    /// The runner masks secrets in logs. The case joins the suite with the feature.
    fn masks_secrets(&self) -> bool {
        false
    }
}

/// Runs every case, one after the other.
pub async fn all(subject: &dyn Subject) {
    cases::it_starts_and_reports(subject).await;
    cases::ensure_twice_starts_once(subject).await;
    cases::exit_codes_become_phases(subject).await;
    cases::it_adopts_after_the_engine_is_gone(subject).await;
    cases::it_reads_the_record_of_what_ended_meanwhile(subject).await;
    cases::outputs_are_collected(subject).await;
    cases::a_missing_output_is_an_error(subject).await;
    cases::logs_keep_their_streams(subject).await;
    cases::logs_can_be_followed(subject).await;
    cases::cancel_ends_it_within_the_grace(subject).await;
    cases::a_deadline_ends_it(subject).await;
    cases::what_is_lost_is_reported_as_lost(subject).await;
    cases::big_output_is_capped(subject).await;
    cases::artifacts_travel(subject).await;
    cases::a_command_that_is_not_there_fails(subject).await;
    cases::remove_forgets(subject).await;
    if subject.masks_secrets() {
        eprintln!("conformance: secret masking has no case yet");
    }
}

/// Longest wait for anything that should happen at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(120);

/// Longest wait for a case that moves a lot. Docker's daemon takes about 1.4 µs of a processor for each line it keeps:
/// ten million of them are 14 seconds on an idle machine, and the container waits for it.
pub const SLOW: Duration = Duration::from_secs(180);

/// A template that runs `sh -c`.
pub fn shell(script: &str) -> Template {
    let command = vec!["sh".to_owned(), "-c".to_owned()];
    let container =
        Container { image: "alpine".into(), command, args: vec![script.to_owned()], ..Container::default() };
    Template { name: "main".into(), container: Some(container), ..Template::default() }
}

/// A script template for `sh`.
pub fn script(source: &str) -> Template {
    let command = vec!["sh".to_owned()];
    let script = ScriptTemplate { command, source: source.to_owned(), ..ScriptTemplate::default() };
    Template { name: "main".into(), script: Some(script), ..Template::default() }
}

/// An output parameter read from a file.
pub fn from_path(name: &str, path: &str) -> Parameter {
    let value_from = Some(ValueFrom { path: path.to_owned(), ..ValueFrom::default() });
    Parameter { name: name.to_owned(), value_from, ..Parameter::default() }
}

/// The text of an output parameter.
pub fn value(exit: &Exit, name: &str) -> Option<String> {
    exit.outputs.parameter(name).and_then(|p| p.value.as_ref()).map(|AnyString(text)| text.clone())
}

/// An attempt of a template, named after the case.
pub fn attempt(subject: &dyn Subject, case: &str, template: Template) -> AttemptSpec {
    AttemptSpec {
        id: AttemptId { workflow_uid: format!("uid-{case}"), node_id: "node".into(), attempt: 0 },
        workflow: case.to_owned(),
        namespace: "default".into(),
        node_name: case.to_owned(),
        pod_name: format!("{case}-pod"),
        template,
        capture_result: true,
        timeout: None,
        step_key: format!("uid-{case}/node"),
        volumes: Vec::new(),
        repository: subject.repository(),
        default_key_prefix: format!("{case}/{case}-pod"),
        share_cwd: None,
        claims: Vec::new(),
        env: Vec::new(),
        archive_logs: false,
        pod: runner_runners::PodDefaults::default(),
    }
}

/// A sink and its other end.
pub fn channel() -> (Sink, UnboundedReceiver<(AttemptId, Observation)>) {
    unbounded_channel()
}

/// The next observation of one of the wanted kinds.
pub async fn next(
    events: &mut UnboundedReceiver<(AttemptId, Observation)>,
    wanted: impl Fn(&Observation) -> bool,
) -> Observation {
    next_within(SOON, events, wanted).await
}

/// The same with its longest wait.
pub async fn next_within(
    longest: Duration,
    events: &mut UnboundedReceiver<(AttemptId, Observation)>,
    wanted: impl Fn(&Observation) -> bool,
) -> Observation {
    let waiting = async {
        loop {
            let (_, observation) = events.recv().await.unwrap();
            if wanted(&observation) {
                return observation;
            }
        }
    };
    match tokio::time::timeout(longest, waiting).await {
        Ok(observation) => observation,
        Err(_) => panic!("the observation did not come"),
    }
}

/// Waits for the end, which must have left a record.
pub async fn finished(events: &mut UnboundedReceiver<(AttemptId, Observation)>) -> Exit {
    let end = |o: &Observation| matches!(o, Observation::Finished(_) | Observation::Lost { .. });
    match next(events, end).await {
        Observation::Finished(exit) => exit,
        other => panic!("expected a record, got {other:?}"),
    }
}

/// Runs an attempt to its end.
pub async fn run(runner: &dyn Runner, spec: AttemptSpec) -> Exit {
    let (sink, mut events) = channel();
    runner.ensure(spec, sink).await.unwrap();
    finished(&mut events).await
}

/// Runs an attempt that has to succeed.
pub async fn succeed(runner: &dyn Runner, spec: AttemptSpec) -> Exit {
    let exit = run(runner, spec).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    exit
}

/// The whole log, one string per line.
pub async fn log_text(runner: &dyn Runner, id: &AttemptId) -> Vec<String> {
    let lines = runner.logs(id, LogQuery::default()).await.unwrap().collect().await.unwrap();
    lines.into_iter().map(|line| line.text).collect()
}
