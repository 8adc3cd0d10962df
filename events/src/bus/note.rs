//! What is recorded about an event: that it came, how each sensor judged it, and what its triggers did.
//! Gives no verdict itself.

use jiff::Timestamp;
use runner_store::{NewRecord, Record};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Error, Event, Result, new_record};

/// A record of an event's stream. Append-only and versioned: variants are added, never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Note {
    /// It came.
    Received(Box<Event>),
    /// A sensor judged it.
    Judged(Verdict),
    /// A trigger that it took part in did something.
    Acted(Outcome),
    /// All sensors have judged it.
    Settled {
        /// Nothing is executed: `[fuses] cicd = false`.
        #[serde(default)]
        gated: bool,
    },
    /// The EventBus brought it: it left the outbox.
    Carried,
    /// Somebody asked for it to be taken again.
    Replayed {
        /// Who.
        by: String,
    },
}

/// How a sensor judged an event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// `<namespace>/<name>` of the sensor.
    pub sensor: String,
    /// Each dependency that the event can fulfil, with the explanation of its filters.
    #[serde(default)]
    pub dependencies: Vec<Value>,
    /// Each trigger.
    pub triggers: Vec<TriggerVerdict>,
    /// Why the sensor could not judge it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// What an event means for one trigger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TriggerVerdict {
    /// Name of the trigger.
    pub trigger: String,
    /// It fires because of this event.
    pub fires: bool,
    /// Why, or why not, in a sentence.
    pub why: String,
}

/// What a trigger did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// `<namespace>/<name>` of the sensor.
    pub sensor: String,
    /// Name of the trigger.
    pub trigger: String,
    /// Key of the firing: sensor, trigger and events.
    pub firing: String,
    /// Whether it worked.
    pub ok: bool,
    /// It is not tried any more.
    #[serde(default)]
    pub dead: bool,
    /// What happened, or what went wrong.
    pub message: String,
    /// `<namespace>/<name>` of the workflow that it made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workflow: Option<String>,
}

/// How far an event is. Names as `events history --status` takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It waits for its sensors.
    Received,
    /// No trigger fires because of it.
    NoMatch,
    /// At least one trigger fires.
    Matched,
    /// A trigger that fired failed, and will be tried again.
    Failed,
    /// A trigger that fired failed for good.
    Dead,
    /// Triggers would have fired, but nothing is executed.
    Gated,
}

impl State {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::NoMatch => "no-match",
            Self::Matched => "matched",
            Self::Failed => "failed",
            Self::Dead => "dead",
            Self::Gated => "gated",
        }
    }
}

impl Note {
    /// Name of the variant, as in the journal.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Received(_) => "received",
            Self::Judged(_) => "judged",
            Self::Acted(_) => "acted",
            Self::Settled { .. } => "settled",
            Self::Carried => "carried",
            Self::Replayed { .. } => "replayed",
        }
    }
}

/// A note with the time at which it was taken.
pub type Dated = (Timestamp, Note);

pub(super) fn record(note: &Note) -> Result<NewRecord> {
    let bad = |error: serde_json::Error| Error::Corrupt { id: String::new(), why: error.to_string() };
    Ok(new_record(note.kind(), serde_json::to_vec(note).map_err(bad)?))
}

pub(super) fn read(record: &Record) -> Result<Note> {
    serde_json::from_slice(&record.body).map_err(|error| Error::Corrupt {
        id: String::new(),
        why: format!("record {}: {error}", record.seq.0),
    })
}
