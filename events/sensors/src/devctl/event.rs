//! An event of a provider: what it sent, and the fields that conditions look at.
//! Does not check signatures.

use jiff::Timestamp;
use runner_workflows::expr::Value;
use serde::{Deserialize, Serialize};
use serde_json::Map;

/// An event.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DevctlEvent {
    /// `cloudwatch`, `grafana`, `github`, `pagerduty` or `scheduler`.
    pub source: String,
    /// The provider's type of it, e.g. `pull_request`.
    pub event_type: String,
    /// When it came.
    pub timestamp: Timestamp,
    /// What was sent.
    pub raw_payload: Value,
    /// Fields under the same names for every provider.
    pub normalized: Map<String, Value>,
}

impl DevctlEvent {
    /// What templates see as `event`: the payload, and the normalized fields where the payload has none of that name.
    #[must_use]
    pub fn merged(&self) -> Value {
        let mut merged = match &self.raw_payload {
            Value::Object(map) => map.clone(),
            other => Map::from_iter([("payload".to_owned(), other.clone())]),
        };
        for (key, value) in &self.normalized {
            merged.entry(key.clone()).or_insert_with(|| value.clone());
        }
        let own = [
            ("source", self.source.clone()),
            ("event_type", self.event_type.clone()),
            ("timestamp", self.timestamp.to_string()),
        ];
        for (key, value) in own {
            merged.entry(key.to_owned()).or_insert(Value::String(value));
        }
        Value::Object(merged)
    }

    /// The value of a dotted name: of the normalized fields first, then of the payload.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        let mut parts = name.split('.');
        let first = self.normalized.get(parts.next()?);
        let found = first.and_then(|first| parts.try_fold(first, step));
        found.or_else(|| name.split('.').try_fold(&self.raw_payload, step))
    }
}

fn step<'a>(value: &'a Value, part: &str) -> Option<&'a Value> {
    match value {
        Value::Object(map) => map.get(part),
        Value::Array(list) => list.get(part.parse::<usize>().ok()?),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    }
}
