//! The one error type of the store, split into what is worth trying again and what is not.
//! Deliberately carries no driver types, so that callers cannot depend on a particular database.

use crate::{Seq, StreamId};

/// Result of a store operation.
pub type Result<T> = std::result::Result<T, Error>;

/// Everything a store can answer instead of a result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The epoch is not the one of the current lease: somebody else owns the stream, or nobody does.
    #[error("{stream}: stale epoch {given} (current {current}); another process took this stream over")]
    StaleEpoch {
        /// The stream written to.
        stream: StreamId,
        /// The epoch the caller holds.
        given: u64,
        /// The epoch that is valid now.
        current: u64,
    },
    /// The caller has not seen the newest record; drop the in-memory status and reload.
    #[error("{stream}: sequence conflict, the journal is at {}", actual.0)]
    SeqConflict {
        /// The stream written to.
        stream: StreamId,
        /// Last sequence number in the journal.
        actual: Seq,
    },
    /// A stream of this kind with this namespace and name exists.
    #[error("{namespace}/{name} already exists")]
    NameTaken {
        /// Namespace of the name.
        namespace: String,
        /// The name.
        name: String,
        /// The stream that has it.
        stream: StreamId,
    },
    /// A lock of a grant has no capacity, or its holder is not at the head of the queue.
    #[error("lock {lock} is not free for {holder}")]
    LockBusy {
        /// The first lock that refused.
        lock: String,
        /// Who asked for it.
        holder: String,
    },
    /// The operation needs a closed stream.
    #[error("{0} is not finished")]
    StillOpen(StreamId),
    /// No such stream, workflow, manifest, blob or entry.
    #[error("{0} not found")]
    NotFound(String),
    /// The caller passed something no driver accepts.
    #[error("invalid: {0}")]
    Invalid(String),
    /// The file was written by a newer binary. Nothing was touched.
    #[error("the database has schema {found}, this binary supports up to {supported}; use a newer binary")]
    SchemaTooNew {
        /// Version in the file.
        found: u32,
        /// Newest version known here.
        supported: u32,
    },
    /// The linked SQLite can corrupt a write-ahead log.
    #[error("SQLite {0} is linked, at least 3.51.3 is required")]
    SqliteTooOld(String),
    /// The place of the database is not safe: network file system, foreign owner, open permissions.
    #[error("unsafe place for a database: {0}")]
    UnsafePlace(String),
    /// What was read is not what was written.
    #[error("corrupt: {0}")]
    Corrupt(String),
    /// No space left. Nothing was written; the store goes on once there is space again.
    #[error("no space left: {0}")]
    Full(String),
    /// Another process held the database for longer than the busy timeout. Nothing was written.
    #[error("busy: {0}")]
    Busy(String),
    /// Input/output failed; whether a pending write is durable is unknown. The writer refuses further appends.
    #[error("input/output error: {0}")]
    Io(String),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
}

impl Error {
    /// Whether the same call can succeed later without anything else changing.
    #[must_use]
    pub fn is_retriable(&self) -> bool {
        match self {
            Self::LockBusy { .. } | Self::Full(_) | Self::Busy(_) => true,
            Self::StaleEpoch { .. }
            | Self::SeqConflict { .. }
            | Self::NameTaken { .. }
            | Self::StillOpen(_)
            | Self::NotFound(_)
            | Self::Invalid(_)
            | Self::SchemaTooNew { .. }
            | Self::SqliteTooOld(_)
            | Self::UnsafePlace(_)
            | Self::Corrupt(_)
            | Self::Io(_)
            | Self::Closed => false,
        }
    }
}
