//! Selection of the nodes that a fact speaks of.
//! Does not judge them: `facts` does.

use serde_json::Value;

use super::facts::{holds, node_list};

/// The nodes that a `select` means, and how many of them must have the fact.
#[derive(Debug)]
pub struct Selected<'v> {
    /// The nodes.
    pub nodes: Vec<&'v Value>,
    /// Every one must have the fact; otherwise one is enough.
    pub each: bool,
}

/// Selects nodes of a workflow object.
///
/// # Errors
/// A `select` that this harness does not know.
pub fn select<'v>(workflow: &'v Value, select: &Value) -> Result<Selected<'v>, String> {
    let nodes = node_list(workflow);
    let name = workflow.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    let Some(map) = select.as_object() else { return Err(format!("select is not an object: {select}")) };
    if map.get("root") == Some(&Value::Bool(true)) {
        return Ok(one(nodes, |node| node.get("name").and_then(Value::as_str) == Some(name)));
    }
    for key in ["displayName", "name", "id"] {
        if let Some(wanted) = map.get(key).and_then(Value::as_str) {
            let wanted = wanted.replace("${workflow}", name);
            let by =
                |key: &str| one(nodes.clone(), |node| node.get(key).and_then(Value::as_str) == Some(&wanted));
            let found = by(key);
            // Cases whose Go test looks nodes up by full name were written down as `displayName`.
            return Ok(if found.nodes.is_empty() && key == "displayName" { by("name") } else { found });
        }
    }
    let Some(conditions) = map.get("where").and_then(Value::as_array) else {
        return Err(format!("unknown select {select}"));
    };
    let each = map.get("quant").and_then(Value::as_str) == Some("each");
    let mut chosen = Vec::new();
    for node in nodes {
        let mut fits = true;
        for condition in conditions {
            fits &= holds(node, condition, name)?.is_none();
        }
        if fits {
            chosen.push(node);
        }
    }
    Ok(Selected { nodes: chosen, each })
}

fn one<'v>(nodes: Vec<&'v Value>, fits: impl Fn(&Value) -> bool) -> Selected<'v> {
    Selected { nodes: nodes.into_iter().filter(|node| fits(node)).collect(), each: false }
}
