//! What can happen to a CronWorkflow, and what it is told.
//! Gives neither a meaning: `decide` and `fold` do.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runner_workflows::spec::CronWorkflowSpec;
use serde::{Deserialize, Serialize};

/// Why a tick fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum How {
    /// Its time has come.
    Schedule,
    /// A person asked for it.
    Trigger,
    /// A person asked for ticks of the past.
    Backfill,
}

/// Why a tick does not fire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Reason {
    /// `concurrencyPolicy: Forbid`, and an earlier run has not ended.
    Forbid,
    /// `when` is false.
    When,
    /// `when` or `stopStrategy` cannot be evaluated.
    Condition,
    /// The tick fired before, by schedule or by hand.
    AlreadyFired,
}

/// Something that happened. Append-only and versioned: variants are added, never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fact {
    /// A manifest is in effect.
    CronApplied {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Generation of the manifest in the catalog.
        generation: u64,
        /// When it was seen.
        at: Timestamp,
        /// Labels of the manifest.
        #[serde(default)]
        labels: BTreeMap<String, String>,
        /// Annotations of the manifest.
        #[serde(default)]
        annotations: BTreeMap<String, String>,
        /// Its spec.
        spec: Box<CronWorkflowSpec>,
    },
    /// A tick fires: its workflow is owed from now on.
    TickFired {
        /// The tick.
        slot: Timestamp,
        /// Why.
        how: How,
        /// Runs that are terminated first (`concurrencyPolicy: Replace`).
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        replaces: Vec<String>,
    },
    /// A tick does not fire.
    TickSkipped {
        /// The tick.
        slot: Timestamp,
        /// Why not.
        reason: Reason,
        /// More about it, for people.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
    },
    /// Ticks passed while nobody was there.
    TicksMissed {
        /// The first.
        first: Timestamp,
        /// The last.
        last: Timestamp,
        /// How many; counting stops at [`super::MISSED_LIMIT`].
        count: u32,
    },
    /// The workflow of a tick is durable.
    ChildSubmitted {
        /// The tick.
        slot: Timestamp,
        /// Its name.
        name: String,
        /// Its unique id.
        uid: String,
    },
    /// The workflow of a tick can never be made; the tick is over.
    ChildRefused {
        /// The tick.
        slot: Timestamp,
        /// Why not.
        message: String,
    },
    /// A run has ended, or was deleted (then the phase is empty).
    ChildEnded {
        /// Its name.
        name: String,
        /// Its final phase.
        phase: String,
    },
    /// No ticks fire until it is resumed.
    Suspended {
        /// Who asked for it.
        by: String,
    },
    /// Ticks fire again.
    Resumed {
        /// Who asked for it.
        by: String,
        /// When.
        at: Timestamp,
    },
    /// `stopStrategy` holds: no tick fires any more, until the manifest changes.
    Stopped {
        /// The condition.
        message: String,
    },
    /// The clock was set back so far that ticks are counted again from there.
    ClockWentBack {
        /// What it says now.
        to: Timestamp,
    },
}

impl Fact {
    /// Name of the variant, as in the journal.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CronApplied { .. } => "cronApplied",
            Self::TickFired { .. } => "tickFired",
            Self::TickSkipped { .. } => "tickSkipped",
            Self::TicksMissed { .. } => "ticksMissed",
            Self::ChildSubmitted { .. } => "childSubmitted",
            Self::ChildRefused { .. } => "childRefused",
            Self::ChildEnded { .. } => "childEnded",
            Self::Suspended { .. } => "suspended",
            Self::Resumed { .. } => "resumed",
            Self::Stopped { .. } => "stopped",
            Self::ClockWentBack { .. } => "clockWentBack",
        }
    }
}

/// What a CronWorkflow is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// The manifest in the catalog.
    Apply {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Its generation.
        generation: u64,
        /// Labels.
        labels: BTreeMap<String, String>,
        /// Annotations.
        annotations: BTreeMap<String, String>,
        /// Spec; the legacy spellings may stand in it.
        spec: Box<CronWorkflowSpec>,
    },
    /// Look at the clock.
    Tick,
    /// Fire this tick whatever the schedule says. One that fired before is left as it is.
    Fire {
        /// The tick.
        slot: Timestamp,
        /// Trigger or backfill.
        how: How,
    },
    /// Fire no ticks until resumed.
    Suspend {
        /// Who asks.
        by: String,
    },
    /// Fire ticks again.
    Resume {
        /// Who asks.
        by: String,
    },
    /// The workflow of a tick was submitted.
    Submitted {
        /// The tick.
        slot: Timestamp,
        /// Unique id.
        uid: String,
    },
    /// The workflow of a tick can never be submitted.
    Refused {
        /// The tick.
        slot: Timestamp,
        /// Why not.
        message: String,
    },
    /// A run has ended or is gone.
    Ended {
        /// Its name.
        name: String,
        /// Its final phase; empty when it was deleted.
        phase: String,
    },
}

/// A fact that does not fit what was before it: the journal is damaged, or of a newer version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} does not fit: {why}")]
pub struct IllegalFact {
    /// Which fact.
    pub kind: &'static str,
    /// Why not.
    pub why: String,
}
