//! Inputs: everything that can reach a run from outside.
//! Holds no logic: `decide` does.

use runner_workflows::resolve::ResolvedWorkflow;
use runner_workflows::spec::Outputs;

use crate::estimates::Estimates;
use crate::node::{NodeIx, NodePhase};
use crate::reuse::Reuse;
use crate::{Command, Timestamp};

/// One input. `decide` answers it with facts.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A new run; only for an empty status.
    Submit(Box<Submit>),
    /// Start what is due: the first turn of a run, or its first turn on a status taken over from Argo.
    Begin,
    /// A runner saw something of an attempt.
    Observed {
        /// Of which node.
        node: NodeIx,
        /// Which attempt; an older one is ignored.
        attempt: u32,
        /// What.
        what: Observed,
    },
    /// A timer fired; `now` tells what is due.
    Tick,
    /// A user's command.
    Command {
        /// Who gave it.
        by: String,
        /// What.
        command: Command,
    },
    /// The store can grant all locks of this node (of the workflow, without one) right now. The facts must be
    /// appended together with the grant.
    LockAvailable(Option<NodeIx>),
    /// The locks are busy.
    LockBusy {
        /// For which node.
        node: Option<NodeIx>,
        /// The busy lock, as in `synchronizationStatus.waiting`.
        lock: String,
        /// Text for people.
        message: String,
    },
    /// The locks cannot be had at all, for example because the limit is not configured.
    LockFailed {
        /// For which node.
        node: Option<NodeIx>,
        /// Why.
        message: String,
    },
    /// A memoization cache cannot be read.
    MemoFailed {
        /// For which node.
        node: NodeIx,
        /// Why.
        message: String,
    },
    /// The answer of a memoization cache.
    Memo {
        /// For which node.
        node: NodeIx,
        /// The entry, if there is one.
        entry: Option<MemoEntry>,
    },
}

/// What a new run is made of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Submit {
    /// Name, unique in its namespace.
    pub name: String,
    /// Namespace.
    pub namespace: String,
    /// Unique id.
    pub uid: String,
    /// What it does.
    pub workflow: ResolvedWorkflow,
    /// Nodes that it takes over from an earlier run (`resubmit --memoized`).
    pub reuse: Option<Reuse>,
    /// How long an earlier run of the same template took, if there was one.
    pub estimates: Option<Estimates>,
}

/// What a runner saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Observed {
    /// It does not run yet.
    Waiting {
        /// What it waits for.
        message: String,
    },
    /// It runs.
    Running {
        /// Since when.
        at: Timestamp,
        /// Where.
        host: String,
    },
    /// Progress `done/all`.
    Progress(u64, u64),
    /// A daemon is ready.
    Ready {
        /// Since when.
        at: Timestamp,
        /// Its address.
        ip: String,
    },
    /// It ended.
    Finished {
        /// Succeeded, Failed or Error.
        phase: NodePhase,
        /// Message.
        message: String,
        /// Outputs.
        outputs: Outputs,
        /// When it really started.
        started_at: Option<Timestamp>,
        /// When it really ended.
        finished_at: Timestamp,
    },
    /// Its outcome cannot be known.
    Lost {
        /// Why.
        reason: String,
    },
}

/// An entry of a memoization cache.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MemoEntry {
    /// The outputs kept; none is no hit.
    pub outputs: Option<Outputs>,
    /// When they were saved.
    pub created_at: Option<Timestamp>,
}
