//! Actions: what the outside world still owes a run.
//! Level-triggered: an action is listed until a fact says that it is no longer due.

use crate::Timestamp;
use crate::node::NodeIx;

/// One thing to do. Doing it twice must be harmless.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    /// Start this attempt, or adopt it if it exists.
    Ensure {
        /// Of which node.
        node: NodeIx,
        /// Number under the node's name.
        attempt: u32,
    },
    /// Stop this attempt.
    Cancel {
        /// Of which node.
        node: NodeIx,
        /// Number under the node's name.
        attempt: u32,
    },
    /// Queue for these locks and report back.
    Acquire {
        /// For which node; none is the workflow.
        node: Option<NodeIx>,
        /// All are granted together or none.
        locks: Vec<LockNeed>,
        /// Higher goes first.
        priority: i32,
        /// Earlier goes first.
        since: Timestamp,
    },
    /// Ask a memoization cache.
    Recall {
        /// For which node.
        node: NodeIx,
        /// Name of the cache.
        cache: String,
        /// Key of the entry.
        key: String,
    },
    /// Send `Tick` at this time.
    Wake {
        /// When.
        at: Timestamp,
    },
}

/// One lock that is needed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LockNeed {
    /// Key in the store: `<namespace>/<Mutex|ConfigMap|Database>/<name>[/key]`, as Argo prints it.
    pub name: String,
    /// Where its limit comes from.
    pub kind: LockKind,
}

/// Where the limit of a lock comes from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockKind {
    /// Capacity one.
    Mutex,
    /// A key of a ConfigMap, read each time.
    ConfigMap {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
        /// Key.
        key: String,
    },
    /// A row of the limit table, read each time.
    Database {
        /// Namespace.
        namespace: String,
        /// Key.
        key: String,
    },
}
