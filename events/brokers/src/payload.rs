//! Bodies of messages as the data of events: embedded JSON with `jsonBody`, else base64 text, as Go marshals bytes.
//! Knows no broker.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::MESSAGE_MAX_BYTES;

/// A body.
///
/// # Errors
/// A sentence for people: it is no JSON and should be, or too large.
pub(crate) fn body(bytes: &[u8], json: bool) -> Result<Value, String> {
    if bytes.len() > MESSAGE_MAX_BYTES {
        return Err(format!("its body has {} bytes, the most is {MESSAGE_MAX_BYTES}", bytes.len()));
    }
    if json {
        return serde_json::from_slice(bytes).map_err(|error| format!("its body is no JSON: {error}"));
    }
    Ok(Value::String(STANDARD.encode(bytes)))
}

/// The data of an event, with the `metadata` of the source when there is any.
pub(crate) fn data(mut fields: Map<String, Value>, metadata: &BTreeMap<String, String>) -> Value {
    if !metadata.is_empty() {
        fields.insert("metadata".to_owned(), json!(metadata));
    }
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_json_or_base64() {
        assert_eq!(body(br#"{"a": [1]}"#, true), Ok(json!({"a": [1]})));
        assert_eq!(body(br#"{"a": [1]}"#, false), Ok(json!("eyJhIjogWzFdfQ==")));
        assert!(body(b"a", true).is_err_and(|why| why.contains("no JSON")));
        assert!(body("[".repeat(200_000).as_bytes(), true).is_err());
    }
}
