//! Resubmitting with what succeeded: which nodes a new run takes over, and how it begins with them.
//! The choice is that of the retry command; the shape of the nodes is that of Argo's `FormulateResubmitWorkflow`.

use std::collections::{BTreeMap, VecDeque};

use super::Turn;
use crate::error::Error;
use crate::fact::{Fact, NewNode};
use crate::node::{Node, NodeIx, NodePhase, NodeType, Owner, WorkflowPhase};
use crate::plan::Plan;
use crate::reuse::{EndedNode, Reuse, ReusedNode};
use crate::selector::Selector;
use crate::status::WorkflowStatus;

/// What a new run of the same spec can take over from an ended one: pods that succeeded become Skipped with
/// their outputs, what failed and what followed it runs again.
///
/// # Errors
/// `Error::Refused` unless the run is Failed or Error.
pub fn reuse(plan: &Plan, status: &WorkflowStatus) -> Result<Reuse, Error> {
    if !matches!(status.phase, WorkflowPhase::Failed | WorkflowPhase::Error) {
        return Err(Error::Refused(format!(
            "{} must be Failed or Error to be resubmitted in memoized mode; it is {}",
            status.name,
            if status.phase.completed() { status.phase.as_str() } else { "not at its end" }
        )));
    }
    let mut copy = status.clone();
    let now = status.finished_at.or(status.created_at).unwrap_or_default();
    let turn = Turn { plan, status: &mut copy, now, facts: Vec::new(), queue: VecDeque::new(), fault: None };
    let undone = turn.to_undo(false, &Selector::default(), true);
    let reopened = turn.to_reopen(&undone);
    let mut numbers: BTreeMap<NodeIx, NodeIx> = BTreeMap::new();
    for (ix, node) in status.nodes().filter(|(ix, _)| !undone.contains(ix)) {
        if node.owner.node().is_none_or(|owner| numbers.contains_key(&owner)) {
            let next = NodeIx(u32::try_from(numbers.len()).unwrap_or(u32::MAX));
            numbers.insert(ix, next);
        }
    }
    let mut parents: BTreeMap<NodeIx, Vec<NodeIx>> = BTreeMap::new();
    for (ix, number) in &numbers {
        for child in status.node(*ix).iter().flat_map(|node| &node.children) {
            // Only those that will exist when the child is created.
            if numbers.get(child).is_some_and(|of| number < of) {
                parents.entry(*child).or_default().push(*number);
            }
        }
    }
    let nodes = numbers.keys().filter_map(|ix| {
        let node = status.node(*ix)?;
        let parents = parents.remove(ix).unwrap_or_default();
        Some(reused(status, node, &numbers, parents, reopened.contains(ix)))
    });
    Ok(Reuse { workflow: status.name.clone(), nodes: nodes.collect() })
}

fn reused(
    status: &WorkflowStatus,
    node: &Node,
    numbers: &BTreeMap<NodeIx, NodeIx>,
    parents: Vec<NodeIx>,
    reopened: bool,
) -> ReusedNode {
    let number = |ix: NodeIx| numbers.get(&ix).copied().unwrap_or(ix);
    let is_root = node.name == status.name;
    let outputs = node.outputs.clone().map(Box::new);
    let mut new = NewNode {
        name: node.name.clone(),
        node_type: node.node_type,
        template_name: node.template_name.clone(),
        template_ref: node.template_ref.clone(),
        template_scope: node.template_scope.clone(),
        owner: renumbered(&node.owner, &number),
        boundary: node.boundary.map(number),
        parents,
        depth: node.depth,
        phase: node.phase,
        message: node.message.clone(),
        inputs: node.inputs.clone(),
        outputs: None,
        flag: node.flag,
        exit_handler: node.exit_handler,
        display_name: (!is_root).then(|| node.display_name.clone()),
        deadline: None,
        captured: node.captured.clone(),
        tainted: node.tainted.clone(),
        memo: node.memo.clone(),
    };
    if reopened {
        (new.phase, new.message) = (NodePhase::Running, String::new());
        return ReusedNode { node: new, ended: None };
    }
    if node.node_type == NodeType::Pod && node.phase == NodePhase::Succeeded {
        (new.node_type, new.phase) = (NodeType::Skipped, NodePhase::Skipped);
        new.message = format!("original pod: {}", node.id);
        new.outputs = outputs;
        return ReusedNode { node: new, ended: None };
    }
    if node.outbound.is_empty() && node.node_type.is_attempt() || node.node_type == NodeType::Skipped {
        new.outputs = outputs;
        return ReusedNode { node: new, ended: None };
    }
    (new.phase, new.message) = (NodePhase::Running, String::new());
    let outbound = node.outbound.iter().filter_map(|ix| numbers.get(ix).copied()).collect();
    let ended = EndedNode { phase: node.phase, message: node.message.clone(), outputs, outbound };
    ReusedNode { node: new, ended: Some(ended) }
}

fn renumbered(owner: &Owner, number: &impl Fn(NodeIx) -> NodeIx) -> Owner {
    match owner {
        Owner::Workflow => Owner::Workflow,
        Owner::WorkflowExit => Owner::WorkflowExit,
        Owner::WorkflowHook(name) => Owner::WorkflowHook(name.clone()),
        Owner::Steps(ix, group) => Owner::Steps(number(*ix), *group),
        Owner::Group(ix, call, item) => Owner::Group(number(*ix), *call, *item),
        Owner::Dag(ix, task) => Owner::Dag(number(*ix), *task),
        Owner::TaskGroup(ix, item) => Owner::TaskGroup(number(*ix), *item),
        Owner::Retry(ix) => Owner::Retry(number(*ix)),
        Owner::Hook(ix, name) => Owner::Hook(number(*ix), name.clone()),
        Owner::ContainerSet(ix) => Owner::ContainerSet(number(*ix)),
    }
}

impl Turn<'_> {
    /// Whether nodes of an earlier run are still to be taken over: nothing else may be created before.
    pub(super) fn takes_over(&self) -> bool {
        self.status.reuse.as_ref().is_some_and(|reuse| self.status.nodes.len() < reuse.nodes.len())
    }

    /// Creates the nodes of an earlier run, those that a cut-off turn left out, and looks at all of them.
    pub(super) fn take_over(&mut self) {
        let Some(reuse) = self.status.reuse.clone() else { return };
        let workflow = self.status.name.clone();
        for reused in reuse.nodes.iter().skip(self.status.nodes.len()) {
            let mut node = reused.node.clone();
            node.name = reuse.renamed(&node.name, &workflow);
            if node.template_scope == format!("local/{}", reuse.workflow) {
                node.template_scope = format!("local/{workflow}");
            }
            let ix = self.create(node);
            if let Some(EndedNode { phase, message, outputs, outbound }) = reused.ended.clone() {
                self.emit(Fact::NodeFinished { ix, phase, message, outputs, outbound, at: self.now });
            }
        }
        self.resync();
    }
}
