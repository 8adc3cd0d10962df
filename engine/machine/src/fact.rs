//! Facts: what happened to a workflow, past tense, append-only, versioned.
//! Holds no logic: `fold` gives them their meaning.

use std::collections::{BTreeMap, BTreeSet};

use runner_workflows::resolve::ResolvedWorkflow;
use runner_workflows::spec::{Inputs, Outputs, Parameter, TemplateRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::estimates::Estimates;
use crate::node::{MemoStatus, NodeFlag, NodeIx, NodePhase, NodeType, Owner, WorkflowPhase};
use crate::reuse::Reuse;
use crate::{Shutdown, Timestamp};

/// Everything that can have happened. Stored as JSON with the variant's name as `kind`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Fact {
    /// The run exists.
    WorkflowSubmitted {
        /// Format of this and all later facts.
        version: u32,
        /// Name.
        name: String,
        /// Namespace.
        namespace: String,
        /// Unique id.
        uid: String,
        /// When it was submitted.
        at: Timestamp,
        /// What it does, frozen.
        workflow: Box<ResolvedWorkflow>,
        /// Nodes that are taken over from an earlier run.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reuse: Option<Box<Reuse>>,
        /// How long an earlier run took.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        estimates: Option<Box<Estimates>>,
    },
    /// Its phase or message changed without ending it.
    WorkflowStarted {
        /// Pending (waiting for a lock) or Running.
        phase: WorkflowPhase,
        /// Message.
        message: String,
        /// When.
        at: Timestamp,
    },
    /// It ended.
    WorkflowFinished {
        /// Final phase.
        phase: WorkflowPhase,
        /// Message.
        message: String,
        /// When.
        at: Timestamp,
    },
    /// A node exists.
    NodeCreated {
        /// Its number: always the next one.
        ix: NodeIx,
        /// The node.
        node: Box<NewNode>,
        /// When.
        at: Timestamp,
    },
    /// A node's phase, message or outputs changed without ending it.
    NodeChanged {
        /// Which.
        ix: NodeIx,
        /// New phase, if it changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        phase: Option<NodePhase>,
        /// New message, if it changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        message: Option<String>,
        /// New display name, if it changed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        display_name: Option<String>,
    },
    /// A composite, suspended or never-started node ended.
    NodeFinished {
        /// Which.
        ix: NodeIx,
        /// Final phase.
        phase: NodePhase,
        /// Message.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
        /// Outputs, if they change.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outputs: Option<Box<Outputs>>,
        /// Outbound nodes, for Steps and DAG.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        outbound: Vec<NodeIx>,
        /// When.
        at: Timestamp,
    },
    /// A node waits to be resumed.
    NodeSuspended {
        /// Which.
        ix: NodeIx,
        /// When it resumes by itself.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        until: Option<Timestamp>,
    },
    /// An attempt is about to be started: the intent.
    AttemptStarted {
        /// Of which node.
        ix: NodeIx,
        /// Number under the node's name.
        number: u32,
    },
    /// A runner has seen the attempt running (or ready, for a daemon).
    AttemptObserved {
        /// Of which node.
        ix: NodeIx,
        /// Since when.
        at: Timestamp,
        /// Where.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        host: String,
        /// Address of a daemon that is ready.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        daemon_ip: Option<String>,
        /// Progress `done, all`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        progress: Option<(u64, u64)>,
    },
    /// The attempt is to be stopped.
    AttemptCancelled {
        /// Of which node.
        ix: NodeIx,
        /// Message that the node will get.
        message: String,
    },
    /// The attempt ended, and its node with it: the outcome.
    AttemptFinished {
        /// Of which node.
        ix: NodeIx,
        /// Phase.
        phase: NodePhase,
        /// Message.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        message: String,
        /// Outputs.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        outputs: Option<Box<Outputs>>,
        /// When it really started, if the runner knows.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        started_at: Option<Timestamp>,
        /// When it really ended.
        at: Timestamp,
    },
    /// The attempt's outcome cannot be known: phase Error.
    AttemptLost {
        /// Of which node.
        ix: NodeIx,
        /// Why.
        reason: String,
        /// When that was noticed.
        at: Timestamp,
    },
    /// A Retry node waits before its next attempt.
    RetryScheduled {
        /// Which Retry node.
        ix: NodeIx,
        /// When the next attempt is due.
        due: Timestamp,
        /// Message.
        message: String,
    },
    /// The workflow's deadline passed.
    DeadlinePassed {
        /// When.
        at: Timestamp,
    },
    /// A node (or, without one, the workflow) queues for its locks.
    LockRequested {
        /// Which node.
        ix: Option<NodeIx>,
        /// Since when.
        at: Timestamp,
    },
    /// The locks are still busy; the message says who holds them.
    LockWaited {
        /// Which node.
        ix: Option<NodeIx>,
        /// Name of the busy lock.
        lock: String,
        /// Message.
        message: String,
    },
    /// All locks are held.
    LockGranted {
        /// By which node.
        ix: Option<NodeIx>,
    },
    /// The locks, or the place in the queue, are given back.
    LockReleased {
        /// By which node.
        ix: Option<NodeIx>,
    },
    /// A cache was asked.
    MemoAsked {
        /// By which node.
        ix: NodeIx,
        /// What for.
        memo: MemoStatus,
    },
    /// The cache had an entry: the node has its outputs.
    MemoHit {
        /// Which node.
        ix: NodeIx,
        /// The outputs.
        outputs: Option<Box<Outputs>>,
        /// When.
        at: Timestamp,
    },
    /// The cache had no entry.
    MemoMissed {
        /// Which node.
        ix: NodeIx,
    },
    /// Outputs to be kept in a cache; the store writes them in the same transaction.
    MemoSaved {
        /// Of which node.
        ix: NodeIx,
    },
    /// A command of a user was taken.
    CommandAccepted {
        /// Its name.
        command: String,
        /// Who gave it.
        by: String,
        /// When.
        at: Timestamp,
        /// What it changes of the run's settings.
        #[serde(default)]
        settings: Settings,
    },
    /// Outputs or phase were set from outside.
    OutputsSet {
        /// Of which node.
        ix: NodeIx,
        /// Changes.
        change: OutputsChange,
    },
    /// Nodes are undone before a retry.
    NodesRemoved {
        /// Which, children before parents or not: all at once.
        nodes: Vec<NodeIx>,
        /// Nodes that go back to Running.
        reopened: Vec<NodeIx>,
        /// When.
        at: Timestamp,
    },
}

/// Settings of a run that a command changes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Settings {
    /// Suspend (true) or go on (false).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Stop or terminate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<Shutdown>,
    /// Message of the shutdown.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Global parameters that replace earlier ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Put out of the lists, or back into them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archived: Option<bool>,
}

/// What `node set` and `resume` change.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OutputsChange {
    /// Output parameters by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Message appended to the node's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// A node as it is created.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NewNode {
    /// Full name.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub node_type: NodeType,
    /// Template name.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub template_name: String,
    /// Template reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// Scope of the name.
    pub template_scope: String,
    /// Who waits for it.
    pub owner: Owner,
    /// Enclosing Steps or DAG.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boundary: Option<NodeIx>,
    /// Nodes that get it as a child.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parents: Vec<NodeIx>,
    /// Depth of nesting.
    pub depth: u32,
    /// First phase.
    pub phase: NodePhase,
    /// First message.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Inputs.
    #[serde(skip_serializing_if = "inputs_empty")]
    pub inputs: Inputs,
    /// Outputs that a suspend node waits for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Box<Outputs>>,
    /// Flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flag: Option<NodeFlag>,
    /// Part of an exit handler.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub exit_handler: bool,
    /// Display name set by annotation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_name: Option<String>,
    /// Latest end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline: Option<Timestamp>,
    /// Values for an inline template.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub captured: BTreeMap<String, Value>,
    /// Its own variables that hold values of events.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tainted: BTreeSet<String>,
    /// Memoization.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memo: Option<MemoStatus>,
}

fn inputs_empty(inputs: &Inputs) -> bool {
    inputs.parameters.is_empty() && inputs.artifacts.is_empty()
}

impl Fact {
    /// The variant's name, as stored in the journal's `kind`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WorkflowSubmitted { .. } => "workflowSubmitted",
            Self::WorkflowStarted { .. } => "workflowStarted",
            Self::WorkflowFinished { .. } => "workflowFinished",
            Self::NodeCreated { .. } => "nodeCreated",
            Self::NodeChanged { .. } => "nodeChanged",
            Self::NodeFinished { .. } => "nodeFinished",
            Self::NodeSuspended { .. } => "nodeSuspended",
            Self::AttemptStarted { .. } => "attemptStarted",
            Self::AttemptObserved { .. } => "attemptObserved",
            Self::AttemptCancelled { .. } => "attemptCancelled",
            Self::AttemptFinished { .. } => "attemptFinished",
            Self::AttemptLost { .. } => "attemptLost",
            Self::RetryScheduled { .. } => "retryScheduled",
            Self::DeadlinePassed { .. } => "deadlinePassed",
            Self::LockRequested { .. } => "lockRequested",
            Self::LockWaited { .. } => "lockWaited",
            Self::LockGranted { .. } => "lockGranted",
            Self::LockReleased { .. } => "lockReleased",
            Self::MemoAsked { .. } => "memoAsked",
            Self::MemoHit { .. } => "memoHit",
            Self::MemoMissed { .. } => "memoMissed",
            Self::MemoSaved { .. } => "memoSaved",
            Self::CommandAccepted { .. } => "commandAccepted",
            Self::OutputsSet { .. } => "outputsSet",
            Self::NodesRemoved { .. } => "nodesRemoved",
        }
    }

    /// The node it is about, if it is about one.
    pub fn node(&self) -> Option<NodeIx> {
        match self {
            Self::NodeCreated { ix, .. }
            | Self::NodeChanged { ix, .. }
            | Self::NodeFinished { ix, .. }
            | Self::NodeSuspended { ix, .. }
            | Self::AttemptStarted { ix, .. }
            | Self::AttemptObserved { ix, .. }
            | Self::AttemptCancelled { ix, .. }
            | Self::AttemptFinished { ix, .. }
            | Self::AttemptLost { ix, .. }
            | Self::RetryScheduled { ix, .. }
            | Self::MemoAsked { ix, .. }
            | Self::MemoHit { ix, .. }
            | Self::MemoMissed { ix }
            | Self::MemoSaved { ix }
            | Self::OutputsSet { ix, .. } => Some(*ix),
            Self::LockRequested { ix, .. }
            | Self::LockWaited { ix, .. }
            | Self::LockGranted { ix }
            | Self::LockReleased { ix } => *ix,
            Self::WorkflowSubmitted { .. }
            | Self::WorkflowStarted { .. }
            | Self::WorkflowFinished { .. }
            | Self::DeadlinePassed { .. }
            | Self::CommandAccepted { .. }
            | Self::NodesRemoved { .. } => None,
        }
    }
}
