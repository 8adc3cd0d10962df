//! What the store gives back: records, leases, commands, projection rows, lock states, reports.
//! Deliberately without behaviour; phases and kinds are opaque text here.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::{CommandId, Epoch, Seq, StreamId};

/// One fact as the journal has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Position in its stream, gap-free from 1.
    pub seq: Seq,
    /// Name of the fact.
    pub kind: String,
    /// JSON text, exactly as appended.
    pub body: Vec<u8>,
    /// When it happened, as given with the append.
    pub at: Timestamp,
}

/// The right to append to a stream until somebody claims it with a larger epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The stream.
    pub stream: StreamId,
    /// What every append has to carry.
    pub epoch: Epoch,
    /// When others may take the stream over.
    pub until: Timestamp,
}

/// A command waiting in the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Its id; pass it in `Append::consumed` with the facts that answer it.
    pub id: CommandId,
    /// For which stream.
    pub stream: StreamId,
    /// JSON text.
    pub body: Vec<u8>,
    /// Key of the client, if it gave one.
    pub client_key: Option<String>,
    /// When it was given.
    pub at: Timestamp,
}

/// Counters that move when something was committed, by any process. Compare for inequality only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Changes {
    /// Moves with any commit.
    pub any: u64,
    /// Moves with each command posted: the largest command id given out so far.
    pub commands: u64,
    /// Moves with each manifest that is put or removed.
    pub manifests: u64,
}

/// One line of a list of workflows. Everything but the key columns is opaque to the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkflowRow {
    /// Unique id; the stream is `workflow/<uid>`.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name, unique in the namespace.
    pub name: String,
    /// Current phase.
    pub phase: String,
    /// Labels, for selectors.
    pub labels: BTreeMap<String, String>,
    /// When it was submitted; never changes.
    pub created_at: Timestamp,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// `done/total` as shown in lists.
    pub progress: String,
    /// Message of the phase.
    pub message: String,
    /// Further columns for lists as JSON text; small.
    pub body: Vec<u8>,
    /// The last record this row knows of. Set by the store, ignored on the way in.
    pub as_of: Seq,
}

/// One node of a workflow, for lists and the user interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeRow {
    /// Order of creation in its workflow, from 0. It is the key: rows append in order.
    pub ordinal: u32,
    /// Node id.
    pub id: String,
    /// Full node name.
    pub name: String,
    /// Name for people.
    pub display_name: String,
    /// Node type.
    pub node_type: String,
    /// Template it was made from; empty when there is none.
    pub template_name: String,
    /// Id of the node whose template created it; empty at the root.
    pub boundary_id: String,
    /// Current phase.
    pub phase: String,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it finished.
    pub finished_at: Option<Timestamp>,
    /// Message of the phase.
    pub message: String,
    /// Further columns as JSON text; may be empty.
    pub body: Vec<u8>,
    /// The record this row was last changed by. Set by the store, ignored on the way in.
    pub as_of: Seq,
}

/// A stored object that is not run by itself: templates, schedules, sources.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewManifest {
    /// Kind as in YAML.
    pub kind: String,
    /// Namespace; empty for cluster-wide kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Parsed content as JSON text.
    pub body: Vec<u8>,
    /// Text as the user wrote it.
    pub source: String,
    /// When it was applied.
    pub at: Timestamp,
}

/// A stored manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Kind as in YAML.
    pub kind: String,
    /// Namespace; empty for cluster-wide kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Starts at 1 and grows with each change of content; applying the same again keeps it.
    pub generation: u64,
    /// Parsed content as JSON text.
    pub body: Vec<u8>,
    /// Text as the user wrote it.
    pub source: String,
    /// First applied.
    pub created_at: Timestamp,
    /// Last changed.
    pub updated_at: Timestamp,
}

/// An entry of a memoization cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoEntry {
    /// JSON text.
    pub body: Vec<u8>,
    /// When it was put.
    pub created_at: Timestamp,
    /// When it was last used.
    pub last_hit_at: Timestamp,
}

/// Somebody who has a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockHolder {
    /// Who.
    pub holder: String,
    /// In which stream.
    pub stream: StreamId,
    /// Since when.
    pub since: Timestamp,
}

/// Somebody who stands in the queue of a lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockWaiter {
    /// Of which lock.
    pub lock: String,
    /// Who.
    pub holder: String,
    /// In which stream.
    pub stream: StreamId,
    /// Higher goes first.
    pub priority: i32,
    /// Since when.
    pub at: Timestamp,
}

/// One lock: holders by name, waiters in the order in which they are served.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LockState {
    /// Who has it.
    pub holders: Vec<LockHolder>,
    /// Who waits, head of the queue first.
    pub waiters: Vec<LockWaiter>,
}

/// What the store knows of a stream besides its records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamInfo {
    /// The stream.
    pub stream: StreamId,
    /// Its last record.
    pub last_seq: Seq,
    /// Epoch of the newest lease.
    pub epoch: Epoch,
    /// Who leases it, if anybody.
    pub owner: Option<String>,
    /// Until when.
    pub until: Option<Timestamp>,
    /// Whether it is finished.
    pub closed: bool,
    /// When it wants attention.
    pub due_at: Option<Timestamp>,
}

/// The projection of a stream, to be compared with a refold or replaced by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    /// The last record folded into it.
    pub as_of: Seq,
    /// The list row.
    pub workflow: WorkflowRow,
    /// All node rows.
    pub nodes: Vec<NodeRow>,
}

/// Something wrong with one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamProblem {
    /// Which stream.
    pub stream: String,
    /// What is wrong, for people.
    pub problem: String,
}

/// Result of checking the whole store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Streams looked at.
    pub streams: u64,
    /// Records looked at.
    pub records: u64,
    /// Blobs looked at.
    pub blobs: u64,
    /// What the database's own check says; empty when it is content.
    pub database: Vec<String>,
    /// Gaps, wrong checksums, missing blobs, projections ahead of the journal.
    pub problems: Vec<StreamProblem>,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.database.is_empty() && self.problems.is_empty()
    }
}
