//! The status of one run: its nodes and the indexes that keep a turn as cheap as what changed.
//! Changed by `fold` alone; the indexes can be dropped and rebuilt at any time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runner_workflows::spec::{Outputs, Parameter};
use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::claims::Claims;
use crate::decide::Runtime;
use crate::estimates::Estimates;
use crate::node::{LockStand, Node, NodeIx, NodePhase, NodeType, Work, WorkflowPhase};
use crate::reuse::Reuse;

/// How a run was asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shutdown {
    /// Exit handlers still run.
    Stop,
    /// Nothing more runs.
    Terminate,
}

impl Shutdown {
    /// Argo's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "Stop",
            Self::Terminate => "Terminate",
        }
    }

    /// Whether a node may still be started, Argo's `ShouldExecute`.
    pub fn allows(self, exit_handler: bool) -> bool {
        match self {
            Self::Stop => exit_handler,
            Self::Terminate => false,
        }
    }
}

/// A timer that a node or the run waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// The run's `activeDeadlineSeconds`.
    Deadline,
    /// The node's back-off, suspension or time-out.
    Node(NodeIx),
}

/// Everything known about one run.
#[derive(Clone, Debug, Default)]
pub struct WorkflowStatus {
    /// Name; empty before submission.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Unique id.
    pub uid: String,
    /// When it was submitted.
    pub created_at: Option<Timestamp>,
    /// Phase.
    pub phase: WorkflowPhase,
    /// Message.
    pub message: String,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Global outputs.
    pub outputs: Outputs,
    /// Seconds the run may take from its start.
    pub active_deadline_seconds: Option<i64>,
    /// No new nodes are started.
    pub suspended: bool,
    /// It has ended and is out of the lists.
    pub archived: bool,
    /// How it was asked to end.
    pub shutdown: Option<Shutdown>,
    /// Message given with the shutdown.
    pub shutdown_message: String,
    /// Its deadline has passed.
    pub deadline_passed: bool,
    /// Global parameters that a retry replaced.
    pub parameters: Vec<Parameter>,
    /// The run itself: what it waits for before its first node.
    pub work: Work,
    /// Where the run itself stands with its locks.
    pub locks: LockStand,
    /// How long it will take, as far as an earlier run tells.
    pub estimates: Option<Estimates>,
    /// Nodes that it takes over from an earlier run, until it has them all.
    pub(crate) reuse: Option<Arc<Reuse>>,
    /// Why a run that was taken over cannot go on.
    pub(crate) unusable: Option<String>,
    /// Volume claims made for it.
    pub(crate) claims: Claims,
    /// Nodes by number; undone nodes leave a hole.
    pub(crate) nodes: Vec<Option<Node>>,
    /// Next attempt number of names whose node was undone.
    pub(crate) generations: BTreeMap<String, u32>,
    pub(crate) index: Index,
}

/// Derived from the nodes: can be rebuilt.
#[derive(Clone, Debug, Default)]
pub(crate) struct Index {
    pub(crate) by_name: BTreeMap<Arc<str>, NodeIx>,
    pub(crate) by_id: BTreeMap<String, NodeIx>,
    pub(crate) live: usize,
    pub(crate) active_pods: usize,
    pub(crate) boundaries: BTreeMap<NodeIx, Counters>,
    pub(crate) timers: BTreeSet<(Timestamp, Timer)>,
    pub(crate) working: BTreeSet<NodeIx>,
    pub(crate) daemons: BTreeSet<NodeIx>,
    pub(crate) open: BTreeSet<NodeIx>,
    pub(crate) touched: BTreeSet<NodeIx>,
    pub(crate) touched_workflow: bool,
    pub(crate) progress: (u64, u64),
    pub(crate) runtimes: BTreeMap<NodeIx, Runtime>,
    pub(crate) blocked: BTreeSet<NodeIx>,
    /// Nodes with a hook that waits for room.
    pub(crate) held_hooks: BTreeSet<NodeIx>,
    pub(crate) freed: bool,
    pub(crate) globals: Option<Arc<runner_workflows::expr::Vars>>,
}

/// Counts of the nodes directly under one Steps or DAG node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counters {
    /// Pods that are pending (and not waiting for a lock) or running.
    pub(crate) active_pods: usize,
    /// Pods, Steps and DAGs that are pending or running.
    pub(crate) active_children: usize,
    /// Pods, Steps and DAGs that failed.
    pub(crate) unsuccessful: usize,
}

impl WorkflowStatus {
    /// The node of that number.
    pub fn node(&self, ix: NodeIx) -> Option<&Node> {
        self.nodes.get(ix.0 as usize).and_then(Option::as_ref)
    }

    /// All nodes, in order of creation.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeIx, &Node)> {
        self.nodes.iter().enumerate().filter_map(|(ix, node)| {
            let ix = NodeIx(u32::try_from(ix).unwrap_or(u32::MAX));
            node.as_ref().map(|node| (ix, node))
        })
    }

    /// Number of nodes.
    pub fn node_count(&self) -> usize {
        self.index.live
    }

    /// The node of that full name.
    pub fn by_name(&self, name: &str) -> Option<NodeIx> {
        self.index.by_name.get(name).copied()
    }

    /// The node of that id.
    pub fn by_id(&self, id: &str) -> Option<NodeIx> {
        self.index.by_id.get(id).copied()
    }

    /// The root node, once it exists.
    pub fn root(&self) -> Option<NodeIx> {
        self.by_name(&self.name)
    }

    /// Nodes that changed since the last call, in order; for projections and dispatch.
    pub fn take_touched(&mut self) -> Vec<NodeIx> {
        self.index.touched_workflow = false;
        std::mem::take(&mut self.index.touched).into_iter().collect()
    }

    /// What is done and all there is, as printed in `progress`: sums of what the nodes report.
    pub fn progress(&self) -> (u64, u64) {
        self.index.progress
    }

    /// Nodes that have not ended.
    pub fn open_nodes(&self) -> impl Iterator<Item = NodeIx> + '_ {
        self.index.open.iter().copied()
    }

    /// The earliest timer, if any.
    pub fn next_timer(&self) -> Option<Timestamp> {
        if self.phase.completed() {
            return None;
        }
        self.index.timers.first().map(|(at, _)| *at)
    }

    /// Number that a new attempt of the node of that name gets.
    pub(crate) fn generation(&self, name: &str) -> u32 {
        self.generations.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn counters(&self, boundary: NodeIx) -> Counters {
        self.index.boundaries.get(&boundary).copied().unwrap_or_default()
    }

    /// Changes a node in place and keeps the indexes true. The only way `fold` writes nodes.
    pub(crate) fn change(&mut self, ix: NodeIx, change: impl FnOnce(&mut Node)) -> bool {
        let Some(mut node) = self.nodes.get_mut(ix.0 as usize).and_then(Option::take) else { return false };
        self.index.forget(ix, &node);
        change(&mut node);
        self.index.learn(ix, &node);
        if let Some(slot) = self.nodes.get_mut(ix.0 as usize) {
            *slot = Some(node);
        }
        true
    }

    /// Adds a node under the next number.
    pub(crate) fn push(&mut self, node: Node) -> NodeIx {
        let ix = NodeIx(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.index.by_name.insert(Arc::from(node.name.as_str()), ix);
        self.index.by_id.insert(node.id.clone(), ix);
        self.index.learn(ix, &node);
        self.index.live += 1;
        self.nodes.push(Some(node));
        ix
    }

    /// Removes a node; its number stays used.
    pub(crate) fn remove(&mut self, ix: NodeIx) -> Option<Node> {
        let node = self.nodes.get_mut(ix.0 as usize)?.take()?;
        self.index.forget(ix, &node);
        self.index.open.remove(&ix);
        self.index.working.remove(&ix);
        self.index.daemons.remove(&ix);
        self.index.by_name.remove(node.name.as_str());
        self.index.by_id.remove(&node.id);
        self.index.live -= 1;
        self.index.touched.insert(ix);
        Some(node)
    }

    /// The moment the run must have ended.
    pub fn deadline(&self) -> Option<Timestamp> {
        let seconds = jiff::SignedDuration::from_secs(self.active_deadline_seconds?);
        self.started_at?.checked_add(seconds).ok()
    }

    /// Sets the timer of the run's deadline.
    pub(crate) fn arm_deadline(&mut self) {
        if let Some(at) = self.deadline().filter(|_| !self.deadline_passed) {
            self.index.timers.insert((at, Timer::Deadline));
        }
    }

    pub(crate) fn set_timer(&mut self, timer: Timer, at: Option<Timestamp>, before: Option<Timestamp>) {
        if let Some(before) = before {
            self.index.timers.remove(&(before, timer));
        }
        if let Some(at) = at {
            self.index.timers.insert((at, timer));
        }
    }
}

/// The moment a node's own timer is due.
pub(crate) fn node_timer(node: &Node) -> Option<Timestamp> {
    if node.phase.fulfilled() {
        return None;
    }
    let own = match &node.work {
        Work::Backoff { until } => Some(*until),
        Work::Suspended { until } => *until,
        Work::None | Work::Lock { .. } | Work::Memo | Work::Attempt { .. } => None,
    };
    let deadline = if node.phase == NodePhase::Pending { node.deadline } else { None };
    match (own, deadline) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

impl Index {
    fn forget(&mut self, ix: NodeIx, node: &Node) {
        self.count(node, false);
        if let Some(at) = node_timer(node) {
            self.timers.remove(&(at, Timer::Node(ix)));
        }
    }

    fn learn(&mut self, ix: NodeIx, node: &Node) {
        self.count(node, true);
        if let Some(at) = node_timer(node) {
            self.timers.insert((at, Timer::Node(ix)));
        }
        self.touched.insert(ix);
        if node.phase.fulfilled() && !node.daemoned {
            self.open.remove(&ix);
        } else {
            self.open.insert(ix);
        }
        if node.daemoned {
            self.daemons.insert(ix);
        } else {
            self.daemons.remove(&ix);
        }
        if node.work == Work::None {
            self.working.remove(&ix);
        } else {
            self.working.insert(ix);
        }
    }

    fn count(&mut self, node: &Node, add: bool) {
        let step = |value: &mut usize| {
            if add {
                *value += 1;
            } else {
                *value = value.saturating_sub(1);
            }
        };
        let active = !node.phase.fulfilled();
        let is_pod = node.node_type == NodeType::Pod;
        let is_child = matches!(node.node_type, NodeType::Pod | NodeType::Steps | NodeType::DAG);
        let active_pod = is_pod && active && node.locks.waiting().is_none();
        if active_pod {
            step(&mut self.active_pods);
        }
        if let Some((done, all)) = node.own_progress() {
            let sum =
                |value: u64, by: u64| if add { value.saturating_add(by) } else { value.saturating_sub(by) };
            self.progress = (sum(self.progress.0, done), sum(self.progress.1, all));
        }
        let Some(boundary) = node.boundary else { return };
        if !is_child {
            return;
        }
        let counters = self.boundaries.entry(boundary).or_default();
        if active_pod {
            step(&mut counters.active_pods);
        }
        if active {
            step(&mut counters.active_children);
        }
        if node.phase.failed_or_error() {
            step(&mut counters.unsuccessful);
        }
    }
}
