//! What a fact means for the status.
//! Decides nothing.

use std::sync::Arc;

use jiff::Timestamp;
use runner_workflows::resolve::normalize_cron;
use runner_workflows::spec::CronWorkflowSpec;

use super::fact::{Fact, How, IllegalFact};
use super::names::child_name;
use super::status::{Child, Pending, Phase, Status};
use super::ticks::schedules;

/// Fired ticks that are remembered.
const FIRED_LIMIT: usize = 128;

/// Applies a fact.
///
/// # Errors
/// [`IllegalFact`] when it cannot have happened after what was before it.
pub fn fold(status: &mut Status, fact: &Fact) -> Result<(), IllegalFact> {
    let illegal = |why: &str| Err(IllegalFact { kind: fact.kind(), why: why.to_owned() });
    if status.generation == 0 && !matches!(fact, Fact::CronApplied { .. }) {
        return illegal("nothing was applied yet");
    }
    match fact {
        Fact::CronApplied { namespace, name, generation, at, labels, annotations, spec } => {
            status.namespace.clone_from(namespace);
            status.name.clone_from(name);
            status.labels.clone_from(labels);
            status.annotations.clone_from(annotations);
            apply(status, spec, *at);
            status.generation = *generation;
        }
        Fact::TickFired { slot, .. } if status.has_fired(*slot) => return illegal("the tick fired before"),
        Fact::TickFired { slot, how, replaces } => fired(status, *slot, *how, replaces),
        Fact::TickSkipped { slot, message, .. } => {
            status.cursor = status.cursor.max(*slot);
            status.problem = (!message.is_empty()).then(|| message.clone());
        }
        Fact::TicksMissed { last, count, .. } => {
            status.cursor = status.cursor.max(*last);
            status.missed = status.missed.saturating_add(u64::from(*count));
        }
        Fact::ChildSubmitted { slot, name, uid } => {
            if status.pending.remove(slot).is_none() {
                return illegal("its tick is not waiting for it");
            }
            status.active.insert(name.clone(), Child { uid: uid.clone(), slot: *slot });
            status.problem = None;
        }
        Fact::ChildRefused { slot, message } => {
            if status.pending.remove(slot).is_none() {
                return illegal("its tick is not waiting for it");
            }
            status.problem = Some(format!("{}: {message}", child_name(&status.name, *slot)));
        }
        Fact::ChildEnded { name, phase } => {
            if status.active.remove(name).is_none() {
                return illegal("the run is not active");
            }
            let (succeeded, failed) = (phase == "Succeeded", matches!(phase.as_str(), "Failed" | "Error"));
            status.succeeded = status.succeeded.saturating_add(u64::from(succeeded));
            status.failed = status.failed.saturating_add(u64::from(failed));
        }
        Fact::Suspended { .. } => status.suspended = true,
        Fact::Resumed { at, .. } => {
            status.suspended = false;
            // without a deadline nothing of the time in between may start late
            if status.spec.starting_deadline_seconds.unwrap_or(0) <= 0 {
                status.cursor = status.cursor.max(*at);
            }
        }
        Fact::Stopped { .. } => status.phase = Phase::Stopped,
        Fact::ClockWentBack { to } => {
            status.cursor = *to;
            status.anchor = status.anchor.min(*to);
        }
    }
    Ok(())
}

fn fired(status: &mut Status, slot: Timestamp, how: How, replaces: &[String]) {
    status.fired.push_back(slot);
    if status.fired.len() > FIRED_LIMIT {
        status.fired.pop_front();
    }
    status.pending.insert(slot, Pending { replaces: replaces.to_vec() });
    if how == How::Schedule {
        status.cursor = status.cursor.max(slot);
        status.last_scheduled = Some(slot);
    }
}

/// A new manifest. `suspend` of the manifest counts when it changed, so that applying the same file again does not
/// undo what a command did. Ticks before the change of a schedule are over; another change leaves them due.
fn apply(status: &mut Status, spec: &CronWorkflowSpec, at: Timestamp) {
    let mut spec = spec.clone();
    normalize_cron(&mut spec);
    let first = status.generation == 0;
    if first || spec.suspend != status.spec.suspend {
        status.suspended = spec.suspend;
    }
    if first || (&spec.schedules, &spec.timezone) != (&status.spec.schedules, &status.spec.timezone) {
        status.cursor = if first { at } else { status.cursor.max(at) };
        status.anchor = at;
    }
    status.phase = Phase::Active;
    (status.schedules, status.problem) = match schedules(&spec) {
        Ok(schedules) => (schedules, None),
        Err(invalid) => (Vec::new(), Some(invalid.0)),
    };
    status.spec = Arc::new(spec);
}
