//! A firing and the events it is made of.
//! Does not say when it is performed: `outstanding` does.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::spec::{SensorSpec, Trigger};

/// An event that waits for others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// Its id.
    pub event: String,
    /// When it was taken.
    pub at: Timestamp,
}

/// How far a firing is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It may be performed from then on.
    Waiting {
        /// From then on.
        not_before: Timestamp,
    },
    /// It is being performed.
    Running,
}

/// A firing that is not over.
#[derive(Clone, Debug, PartialEq)]
pub struct Firing {
    /// Name of the trigger.
    pub trigger: String,
    /// It is the `dlqTrigger` of that trigger.
    pub dead_letter: bool,
    /// The spec at the time when it fired: later changes do not touch it.
    pub spec: Arc<SensorSpec>,
    /// Ids of the events by dependency.
    pub events: BTreeMap<String, String>,
    /// When the conditions held.
    pub at: Timestamp,
    /// Attempts that began.
    pub attempts: u32,
    /// How far it is.
    pub stage: Stage,
    /// Why the last attempt failed.
    pub message: String,
}

impl Firing {
    /// What to do: the trigger, or its `dlqTrigger`.
    #[must_use]
    pub fn definition(&self) -> Option<&Trigger> {
        let trigger = self.spec.triggers.iter().find(|trigger| {
            trigger.template.as_ref().is_some_and(|template| template.name == self.trigger)
        })?;
        if self.dead_letter { trigger.dlq_trigger.as_deref() } else { Some(trigger) }
    }
}
