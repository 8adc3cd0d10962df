//! Remembers: the journal of facts, its projections, leases, inbox, catalog, blobs, locks and memo entries.
//! Deliberately knows nothing of what a phase, a fact or a workflow means, and depends on no other crate of ours.

#[cfg(any(test, feature = "conformance"))]
pub mod conformance;
mod error;
mod fingerprint;
mod ids;
pub mod limits;
mod memory;
mod ports;
mod query;
mod rows;
mod sqlite;
mod transaction;
mod validate;

pub use error::{Error, Result};
pub use ids::{CommandId, Digest, Epoch, Seq, StreamId};
pub use memory::{Fault, FaultHook, MemorySnapshot, MemoryStore};
pub use ports::{Blobs, BoxFuture, Catalog, Inbox, Journal, Locks, Maintenance, Memo, Store};
pub use query::{Cursor, DurationRange, LabelTerm, Page, TimeRange, WorkflowQuery, WorkflowSort};
pub use rows::{
    Changes, Command, Lease, LockHolder, LockState, LockWaiter, Manifest, MemoEntry, NewManifest, NodeRow,
    Projection, Record, StreamInfo, StreamProblem, VerifyReport, WorkflowRow,
};
pub use sqlite::{Options, SqliteStore};
pub use transaction::{
    Append, Appended, ClaimRequest, Create, FirstLease, LockChange, NewCommand, NewRecord, Wakeup,
};
