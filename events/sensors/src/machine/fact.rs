//! What can be said to a sensor and what can have happened to it.
//! Decides nothing.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::filter::Verdict;
use crate::spec::SensorSpec;

/// Where Argo Events' own reading loses events or hides failures, this says whether to follow it. The default is the
/// safe reading.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Compat {
    /// Without `atLeastOnce`, a firing is tried once: `retryStrategy` and `dlqTrigger` have no effect (as upstream).
    /// By default they always have.
    pub fire_and_forget: bool,
}

/// Whether firings are performed (`[fuses] cicd`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Gate {
    /// They are.
    #[default]
    Open,
    /// They are recorded and explained, and never performed.
    Closed,
}

/// What a trigger does with events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// It fires.
    #[default]
    Enabled,
    /// It fires, and its firings wait until it is enabled again.
    Paused,
    /// It sees no events.
    Disabled,
}

/// What is said to a sensor.
#[derive(Clone, Debug)]
pub enum Input {
    /// The manifest. The same generation again means nothing.
    Apply {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Digest or number of the manifest's version.
        generation: String,
        /// Spec.
        spec: Box<SensorSpec>,
        /// Reading of upstream's defects.
        compat: Compat,
    },
    /// The next event of the bus that any dependency names.
    Arrived {
        /// Its place in the bus; grows.
        seq: u64,
        /// The event.
        event: Event,
        /// Whether firings are performed.
        gate: Gate,
    },
    /// An event once more, by hand. With the same token it means nothing; with another one it fires again.
    Replay {
        /// What tells this replay from others; part of the keys.
        token: String,
        /// The event.
        event: Event,
        /// Whether firings are performed.
        gate: Gate,
    },
    /// Time passed.
    Tick,
    /// A firing is about to be performed: said, and its fact durable, before anything is done.
    Begin {
        /// The firing.
        key: String,
    },
    /// A firing was performed.
    Succeeded {
        /// The firing.
        key: String,
        /// What came of it, e.g. the name of the workflow.
        result: String,
    },
    /// A firing failed.
    Failed {
        /// The firing.
        key: String,
        /// Why.
        message: String,
        /// Whether trying again can help.
        retriable: bool,
    },
    /// The process that performed firings is gone; said once after a start, before anything is performed.
    Restarted,
    /// Changes what a trigger does with events.
    SetMode {
        /// The trigger.
        trigger: String,
        /// The mode.
        mode: Mode,
        /// Who wants it.
        by: String,
    },
}

/// What a filter said of an event for one dependency.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// The dependency.
    pub dependency: String,
    /// Whether it counts, and why.
    pub verdict: Verdict,
}

/// What happened to a sensor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fact", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fact {
    /// The manifest was applied.
    SensorApplied {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Version of the manifest.
        generation: String,
        /// Spec.
        spec: Box<SensorSpec>,
        /// Reading of upstream's defects.
        compat: Compat,
        /// When.
        at: Timestamp,
    },
    /// An event was judged; it is not taken again.
    EventTaken {
        /// Its place in the bus; none for a replay.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
        /// Token of a replay.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        replay: String,
        /// Its id.
        event: String,
        /// Verdicts, one for each dependency that names it.
        judged: Vec<Judgement>,
        /// When.
        at: Timestamp,
    },
    /// An event was kept for a trigger whose conditions do not hold yet; it replaces an earlier one.
    EventCollected {
        /// The trigger.
        trigger: String,
        /// The dependency.
        dependency: String,
        /// Id of the event.
        event: String,
        /// When.
        at: Timestamp,
    },
    /// Collected events were forgotten: `conditionsReset`.
    ConditionsReset {
        /// The trigger.
        trigger: String,
        /// The tick; events collected until then were forgotten.
        tick: Timestamp,
    },
    /// The conditions of a trigger held.
    TriggerFired {
        /// Key of the firing.
        key: String,
        /// The trigger.
        trigger: String,
        /// Ids of the events by dependency.
        events: BTreeMap<String, String>,
        /// When.
        at: Timestamp,
        /// Not to be performed before (`rateLimit`).
        not_before: Timestamp,
    },
    /// A firing will never be performed, because the gate was closed.
    FiringWithheld {
        /// The firing.
        key: String,
        /// Why.
        why: String,
    },
    /// An attempt to perform a firing began.
    AttemptStarted {
        /// The firing.
        key: String,
        /// Number of the attempt, from 1.
        attempt: u32,
        /// When.
        at: Timestamp,
    },
    /// An attempt failed, and there will be another one.
    AttemptFailed {
        /// The firing.
        key: String,
        /// Why.
        message: String,
        /// When the next one may begin.
        retry_at: Timestamp,
    },
    /// A firing was performed.
    FiringSucceeded {
        /// The firing.
        key: String,
        /// What came of it.
        result: String,
    },
    /// A firing failed for good.
    FiringFailed {
        /// The firing.
        key: String,
        /// Why.
        message: String,
    },
    /// The process died while it performed a firing that must not be done twice: what came of it is not known.
    FiringLost {
        /// The firing.
        key: String,
        /// What to know about it.
        message: String,
    },
    /// All attempts of a firing failed, and its `dlqTrigger` fired.
    DeadLettered {
        /// The firing that failed.
        key: String,
        /// Key of the firing of the `dlqTrigger`.
        dead_letter: String,
        /// Why it failed.
        message: String,
        /// When.
        at: Timestamp,
    },
    /// A trigger does something else with events from now on.
    ModeSet {
        /// The trigger.
        trigger: String,
        /// The mode.
        mode: Mode,
        /// Who wanted it.
        by: String,
    },
}

/// A fact that does not fit the status: the journal is damaged, or the machine has a mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fact does not fit: {0}")]
pub struct IllegalFact(pub String);
