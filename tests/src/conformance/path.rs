//! Paths of facts: `status/nodes`, `outputs/parameters/name=x/value`, `main/args/0`.
//! Does not compare what they find.

use serde_json::Value;

/// The value at a path, if there is one. Segments are separated by `/`; list elements are reached by number or
/// by `key=value`. The empty path is the value itself.
pub fn find<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if path.is_empty() {
        return Some(value);
    }
    // Keys of annotations hold slashes: the longest key that fits goes first.
    if let Value::Object(map) = value {
        let mut ends: Vec<usize> = path.match_indices('/').map(|(at, _)| at).collect();
        ends.push(path.len());
        return ends.iter().rev().find_map(|&end| {
            let (head, rest) = path.split_at(end);
            map.get(head).and_then(|inner| find(inner, rest.trim_start_matches('/')))
        });
    }
    let (head, rest) = path.split_once('/').unwrap_or((path, ""));
    let Value::Array(list) = value else { return None };
    let inner = match head.split_once('=') {
        Some((key, wanted)) => list.iter().find(|item| item.get(key).and_then(Value::as_str) == Some(wanted)),
        None => head.parse::<usize>().ok().and_then(|at| list.get(at)),
    }?;
    find(inner, rest)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::find;

    #[test]
    fn segments_keys_numbers_and_names() {
        let value = json!({"a": [{"name": "x", "value": "1"}], "an": {"b.io/c": "d"}});
        assert_eq!(find(&value, "a/0/name"), Some(&json!("x")));
        assert_eq!(find(&value, "a/name=x/value"), Some(&json!("1")));
        assert_eq!(find(&value, "a/name=y/value"), None);
        assert_eq!(find(&value, "an/b.io/c"), Some(&json!("d")));
        assert_eq!(find(&value, ""), Some(&value));
    }
}
