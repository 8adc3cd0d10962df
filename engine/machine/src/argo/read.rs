//! Reads a status in the shape of Argo's API, to go on with a run that somebody else began.
//! Who waits for a node is worked out from its name, as Argo builds names.

use std::collections::BTreeMap;

use runner_workflows::resolve::TemplateReferencing;
use runner_workflows::spec::{Inputs, Outputs, TemplateRef, WorkflowSpec};
use serde::Deserialize;
use serde_json::Value;

use crate::Timestamp;
use crate::duration::parse_duration;
use crate::node::{
    AttemptState, LockStand, MemoStatus, Node, NodeFlag, NodeIx, NodePhase, NodeType, Owner, Work,
    WorkflowPhase,
};
use crate::plan::Plan;
use crate::status::WorkflowStatus;

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ArgoStatus {
    phase: String,
    message: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    nodes: BTreeMap<String, ArgoNode>,
    outputs: Option<Outputs>,
    stored_workflow_template_spec: Option<WorkflowSpec>,
    persistent_volume_claims: Vec<runner_workflows::spec::k8s::Volume>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ArgoNode {
    id: String,
    name: String,
    display_name: String,
    #[serde(rename = "type")]
    node_type: NodeType,
    template_name: String,
    template_ref: Option<TemplateRef>,
    template_scope: String,
    phase: String,
    #[serde(rename = "boundaryID")]
    boundary_id: String,
    message: String,
    started_at: Option<String>,
    finished_at: Option<String>,
    inputs: Option<Inputs>,
    outputs: Option<Outputs>,
    children: Vec<String>,
    outbound_nodes: Vec<String>,
    daemoned: Option<bool>,
    host_node_name: String,
    #[serde(rename = "podIP")]
    pod_ip: String,
    node_flag: Option<NodeFlag>,
    memoization_status: Option<MemoStatus>,
    synchronization_status: Option<Waiting>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Waiting {
    waiting: String,
}

/// Argo's message for a run whose spec is not the one it was started with.
const SPEC_CHANGED: &str =
    "WorkflowSpec may not change during execution when the controller is set `templateReferencing: Secure`";

fn time(text: Option<&String>) -> Option<Timestamp> {
    text.and_then(|text| text.parse().ok())
}

impl WorkflowStatus {
    /// Takes over a status in Argo's shape. The status must be fresh from `WorkflowSubmitted`; give it
    /// `Input::Begin` next, so that everything is looked at once.
    ///
    /// # Errors
    /// A text for people when the JSON is not such a status.
    pub fn adopt_argo(&mut self, plan: &Plan, status: &Value, now: Timestamp) -> Result<(), String> {
        let argo: ArgoStatus = serde_json::from_value(status.clone()).map_err(|e| e.to_string())?;
        self.phase = WorkflowPhase::parse(&argo.phase).ok_or("unknown workflow phase")?;
        self.message = argo.message;
        self.started_at = time(argo.started_at.as_ref());
        self.finished_at = time(argo.finished_at.as_ref());
        self.outputs = argo.outputs.unwrap_or_default();
        let stored = argo.stored_workflow_template_spec;
        if plan.workflow.referencing == Some(TemplateReferencing::Secure)
            && stored.is_some_and(|spec| Some(&spec) != plan.workflow.stored_spec.as_ref())
        {
            self.unusable = Some(SPEC_CHANGED.to_owned());
        }
        self.claims.adopt(&argo.persistent_volume_claims);
        if self.phase == WorkflowPhase::Running {
            let name = self.name.clone();
            self.claims.bind(&name);
            self.started_at.get_or_insert(now);
        }
        let mut nodes: Vec<ArgoNode> =
            argo.nodes.into_values().filter(|node| !node.name.is_empty()).collect();
        nodes.sort_by(|a, b| (a.name.len(), &a.name).cmp(&(b.name.len(), &b.name)));
        let links: Vec<(Vec<String>, Vec<String>, String)> = nodes
            .iter_mut()
            .map(|node| {
                let children = std::mem::take(&mut node.children);
                (children, std::mem::take(&mut node.outbound_nodes), node.boundary_id.clone())
            })
            .collect();
        for node in nodes {
            let node = self.taken_over(node, now)?;
            self.push(node);
        }
        for (number, (children, outbound, boundary)) in links.into_iter().enumerate() {
            let ix = NodeIx(u32::try_from(number).unwrap_or(u32::MAX));
            let of = |ids: &[String], status: &Self| {
                ids.iter().filter_map(|id| status.by_id(id)).collect::<Vec<_>>()
            };
            let (children, outbound) = (of(&children, self), of(&outbound, self));
            let boundary = self.by_id(&boundary);
            let depth = boundary.and_then(|b| self.node(b)).map_or(1, |b| b.depth + 1);
            self.change(ix, |node| {
                node.children = children;
                node.outbound = outbound;
                node.boundary = boundary;
                node.depth = depth;
            });
            let owner = self.owner_by_name(plan, ix);
            let exit_handler = match &owner {
                Owner::WorkflowExit => true,
                Owner::Hook(_, name) if name == "exit" => true,
                Owner::Workflow | Owner::WorkflowHook(_) => false,
                _ => boundary.and_then(|b| self.node(b)).is_some_and(|b| b.exit_handler),
            };
            self.change(ix, |node| {
                if matches!(owner, Owner::Retry(_)) {
                    node.flag.get_or_insert_default().retried = true;
                }
                node.owner = owner;
                node.exit_handler = exit_handler;
            });
        }
        let root_open = self.root().and_then(|ix| self.node(ix)).is_some_and(|root| !root.phase.fulfilled());
        if self.phase.completed() && root_open {
            self.phase = WorkflowPhase::Running;
            self.finished_at = None;
        }
        self.arm_deadline();
        Ok(())
    }

    fn taken_over(&self, argo: ArgoNode, now: Timestamp) -> Result<Node, String> {
        let composite = matches!(
            argo.node_type,
            NodeType::Steps | NodeType::StepGroup | NodeType::DAG | NodeType::TaskGroup | NodeType::Retry
        );
        let phase = match argo.phase.as_str() {
            "" if composite => NodePhase::Running,
            "" => NodePhase::Pending,
            text => NodePhase::parse(text).ok_or_else(|| format!("unknown node phase {text}"))?,
        };
        let started_at = time(argo.started_at.as_ref());
        let waiting = argo.synchronization_status.map(|s| s.waiting).filter(|w| !w.is_empty());
        let daemoned = argo.daemoned.unwrap_or(false);
        let work = if phase.fulfilled() {
            Work::None
        } else if waiting.is_some() {
            Work::Lock { since: started_at.unwrap_or(now) }
        } else if argo.node_type.is_attempt() {
            let running = phase == NodePhase::Running;
            let state = if running { AttemptState::Running } else { AttemptState::Intended };
            Work::Attempt { number: 0, state }
        } else if argo.node_type == NodeType::Suspend {
            Work::Suspended { until: None }
        } else {
            Work::None
        };
        Ok(Node {
            id: argo.id,
            display_name: argo.display_name,
            node_type: argo.node_type,
            template_name: argo.template_name,
            template_ref: argo.template_ref,
            template_scope: argo.template_scope,
            owner: Owner::Workflow,
            boundary: None,
            depth: 1,
            phase,
            message: argo.message,
            started_at,
            finished_at: time(argo.finished_at.as_ref()),
            inputs: argo.inputs.unwrap_or_default(),
            outputs: argo.outputs,
            children: Vec::new(),
            outbound: Vec::new(),
            flag: argo.node_flag,
            work,
            exit_handler: false,
            daemoned,
            memo: argo.memoization_status,
            locks: waiting.map_or_else(LockStand::default, LockStand::Waits),
            host: argo.host_node_name,
            pod_ip: argo.pod_ip,
            progress: None,
            deadline: None,
            captured: BTreeMap::new(),
            tainted: Default::default(),
            name: argo.name,
        })
    }

    /// Who waits for a node, by its name.
    fn owner_by_name(&self, plan: &Plan, ix: NodeIx) -> Owner {
        let Some(node) = self.node(ix) else { return Owner::Workflow };
        let name = node.name.as_str();
        if name == self.name {
            return Owner::Workflow;
        }
        if let Some(of) = name.strip_suffix(".onExit") {
            return match self.by_name(of) {
                Some(owner) if of != self.name || node.boundary.is_some() => {
                    Owner::Hook(owner, "exit".to_owned())
                }
                Some(_) | None => Owner::WorkflowExit,
            };
        }
        if let Some((of, hook)) = name.rsplit_once(".hooks.")
            && !hook.contains(['.', '(', '['])
        {
            return match self.by_name(of) {
                Some(owner) if of != self.name || node.boundary.is_some() => {
                    Owner::Hook(owner, hook.to_owned())
                }
                Some(_) | None => Owner::WorkflowHook(hook.to_owned()),
            };
        }
        let attempt_of = |name: &str| {
            let (of, number) = name.strip_suffix(')')?.rsplit_once('(')?;
            number.bytes().all(|b| b.is_ascii_digit()).then(|| self.by_name(of)).flatten()
        };
        if let Some(retry) = attempt_of(name)
            && self.node(retry).is_some_and(|n| n.node_type == NodeType::Retry)
        {
            return Owner::Retry(retry);
        }
        let Some(boundary) = node.boundary else { return Owner::Workflow };
        if node.node_type == NodeType::Container {
            return Owner::ContainerSet(boundary);
        }
        self.owner_in_boundary(plan, boundary, name, node.node_type).unwrap_or(Owner::Workflow)
    }

    fn owner_in_boundary(
        &self,
        plan: &Plan,
        boundary: NodeIx,
        name: &str,
        node_type: NodeType,
    ) -> Option<Owner> {
        let outer = self.node(boundary)?;
        let rest = name.strip_prefix(outer.name.as_str())?;
        let index = |text: &str| {
            text.split_once(':').map_or(text, |(n, _)| n).trim_end_matches(')').parse::<u32>().ok()
        };
        let split = |text: &str| match text.split_once('(') {
            Some((name, item)) => (name.to_owned(), index(item)),
            None => (text.to_owned(), None),
        };
        let compiled = plan.template_of(self, boundary).ok()?;
        if outer.node_type == NodeType::DAG {
            let (task, item) = split(rest.strip_prefix('.')?);
            let number = u32::try_from(*compiled.dag.as_ref()?.by_name.get(&task)?).ok()?;
            return Some(match item {
                Some(item) => Owner::TaskGroup(self.by_name(&format!("{}.{task}", outer.name))?, item),
                None => Owner::Dag(boundary, number),
            });
        }
        let (group, rest) = rest.strip_prefix('[')?.split_once(']')?;
        let group: u32 = group.parse().ok()?;
        if node_type == NodeType::StepGroup {
            return Some(Owner::Steps(boundary, group));
        }
        let (step, item) = split(rest.strip_prefix('.')?);
        let call = compiled.steps.get(group as usize)?.iter().position(|call| call.name == step)?;
        let group = self.by_name(&format!("{}[{group}]", outer.name))?;
        Some(Owner::Group(group, u32::try_from(call).ok()?, item))
    }

    /// Gives suspend nodes that were taken over the moment they resume by themselves.
    pub fn arm_suspensions(&mut self, plan: &Plan) {
        let waiting: Vec<NodeIx> = self
            .nodes()
            .filter(|(_, node)| matches!(node.work, Work::Suspended { until: None }))
            .map(|(ix, _)| ix)
            .collect();
        for ix in waiting {
            let Ok(compiled) = plan.template_of(self, ix) else { continue };
            let Ok(vars) = crate::decide::leaf_vars(plan, self, &compiled, ix) else { continue };
            let inputs = self.node(ix).map(|node| node.inputs.clone()).unwrap_or_default();
            let Ok(template) = crate::decide::render_template(&compiled, &vars, &inputs) else { continue };
            let duration =
                template.suspend.and_then(|s| s.duration).and_then(|d| parse_duration(d.as_str()).ok());
            let until = duration.and_then(|d| self.node(ix)?.started_at?.checked_add(d).ok());
            self.change(ix, |node| node.work = Work::Suspended { until });
        }
    }
}
