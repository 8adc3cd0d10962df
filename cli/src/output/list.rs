//! Lists of workflows: columns and JSON.
//! Does not query.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::table::Table;
use super::time;

/// One workflow of a list.
#[derive(Clone, Debug, Default)]
pub struct Entry {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Unique id.
    pub uid: String,
    /// Phase.
    pub phase: String,
    /// Message.
    pub message: String,
    /// `done/total`.
    pub progress: String,
    /// Labels.
    pub labels: std::collections::BTreeMap<String, String>,
    /// When it was submitted.
    pub created: Option<Timestamp>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Priority, parameters and what else the row holds.
    pub more: Value,
}

impl Entry {
    fn phase_word(&self) -> &str {
        if self.phase.is_empty() { "Pending" } else { &self.phase }
    }

    fn duration(&self, now: Timestamp) -> String {
        self.started
            .map(|from| time::short(self.finished.unwrap_or(now).duration_since(from)))
            .unwrap_or_default()
    }

    /// The JSON form, in the shape of a Workflow without its spec and nodes.
    pub fn json(&self) -> Value {
        let mut status = json!({"phase": self.phase});
        let times = [("startedAt", self.started), ("finishedAt", self.finished)];
        for (key, at) in times {
            if let Some(at) = at {
                status[key] = json!(time::whole(at));
            }
        }
        for (key, text) in [("message", &self.message), ("progress", &self.progress)] {
            if !text.is_empty() {
                status[key] = json!(text);
            }
        }
        let mut metadata = json!({"name": self.name, "namespace": self.namespace, "uid": self.uid});
        if !self.labels.is_empty() {
            metadata["labels"] = json!(self.labels);
        }
        if let Some(at) = self.created {
            metadata["creationTimestamp"] = json!(time::whole(at));
        }
        json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": metadata, "status": status})
    }
}

/// The list as a table.
pub fn table(entries: &[Entry], wide: bool, namespaces: bool, now: Timestamp) -> Table {
    let mut header = vec!["NAME", "STATUS", "AGE", "DURATION", "PRIORITY", "MESSAGE"];
    if wide {
        header.splice(5..5, ["PROGRESS", "PARAMETERS"]);
    }
    if namespaces {
        header.insert(0, "NAMESPACE");
    }
    let mut table = Table::new(&header);
    for entry in entries {
        let age = entry.created.map(|at| time::age(now.duration_since(at))).unwrap_or_default();
        let priority = entry.more["priority"].as_i64().unwrap_or(0).to_string();
        let mut row = vec![
            entry.name.clone(),
            entry.phase_word().to_owned(),
            age,
            entry.duration(now),
            priority,
            entry.message.clone(),
        ];
        if wide {
            row.splice(5..5, [entry.progress.clone(), parameters(&entry.more["parameters"])]);
        }
        if namespaces {
            row.insert(0, entry.namespace.clone());
        }
        table.row(row);
    }
    table
}

/// `a=1,b=2`, from Argo's list of parameters or from a map.
fn parameters(json: &Value) -> String {
    let value = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let pairs: Vec<String> = match json {
        Value::Array(items) => items
            .iter()
            .filter_map(|item| Some(format!("{}={}", item["name"].as_str()?, item.get("value").map(value)?)))
            .collect(),
        Value::Object(map) => map.iter().map(|(key, v)| format!("{key}={}", value(v))).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    };
    pairs.join(",")
}
