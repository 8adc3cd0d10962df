//! Nodes: what Argo calls the entries of `status.nodes`, with their state as an enum with data.
//! Does not change them: `fold` does.

use std::collections::{BTreeMap, BTreeSet};

use runner_workflows::spec::{Inputs, Outputs, TemplateRef};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Timestamp;

/// Number of a node within its workflow: the order of creation, stable for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeIx(pub u32);

/// Argo's seven node phases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodePhase {
    /// Created; nothing has started.
    #[default]
    Pending,
    /// At work.
    Running,
    /// Done, well.
    Succeeded,
    /// Not done, because `when` was false or the loop was empty.
    Skipped,
    /// Done, badly: the step said so.
    Failed,
    /// Not done: something around the step went wrong.
    Error,
    /// Not done, because `depends` was false.
    Omitted,
}

impl NodePhase {
    /// Succeeded, Failed or Error.
    pub fn completed(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Error)
    }

    /// Nothing more will happen: completed, skipped or omitted.
    pub fn fulfilled(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }

    /// Failed or Error.
    pub fn failed_or_error(self) -> bool {
        matches!(self, Self::Failed | Self::Error)
    }

    /// Argo's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Skipped => "Skipped",
            Self::Failed => "Failed",
            Self::Error => "Error",
            Self::Omitted => "Omitted",
        }
    }

    /// The phase of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [
            Self::Pending,
            Self::Running,
            Self::Succeeded,
            Self::Skipped,
            Self::Failed,
            Self::Error,
            Self::Omitted,
        ]
        .into_iter()
        .find(|phase| phase.as_str() == text)
    }
}

/// Phase of the whole run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WorkflowPhase {
    /// Not looked at yet (Argo's empty phase).
    #[default]
    #[serde(rename = "")]
    Unknown,
    /// Waiting, for a lock for example.
    Pending,
    /// At work.
    Running,
    /// Done, well.
    Succeeded,
    /// Done, badly.
    Failed,
    /// Not done.
    Error,
}

impl WorkflowPhase {
    /// Argo's text; empty for `Unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "",
            Self::Pending => "Pending",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Error => "Error",
        }
    }

    /// The phase of that name.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Unknown, Self::Pending, Self::Running, Self::Succeeded, Self::Failed, Self::Error]
            .into_iter()
            .find(|phase| phase.as_str() == text)
    }

    /// Nothing more will happen.
    pub fn completed(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed | Self::Error)
    }
}

/// Argo's node types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum NodeType {
    /// One pod, or one process tree.
    #[default]
    Pod,
    /// One container of a container set.
    Container,
    /// A steps template.
    Steps,
    /// One group of a steps template.
    StepGroup,
    /// A dag template.
    DAG,
    /// The loop of a dag task.
    TaskGroup,
    /// Parent of the attempts of a retried template.
    Retry,
    /// Nothing was run.
    Skipped,
    /// A pause.
    Suspend,
    /// An HTTP request.
    HTTP,
    /// A plugin.
    Plugin,
}

impl NodeType {
    /// Argo's text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pod => "Pod",
            Self::Container => "Container",
            Self::Steps => "Steps",
            Self::StepGroup => "StepGroup",
            Self::DAG => "DAG",
            Self::TaskGroup => "TaskGroup",
            Self::Retry => "Retry",
            Self::Skipped => "Skipped",
            Self::Suspend => "Suspend",
            Self::HTTP => "HTTP",
            Self::Plugin => "Plugin",
        }
    }

    /// True for nodes that count in the progress by themselves (Argo's `executable`); others are sums.
    pub fn has_progress(self) -> bool {
        matches!(self, Self::Pod | Self::HTTP | Self::Plugin | Self::Container | Self::Suspend)
    }

    /// True for nodes whose work is one attempt of a runner.
    pub fn is_attempt(self) -> bool {
        matches!(self, Self::Pod | Self::HTTP | Self::Plugin)
    }
}

/// Who waits for a node; derived from names when a status comes from Argo.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Owner {
    /// The workflow: this is the root node.
    #[default]
    Workflow,
    /// The workflow: this is its exit handler.
    WorkflowExit,
    /// The workflow: this is one of its hooks.
    WorkflowHook(String),
    /// A Steps node; this is its group of that number.
    Steps(NodeIx, u32),
    /// A StepGroup; this is its step of that number, and the loop index.
    Group(NodeIx, u32, Option<u32>),
    /// A DAG; this is its task of that number.
    Dag(NodeIx, u32),
    /// A TaskGroup; this is its child of that loop index.
    TaskGroup(NodeIx, u32),
    /// A Retry node; this is one of its attempts.
    Retry(NodeIx),
    /// A node; this is its hook of that name (`exit` for the exit handler).
    Hook(NodeIx, String),
    /// A container set's pod; this is one of its containers.
    ContainerSet(NodeIx),
}

impl Owner {
    /// The node that waits, if it is a node.
    pub fn node(&self) -> Option<NodeIx> {
        match self {
            Self::Workflow | Self::WorkflowExit | Self::WorkflowHook(_) => None,
            Self::Steps(owner, _)
            | Self::Group(owner, _, _)
            | Self::Dag(owner, _)
            | Self::TaskGroup(owner, _)
            | Self::Retry(owner)
            | Self::Hook(owner, _)
            | Self::ContainerSet(owner) => Some(*owner),
        }
    }
}

/// Argo's node flags.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFlag {
    /// Started by a hook.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hooked: bool,
    /// An attempt of a Retry node.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub retried: bool,
}

/// What a node is waiting for or doing right now.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Work {
    /// Nothing of its own: composite nodes wait for their children.
    #[default]
    None,
    /// For locks; `lock` is the one that is busy, once known.
    Lock {
        /// Since when, for the order of the queue.
        since: Timestamp,
    },
    /// For the answer of a memoization cache.
    Memo,
    /// For the next attempt of a Retry node.
    Backoff {
        /// When it is due.
        until: Timestamp,
    },
    /// For somebody to resume it.
    Suspended {
        /// When it resumes by itself.
        until: Option<Timestamp>,
    },
    /// For a runner.
    Attempt {
        /// Number of the attempt under this node's name, from 0.
        number: u32,
        /// How far it is.
        state: AttemptState,
    },
}

/// How far an attempt is.
#[derive(Clone, Debug, PartialEq)]
pub enum AttemptState {
    /// Its intent is durable; it may or may not have been started.
    Intended,
    /// A runner has seen it running.
    Running,
    /// It is to be stopped; the node will then fail with this message.
    Cancelling {
        /// The message.
        message: String,
    },
}

/// Use of a memoization cache, in Argo's shape.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MemoStatus {
    /// The outputs came from the cache.
    pub hit: bool,
    /// Key of the entry.
    pub key: String,
    /// Name of the cache.
    pub cache_name: String,
}

/// One node.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Argo's id: `<workflow>-<fnv32a(name)>`, the workflow's name for the root.
    pub id: String,
    /// Full name, as Argo builds it.
    pub name: String,
    /// Name within its boundary.
    pub display_name: String,
    /// Type.
    pub node_type: NodeType,
    /// Name of the template, empty for step groups, inline templates and references.
    pub template_name: String,
    /// Reference to a template of another resource.
    pub template_ref: Option<TemplateRef>,
    /// Scope in which the template's name was written, as Argo prints it.
    pub template_scope: String,
    /// Who waits for it.
    pub owner: Owner,
    /// Enclosing Steps or DAG node.
    pub boundary: Option<NodeIx>,
    /// Depth of template nesting, from 1.
    pub depth: u32,
    /// Phase.
    pub phase: NodePhase,
    /// Message.
    pub message: String,
    /// Start.
    pub started_at: Option<Timestamp>,
    /// End.
    pub finished_at: Option<Timestamp>,
    /// Inputs with their values.
    pub inputs: Inputs,
    /// Outputs with their values.
    pub outputs: Option<Outputs>,
    /// Children, in order of creation.
    pub children: Vec<NodeIx>,
    /// Nodes that what follows hangs on.
    pub outbound: Vec<NodeIx>,
    /// Flags.
    pub flag: Option<NodeFlag>,
    /// What it waits for.
    pub work: Work,
    /// It belongs to an exit handler and so still runs after a stop.
    pub exit_handler: bool,
    /// It goes on in the background while the workflow proceeds.
    pub daemoned: bool,
    /// Use of a cache.
    pub memo: Option<MemoStatus>,
    /// Where it stands with its locks.
    pub locks: LockStand,
    /// Host it ran on.
    pub host: String,
    /// Address of a daemon.
    pub pod_ip: String,
    /// Reported progress `done/all`.
    pub progress: Option<(u64, u64)>,
    /// Latest moment for it to have ended (template `timeout`) or started (`pendingTimeout`).
    pub deadline: Option<Timestamp>,
    /// Values of an inline template's variables that belong to the scope around it.
    pub captured: BTreeMap<String, Value>,
    /// Its own variables that hold values of events.
    pub tainted: BTreeSet<String>,
}

/// Where a node, or the run itself, stands with its locks.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum LockStand {
    /// It asked for none, or gave them back.
    #[default]
    None,
    /// It has a place in the queues, and has not been told anything yet.
    Asked,
    /// It was told the lock it waits for, as printed in `synchronizationStatus.waiting`.
    Waits(String),
    /// It holds them all.
    Holds,
}

impl LockStand {
    /// It holds its locks.
    pub fn is_held(&self) -> bool {
        *self == Self::Holds
    }

    /// The lock it is known to wait for.
    pub fn waiting(&self) -> Option<&str> {
        match self {
            Self::Waits(lock) => Some(lock),
            Self::None | Self::Asked | Self::Holds => None,
        }
    }

    /// The store knows of it: a place in a queue or a lock is to be given back when its end comes.
    pub fn owes_release(&self) -> bool {
        *self != Self::None
    }
}

impl Node {
    /// Progress of a node that counts by itself: what it reported, all of it once it succeeded, else one thing
    /// to do (as Argo's `UpdateProgress`). None for sums.
    pub(crate) fn own_progress(&self) -> Option<(u64, u64)> {
        if !self.node_type.has_progress() {
            return None;
        }
        let (done, all) = self.progress.unwrap_or((0, 1));
        let complete = matches!(self.phase, NodePhase::Succeeded | NodePhase::Skipped | NodePhase::Omitted);
        Some(if complete { (all, all) } else { (done.min(all), all) })
    }
}
