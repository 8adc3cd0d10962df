//! Field types of typed steps: after substitution every parameter is a text, so a flag may be `true` or `"true"`.
//! Reads values only; what they mean is the step's business.

use std::time::Duration;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A boolean, or its text; an empty text is false.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::Bool(flag) => Ok(Self(flag)),
            Value::String(text) => match text.as_str() {
                "true" => Ok(Self(true)),
                "false" | "" => Ok(Self(false)),
                other => Err(serde::de::Error::custom(format!("expected true or false, found {other:?}"))),
            },
            other => Err(serde::de::Error::custom(format!("expected true or false, found {other}"))),
        }
    }
}

/// A span of time: seconds, or a text such as `90s`, `10m`, `1h30m`, `500ms`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let text = match &value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        span(&text).map(Self).ok_or_else(|| {
            serde::de::Error::custom(format!("expected a duration such as 90s or 10m, found {text:?}"))
        })
    }
}

fn span(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let (mut rest, mut total) = (text, 0.0_f64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        let after = &rest[digits..];
        let end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let factor = match &after[..end] {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _unknown => return None,
        };
        total += number * factor;
        rest = &after[end..];
    }
    if text.is_empty() { None } else { Duration::try_from_secs_f64(total).ok() }
}

/// A list of texts: a list, or a text with the items as JSON or separated by commas.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts(pub Vec<String>);

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let item = |value: &Value| match value {
            Value::String(text) => Ok(text.clone()),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(flag) => Ok(flag.to_string()),
            other => Err(serde::de::Error::custom(format!("expected a text, found {other}"))),
        };
        match Value::deserialize(deserializer)? {
            Value::Array(items) => items.iter().map(item).collect::<Result<_, _>>().map(Self),
            Value::String(text) => match serde_json::from_str::<Value>(&text) {
                Ok(Value::Array(items)) => items.iter().map(item).collect::<Result<_, _>>().map(Self),
                _plain => {
                    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
                    Ok(Self(parts.map(str::to_owned).collect()))
                }
            },
            Value::Null => Ok(Self::default()),
            other => Err(serde::de::Error::custom(format!("expected a list of texts, found {other}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    #[test]
    fn flags_spans_and_lists_are_read_from_texts() {
        let flag = |value: Value| serde_json::from_value::<Flag>(value).map(|flag| flag.0).ok();
        assert_eq!(flag(json!(true)), Some(true));
        assert_eq!(flag(json!("true")), Some(true));
        assert_eq!(flag(json!("")), Some(false));
        assert_eq!(flag(json!("yes")), None);
        let span = |value: Value| serde_json::from_value::<Span>(value).map(|span| span.0.as_millis()).ok();
        assert_eq!(span(json!(3)), Some(3000));
        assert_eq!(span(json!("1h30m")), Some(5_400_000));
        assert_eq!(span(json!("200ms")), Some(200));
        assert_eq!((span(json!("")), span(json!("soon")), span(json!("-1"))), (None, None, None));
        let texts = |value: Value| serde_json::from_value::<Texts>(value).unwrap().0;
        assert_eq!(texts(json!("a, b")), ["a", "b"]);
        assert_eq!(texts(json!("[\"a\",1]")), ["a", "1"]);
        assert_eq!(texts(json!(["a"])), ["a"]);
        assert!(texts(json!("")).is_empty());
    }
}
