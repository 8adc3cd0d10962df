//! What is known of a CronWorkflow, and what the world owes it.
//! Changes nothing: `fold` does.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use runner_workflows::spec::CronWorkflowSpec;

use super::names::child_name;
use crate::cron::Schedule;

/// Whether ticks fire at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// They do.
    #[default]
    Active,
    /// `stopStrategy` ended it.
    Stopped,
}

impl Phase {
    /// Argo's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "Active",
            Self::Stopped => "Stopped",
        }
    }
}

/// `concurrencyPolicy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    /// Runs overlap.
    Allow,
    /// A tick does not fire while a run goes on.
    Forbid,
    /// A tick terminates the runs that go on.
    Replace,
}

/// A tick that fired and whose workflow is not known to exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Runs to be terminated first.
    pub replaces: Vec<String>,
}

/// A run that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Child {
    /// Unique id.
    pub uid: String,
    /// Its tick.
    pub slot: Timestamp,
}

/// The state of one CronWorkflow, as its facts say.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Labels of the manifest.
    pub labels: BTreeMap<String, String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// Generation of the manifest in effect; 0 before the first.
    pub generation: u64,
    /// Its spec, in the present spelling.
    pub spec: Arc<CronWorkflowSpec>,
    /// Its schedules; none when they cannot be read.
    pub schedules: Vec<Schedule>,
    /// What is wrong with the manifest or with the last tick.
    pub problem: Option<String>,
    /// Whether no ticks fire until it is resumed.
    pub suspended: bool,
    /// Whether ticks fire at all.
    pub phase: Phase,
    /// Ticks up to here are decided; never goes back but by `ClockWentBack`.
    pub cursor: Timestamp,
    /// What `@every` counts from.
    pub anchor: Timestamp,
    /// The last tick that fired by schedule.
    pub last_scheduled: Option<Timestamp>,
    /// Ticks that fired, latest last; as many as are needed to recognize one after the clock was set back.
    pub fired: VecDeque<Timestamp>,
    /// Ticks whose workflow is owed.
    pub pending: BTreeMap<Timestamp, Pending>,
    /// Runs that go on, by name.
    pub active: BTreeMap<String, Child>,
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// Ticks that were missed.
    pub missed: u64,
}

impl Status {
    /// The concurrency policy; Allow unless the manifest says otherwise.
    #[must_use]
    pub fn policy(&self) -> Policy {
        match self.spec.concurrency_policy.as_str() {
            "Forbid" => Policy::Forbid,
            "Replace" => Policy::Replace,
            _ => Policy::Allow,
        }
    }

    /// Whether this tick fired, as far as is remembered.
    #[must_use]
    pub fn has_fired(&self, slot: Timestamp) -> bool {
        self.fired.contains(&slot)
    }
}

/// What the world still owes a CronWorkflow. Doing one twice is harmless.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// End a run now, without exit handlers.
    Terminate {
        /// Its name.
        name: String,
    },
    /// Make the workflow of a tick.
    Submit {
        /// The tick.
        slot: Timestamp,
        /// Name of the workflow.
        name: String,
    },
}

/// Everything that is owed, in order.
#[must_use]
pub fn outstanding(status: &Status) -> Vec<Action> {
    let mut out = Vec::new();
    for (slot, pending) in &status.pending {
        out.extend(pending.replaces.iter().map(|name| Action::Terminate { name: name.clone() }));
        out.push(Action::Submit { slot: *slot, name: child_name(&status.name, *slot) });
    }
    out
}
