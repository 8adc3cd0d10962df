//! What changed between two looks at a workflow: plain lines for pipes, JSON for `-o jsonl`.
//! Does not look: the caller passes both views.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::view::{NodeView, View};
use super::{text, time};

/// One change.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When.
    pub at: Timestamp,
    /// Node type and name as shown; empty for the workflow itself.
    pub node: String,
    /// Id of the node; empty for the workflow itself.
    pub node_id: String,
    /// New phase.
    pub phase: String,
    /// Message.
    pub message: String,
    /// Duration, of what ended.
    pub duration: Option<jiff::SignedDuration>,
}

impl Event {
    /// `15:04:05 hello-x7k Succeeded  hello(0:a)  1.2s  message`.
    pub fn line(&self, workflow: &str) -> String {
        let clock = self.at.strftime("%H:%M:%S");
        let node =
            if self.node.is_empty() { String::new() } else { format!("  {}", text::plain(&self.node)) };
        let duration = self.duration.map(|d| format!("  {}", time::short(d))).unwrap_or_default();
        let message =
            if self.message.is_empty() { String::new() } else { format!("  {}", text::plain(&self.message)) };
        let phase = if node.is_empty() && duration.is_empty() && message.is_empty() {
            self.phase.clone()
        } else {
            text::pad(&self.phase, 9)
        };
        format!("{clock} {workflow} {phase}{node}{duration}{message}")
    }

    /// The same as a JSON object.
    pub fn json(&self, workflow: &str) -> Value {
        let mut out = json!({"at": self.at.to_string(), "workflow": workflow, "phase": self.phase});
        if !self.node.is_empty() {
            out["node"] = json!(self.node);
            out["nodeId"] = json!(self.node_id);
        }
        if !self.message.is_empty() {
            out["message"] = json!(self.message);
        }
        if let Some(duration) = self.duration {
            out["durationSeconds"] = json!(duration.as_millis_f64().round() / 1000.0);
        }
        out
    }
}

/// What `now` shows that `before` did not, in the order in which it happened.
pub fn between(before: &View, now: &View, at: Timestamp) -> Vec<Event> {
    let mut out: Vec<Event> =
        now.nodes.values().filter_map(|node| node_event(before.nodes.get(&node.id), node, at)).collect();
    out.sort_by(|a, b| (a.at, &a.node).cmp(&(b.at, &b.node)));
    if before.phase != now.phase && !now.phase.is_empty() {
        let done = now.completed();
        let event = Event {
            at: if done { now.finished.unwrap_or(at) } else { now.started.unwrap_or(at) },
            node: String::new(),
            node_id: String::new(),
            phase: now.phase.clone(),
            message: now.message.clone(),
            duration: if done { now.duration(at) } else { None },
        };
        if done { out.push(event) } else { out.insert(0, event) }
    }
    out
}

/// Groups and pending nodes are not worth a line; what runs, waits or ended is, and a step that says anew what it waits for
/// (a bare reason such as `ContainerCreating` is the usual way of things).
fn node_event(before: Option<&NodeView>, node: &NodeView, at: Timestamp) -> Option<Event> {
    let news = before.is_none_or(|before| before.message != node.message);
    let waits = news && node.is_step() && !node.fulfilled() && node.message.contains(' ');
    let unchanged = before.is_some_and(|b| b.phase == node.phase && (!news || !node.suspended()));
    let quiet =
        matches!(node.kind.as_str(), "StepGroup" | "Retry" | "TaskGroup" | "Steps" | "DAG") && !node.bad();
    if !waits && (unchanged || quiet || matches!(node.phase.as_str(), "Pending" | "" | "Omitted")) {
        return None;
    }
    let done = node.fulfilled();
    let suspended = node.suspended();
    Some(Event {
        at: if done { node.finished } else { node.started.filter(|_| !waits) }.unwrap_or(at),
        node: short_name(node),
        node_id: node.id.clone(),
        phase: if suspended { "Suspended".to_owned() } else { node.phase.clone() },
        message: node.message.clone(),
        duration: node.duration(at).filter(|_| done && node.phase != "Skipped"),
    })
}

/// The full name without the workflow's: where a step is within nested templates.
fn short_name(node: &NodeView) -> String {
    let start = node.name.find(['.', '[']).unwrap_or(0);
    let rest = node.name.get(start..).unwrap_or_default().trim_start_matches('.');
    if rest.is_empty() { node.display_name.clone() } else { rest.to_owned() }
}
