//! The same rewriting on values: what the edited text has to mean.
//! Follows Argo's legacy types: a single lock goes behind those of the list, a single schedule wins over the list.

use serde_json::{Map, Value, json};

use crate::parse::tree::{Node, NodeValue, ScalarKind};

/// A tree as a value.
pub(crate) fn json(node: &Node) -> Value {
    match &node.value {
        NodeValue::Sequence(nodes) => Value::Array(nodes.iter().map(json).collect()),
        NodeValue::Mapping(entries) => {
            Value::Object(entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect())
        }
        NodeValue::Scalar(scalar) => match scalar.kind {
            ScalarKind::Null => Value::Null,
            ScalarKind::Bool(value) => json!(value),
            ScalarKind::Int(value) => json!(value),
            ScalarKind::UInt(value) => json!(value),
            ScalarKind::Float(value) => json!({"float": value.to_string()}),
            ScalarKind::Text => json!(scalar.text),
        },
    }
}

/// Rewrites a document.
pub(super) fn convert(document: &mut Value) {
    let kind = document["kind"].as_str().unwrap_or_default().to_owned();
    let Some(spec) = document.get_mut("spec").and_then(Value::as_object_mut) else { return };
    match kind.as_str() {
        "Workflow" | "WorkflowTemplate" | "ClusterWorkflowTemplate" => workflow(spec),
        "CronWorkflow" => {
            if let Some(schedule) = spec.remove("schedule") {
                match schedule.as_str() {
                    // an empty one says nothing
                    Some("") => {}
                    _ => drop(spec.insert("schedules".to_owned(), json!([schedule]))),
                }
            }
            if let Some(stop) = spec.get_mut("stopStrategy").and_then(Value::as_object_mut)
                && let Some(condition) = stop.remove("condition")
            {
                stop.entry("expression").or_insert(condition);
            }
            if let Some(inner) = spec.get_mut("workflowSpec").and_then(Value::as_object_mut) {
                workflow(inner);
            }
        }
        _other => {}
    }
}

fn workflow(spec: &mut Map<String, Value>) {
    synchronization(spec);
    if let Some(defaults) = spec.get_mut("templateDefaults").and_then(Value::as_object_mut) {
        template(defaults);
    }
    each(spec.get_mut("templates"), template);
}

fn template(node: &mut Map<String, Value>) {
    synchronization(node);
    let inline = |one: &mut Map<String, Value>| {
        if let Some(inner) = one.get_mut("inline").and_then(Value::as_object_mut) {
            template(inner);
        }
    };
    if let Some(Value::Array(groups)) = node.get_mut("steps") {
        groups.iter_mut().for_each(|group| each(Some(group), inline));
    }
    if let Some(dag) = node.get_mut("dag").and_then(Value::as_object_mut) {
        each(dag.get_mut("tasks"), inline);
    }
}

fn each(list: Option<&mut Value>, change: impl Fn(&mut Map<String, Value>)) {
    if let Some(Value::Array(items)) = list {
        items.iter_mut().filter_map(Value::as_object_mut).for_each(change);
    }
}

fn synchronization(node: &mut Map<String, Value>) {
    let Some(sync) = node.get_mut("synchronization").and_then(Value::as_object_mut) else { return };
    for (one, many) in [("mutex", "mutexes"), ("semaphore", "semaphores")] {
        let Some(value) = sync.remove(one) else { continue };
        match sync.get_mut(many) {
            Some(Value::Array(list)) => list.push(value),
            _ => drop(sync.insert(many.to_owned(), json!([value]))),
        }
    }
}
