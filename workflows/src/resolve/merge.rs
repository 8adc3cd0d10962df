//! Merging of specs and templates as JSON: Kubernetes' strategic merge, the part of it that specs use.
//! Does not know what the merged fields mean.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// The field by which the elements of a list are the same element, or none when lists replace each other.
///
/// The names are the API's `patchMergeKey` markers of WorkflowSpec, Template and core/v1.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "templates" | "volumes" | "imagePullSecrets" | "initContainers" | "sidecars" | "parameters"
        | "artifacts" | "tasks" | "env" => Some("name"),
        "tolerations" => Some("key"),
        "hostAliases" => Some("ip"),
        "ports" => Some("containerPort"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        _ => None,
    }
}

/// Deep merge of `over` onto `base`; `over` wins. Lists of named elements are merged by name, others replaced.
pub fn strategic(base: Value, over: Value) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => Value::Object(merge_maps(base, over)),
        (_, over) => over,
    }
}

fn merge_maps(mut base: Map<String, Value>, over: Map<String, Value>) -> Map<String, Value> {
    for (key, value) in over {
        let merged = match (base.remove(&key), value) {
            (Some(Value::Array(old)), Value::Array(new)) => match merge_key(&key) {
                Some(by) => Value::Array(merge_lists(old, new, by)),
                None => Value::Array(new),
            },
            (Some(old), new) => strategic(old, new),
            (None, new) => new,
        };
        base.insert(key, merged);
    }
    base
}

/// Elements of both lists: those of `over` in its order, those only in `base` kept where they stood before.
fn merge_lists(base: Vec<Value>, over: Vec<Value>, by: &str) -> Vec<Value> {
    let place = |name: Option<&Value>| name.and_then(|n| base.iter().position(|old| old.get(by) == Some(n)));
    let over: Vec<(Option<usize>, Value)> = over.into_iter().map(|new| (place(new.get(by)), new)).collect();
    let taken: Vec<usize> = over.iter().filter_map(|(at, _)| *at).collect();
    let mut rest = (0..base.len()).filter(|at| !taken.contains(at)).peekable();
    let mut out = Vec::with_capacity(base.len() + over.len());
    for (at, new) in over {
        while let (Some(at), Some(only)) = (at, rest.peek()) {
            if *only > at {
                break;
            }
            out.extend(base.get(*only).cloned());
            rest.next();
        }
        let old = at.and_then(|at| base.get(at).cloned());
        out.push(old.map_or_else(|| new.clone(), |old| strategic(old, new.clone())));
    }
    out.extend(rest.filter_map(|at| base.get(at).cloned()));
    out
}

/// [`strategic`] on typed values.
///
/// # Errors
/// Returns serde's message when the merged value no longer fits the type.
pub fn typed<T: Serialize + DeserializeOwned>(base: &T, over: &T) -> Result<T, serde_json::Error> {
    serde_json::from_value(strategic(serde_json::to_value(base)?, serde_json::to_value(over)?))
}

#[cfg(test)]
mod tests {
    use super::strategic;
    use serde_json::json;

    #[test]
    fn named_elements_are_merged_and_keep_their_place() {
        let base = json!({"parameters": [{"name": "a", "value": "1"}, {"name": "b", "default": "2"}, {"name": "c"}]});
        let over = json!({"parameters": [{"name": "b", "value": "3"}, {"name": "d"}]});
        let want = json!({"parameters": [
            {"name": "a", "value": "1"}, {"name": "b", "default": "2", "value": "3"}, {"name": "d"}, {"name": "c"}]});
        assert_eq!(strategic(base, over), want);
    }

    #[test]
    fn unnamed_lists_and_scalars_are_replaced_and_maps_are_merged() {
        let base = json!({"command": ["a", "b"], "labels": {"x": "1", "y": "2"}, "suspend": false});
        let over = json!({"command": ["c"], "labels": {"y": "3"}, "suspend": true});
        let want = json!({"command": ["c"], "labels": {"x": "1", "y": "3"}, "suspend": true});
        assert_eq!(strategic(base, over), want);
    }
}
