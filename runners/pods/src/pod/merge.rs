//! Kubernetes' strategic merge patch, for the spec of a pod.
//! Knows which lists are merged by which key; everything else is JSON.
//!
//! Semantics as in Kubernetes' `strategicpatch`: maps merge, `null` deletes, lists with a merge key merge by it,
//! other lists are replaced; `$patch`, `$retainKeys` and `$setElementOrder` are obeyed.

use serde_json::{Map, Value};

const PATCH: &str = "$patch";
const RETAIN: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";

/// The key by which the elements of a list of a pod's spec are told apart; none when the list is replaced.
fn merge_key(field: &str) -> Option<&'static str> {
    match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "resourceClaims"
        | "schedulingGates" => Some("name"),
        "volumeMounts" => Some("mountPath"),
        "volumeDevices" => Some("devicePath"),
        "ports" => Some("containerPort"),
        "hostAliases" => Some("ip"),
        "topologySpreadConstraints" => Some("topologyKey"),
        _other => None,
    }
}

/// Applies `patch` to `target`.
///
/// # Errors
/// A text that names the field when the patch does not fit or holds a directive that does not exist.
pub fn strategic_merge(target: &mut Value, patch: &Value) -> Result<(), String> {
    match (target, patch) {
        (Value::Object(into), Value::Object(from)) => merge_map(into, from, ""),
        (_, _) => Err("the patch must be a map".to_owned()),
    }
}

fn merge_map(into: &mut Map<String, Value>, patch: &Map<String, Value>, path: &str) -> Result<(), String> {
    match patch.get(PATCH).map(|how| how.as_str().unwrap_or_default()) {
        Some("replace") => {
            *into =
                patch.iter().filter(|(key, _)| *key != PATCH).map(|(k, v)| (k.clone(), v.clone())).collect();
            return Ok(());
        }
        Some("delete") => {
            into.clear();
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(format!("{path}$patch: there is no directive {other:?}")),
    }
    if let Some(retained) = patch.get(RETAIN) {
        let names = retained.as_array().ok_or_else(|| format!("{path}$retainKeys must be a list"))?;
        into.retain(|key, _| names.iter().any(|name| name.as_str() == Some(key)));
    }
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let order = patch.get(&format!("{ORDER}{key}"));
        merge_field(into, key, value, order, &format!("{path}{key}."))?;
    }
    let known = |key: &str| key == PATCH || key == RETAIN || key.starts_with(ORDER);
    match patch.keys().find(|key| key.starts_with('$') && !known(key)) {
        Some(unknown) => Err(format!("{path}{unknown}: this directive has no meaning in a pod's spec")),
        None => Ok(()),
    }
}

fn merge_field(
    into: &mut Map<String, Value>,
    key: &str,
    value: &Value,
    order: Option<&Value>,
    path: &str,
) -> Result<(), String> {
    match value {
        Value::Null => drop(into.remove(key)),
        Value::Object(patch) => {
            let slot = into.entry(key).or_insert_with(|| Value::Object(Map::new()));
            if !slot.is_object() {
                *slot = Value::Object(Map::new());
            }
            if let Value::Object(target) = slot {
                merge_map(target, patch, path)?;
            }
            if patch.get(PATCH).and_then(Value::as_str) == Some("delete") {
                into.remove(key);
            }
        }
        Value::Array(patch) => match merge_key(key) {
            Some(by) => {
                let slot = into.entry(key).or_insert_with(|| Value::Array(Vec::new()));
                let target = slot.as_array().cloned().unwrap_or_default();
                *slot = Value::Array(merge_list(target, patch, by, order, path)?);
            }
            None => drop(into.insert(key.to_owned(), value.clone())),
        },
        plain => drop(into.insert(key.to_owned(), plain.clone())),
    }
    Ok(())
}

fn merge_list(
    original: Vec<Value>,
    patch: &[Value],
    by: &str,
    order: Option<&Value>,
    path: &str,
) -> Result<Vec<Value>, String> {
    let directive = |item: &Value| item.get(PATCH).and_then(Value::as_str).map(str::to_owned);
    // A lone `$patch: replace` element means the list as a whole.
    if patch.iter().any(|item| directive(item).as_deref() == Some("replace") && item.get(by).is_none()) {
        return Ok(patch.iter().filter(|item| item.get(by).is_some()).cloned().collect());
    }
    let server: Vec<Value> = original.iter().filter_map(|item| item.get(by).cloned()).collect();
    let mut merged = original;
    let mut touched: Vec<Value> = Vec::new();
    for item in patch {
        let (Value::Object(fields), Some(key)) = (item, item.get(by)) else {
            return Err(format!("{path}: every element of the patch needs {by:?}"));
        };
        if directive(item).as_deref() == Some("delete") {
            merged.retain(|known| known.get(by) != Some(key));
            continue;
        }
        touched.push(key.clone());
        match merged.iter_mut().find(|known| known.get(by) == Some(key)) {
            Some(Value::Object(known)) => merge_map(known, fields, path)?,
            Some(_) | None => {
                let mut fresh = Map::new();
                merge_map(&mut fresh, fields, path)?;
                merged.push(Value::Object(fresh));
            }
        }
    }
    let wanted: Vec<Value> = match order.and_then(Value::as_array) {
        Some(order) => order.iter().filter_map(|item| item.get(by).cloned()).collect(),
        None => touched,
    };
    Ok(arrange(merged, &wanted, &server, by))
}

/// Kubernetes' order: what the patch names in the order of the patch, the rest in its old order, and the two
/// woven together by the old order. What is new comes before what follows it.
fn arrange(merged: Vec<Value>, wanted: &[Value], server: &[Value], by: &str) -> Vec<Value> {
    let position = |list: &[Value], item: &Value| list.iter().position(|key| Some(key) == item.get(by));
    let (mut named, rest): (Vec<Value>, Vec<Value>) =
        merged.into_iter().partition(|item| position(wanted, item).is_some());
    named.sort_by_key(|item| position(wanted, item));
    let (mut named, mut rest) = (named.into_iter().peekable(), rest.into_iter().peekable());
    let mut all = Vec::new();
    loop {
        let first = match (named.peek(), rest.peek()) {
            (Some(one), Some(other)) => position(server, one) < position(server, other),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (None, None) => return all,
        };
        all.extend(if first { named.next() } else { rest.next() });
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::*;

    fn merged(mut target: Value, patch: Value) -> Value {
        strategic_merge(&mut target, &patch).unwrap();
        target
    }

    #[test]
    fn maps_merge_and_null_deletes() {
        let target = json!({"nodeSelector": {"a": "1", "b": "2"}, "hostname": "x"});
        let patch = json!({"nodeSelector": {"b": null, "c": "3"}, "hostname": null, "priority": 5});
        assert_eq!(merged(target, patch), json!({"nodeSelector": {"a": "1", "c": "3"}, "priority": 5}));
    }

    #[test]
    fn containers_merge_by_name_and_their_lists_by_their_keys() {
        let target = json!({"containers": [
            {"name": "wait", "image": "w"},
            {"name": "main", "image": "m", "args": ["a", "b"], "env": [{"name": "A", "value": "1"}],
             "volumeMounts": [{"mountPath": "/x", "name": "x"}]}]});
        let patch = json!({"containers": [{"name": "main", "args": ["c"],
            "resources": {"limits": {"memory": "64Mi"}},
            "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "0"}],
            "volumeMounts": [{"mountPath": "/x", "readOnly": true}]}]});
        assert_eq!(
            merged(target, patch),
            json!({"containers": [
                {"name": "wait", "image": "w"},
                {"name": "main", "image": "m", "args": ["c"], "resources": {"limits": {"memory": "64Mi"}},
                 "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "0"}],
                 "volumeMounts": [{"mountPath": "/x", "name": "x", "readOnly": true}]}]})
        );
    }

    #[test]
    fn lists_without_a_key_are_replaced() {
        let target = json!({"tolerations": [{"key": "a"}, {"key": "b"}]});
        assert_eq!(
            merged(target, json!({"tolerations": [{"key": "c"}]})),
            json!({"tolerations": [{"key": "c"}]})
        );
    }

    #[test]
    fn what_is_new_comes_first_as_kubernetes_does_it() {
        let target = json!({"containers": [{"name": "one"}, {"name": "two"}]});
        let names = |value: Value| -> Vec<String> {
            let list = value["containers"].as_array().unwrap().clone();
            list.iter().map(|c| c["name"].as_str().unwrap().to_owned()).collect()
        };
        let added = merged(target.clone(), json!({"containers": [{"name": "new"}]}));
        assert_eq!(names(added), ["new", "one", "two"]);
        let ordered = json!({"containers": [{"name": "new"}],
            "$setElementOrder/containers": [{"name": "one"}, {"name": "two"}, {"name": "new"}]});
        assert_eq!(names(merged(target, ordered)), ["one", "two", "new"]);
    }

    #[test]
    fn directives_delete_replace_and_retain() {
        let target = json!({"volumes": [{"name": "a", "emptyDir": {}}, {"name": "b", "hostPath": {"path": "/"}}],
            "securityContext": {"runAsUser": 1, "fsGroup": 2}});
        let patch = json!({"volumes": [{"name": "a", "$patch": "delete"},
            {"name": "b", "$retainKeys": ["name", "emptyDir"], "emptyDir": {}}],
            "securityContext": {"$patch": "replace", "runAsUser": 7}});
        assert_eq!(
            merged(target.clone(), patch),
            json!({"volumes": [{"name": "b", "emptyDir": {}}], "securityContext": {"runAsUser": 7}})
        );
        let whole = json!({"volumes": [{"$patch": "replace"}, {"name": "c", "emptyDir": {}}],
            "securityContext": {"$patch": "delete"}});
        assert_eq!(merged(target, whole), json!({"volumes": [{"name": "c", "emptyDir": {}}]}));
    }

    #[test]
    fn nonsense_is_refused_with_the_field() {
        let mut target = json!({"containers": [{"name": "main"}]});
        let error = strategic_merge(&mut target, &json!({"containers": [{"image": "x"}]})).unwrap_err();
        assert!(error.contains("containers") && error.contains("name"), "{error}");
        let error = strategic_merge(&mut target, &json!({"securityContext": {"$patch": "x"}})).unwrap_err();
        assert!(error.contains("securityContext") && error.contains('x'), "{error}");
        assert!(strategic_merge(&mut target, &json!([1])).is_err());
    }
}
