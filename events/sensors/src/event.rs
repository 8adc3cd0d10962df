//! An event as filters, transforms and parameters see it: attributes and payload.
//! Does not say where it came from or where it is kept.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runner_workflows::expr::Value;
use serde::{Deserialize, Serialize};

use crate::spec::EventContext;

/// Media type of payloads that are JSON.
pub const JSON: &str = "application/json";

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Its attributes.
    pub context: EventContext,
    /// The text of its payload, exactly as it came; filters let an event without any pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
}

/// The events of a firing by the name of the dependency.
pub type Events = BTreeMap<String, Event>;

impl Event {
    /// An event with a JSON payload.
    #[must_use]
    pub fn json(context: EventContext, data: &Value) -> Self {
        Self { context, data: Some(data.to_string()) }
    }

    /// When it was seen.
    ///
    /// # Errors
    /// A sentence for people when the attribute is no time.
    pub fn time(&self) -> Result<Timestamp, String> {
        let text = &self.context.time;
        text.parse().map_err(|_| format!("the event's time `{text}` is not a time of RFC 3339"))
    }
}

/// The attributes of a new event.
#[must_use]
pub fn context(id: &str, kind: &str, source: &str, name: &str, time: Timestamp) -> EventContext {
    EventContext {
        id: id.to_owned(),
        r#type: kind.to_owned(),
        source: source.to_owned(),
        subject: name.to_owned(),
        time: time.to_string(),
        datacontenttype: JSON.to_owned(),
        specversion: "1.0".to_owned(),
    }
}
