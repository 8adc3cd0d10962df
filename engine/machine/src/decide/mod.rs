//! decide: what an input means for a run, as facts.
//! Each fact is folded as soon as it is decided; effects are not performed here.

mod admit;
mod calls;
mod commands;
mod dag;
mod deadline;
mod finish;
mod hooks;
mod inputs;
mod leaf;
mod locks;
mod memo;
mod outputs;
mod retry;
mod reuse;
mod scope;
mod start;
mod steps;
mod undo;

use std::collections::VecDeque;

use runner_workflows::spec::Outputs;

pub(crate) use calls::{call_name, evaluate, item_vars, items};
pub use reuse::reuse;
pub(crate) use scope::{leaf_vars, render_template};

use crate::Timestamp;
use crate::error::Error;
use crate::fact::{Fact, NewNode};
use crate::fold::fold;
use crate::input::Input;
use crate::node::{Node, NodeIx, NodePhase, Work, WorkflowPhase};
use crate::plan::Plan;
use crate::status::WorkflowStatus;

/// What is worked out about an open composite node; derived, dropped when it ends.
#[derive(Clone, Debug)]
pub(crate) enum Runtime {
    /// A Steps node: its current group.
    Steps(usize),
    /// A step group.
    Group(steps::GroupRuntime),
    /// A DAG.
    Dag(dag::DagRuntime),
    /// The loop of a DAG task.
    TaskGroup(steps::LoopRuntime),
}

/// The locks that a synchronization block means.
pub(crate) use locks::needs as lock_needs;

/// The locks that a node waits for.
pub(crate) fn locks_of(plan: &Plan, status: &WorkflowStatus, ix: NodeIx) -> Vec<crate::LockNeed> {
    let rendered = || {
        let compiled = plan.template_of(status, ix).ok()?;
        let vars = leaf_vars(plan, status, &compiled, ix).ok()?;
        let template = render_template(&compiled, &vars, &status.node(ix)?.inputs).ok()?;
        template.synchronization.map(|sync| lock_needs(status, &sync))
    };
    rendered().unwrap_or_default()
}

/// Version of the facts that this build writes.
pub(crate) const FACT_VERSION: u32 = 1;

/// Decides what an input means. The facts are already folded into `status` when this returns; append them
/// before any effect, and drop `status` if that fails.
///
/// # Errors
/// `Error::Refused` when a command does not apply, with nothing changed.
pub fn decide(
    plan: &Plan,
    status: &mut WorkflowStatus,
    input: Input,
    now: Timestamp,
) -> Result<Vec<Fact>, Error> {
    let mut turn = Turn { plan, status, now, facts: Vec::new(), queue: VecDeque::new(), fault: None };
    if !matches!(input, Input::Submit(_)) && turn.status.uid.is_empty() {
        return Err(Error::Refused("there is no such run".to_owned()));
    }
    match input {
        Input::Submit(submit) => turn.submit(*submit)?,
        Input::Begin => turn.begin(),
        Input::Observed { node, attempt, what } => turn.observed(node, attempt, what),
        Input::Tick => turn.tick(),
        Input::Command { by, command } => turn.command(&by, command)?,
        Input::LockAvailable(node) => turn.lock_granted(node),
        Input::LockBusy { node, lock, message } => turn.lock_busy(node, lock, message),
        Input::LockFailed { node, message } => turn.lock_failed(node, message),
        Input::Memo { node, entry } => turn.memo_answer(node, entry),
        Input::MemoFailed { node, message } => turn.memo_failed(node, message),
    }
    turn.run();
    match turn.fault {
        Some(fault) => Err(fault.into()),
        None => Ok(turn.facts),
    }
}

/// Work that one decision leaves for a later moment of the same turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Todo {
    /// A node's phase changed: its hooks and its owner want to know.
    Changed(NodeIx),
    /// A composite node may have something to start.
    Advance(NodeIx),
    /// The run itself.
    Workflow,
}

/// One turn.
pub(crate) struct Turn<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) status: &'a mut WorkflowStatus,
    pub(crate) now: Timestamp,
    facts: Vec<Fact>,
    queue: VecDeque<Todo>,
    fault: Option<crate::IllegalFact>,
}

impl Turn<'_> {
    /// Records a fact and folds it.
    fn emit(&mut self, fact: Fact) {
        if self.fault.is_some() {
            return;
        }
        match fold(self.status, &fact) {
            Ok(()) => self.facts.push(fact),
            Err(fault) => self.fault = Some(fault),
        }
    }

    fn submit(&mut self, submit: crate::Submit) -> Result<(), Error> {
        if !self.status.uid.is_empty() {
            return Err(Error::Refused("the run exists already".to_owned()));
        }
        self.emit(Fact::WorkflowSubmitted {
            version: FACT_VERSION,
            name: submit.name,
            namespace: submit.namespace,
            uid: submit.uid,
            at: self.now,
            workflow: Box::new(submit.workflow),
            estimates: submit.estimates.map(Box::new),
            reuse: submit.reuse.map(Box::new),
        });
        Ok(())
    }

    /// First turn, or first turn on a status taken over: everything is looked at once.
    fn begin(&mut self) {
        if !self.takes_over() {
            self.resync();
        }
        if let Some(shutdown) = self.status.shutdown {
            self.apply_shutdown(shutdown);
        }
        self.queue.push_back(Todo::Workflow);
    }

    /// Looks at every open node again; after that, only at what changes.
    fn resync(&mut self) {
        self.status.index.runtimes.clear();
        self.status.index.blocked.clear();
        self.status.index.held_hooks.clear();
        // Locks are not taken while the run is suspended: whoever waits asks again.
        let waits = |ix: &NodeIx| self.status.node(*ix).is_some_and(|n| matches!(n.work, Work::Lock { .. }));
        let waiting: Vec<NodeIx> = self.status.index.working.iter().copied().filter(waits).collect();
        self.status.index.touched.extend(waiting);
        let all: Vec<(NodeIx, bool)> =
            self.status.nodes().map(|(ix, node)| (ix, node.phase.fulfilled())).collect();
        self.enter_again();
        for (ix, fulfilled) in all.iter().rev() {
            if !fulfilled {
                self.queue.push_back(Todo::Advance(*ix));
            }
        }
        for (ix, _) in all.iter().rev() {
            let owner_open = self.owner_of(*ix).is_none_or(|owner| {
                self.status.node(owner).is_some_and(|node| !node.phase.fulfilled() || node.daemoned)
            });
            if owner_open {
                self.queue.push_back(Todo::Changed(*ix));
            }
        }
        self.queue.push_back(Todo::Workflow);
    }

    /// Nodes that were created, and whose next fact did not make it into the journal, take their first step.
    fn enter_again(&mut self) {
        let cut_off = |node: &Node| {
            node.phase == NodePhase::Pending
                && node.work == crate::node::Work::None
                && node.node_type != crate::node::NodeType::Container
                && !node.locks.is_held()
        };
        let nodes: Vec<NodeIx> =
            self.status.open_nodes().filter(|ix| self.status.node(*ix).is_some_and(cut_off)).collect();
        for ix in nodes {
            match self.rendered(ix) {
                Ok((compiled, template)) => self.enter(ix, &compiled, &template),
                Err(message) => self.fail(ix, message),
            }
        }
    }

    /// Works until nothing is left to do. While the run is suspended or ended nothing is started.
    fn run(&mut self) {
        loop {
            while let Some(todo) = self.queue.pop_front() {
                if self.fault.is_some() {
                    return;
                }
                if self.status.phase.completed() || self.status.uid.is_empty() {
                    continue;
                }
                match todo {
                    Todo::Changed(ix) => self.changed(ix),
                    Todo::Advance(ix) => self.advance(ix),
                    Todo::Workflow => self.advance_workflow(),
                }
            }
            if !std::mem::take(&mut self.status.index.freed) || !self.retry_blocked() {
                return;
            }
        }
    }

    /// Lets nodes that waited for room try again. True when there were any.
    fn retry_blocked(&mut self) -> bool {
        let blocked = std::mem::take(&mut self.status.index.blocked);
        let held_hooks = std::mem::take(&mut self.status.index.held_hooks);
        if (blocked.is_empty() && held_hooks.is_empty()) || self.status.phase.completed() {
            return false;
        }
        self.queue.extend(blocked.into_iter().map(Todo::Advance));
        self.queue.extend(held_hooks.into_iter().map(Todo::Changed));
        true
    }

    /// A node's phase changed.
    fn changed(&mut self, ix: NodeIx) {
        let Some(node) = self.status.node(ix) else { return };
        if node.phase.fulfilled() {
            if node.locks.owes_release() {
                self.emit(Fact::LockReleased { ix: Some(ix) });
            }
            self.kill_daemons(ix);
            if self.status.root().is_some_and(|root| root != ix && !self.is_open(root)) {
                // It may have been the last daemon.
                self.queue.push_back(Todo::Workflow);
            }
        }
        if self.holds_back() {
            return;
        }
        self.tell_owner(ix);
    }

    /// A suspended run takes notice of what ends but starts nothing.
    fn holds_back(&self) -> bool {
        self.status.suspended && self.status.shutdown.is_none()
    }

    /// A composite may have something to start.
    fn advance(&mut self, ix: NodeIx) {
        use crate::node::NodeType;
        let Some(node) = self.status.node(ix) else { return };
        if node.phase.fulfilled() || self.holds_back() || node.phase == NodePhase::Pending {
            return;
        }
        match node.node_type {
            NodeType::Steps => self.advance_steps(ix),
            NodeType::StepGroup => self.advance_group(ix),
            NodeType::DAG => self.advance_dag(ix),
            NodeType::TaskGroup => self.advance_task_group(ix),
            NodeType::Retry => self.advance_retry(ix),
            NodeType::Pod
            | NodeType::Container
            | NodeType::Skipped
            | NodeType::Suspend
            | NodeType::HTTP
            | NodeType::Plugin => {}
        }
    }

    fn create(&mut self, mut node: NewNode) -> NodeIx {
        let mut seen = std::collections::BTreeSet::new();
        node.parents.retain(|parent| seen.insert(*parent));
        let ix = NodeIx(u32::try_from(self.status.nodes.len()).unwrap_or(u32::MAX));
        self.emit(Fact::NodeCreated { ix, node: Box::new(node), at: self.now });
        ix
    }

    /// Ends a node that is not an attempt, and tells whoever waits.
    fn finish(&mut self, ix: NodeIx, phase: NodePhase, message: impl Into<String>, outputs: Option<Outputs>) {
        self.finish_with(ix, phase, message.into(), outputs, Vec::new());
    }

    fn finish_with(
        &mut self,
        ix: NodeIx,
        phase: NodePhase,
        message: String,
        outputs: Option<Outputs>,
        outbound: Vec<NodeIx>,
    ) {
        let outputs = outputs.map(Box::new);
        self.emit(Fact::NodeFinished { ix, phase, message, outputs, outbound, at: self.now });
        self.queue.push_back(Todo::Changed(ix));
    }

    /// Marks a node as an Error; a node that has ended keeps its place in the queue.
    fn fail(&mut self, ix: NodeIx, message: impl Into<String>) {
        self.finish(ix, NodePhase::Error, message, None);
    }

    fn name_of(&self, ix: NodeIx) -> String {
        self.status.node(ix).map(|node| node.name.clone()).unwrap_or_default()
    }

    fn is_open(&self, ix: NodeIx) -> bool {
        self.status.node(ix).is_some_and(|node| !node.phase.fulfilled())
    }

    fn node(&self, ix: NodeIx) -> Option<&Node> {
        self.status.node(ix)
    }

    fn started(&self) -> bool {
        self.status.phase == WorkflowPhase::Running
    }
}
