//! Names that Argo derives from others: node ids, pod names, display names, loop names.
//! Does not look anything up.

use serde_json::Value;

use crate::limits::MAX_POD_NAME_PREFIX;

/// FNV-1a, 32 bits, as Go's `hash/fnv`.
pub(crate) fn fnv32a(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// Id of a node: the workflow's name for the root, otherwise `<workflow>-<fnv32a(node name)>`.
pub fn node_id(workflow: &str, node_name: &str) -> String {
    if workflow == node_name { workflow.to_owned() } else { format!("{workflow}-{}", fnv32a(node_name)) }
}

/// Name of a node's pod (Argo's pod names v2): `<workflow>-<template>-<fnv32a(node name)>`, the prefix cut so
/// that the whole fits a DNS subdomain; the workflow's name for the root.
pub fn pod_name(workflow: &str, node_name: &str, template: &str) -> String {
    if workflow == node_name {
        return workflow.to_owned();
    }
    let mut prefix = if template.is_empty() { workflow.to_owned() } else { format!("{workflow}-{template}") };
    let mut end = prefix.len().min(MAX_POD_NAME_PREFIX);
    while !prefix.is_char_boundary(end) {
        end -= 1;
    }
    prefix.truncate(end);
    format!("{prefix}-{}", fnv32a(node_name))
}

/// Name of a node within its boundary: the full name less the boundary's, less a step group's `[n].` or `.`.
pub(crate) fn display_name(name: &str, boundary: Option<&str>) -> String {
    let Some(boundary) = boundary else { return name.to_owned() };
    let rest = name.strip_prefix(boundary).unwrap_or(name);
    if let Some(inner) = rest.strip_prefix('[') {
        if let Some((digits, after)) = inner.split_once("].")
            && digits.bytes().all(|b| b.is_ascii_digit())
        {
            return after.to_owned();
        }
        return rest.to_owned();
    }
    rest.strip_prefix('.').unwrap_or(rest).to_owned()
}

/// Text of a loop item as it stands in a node's name and as `{{item}}` of scalars: Go's `%v`.
pub(crate) fn item_text(item: &Value) -> String {
    match item {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => item.to_string(),
        Value::Array(list) => format!("[{}]", list.iter().map(item_text).collect::<Vec<_>>().join(" ")),
        Value::Object(map) => {
            let pairs: Vec<_> = map.iter().map(|(k, v)| format!("{k}:{}", item_text(v))).collect();
            format!("map[{}]", pairs.join(" "))
        }
    }
}

/// Name of one child of a loop: `<name>(<index>:<item>)`, maps as sorted `k:v` pairs, parentheses removed.
pub(crate) fn loop_name(name: &str, index: usize, item: &Value) -> String {
    let text = match item {
        Value::Object(map) => {
            let mut pairs: Vec<_> = map.iter().map(|(k, v)| format!("{k}:{}", item_text(v))).collect();
            pairs.sort();
            pairs.join(",")
        }
        Value::Null | Value::String(_) | Value::Bool(_) | Value::Number(_) | Value::Array(_) => {
            item_text(item)
        }
    };
    format!("{name}({index}:{})", text.replace(['(', ')'], ""))
}

/// Name of the exit handler of a node.
pub(crate) fn on_exit_name(name: &str) -> String {
    format!("{name}.onExit")
}

/// Name of a hook of a node.
pub(crate) fn hook_name(name: &str, hook: &str) -> String {
    format!("{name}.hooks.{hook}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ids_and_pod_names_are_argos() {
        assert_eq!(node_id("wf", "wf"), "wf");
        assert_eq!(fnv32a(""), 2_166_136_261);
        assert_eq!(fnv32a("a"), 0xe40c_292c);
        assert_eq!(pod_name("wf", "wf", "t"), "wf");
        assert_eq!(pod_name("wf", "wf.a", "t"), format!("wf-t-{}", fnv32a("wf.a")));
        assert!(pod_name(&"w".repeat(300), "x", "t").len() <= 253);
    }

    #[test]
    fn display_names_lose_boundary_and_group() {
        assert_eq!(display_name("wf[0].a", Some("wf")), "a");
        assert_eq!(display_name("wf[0]", Some("wf")), "[0]");
        assert_eq!(display_name("wf.a(0:x)", Some("wf")), "a(0:x)");
        assert_eq!(display_name("wf", None), "wf");
    }

    #[test]
    fn loop_names_print_items_as_go_does() {
        assert_eq!(loop_name("a", 0, &json!("x(y)")), "a(0:xy)");
        assert_eq!(loop_name("a", 1, &json!({"b": 2, "a": "z"})), "a(1:a:z,b:2)");
        assert_eq!(loop_name("a", 2, &json!(["p", 1])), "a(2:[p 1])");
        assert_eq!(loop_name("a", 3, &json!(true)), "a(3:true)");
    }
}
