//! The end of a workflow without its times: what two runs of the same case are compared by.
//! Does not say which is right.

use std::collections::BTreeMap;

use runner_machine::{Plan, WorkflowStatus};
use serde_json::Value;

/// Keys of Argo's status that hold times or follow from them.
const TIMES: [&str; 8] = [
    "startedAt",
    "finishedAt",
    "estimatedDuration",
    "resourcesDuration",
    "progress",
    "lastScheduledTime",
    "artifactGCStatus",
    "hostNodeName",
];

/// The end of one workflow.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Phase.
    pub phase: String,
    /// Message.
    pub message: String,
    /// Global outputs by name.
    pub outputs: BTreeMap<String, String>,
    /// Argo's status without times; lists of nodes sorted.
    pub status: Value,
    /// Nodes by name.
    pub nodes: BTreeMap<String, Ended>,
}

/// The end of one node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ended {
    /// Phase.
    pub phase: String,
    /// Type.
    pub node_type: String,
    /// Message.
    pub message: String,
    /// Output parameters.
    pub outputs: BTreeMap<String, String>,
    /// `outputs.result`, if it was kept.
    pub result: Option<String>,
    /// Input parameters.
    pub inputs: BTreeMap<String, String>,
}

impl Outcome {
    /// Reads a status.
    pub fn of(plan: &Plan, ended: &WorkflowStatus) -> Self {
        let mut status = ended.to_argo(plan);
        scrub(&mut status);
        let mut nodes = BTreeMap::new();
        for (_, node) in ended.nodes() {
            let text = |p: &runner_workflows::spec::Parameter| {
                (p.name.clone(), p.value.as_ref().map(|v| v.as_str().to_owned()).unwrap_or_default())
            };
            let outputs = node.outputs.as_ref();
            let entry = Ended {
                phase: node.phase.as_str().to_owned(),
                node_type: node.node_type.as_str().to_owned(),
                message: node.message.clone(),
                outputs: outputs.map(|o| o.parameters.iter().map(text).collect()).unwrap_or_default(),
                result: outputs.and_then(|o| o.result.clone()),
                inputs: node.inputs.parameters.iter().map(text).collect(),
            };
            nodes.insert(node.name.clone(), entry);
        }
        let global = ended.outputs.parameters.iter();
        let outputs = global
            .map(|p| (p.name.clone(), p.value.as_ref().map(|v| v.as_str().to_owned()).unwrap_or_default()))
            .collect();
        Self {
            phase: ended.phase.as_str().to_owned(),
            message: ended.message.clone(),
            outputs,
            status,
            nodes,
        }
    }

    /// What differs from another run, one line each.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut found = Vec::new();
        differ("status", &self.status, &other.status, &mut found);
        found.truncate(12);
        found
    }
}

fn scrub(value: &mut Value) {
    match value {
        Value::Object(map) => {
            TIMES.iter().for_each(|key| drop(map.remove(*key)));
            for (key, value) in map.iter_mut() {
                scrub(value);
                if matches!(key.as_str(), "children" | "outboundNodes")
                    && let Value::Array(list) = value
                {
                    list.sort_by_key(Value::to_string);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(scrub),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn differ(path: &str, one: &Value, other: &Value, found: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            for key in one.keys().chain(other.keys().filter(|key| !one.contains_key(*key))) {
                let missing = Value::Null;
                let (a, b) = (one.get(key).unwrap_or(&missing), other.get(key).unwrap_or(&missing));
                differ(&format!("{path}.{key}"), a, b, found);
            }
        }
        (one, other) if one == other => {}
        (one, other) => found.push(format!("{path}: {one} <> {other}")),
    }
}
