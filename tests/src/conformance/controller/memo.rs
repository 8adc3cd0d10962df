//! Memoization caches as ConfigMaps hold them.
//! Does not decide about hits: the machine does.

use std::collections::BTreeMap;

use runner_machine::{MemoEntry, Timestamp};
use serde_json::Value;

/// Label that a ConfigMap needs to be a cache.
const LABEL: &str = "workflows.argoproj.io/configmap-type";

/// Reads the entries of a ConfigMap that is given as an object.
///
/// # Errors
/// The ConfigMap does not say that it is a cache.
pub(super) fn entries(map: &Value) -> Result<BTreeMap<String, MemoEntry>, String> {
    let label = map.get("metadata").and_then(|meta| meta.get("labels")).and_then(|labels| labels.get(LABEL));
    if label.and_then(Value::as_str) != Some("Cache") {
        return Err(format!("the ConfigMap has no label {LABEL}=Cache"));
    }
    let data = map.get("data").and_then(Value::as_object);
    Ok(data
        .into_iter()
        .flatten()
        .filter_map(|(key, text)| Some((key.clone(), entry(text.as_str()?)?)))
        .collect())
}

fn entry(text: &str) -> Option<MemoEntry> {
    let json: Value = serde_json::from_str(text).ok()?;
    let map = json.as_object()?;
    // Go reads keys without regard to case.
    let get =
        |wanted: &str| map.iter().find(|(key, _)| key.eq_ignore_ascii_case(wanted)).map(|(_, value)| value);
    let outputs = get("outputs").filter(|value| !value.is_null());
    Some(MemoEntry {
        outputs: outputs.and_then(|value| serde_json::from_value(value.clone()).ok()),
        created_at: get("creationTimestamp")
            .and_then(Value::as_str)
            .and_then(|text| text.parse::<Timestamp>().ok()),
    })
}
