//! The end of a pod: what its statuses and its supervisors say, put together; and when the pod is deleted.
//! Collects no outputs: the attempt's directory does.

use std::sync::Arc;

use jiff::Timestamp;
use runner_pods::pod::SUPERVISOR_INIT;
use runner_runners::guest::{Container as Ended, Left, Part};
use runner_runners::release::Guests;
use runner_runners::{AttemptSpec, ExitPhase, Observation, Reason};
use runner_workflows::spec::k8s::LabelSelector;

use crate::begin::Halt;
use crate::drive::{Work, nothing};
use crate::follow::Heard;
use crate::note::Note;
use crate::runner::Shared;
use crate::status::{self, View};
use crate::watch::Known;
use crate::{owed, shape};

/// What came of the containers of a pod, and what main's log said.
pub(crate) type Outcome = Result<(Left, Heard), Halt>;

/// Puts everything together.
pub(crate) fn judge(work: &Work<'_>, known: &Known, mut all: Vec<Option<Heard>>, dismissed: bool) -> Outcome {
    let pod = known.pod();
    let view = status::see(pod);
    let (mut left, unknown) = gather(work, known, &all, dismissed);
    let stopped = left.stopped;
    left.verdict = verdict(work, pod, &view, &left);
    if let Some((.., Reason::Deadline)) = &left.verdict
        && stopped.is_none()
    {
        left.stopped = Some(Reason::Deadline);
        left.verdict = None;
    }
    // Who deletes a pod ends its step; that is nothing the step did.
    let deleted = matches!(known, Known::Gone(_)) || pod.metadata.deletion_timestamp.is_some();
    let killed = |one: &Ended| one.part == Part::Main && one.exit_code.is_some_and(|code| code >= 128);
    if deleted && !dismissed && left.stopped.is_none() && left.containers.iter().any(killed) {
        match status::disruption(pod) {
            Some(Ok(fault)) => left.verdict = Some((fault.phase, fault.message, fault.reason)),
            Some(Err(lost)) => return Err(Halt::Lost(lost)),
            None => return Err(Halt::Lost("pod deleted".to_owned())),
        }
    }
    let init_failed = left.containers.iter().any(|one| one.part == Part::Init && one.exit_code != Some(0));
    if unknown && left.stopped.is_none() && left.verdict.is_none() && !init_failed {
        return Err(Halt::Lost(match (known, view) {
            (Known::Gone(_), _) => "pod deleted".to_owned(),
            (_, View::Lost(why)) => why,
            (_, _) => "the pod ended, and how the step in it ended is not known".to_owned(),
        }));
    }
    let heard = all.get_mut(work.main_index()).and_then(Option::take).unwrap_or_default();
    let needed = work.spec.capture_result || !shape::wanted(&work.spec.template).is_empty();
    let well =
        left.containers.iter().filter(|one| one.part == Part::Main).all(|one| one.exit_code == Some(0));
    if heard.record.is_none() && needed && well && left.verdict.is_none() {
        let message = "the end of the pod's log was lost, and with it outputs of the step: the pod was deleted too \
                       early, or its node started a new log file";
        left.verdict = Some((ExitPhase::Error, message.to_owned(), Reason::Output));
    }
    left.result = heard.result.clone().or_else(|| work.spec.capture_result.then(String::new));
    Ok((left, heard))
}

/// How each container ended; and whether nobody knows of a main container.
fn gather(work: &Work<'_>, known: &Known, all: &[Option<Heard>], dismissed: bool) -> (Left, bool) {
    let pod = known.pod();
    let stopped = *work.stopped.borrow();
    let mut left = Left {
        containers: Vec::new(),
        stopped,
        verdict: None,
        result: None,
        started_at: work.note.started_at,
        finished_at: work.note.started_at,
    };
    let mut unknown = false;
    let mut finished_at = None;
    for (position, container) in work.containers.iter().enumerate() {
        let part = match position {
            _ if position < work.inits => Part::Init,
            _ if work.mains().contains(&position) => Part::Main,
            _ => Part::Sidecar,
        };
        let heard = all.get(position).and_then(Option::as_ref);
        let (mut one, at) = ended(known, &container.name, part, heard);
        if part == Part::Sidecar && dismissed {
            one.dismissed = true;
        } else if part == Part::Main {
            finished_at = finished_at.max(at);
            let was_to_run =
                heard.and_then(|heard| heard.record.as_ref()).is_none_or(|record| record.code.is_some());
            unknown |= one.exit_code.is_none() && was_to_run;
            if one.exit_code.is_none() && stopped.is_some() && status::container(pod, &container.name).0 {
                // Nobody saw it end; it was killed with its pod.
                one.exit_code = Some(137);
            }
        }
        left.containers.push(one);
    }
    left.finished_at = finished_at.unwrap_or_else(Timestamp::now).max(left.started_at);
    (left, unknown)
}

/// How one container ended: its supervisor knows better than its status, which may be late.
fn ended(known: &Known, name: &str, part: Part, heard: Option<&Heard>) -> (Ended, Option<Timestamp>) {
    let mut one = nothing(name, part);
    let (_, seen) = status::container(known.pod(), name);
    let mut finished_at = None;
    if let Some(seen) = seen {
        finished_at = seen.finished_at;
        one.exit_code = Some(seen.exit_code);
        one.not_started = seen.not_started;
        one.out_of_memory = seen.out_of_memory;
    }
    if let Some(record) = heard.and_then(|heard| heard.record.as_ref()) {
        one.exit_code = record.code;
        one.not_started.clone_from(&record.not_started);
        finished_at = record.finished_at.or(finished_at);
    }
    (one, finished_at)
}

/// What the pod as a whole says about its end.
fn verdict(
    work: &Work<'_>,
    pod: &k8s_openapi::api::core::v1::Pod,
    view: &View,
    left: &Left,
) -> Option<(ExitPhase, String, Reason)> {
    if let (_, Some(init)) = status::container(pod, SUPERVISOR_INIT)
        && init.exit_code != 0
    {
        let why =
            init.not_started.unwrap_or_else(|| format!("see `kubectl logs {} -c init`", work.note.name()));
        let message = format!("{SUPERVISOR_INIT}: Error (exit code {}): {why}", init.exit_code);
        return Some((ExitPhase::Error, message, Reason::NotStarted));
    }
    let View::Over(Some(fault)) = view else { return None };
    // What had ended by itself before its pod was taken away has its own outcome.
    let own = |one: &&Ended| one.part == Part::Main;
    let by_itself =
        left.containers.iter().filter(own).all(|one| one.exit_code.is_some_and(|code| code < 128));
    (!by_itself).then(|| (fault.phase, fault.message.clone(), fault.reason))
}

/// Deletes the pod if the workflow's `podGC` wants that now. Without it a pod stays until its run gives it back, or its
/// step is removed.
pub(crate) async fn collect_pod(
    shared: &Arc<Shared>,
    spec: &AttemptSpec,
    note: &Note,
    observation: &Observation,
) {
    let (Some(gc), Observation::Finished(exit)) = (&spec.pod.pod_gc, observation) else { return };
    let due = match gc.strategy.as_str() {
        "OnPodCompletion" => true,
        "OnPodSuccess" => exit.phase == ExitPhase::Succeeded,
        _at_the_end_of_the_run => false,
    };
    let guests = Guests::of(gc, vec![spec.id.clone()], exit.finished_at);
    let labels = note.pod.metadata.labels.clone().unwrap_or_default();
    if due && guests.selector.as_ref().is_none_or(|selector| selects(selector, &labels)) {
        owed::release_pod(shared, note, guests.due).await;
    }
}

/// Whether labels are those a selector means.
pub(crate) fn selects(selector: &LabelSelector, labels: &std::collections::BTreeMap<String, String>) -> bool {
    let exact = selector.match_labels.iter().flatten().all(|(key, value)| labels.get(key) == Some(value));
    let rules = selector.match_expressions.iter().flatten().all(|rule| {
        let value = labels.get(&rule.key);
        let listed = value.is_some_and(|value| rule.values.iter().flatten().any(|one| one == value));
        match rule.operator.as_str() {
            "In" => listed,
            "NotIn" => !listed,
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _other => false,
        }
    });
    exact && rules
}
