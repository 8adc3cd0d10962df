//! An event as it is kept: the attributes of its context and its data.
//! Is not judged here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::ingress::identity::sha256;

/// An event on its way in.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NewEvent {
    /// Namespace of the EventSource.
    pub namespace: String,
    /// Name of the EventSource.
    pub source: String,
    /// Name of the event in the EventSource.
    pub name: String,
    /// Type of the event source: `webhook`, `calendar`, `github`, ….
    pub kind: String,
    /// What filters and parameters see.
    pub data: Value,
    /// The sender's id: published twice, it is one event.
    pub key: Option<String>,
    /// The key is only good for so many seconds; 0 for as long as the event is kept.
    pub window_s: i64,
    /// The event of which this is a copy that counts as new.
    pub copy_of: Option<String>,
    /// Only for this sensor and, if given, this trigger of it.
    pub only: Option<Only>,
    /// It came from a message bus: it is not sent there.
    pub from_bus: bool,
}

/// A part of the sensors.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Only {
    /// A trigger by name.
    pub trigger: String,
}

/// An event as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Event {
    /// Unique id.
    pub id: String,
    /// Namespace of the EventSource.
    pub namespace: String,
    /// Name of the EventSource.
    pub source: String,
    /// Name of the event in the EventSource.
    pub name: String,
    /// Type of the event source.
    pub kind: String,
    /// When it came.
    pub time: Timestamp,
    /// What filters and parameters see.
    pub data: Value,
    /// SHA-256 of the data that the sender chose, to recognize other content under the same key.
    pub digest: String,
    /// The sender's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The event of which this is a copy that counts as new.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub copy_of: Option<String>,
    /// Only for a part of the sensors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub only: Option<Only>,
    /// `<namespace>/<name>` of the EventBus by which it travels to the sensors; none when the store is the bus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
}

impl Event {
    /// An event that came just now.
    #[must_use]
    pub fn new(id: String, time: Timestamp, new: NewEvent) -> Self {
        let NewEvent { namespace, source, name, kind, data, key, copy_of, only, window_s: _, from_bus: _ } =
            new;
        // headers differ from one try to the next, the body does not
        let content = data.get("body").unwrap_or(&data);
        let digest = sha256(content.to_string().as_bytes());
        Self { id, namespace, source, name, kind, time, data, digest, key, copy_of, only, carrier: None }
    }

    /// The attributes, as Argo Events names and fills them.
    #[must_use]
    pub fn context(&self) -> Value {
        json!({
            "id": self.id,
            "source": self.source,
            "subject": self.name,
            "type": self.kind,
            "time": self.time.to_string(),
            "specversion": "1.0",
            "datacontenttype": "application/json",
        })
    }

    /// `<source>/<event>`, as people read it.
    #[must_use]
    pub fn from(&self) -> String {
        format!("{}/{}", self.source, self.name)
    }
}
