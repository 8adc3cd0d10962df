//! What a workflow came to, without what differs between two runs: times, ids of nodes, hosts.
//! Compares; does not judge which side is right.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::binary::Home;
use crate::conformance::facts::node_list;

/// A workflow's end.
#[derive(Clone, Debug, PartialEq)]
pub struct Facts {
    workflow: Value,
    nodes: BTreeMap<String, Value>,
}

impl Facts {
    /// Of an ended workflow.
    ///
    /// # Errors
    /// It is not there, or two of its nodes have one name.
    pub fn of(home: &Home, name: &str) -> Result<Self, String> {
        let object = home.get(name)?.ok_or_else(|| format!("{name} is not there"))?;
        let status = &object["status"];
        let workflow = json!({
            "phase": status["phase"], "message": status["message"], "progress": status["progress"],
            "outputs": status["outputs"],
        });
        let mut nodes = BTreeMap::new();
        for node in node_list(&object) {
            let name = node["name"].as_str().unwrap_or_default().to_owned();
            let facts = json!({
                "type": node["type"], "phase": node["phase"], "message": node["message"],
                "inputs": node["inputs"], "outputs": node["outputs"],
            });
            if nodes.insert(name.clone(), facts).is_some() {
                return Err(format!("two nodes are called {name}"));
            }
        }
        Ok(Self { workflow, nodes })
    }
}

/// What differs between the undisturbed run and another.
pub fn differences(calm: &Facts, stormy: &Facts) -> Vec<String> {
    let mut out = Vec::new();
    if calm.workflow != stormy.workflow {
        out.push(format!("workflow: {} instead of {}", stormy.workflow, calm.workflow));
    }
    for (name, facts) in &calm.nodes {
        match stormy.nodes.get(name) {
            None => out.push(format!("node {name} is missing")),
            Some(other) if other != facts => out.push(format!("node {name}: {other} instead of {facts}")),
            Some(_) => {}
        }
    }
    let more = stormy.nodes.keys().filter(|name| !calm.nodes.contains_key(*name));
    out.extend(more.map(|name| format!("node {name} should not be there")));
    out
}
