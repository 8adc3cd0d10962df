//! An event as a message of the bus: CloudEvents in JSON, as Argo Events publishes them.
//! Sends nothing.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::bus::{Event, NewEvent};

/// The message of an event.
pub(super) fn write(event: &Event) -> Vec<u8> {
    let mut message = event.context();
    // Argo Events writes bytes, which CloudEvents has as base64
    message["data_base64"] = json!(STANDARD.encode(event.data.to_string()));
    message.to_string().into_bytes()
}

/// The id of the event in a message, and the event itself as it is kept when nobody here knows that id.
///
/// # Errors
/// A sentence for people: it is no CloudEvent in JSON.
pub(super) fn read(payload: &[u8], carrier: &str) -> Result<(String, NewEvent), String> {
    let message: Value =
        serde_json::from_slice(payload).map_err(|error| format!("it is no JSON: {error}"))?;
    let text = |name: &str| {
        let found = message.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        found.map(str::to_owned).ok_or_else(|| format!("it is no CloudEvent: `{name}` is missing"))
    };
    let data = match message.get("data_base64") {
        None => message.get("data").cloned().unwrap_or_default(),
        Some(data) => {
            let bytes = STANDARD.decode(data.as_str().unwrap_or_default());
            let bytes = bytes.map_err(|error| format!("data_base64: {error}"))?;
            serde_json::from_slice(&bytes).map_err(|error| format!("its data is no JSON: {error}"))?
        }
    };
    let id = text("id")?;
    let event = NewEvent {
        namespace: carrier.split('/').next().unwrap_or_default().to_owned(),
        source: text("source")?,
        name: text("subject")?,
        kind: text("type")?,
        data,
        key: Some(format!("bus {carrier} {id}")),
        from_bus: true,
        ..NewEvent::default()
    };
    Ok((id, event))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let new = NewEvent {
            namespace: "n".to_owned(),
            source: "es".to_owned(),
            name: "e".to_owned(),
            kind: "webhook".to_owned(),
            data: json!({"body": {"a": [1, "ü"]}}),
            ..NewEvent::default()
        };
        let event = Event::new("id-1".to_owned(), jiff::Timestamp::UNIX_EPOCH, new);
        let (id, read) = read(&write(&event), "n/default").unwrap();
        assert_eq!((id.as_str(), &read.data), ("id-1", &event.data));
        assert_eq!((read.source.as_str(), read.name.as_str(), read.kind.as_str()), ("es", "e", "webhook"));
        assert!(read.from_bus);
    }

    #[test]
    fn other_spellings_and_what_is_none() {
        let plain = br#"{"id": "1", "source": "s", "subject": "e", "type": "t", "data": {"a": 1}}"#;
        assert_eq!(read(plain, "n/b").unwrap().1.data, json!({"a": 1}));
        for wrong in [
            &b"x"[..],
            b"{}",
            br#"{"id": "1", "source": "s", "subject": "e", "type": "t", "data_base64": "?"}"#,
        ] {
            assert!(read(wrong, "n/b").is_err());
        }
    }
}
