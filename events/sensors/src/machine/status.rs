//! What is known of a sensor: its spec, what its triggers collected, and the firings that are not over.
//! Changed by `fold` alone.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::fact::{Compat, Mode};
use super::firing::{Collected, Firing};
use crate::conditions::Conditions;
use crate::schedule::Schedule;
use crate::spec::{SensorSpec, TriggerTemplate};

/// Replays that are remembered.
pub(super) const REPLAYS: usize = 1000;

/// How often what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Events taken.
    pub events: u64,
    /// Firings.
    pub fired: u64,
    /// Firings that succeeded.
    pub succeeded: u64,
    /// Firings that failed, were lost, or went to the `dlqTrigger`.
    pub failed: u64,
    /// Firings withheld by the gate.
    pub withheld: u64,
}

/// What is known of one trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TriggerState {
    /// What it does with events.
    pub mode: Mode,
    /// Latest event of each dependency since it last fired.
    pub collected: BTreeMap<String, Collected>,
    /// Earliest start of its next firing (`rateLimit`).
    pub next_slot: Option<Timestamp>,
    /// How often what happened to it.
    pub counts: TriggerCounts,
}

/// How often what happened to one trigger.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TriggerCounts {
    /// Events that passed the filters of a dependency of its conditions.
    pub matched: u64,
    /// Events that passed none of those that named them.
    pub dropped: u64,
    /// Firings.
    pub fired: u64,
    /// Firings that failed or were lost.
    pub failed: u64,
    /// When it fired last.
    pub last_fired: Option<Timestamp>,
}

/// What is known of a sensor.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Version of the manifest.
    pub generation: String,
    /// Spec.
    pub spec: Arc<SensorSpec>,
    /// Reading of upstream's defects.
    pub compat: Compat,
    /// Place in the bus of the last event taken.
    pub cursor: Option<u64>,
    /// Triggers by name.
    pub triggers: BTreeMap<String, TriggerState>,
    /// Firings that are not over, by key.
    pub firings: BTreeMap<String, Firing>,
    /// How often what happened.
    pub counts: Counts,
    pub(super) compiled: BTreeMap<String, Compiled>,
    pub(super) replays: VecDeque<String>,
}

/// What a trigger's texts mean.
#[derive(Clone, Debug)]
pub(super) struct Compiled {
    pub(super) conditions: Conditions,
    pub(super) resets: Vec<Schedule>,
}

impl Status {
    /// The template of a trigger.
    #[must_use]
    pub fn template(&self, trigger: &str) -> Option<&TriggerTemplate> {
        let templates = self.spec.triggers.iter().filter_map(|trigger| trigger.template.as_ref());
        templates.into_iter().find(|template| template.name == trigger)
    }

    /// Whether any dependency names this event of this source: events of others need not be delivered.
    #[must_use]
    pub fn listens_to(&self, source: &str, event: &str) -> bool {
        self.spec
            .dependencies
            .iter()
            .any(|dependency| dependency.event_source_name == source && dependency.event_name == event)
    }
}

/// Reads the conditions and resets of every trigger. A trigger whose texts are wrong never fires; validation told so.
pub(super) fn compile(spec: &SensorSpec) -> BTreeMap<String, Compiled> {
    let all = || Conditions::all(spec.dependencies.iter().map(|dependency| dependency.name.clone()));
    let mut out = BTreeMap::new();
    for template in spec.triggers.iter().filter_map(|trigger| trigger.template.as_ref()) {
        let conditions = match template.conditions.trim() {
            "" => all(),
            text => match Conditions::parse(text) {
                Ok(conditions) => conditions,
                Err(_) => continue,
            },
        };
        let times = template.conditions_reset.iter().filter_map(|reset| reset.by_time.as_ref());
        let resets = times.filter_map(|time| Schedule::parse(&time.cron, &time.timezone).ok()).collect();
        out.insert(template.name.clone(), Compiled { conditions, resets });
    }
    out
}

/// Whether performing a trigger twice under the same key does it once: what it creates has a name.
#[must_use]
pub fn performs_once(template: &TriggerTemplate) -> bool {
    let argo = template.argo_workflow.as_ref().map(|trigger| trigger.operation.as_str());
    let k8s = template.k8s.as_ref().map(|trigger| trigger.operation.as_str());
    match (argo, k8s) {
        (Some(operation), _) => !matches!(operation, "resubmit" | "retry"),
        (None, Some(_)) => true,
        (None, None) => template.log.is_some(),
    }
}
