//! Compares what a part of the language gives with what a vector expects.
//! Knows no part of the language.

use serde_json::Value;

use runner_sensors::path::Payload;

/// Whether an error was expected.
pub(crate) fn error<T>(expect: &Value, result: &Result<T, String>) -> Result<(), String> {
    let wanted = expect.get("error").and_then(Value::as_bool).unwrap_or(false);
    match result {
        Ok(_) if wanted => Err("an error was expected".to_owned()),
        Err(why) if !wanted => Err(format!("no error was expected: {why}")),
        _ => Ok(()),
    }
}

/// `text`, `json`, `data`, `facts` and `contains` of an expectation.
pub(crate) fn value(expect: &Value, actual: &Value) -> Result<(), String> {
    for key in ["text", "data"] {
        if let Some(text) = expect.get(key).and_then(Value::as_str) {
            let wanted: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
            same(&wanted, actual)?;
        }
    }
    if let Some(wanted) = expect.get("json") {
        same(wanted, actual)?;
    }
    let text = actual.to_string();
    for part in expect.get("contains").and_then(Value::as_array).into_iter().flatten() {
        let part = part.as_str().unwrap_or_default();
        if !text.contains(part) {
            return Err(format!("`{part}` is not in {text}"));
        }
    }
    for fact in expect.get("facts").and_then(Value::as_array).into_iter().flatten() {
        let path = fact["path"].as_str().unwrap_or_default();
        let found = Payload::new(&text)?.get(path).map(|found| found.value());
        match fact["op"].as_str() {
            Some("eq") => {
                same(&fact["value"], &found.unwrap_or(Value::Null)).map_err(|why| format!("{path}: {why}"))?
            }
            other => return Err(format!("the operator {other:?} of a fact is not known")),
        }
    }
    Ok(())
}

/// Equality where 1 and 1.0 are the same number.
fn same(wanted: &Value, actual: &Value) -> Result<(), String> {
    let equal = match (wanted, actual) {
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b).is_ok())
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b).is_ok()))
        }
        (a, b) => a == b,
    };
    if equal { Ok(()) } else { Err(format!("{wanted} was expected, found {actual}")) }
}
