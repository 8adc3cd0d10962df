//! What a caller asks the store to do in one transaction: appends, claims, commands.
//! Deliberately holds no results that are read back later; those are in `rows`.

use std::time::Duration;

use jiff::Timestamp;

use crate::{CommandId, Epoch, NodeRow, Seq, StreamId, WorkflowRow};

/// One fact on its way into the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRecord {
    /// Name of the fact; opaque here.
    pub kind: String,
    /// JSON text; opaque here. Above [`crate::limits::INLINE_BODY_MAX_BYTES`] it is kept as a blob.
    pub body: Vec<u8>,
}

/// What happens to the time at which a sleeping stream wants attention.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wakeup {
    /// Leave it as it is.
    #[default]
    Keep,
    /// Nothing is due any more.
    Clear,
    /// Due at this absolute time.
    At(Timestamp),
}

/// The first lease of a stream, given out in the transaction that creates it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirstLease {
    /// Who owns the stream from now on.
    pub owner: String,
    /// When the lease ends unless renewed.
    pub until: Timestamp,
}

/// Makes the append the first of a new stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Create {
    /// Namespace of the name and of the idempotency key.
    pub namespace: String,
    /// Unique per stream kind and namespace.
    pub name: String,
    /// A second create with the same key in the namespace answers [`Appended::Exists`] and writes nothing.
    pub idempotency_key: Option<String>,
    /// With a lease the stream starts at [`Epoch::FIRST`] and belongs to that owner;
    /// without, it starts at [`Epoch::ZERO`] and waits to be claimed (set a wakeup so that it counts as due).
    pub lease: Option<FirstLease>,
}

/// One step in the life of a mutex or semaphore. Applied in order, all or nothing with the append.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LockChange {
    /// Stand in the queue of each lock. Asking again, or for a lock that is held, changes nothing.
    Request {
        /// Who asks; unique over all streams.
        holder: String,
        /// Names of locks.
        locks: Vec<String>,
        /// Higher goes first.
        priority: i32,
        /// Earlier goes first among equal priorities.
        at: Timestamp,
    },
    /// Take all of these locks. Each must have capacity and the holder at the head of its queue (priority
    /// descending, then time, then holder), else the append fails with [`crate::Error::LockBusy`].
    Grant {
        /// Who takes; must have asked before, possibly in the same append. Taking what is held changes nothing.
        holder: String,
        /// Name and capacity of each lock; the capacity is the caller's because it comes from configuration.
        locks: Vec<(String, u32)>,
    },
    /// Give back everything the holder has and leave all queues. Unknown holders are fine.
    Release {
        /// Who gives back.
        holder: String,
    },
}

/// Facts, projections, wakeup, locks and answered commands of one stream: written together or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Where to.
    pub stream: StreamId,
    /// Epoch of the caller's lease; compared with the lease row inside the writing transaction.
    pub epoch: Epoch,
    /// Last sequence number the caller has seen; [`Seq::ZERO`] for a new stream.
    pub expected: Seq,
    /// When the facts happened; stored with each record.
    pub at: Timestamp,
    /// Facts in order. May be empty, then only the rest is written.
    pub records: Vec<NewRecord>,
    /// New content of the projection row, if it changed.
    pub workflow: Option<WorkflowRow>,
    /// Node rows that changed.
    pub nodes: Vec<NodeRow>,
    /// What happens to the wakeup.
    pub wakeup: Wakeup,
    /// Present exactly when this is the first append of the stream.
    pub create: Option<Create>,
    /// Changes to locks, applied in order.
    pub locks: Vec<LockChange>,
    /// Commands that these facts answer; they leave the inbox with this commit.
    pub consumed: Vec<CommandId>,
    /// The stream is finished with these facts: what [`crate::Journal::close`] does, in the same commit.
    pub closes: bool,
    /// Facts about a stream that is finished, which nobody leases: they are written while it is closed, whatever the epoch,
    /// where `expected` is its last record. It stays closed.
    pub afterword: bool,
    /// Nobody waits for it: it may take a few milliseconds more, and shares the commit of another one then.
    pub patient: bool,
}

impl Append {
    /// An append of records alone.
    #[must_use]
    pub fn new(
        stream: StreamId,
        epoch: Epoch,
        expected: Seq,
        at: Timestamp,
        records: Vec<NewRecord>,
    ) -> Self {
        Self {
            stream,
            epoch,
            expected,
            at,
            records,
            workflow: None,
            nodes: Vec::new(),
            wakeup: Wakeup::Keep,
            create: None,
            locks: Vec::new(),
            consumed: Vec::new(),
            closes: false,
            afterword: false,
            patient: false,
        }
    }

    /// Records about a stream that is finished.
    #[must_use]
    pub fn afterword(stream: StreamId, expected: Seq, at: Timestamp, records: Vec<NewRecord>) -> Self {
        Self { afterword: true, ..Self::new(stream, Epoch::ZERO, expected, at, records) }
    }
}

/// Answer to an append, given after it is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Appended {
    /// Written; the sequence number of the last record (`expected` when there was none).
    Done(Seq),
    /// Nothing was written: an earlier create had the same idempotency key.
    Exists {
        /// The stream made by the earlier one.
        stream: StreamId,
    },
}

/// Asks for leases on open streams that nobody leases, or whose lease has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// Who wants them; must be unique per process, not per machine.
    pub owner: String,
    /// How long each lease lasts.
    pub ttl: Duration,
    /// The caller's clock.
    pub now: Timestamp,
    /// At most this many.
    pub limit: usize,
    /// Only this stream.
    pub only: Option<StreamId>,
    /// Only streams of this kind (the part of the id before the first slash).
    pub kind: Option<String>,
    /// Only streams with something to do: a due wakeup, a command waiting, or a lease left behind by an owner
    /// that did not release it.
    pub due_only: bool,
    /// Owners the caller has proof are dead: their leases count as ended.
    pub dead_owners: Vec<String>,
}

impl ClaimRequest {
    /// A request for up to `limit` streams that have something to do.
    #[must_use]
    pub fn due(owner: &str, ttl: Duration, now: Timestamp, limit: usize) -> Self {
        Self {
            owner: owner.to_owned(),
            ttl,
            now,
            limit,
            only: None,
            kind: None,
            due_only: true,
            dead_owners: Vec::new(),
        }
    }

    /// A request for exactly this stream, due or not.
    #[must_use]
    pub fn only(owner: &str, ttl: Duration, now: Timestamp, stream: StreamId) -> Self {
        Self { only: Some(stream), due_only: false, ..Self::due(owner, ttl, now, 1) }
    }
}

/// A command for a stream, on its way to whoever leases it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewCommand {
    /// For which stream; it must exist.
    pub stream: StreamId,
    /// JSON text; opaque here.
    pub body: Vec<u8>,
    /// A second post with the same key for the same stream answers the first one's id, even after it was taken.
    pub client_key: Option<String>,
    /// When it was given.
    pub at: Timestamp,
}
