//! Retry of an ended run: failed nodes are undone, what succeeded stays.
//! Does not start anything: the run goes on by the ordinary way.

use std::collections::BTreeSet;

use runner_workflows::spec::Parameter;

use super::{Todo, Turn};
use crate::error::Error;
use crate::fact::{Fact, Settings};
use crate::node::{Node, NodeIx, NodePhase, NodeType, Owner, WorkflowPhase};
use crate::selector::Selector;

impl Turn<'_> {
    pub(super) fn retry(
        &mut self,
        by: &str,
        restart_successful: bool,
        selector: &str,
        parameters: Vec<Parameter>,
    ) -> Result<(), Error> {
        match self.status.phase {
            WorkflowPhase::Failed | WorkflowPhase::Error => {}
            WorkflowPhase::Succeeded if restart_successful && !selector.is_empty() => {}
            WorkflowPhase::Succeeded => {
                return Err(Error::Refused(format!(
                    "{} succeeded: nothing to retry (use --restart-successful with --node-field-selector to redo parts)",
                    self.status.name
                )));
            }
            WorkflowPhase::Unknown | WorkflowPhase::Pending | WorkflowPhase::Running => {
                return Err(Error::Refused(format!(
                    "{} has not ended: it cannot be retried yet",
                    self.status.name
                )));
            }
        }
        let parsed = Selector::parse(selector).map_err(Error::Refused)?;
        let undone = self.to_undo(restart_successful, &parsed, self.status.phase != WorkflowPhase::Succeeded);
        let reopened = self.to_reopen(&undone);
        self.accept(
            by,
            "retry",
            Settings { parameters, archived: self.status.archived.then_some(false), ..Settings::default() },
        );
        self.emit(Fact::NodesRemoved {
            nodes: undone.into_iter().collect(),
            reopened: reopened.into_iter().collect(),
            at: self.now,
        });
        self.emit(Fact::WorkflowStarted {
            phase: WorkflowPhase::Running,
            message: String::new(),
            at: self.now,
        });
        self.resync();
        self.queue.push_back(Todo::Workflow);
        Ok(())
    }

    /// What a retry undoes. A failed node after which something succeeded stays as it is (as Argo's
    /// `isDescendantNodeSucceeded`: a `continueOn` made up for it), unless nothing else could be retried.
    pub(super) fn to_undo(
        &self,
        restart_successful: bool,
        selector: &Selector,
        must: bool,
    ) -> BTreeSet<NodeIx> {
        let bridged = self.bridged(restart_successful, selector);
        let undone = self.undo_but(restart_successful, selector, &bridged);
        let leaf = |ix: &NodeIx| self.node(*ix).is_some_and(|node| node.phase.failed_or_error());
        if must && !bridged.is_empty() && !undone.iter().any(leaf) {
            return self.undo_but(restart_successful, selector, &BTreeSet::new());
        }
        undone
    }

    /// Failed nodes below which, in the graph, something succeeded that stays. Hooks do not count.
    fn bridged(&self, restart_successful: bool, selector: &Selector) -> BTreeSet<NodeIx> {
        let chosen = |node: &Node| restart_successful && !selector.is_empty() && selector.matches(node);
        let mut good: BTreeSet<NodeIx> = BTreeSet::new();
        loop {
            let before = good.len();
            // Children come after their parents, so one pass from the end nearly always is enough.
            for (ix, node) in self.status.nodes().collect::<Vec<_>>().into_iter().rev() {
                let succeeded = |child: &NodeIx| {
                    good.contains(child)
                        || self.node(*child).is_some_and(|n| {
                            n.phase == NodePhase::Succeeded
                                && !n.flag.unwrap_or_default().hooked
                                && !chosen(n)
                        })
                };
                if node.children.iter().any(succeeded) {
                    good.insert(ix);
                }
            }
            if good.len() == before {
                break;
            }
        }
        let failed = |ix: &NodeIx| {
            self.node(*ix).is_some_and(|n| n.phase.failed_or_error() && n.node_type.is_attempt())
        };
        let retried = |ix: &NodeIx| match self.node(*ix).map(|n| &n.owner) {
            Some(Owner::Retry(of)) => good.contains(of),
            _ => good.contains(ix),
        };
        let all = self.status.nodes().map(|(ix, _)| ix);
        all.filter(failed).filter(retried).collect()
    }

    /// Leaves that failed (or that the selector names), everything below and after them, hooks of what is
    /// undone, and the run's exit handler; but not those nodes.
    fn undo_but(
        &self,
        restart_successful: bool,
        selector: &Selector,
        kept: &BTreeSet<NodeIx>,
    ) -> BTreeSet<NodeIx> {
        let mut undone: BTreeSet<NodeIx> = BTreeSet::new();
        let owners: BTreeSet<NodeIx> = self.status.nodes().filter_map(|(ix, _)| self.owner_of(ix)).collect();
        for (ix, node) in self.status.nodes() {
            // One that ended before anything of it began is undone like a leaf.
            let composite = is_composite(node.node_type) && owners.contains(&ix);
            let chosen = restart_successful && !selector.is_empty() && selector.matches(node);
            let failed =
                (node.phase.failed_or_error() || !node.phase.fulfilled() || node.phase == NodePhase::Omitted)
                    && !self.made_good(ix)
                    && !kept.contains(&ix);
            if chosen
                || (failed && !composite)
                || (node.phase == NodePhase::Skipped && !composite && self.is_after(ix, &undone))
            {
                undone.insert(ix);
            }
            if matches!(node.owner, Owner::WorkflowExit | Owner::WorkflowHook(_)) {
                undone.insert(ix);
            }
        }
        loop {
            let before = undone.len();
            for (ix, node) in self.status.nodes() {
                if undone.contains(&ix) {
                    continue;
                }
                let owner_undone = self.owner_of(ix).is_some_and(|owner| undone.contains(&owner));
                let boundary_undone = node.boundary.is_some_and(|boundary| undone.contains(&boundary));
                if owner_undone || boundary_undone || self.follows_undone(ix, &undone) {
                    undone.insert(ix);
                }
            }
            // Attempts of a Retry node go together: the node counts its attempts anew.
            for (ix, node) in self.status.nodes() {
                if let Owner::Retry(of) = node.owner
                    && undone.contains(&ix)
                    && !undone.contains(&of)
                {
                    undone.insert(of);
                }
            }
            if undone.len() == before {
                return undone;
            }
        }
    }

    /// Whether a node belongs to an attempt that a later one made good: its Retry node succeeded.
    fn made_good(&self, ix: NodeIx) -> bool {
        let mut at = ix;
        while let Some(owner) = self.owner_of(at) {
            if self
                .node(owner)
                .is_some_and(|node| node.node_type == NodeType::Retry && node.phase == NodePhase::Succeeded)
            {
                return true;
            }
            at = owner;
        }
        false
    }

    fn is_after(&self, ix: NodeIx, undone: &BTreeSet<NodeIx>) -> bool {
        self.follows_undone(ix, undone)
    }

    /// Whether a node was created because of one that is undone: it hangs on it, within the same boundary.
    fn follows_undone(&self, ix: NodeIx, undone: &BTreeSet<NodeIx>) -> bool {
        let Some(node) = self.node(ix) else { return false };
        match &node.owner {
            Owner::Steps(steps, number) => {
                // A later group of a steps template whose earlier group has to run again.
                let name = self.name_of(*steps);
                (0..*number).any(|earlier| {
                    self.status
                        .by_name(&format!("{name}[{earlier}]"))
                        .is_some_and(|group| undone.contains(&group) || self.has_undone_child(group, undone))
                })
            }
            Owner::Dag(dag, task) => {
                let Ok(compiled) = self.plan.template_of(self.status, *dag) else { return false };
                let Some(spec) = &compiled.dag else { return false };
                let name = self.name_of(*dag);
                spec.tasks.get(*task as usize).is_some_and(|task| {
                    task.deps.iter().any(|dep| {
                        let dep = self.status.by_name(&format!("{name}.{}", spec.tasks[*dep].call.name));
                        dep.is_some_and(|dep| undone.contains(&dep) || self.has_undone_child(dep, undone))
                    })
                })
            }
            Owner::Workflow
            | Owner::WorkflowExit
            | Owner::WorkflowHook(_)
            | Owner::Group(..)
            | Owner::TaskGroup(..)
            | Owner::Retry(_)
            | Owner::Hook(..)
            | Owner::ContainerSet(_) => false,
        }
    }

    /// Whether something inside a loop or template is undone, so that it will end anew.
    fn has_undone_child(&self, ix: NodeIx, undone: &BTreeSet<NodeIx>) -> bool {
        undone.iter().any(|gone| {
            let mut at = *gone;
            while let Some(owner) = self.owner_of(at) {
                if owner == ix {
                    return true;
                }
                at = owner;
            }
            false
        })
    }

    /// Ancestors of what is undone run again.
    pub(super) fn to_reopen(&self, undone: &BTreeSet<NodeIx>) -> BTreeSet<NodeIx> {
        let mut reopened = BTreeSet::new();
        for ix in undone {
            let mut at = *ix;
            while let Some(owner) = self.owner_of(at) {
                // A leaf whose hook is undone has ended: only its hook runs again.
                if !undone.contains(&owner)
                    && self.node(owner).is_some_and(|node| is_composite(node.node_type))
                {
                    reopened.insert(owner);
                }
                at = owner;
            }
        }
        if undone.is_empty()
            && let Some(root) = self.status.root()
        {
            reopened.insert(root);
        }
        reopened
    }
}

/// Nodes that end because of others.
fn is_composite(node_type: NodeType) -> bool {
    matches!(
        node_type,
        NodeType::Steps | NodeType::StepGroup | NodeType::DAG | NodeType::TaskGroup | NodeType::Retry
    )
}
