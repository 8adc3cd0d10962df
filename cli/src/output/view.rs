//! What is shown of a workflow, read from its JSON in Argo's shape (`metadata`, `spec`, `status`).
//! Does not lay anything out.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// A workflow as it is shown.
#[derive(Clone, Debug, Default)]
pub struct View {
    /// Name.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Service account, if one is named.
    pub service_account: String,
    /// Phase; empty before the first turn.
    pub phase: String,
    /// Message.
    pub message: String,
    /// `done/total`.
    pub progress: String,
    /// When it was submitted.
    pub created: Option<Timestamp>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Global parameters.
    pub parameters: Vec<(String, String)>,
    /// Global outputs.
    pub outputs: Vec<(String, String)>,
    /// Names of the conditions that hold.
    pub conditions: Vec<String>,
    /// `spec.suspend` is set.
    pub suspended: bool,
    /// Nodes by id.
    pub nodes: BTreeMap<String, NodeView>,
}

/// A node as it is shown.
#[derive(Clone, Debug, Default)]
pub struct NodeView {
    /// Id.
    pub id: String,
    /// Full name.
    pub name: String,
    /// Name within its boundary.
    pub display_name: String,
    /// Argo's node type.
    pub kind: String,
    /// Template, or `resource/template` for a reference.
    pub template: String,
    /// Phase.
    pub phase: String,
    /// Message.
    pub message: String,
    /// Id of the enclosing Steps or DAG node.
    pub boundary: String,
    /// Ids of the nodes that hang on it.
    pub children: Vec<String>,
    /// When it started.
    pub started: Option<Timestamp>,
    /// When it ended.
    pub finished: Option<Timestamp>,
    /// Exit code of its main container.
    pub exit_code: Option<String>,
    /// `outputs.result`.
    pub result: Option<String>,
    /// Name of its pod, for nodes that have one.
    pub pod: String,
    /// Names of its output parameters.
    pub output_names: Vec<String>,
    /// When a suspended node goes on by itself.
    pub until: Option<Timestamp>,
    /// It was started by a hook.
    pub hooked: bool,
}

impl NodeView {
    /// Nothing more will happen.
    pub fn fulfilled(&self) -> bool {
        !matches!(self.phase.as_str(), "Pending" | "Running" | "")
    }

    /// Ended Failed or Error.
    pub fn bad(&self) -> bool {
        matches!(self.phase.as_str(), "Failed" | "Error")
    }

    /// Waits to be resumed.
    pub fn suspended(&self) -> bool {
        self.kind == "Suspend" && !self.fulfilled()
    }

    /// Its work is one attempt of a runner, so it has logs.
    pub fn is_step(&self) -> bool {
        matches!(self.kind.as_str(), "Pod" | "HTTP" | "Plugin")
    }

    /// How long it took, or has taken so far.
    pub fn duration(&self, now: Timestamp) -> Option<SignedDuration> {
        self.started.map(|from| self.finished.unwrap_or(now).duration_since(from))
    }

    fn read(id: &str, json: &Value) -> Self {
        let reference = &json["templateRef"];
        let template = match (text(&reference["name"]), text(&reference["template"])) {
            (name, template) if !name.is_empty() => format!("{name}/{template}"),
            (_, _) => text(&json["templateName"]),
        };
        Self {
            id: id.to_owned(),
            name: text(&json["name"]),
            display_name: text(&json["displayName"]),
            kind: text(&json["type"]),
            template,
            phase: text(&json["phase"]),
            message: text(&json["message"]),
            boundary: text(&json["boundaryID"]),
            children: texts(&json["children"]),
            started: time(&json["startedAt"]),
            finished: time(&json["finishedAt"]),
            exit_code: json["outputs"]["exitCode"].as_str().map(str::to_owned),
            result: json["outputs"]["result"].as_str().map(str::to_owned),
            pod: String::new(),
            output_names: pairs(&json["outputs"]["parameters"]).into_iter().map(|(name, _)| name).collect(),
            until: None,
            hooked: json["nodeFlag"]["hooked"].as_bool().unwrap_or(false),
        }
    }
}

impl View {
    /// Reads the JSON of a workflow; what is missing stays empty.
    pub fn read(json: &Value) -> Self {
        let (metadata, spec, status) = (&json["metadata"], &json["spec"], &json["status"]);
        let empty = serde_json::Map::new();
        let nodes = status["nodes"].as_object().unwrap_or(&empty);
        let parameters = &status["effectiveParameters"];
        let parameters = if parameters.is_array() { parameters } else { &spec["arguments"]["parameters"] };
        Self {
            name: text(&metadata["name"]),
            namespace: text(&metadata["namespace"]),
            service_account: text(&spec["serviceAccountName"]),
            phase: text(&status["phase"]),
            message: text(&status["message"]),
            progress: text(&status["progress"]),
            created: time(&metadata["creationTimestamp"]),
            started: time(&status["startedAt"]),
            finished: time(&status["finishedAt"]),
            parameters: pairs(parameters),
            outputs: pairs(&status["outputs"]["parameters"]),
            conditions: conditions(&status["conditions"]),
            suspended: spec["suspend"].as_bool().unwrap_or(false),
            nodes: nodes.iter().map(|(id, node)| (id.clone(), NodeView::read(id, node))).collect(),
        }
    }

    /// Its phase as shown in lists: Argo's empty phase is Pending for people.
    pub fn phase_word(&self) -> &str {
        if self.phase.is_empty() { "Pending" } else { &self.phase }
    }

    /// Nothing more will happen.
    pub fn completed(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Failed" | "Error")
    }

    /// Nodes that wait for a person: suspended without an end of their own.
    pub fn waiting_for_people(&self) -> impl Iterator<Item = &NodeView> {
        self.nodes.values().filter(|node| node.suspended() && node.until.is_none())
    }

    /// Only people can move it: nothing runs, and something is suspended for good.
    pub fn stuck_on_people(&self) -> bool {
        let at_work = |node: &NodeView| !node.fulfilled() && (node.is_step() || node.until.is_some());
        !self.completed()
            && (self.suspended || self.waiting_for_people().next().is_some())
            && !self.nodes.values().any(at_work)
    }

    /// How long it took, or has taken so far.
    pub fn duration(&self, now: Timestamp) -> Option<SignedDuration> {
        self.started.map(|from| self.finished.unwrap_or(now).duration_since(from))
    }

    /// The node of that id, full name, display name or template name; the last started if several match.
    pub fn find_node(&self, text: &str) -> Option<&NodeView> {
        let by = |pick: fn(&NodeView) -> &str| {
            self.nodes
                .values()
                .filter(|node| pick(node) == text)
                .max_by_key(|node| (node.started, node.name.clone()))
        };
        by(|n| &n.id)
            .or_else(|| by(|n| &n.name))
            .or_else(|| by(|n| &n.pod))
            .or_else(|| by(|n| &n.display_name))
            .or_else(|| by(|n| &n.template))
    }
}

fn text(json: &Value) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn texts(json: &Value) -> Vec<String> {
    json.as_array().map(|items| items.iter().map(text).collect()).unwrap_or_default()
}

fn time(json: &Value) -> Option<Timestamp> {
    json.as_str().and_then(|text| text.parse().ok())
}

fn pairs(json: &Value) -> Vec<(String, String)> {
    let one = |item: &Value| {
        let value = item.get("value").or_else(|| item.get("default"));
        let value =
            value.map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).unwrap_or_default();
        (text(&item["name"]), value)
    };
    json.as_array().map(|items| items.iter().map(one).collect()).unwrap_or_default()
}

fn conditions(json: &Value) -> Vec<String> {
    let items = json.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter(|item| item["status"] == "True").map(|item| text(&item["type"])).collect()
}
