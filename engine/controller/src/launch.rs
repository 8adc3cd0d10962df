//! The way of one attempt from its durable intent to its runner: specification, gate, ensure, cancel.
//! Deliberately starts nothing before its fact was appended; callers come here only after that.

use std::sync::Arc;
use std::time::Duration;

use runner_machine::attempt_plan;
use runner_runners::{AttemptId, AttemptSpec, LogQuery, Runner, Sink};
use tokio::sync::oneshot;

use crate::clock::sleep;
use crate::collect;
use crate::core::Core;
use crate::gate::Effect;
use crate::inbox::{Attempt, Letter, Start};
use crate::options::LONGEST_PAUSE;
use crate::runners::EXECUTOR;
use crate::submit::SHARE_CWD;
use crate::turn::Run;

/// First wait before a runner that failed for a while is asked again.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Why an attempt is handed to its runner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Launch {
    /// Its turn has come.
    Start,
    /// An earlier engine saw it running.
    Adopt,
    /// It is to be cancelled, and whether it was ever started is not known.
    Probe,
}

/// A runner and what it is to run.
struct Ready {
    runner: Arc<dyn Runner>,
    spec: AttemptSpec,
}

fn id_of(run: &Run, (ix, attempt): Attempt) -> AttemptId {
    let node_id = run.status.node(ix).map(|node| node.id.clone()).unwrap_or_default();
    AttemptId { workflow_uid: run.status.uid.clone(), node_id, attempt }
}

fn prepare(core: &Core, run: &Run, attempt: Attempt) -> Result<Ready, String> {
    let node = run.status.node(attempt.0).ok_or("the node is gone")?;
    let mut plan = attempt_plan(&run.plan, &run.status, attempt.0, core.clock.now())?;
    let annotations = &run.plan.workflow.metadata.annotations;
    let (runner, contained) =
        core.runners.of(&plan.template, annotations.get(EXECUTOR).map(String::as_str))?;
    plan.template = contained.unwrap_or(plan.template);
    let spec = AttemptSpec {
        id: id_of(run, attempt),
        workflow: run.status.name.clone(),
        namespace: run.status.namespace.clone(),
        node_name: node.name.clone(),
        default_key_prefix: format!("{}/{}", run.status.name, plan.pod_name),
        pod_name: plan.pod_name,
        volumes: plan.template.volumes.clone(),
        claims: plan.claims,
        template: plan.template,
        capture_result: plan.capture_result,
        timeout: plan.timeout,
        step_key: plan.step_key,
        repository: collect::repository(core, &run.plan),
        share_cwd: annotations.get(SHARE_CWD).map(Into::into),
        env: vec![(runner_runners::ATTEMPT_VARIABLE.to_owned(), plan.execution.to_string())],
        archive_logs: plan.archive_logs,
        pod: runner_runners::PodDefaults::of(&run.plan.workflow.spec),
    };
    Ok(Ready { runner, spec })
}

/// Hands an attempt to its runner and reports what became of it.
pub(crate) fn task(
    core: &Arc<Core>,
    run: &Run,
    attempt: Attempt,
    how: Launch,
    sink: Sink,
    mut stopped: oneshot::Receiver<()>,
) -> impl Future<Output = Letter> + Send + 'static {
    let ready = prepare(core, run, attempt);
    let effect = Effect {
        uid: run.status.uid.clone(),
        workflow: run.status.name.clone(),
        node: run.status.node(attempt.0).map(|node| node.name.clone()).unwrap_or_default(),
        attempt: attempt.1,
    };
    let (core, stream, epoch) = (Arc::clone(core), run.stream.clone(), run.epoch);
    async move {
        let Ready { runner, spec } = match ready {
            Ok(ready) => ready,
            Err(why) => return Letter::Started(attempt, Start::Refused(why)),
        };
        if how == Launch::Probe && never_started(runner.as_ref(), &spec.id).await {
            return Letter::Started(attempt, Start::Never);
        }
        if how == Launch::Start {
            tokio::select! {
                biased;
                _ = &mut stopped => return Letter::Started(attempt, Start::Never),
                () = core.options.gate.pass(&effect) => {}
            }
        }
        if !core.holds(&stream, epoch) {
            // Not ours any more (F30): the keeper is about to drop the whole workflow.
            return Letter::Nothing;
        }
        let mut pause = FIRST_PAUSE;
        loop {
            match runner.ensure(spec.clone(), sink.clone()).await {
                Ok(()) => return Letter::Started(attempt, Start::Ensured),
                Err(error) if error.is_retriable() => {
                    tracing::warn!(attempt = %spec.id, %error, "step could not be started yet");
                }
                Err(error) => return Letter::Started(attempt, Start::Refused(error.to_string())),
            }
            tokio::select! {
                biased;
                _ = &mut stopped, if how == Launch::Start => return Letter::Started(attempt, Start::Never),
                () = sleep(&core.clock, pause) => {}
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Whether the runner knows nothing of the attempt: then it never ran, and after its cancel it will not (P9).
async fn never_started(runner: &dyn Runner, id: &AttemptId) -> bool {
    let query = LogQuery { tail: Some(0), ..LogQuery::default() };
    matches!(runner.logs(id, query).await, Err(runner_runners::Error::NotFound(_)))
}

/// Asks the runner to end an attempt, until it has taken notice.
pub(crate) fn cancel(
    core: &Arc<Core>,
    run: &Run,
    attempt: Attempt,
) -> impl Future<Output = Letter> + Send + 'static {
    let ready = prepare(core, run, attempt).map(|ready| ready.runner);
    let (core, id) = (Arc::clone(core), id_of(run, attempt));
    async move {
        let Ok(runner) = ready else { return Letter::Nothing };
        let mut pause = FIRST_PAUSE;
        loop {
            match runner.cancel(&id, core.options.grace).await {
                Ok(()) => return Letter::Nothing,
                Err(error) if error.is_retriable() => {
                    tracing::warn!(attempt = %id, %error, "step could not be cancelled yet");
                }
                Err(error) => {
                    tracing::error!(attempt = %id, %error, "step could not be cancelled");
                    return Letter::Nothing;
                }
            }
            sleep(&core.clock, pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
