//! Writes a run's status in the shape of Argo's API.
//! Leaves out what only a cluster knows.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::decide::{lock_needs, locks_of};
use crate::globals::rfc3339;
use crate::node::{Node, NodeIx, NodePhase, NodeType, WorkflowPhase};
use crate::plan::Plan;
use crate::resources::{self, ResourcesDuration};
use crate::status::WorkflowStatus;

impl WorkflowStatus {
    /// The status as Argo's API has it (`status` of the Workflow object).
    pub fn to_argo(&self, plan: &Plan) -> Value {
        let mut out = Map::new();
        if self.phase != WorkflowPhase::Unknown {
            out.insert("phase".into(), json!(self.phase.as_str()));
        }
        if let Some(at) = self.started_at {
            out.insert("startedAt".into(), json!(rfc3339(at)));
        }
        out.insert("finishedAt".into(), self.finished_at.map_or(Value::Null, |at| json!(rfc3339(at))));
        if !self.message.is_empty() {
            out.insert("message".into(), json!(self.message));
        }
        let sums = Sums::of(plan, self);
        let (done, all) = self.progress();
        out.insert("progress".into(), json!(format!("{done}/{all}")));
        if !sums.total.is_empty() {
            out.insert("resourcesDuration".into(), json!(sums.total));
        }
        let nodes: Map<String, Value> =
            self.nodes().map(|(ix, node)| (node.id.clone(), self.node_json(ix, node, &sums))).collect();
        if !nodes.is_empty() {
            out.insert("nodes".into(), Value::Object(nodes));
        }
        if !self.outputs.is_empty() {
            out.insert("outputs".into(), serde_json::to_value(&self.outputs).unwrap_or_default());
        }
        if let Some(claims) = self.claims.json() {
            out.insert("persistentVolumeClaims".into(), claims);
        }
        if let Some(estimates) = self.estimates.as_ref().filter(|estimates| estimates.seconds > 0) {
            out.insert("estimatedDuration".into(), json!(estimates.seconds));
        }
        let conditions = self.conditions();
        if !conditions.is_empty() {
            out.insert("conditions".into(), Value::Array(conditions));
        }
        if !plan.workflow.stored_templates.is_empty() {
            let stored = serde_json::to_value(&plan.workflow.stored_templates).unwrap_or_default();
            out.insert("storedTemplates".into(), stored);
        }
        if let Some(spec) = &plan.workflow.stored_spec {
            out.insert("storedWorkflowTemplateSpec".into(), serde_json::to_value(spec).unwrap_or_default());
        }
        if let Some(locks) = self.synchronization(plan) {
            out.insert("synchronization".into(), locks);
        }
        Value::Object(out)
    }

    fn conditions(&self) -> Vec<Value> {
        let mut conditions = Vec::new();
        let pods = || self.nodes().filter(|(_, n)| n.node_type == NodeType::Pod);
        let running = pods().any(|(_, n)| n.phase == NodePhase::Running);
        if running || pods().any(|(_, n)| n.phase.completed()) {
            conditions.push(json!({"type": "PodRunning", "status": if running { "True" } else { "False" }}));
        }
        if self.phase.completed() {
            conditions.push(json!({"type": "Completed", "status": "True"}));
        }
        conditions
    }

    fn node_json(&self, ix: NodeIx, node: &Node, sums: &Sums) -> Value {
        let mut out = Map::new();
        let mut text = |key: &str, value: &str| {
            if !value.is_empty() {
                out.insert(key.to_owned(), json!(value));
            }
        };
        text("id", &node.id);
        text("name", &node.name);
        text("displayName", &node.display_name);
        text("type", node.node_type.as_str());
        text("templateName", &node.template_name);
        text("templateScope", &node.template_scope);
        text("phase", node.phase.as_str());
        text("message", &node.message);
        text("hostNodeName", &node.host);
        text("podIP", &node.pod_ip);
        if let Some(boundary) = node.boundary.and_then(|ix| self.node(ix)) {
            text("boundaryID", &boundary.id);
        }
        if let Some((done, all)) = sums.progress.get(&ix) {
            text("progress", &format!("{done}/{all}"));
        }
        if let Some(at) = node.started_at {
            text("startedAt", &rfc3339(at));
        }
        out.insert("finishedAt".into(), node.finished_at.map_or(Value::Null, |at| json!(rfc3339(at))));
        if let Some(reference) = &node.template_ref {
            out.insert("templateRef".into(), serde_json::to_value(reference).unwrap_or_default());
        }
        if !node.inputs.parameters.is_empty() || !node.inputs.artifacts.is_empty() {
            out.insert("inputs".into(), serde_json::to_value(&node.inputs).unwrap_or_default());
        }
        if let Some(outputs) = &node.outputs {
            out.insert("outputs".into(), serde_json::to_value(outputs).unwrap_or_default());
        }
        let ids = |list: &[NodeIx]| -> Vec<Value> {
            list.iter().filter_map(|ix| self.node(*ix)).map(|node| json!(node.id)).collect()
        };
        if !node.children.is_empty() {
            out.insert("children".into(), Value::Array(ids(&node.children)));
        }
        if !node.outbound.is_empty() {
            out.insert("outboundNodes".into(), Value::Array(ids(&node.outbound)));
        }
        if node.daemoned {
            out.insert("daemoned".into(), json!(true));
        }
        if let Some(flag) = node.flag {
            out.insert("nodeFlag".into(), serde_json::to_value(flag).unwrap_or_default());
        }
        if let Some(memo) = &node.memo {
            out.insert("memoizationStatus".into(), serde_json::to_value(memo).unwrap_or_default());
        }
        if let Some(lock) = node.locks.waiting() {
            out.insert("synchronizationStatus".into(), json!({"waiting": lock}));
        }
        if let Some(durations) = sums.durations.get(&ix) {
            out.insert("resourcesDuration".into(), json!(durations));
        }
        if let Some(seconds) = self.estimates.as_ref().and_then(|known| known.node(&self.name, node)) {
            out.insert("estimatedDuration".into(), json!(seconds));
        }
        Value::Object(out)
    }

    /// Locks held and waited for by this run and its nodes.
    fn synchronization(&self, plan: &Plan) -> Option<Value> {
        let mut holding: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
        let mut waiting: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
        let mut note = |held: bool, needs: Vec<crate::LockNeed>, busy: Option<&str>, holder: &str| {
            for need in needs {
                let family = if need.name.split('/').nth(1) == Some("Mutex") { "mutex" } else { "semaphore" };
                if held {
                    holding.entry((family, need.name)).or_default().push(holder.to_owned());
                } else if busy.is_none_or(|busy| busy == need.name) {
                    waiting.entry((family, need.name)).or_default().push(holder.to_owned());
                }
            }
        };
        if self.locks.is_held() || self.locks.waiting().is_some() {
            let sync = plan.workflow.spec.synchronization.as_ref();
            let needs = sync.map(|sync| lock_needs(self, sync)).unwrap_or_default();
            note(self.locks.is_held(), needs, self.locks.waiting(), &self.name);
        }
        for (ix, node) in self.nodes() {
            if node.locks.is_held() || node.locks.waiting().is_some() {
                note(node.locks.is_held(), locks_of(plan, self, ix), node.locks.waiting(), &node.id);
            }
        }
        if holding.is_empty() && waiting.is_empty() {
            return None;
        }
        let mut out = Map::new();
        for (kind, map) in [("holding", holding), ("waiting", waiting)] {
            for ((family, lock), holders) in map {
                let entry = match family {
                    "mutex" => json!({"mutex": lock, "holder": holders.first()}),
                    _ => json!({"semaphore": lock, "holders": holders}),
                };
                let list = out.entry(family).or_insert_with(|| json!({}));
                match list.get_mut(kind).and_then(Value::as_array_mut) {
                    Some(array) => array.push(entry),
                    None => list[kind] = json!([entry]),
                }
            }
        }
        Some(Value::Object(out))
    }
}

/// What composite nodes sum up over the nodes below them.
#[derive(Default)]
struct Sums {
    progress: BTreeMap<NodeIx, (u64, u64)>,
    durations: BTreeMap<NodeIx, ResourcesDuration>,
    total: ResourcesDuration,
}

impl Sums {
    fn of(plan: &Plan, status: &WorkflowStatus) -> Self {
        let mut sums = Self::default();
        for (ix, node) in status.nodes() {
            let progress = node.own_progress();
            let durations = resources::of_pod(plan, status, ix, node);
            if let Some(durations) = &durations {
                resources::add(&mut sums.total, durations);
            }
            if progress.is_none() && durations.is_none() {
                continue;
            }
            let mut at = Some(ix);
            while let Some(here) = at {
                let counts_itself = status.node(here).is_some_and(|n| n.node_type.has_progress());
                if let Some((done, all)) = progress.filter(|_| here == ix || !counts_itself) {
                    let sum = sums.progress.entry(here).or_default();
                    *sum = (sum.0 + done, sum.1 + all);
                }
                let ended = status.node(here).is_some_and(|node| node.phase.fulfilled());
                if let Some(durations) = durations.as_ref().filter(|_| ended) {
                    resources::add(sums.durations.entry(here).or_default(), durations);
                }
                at = status.node(here).and_then(|node| node.owner.node());
            }
        }
        sums
    }
}
