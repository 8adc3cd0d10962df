//! The ports of the store: small traits that a driver implements and everybody else programs against.
//! Deliberately free of retries and of meaning; a caller decides what to try again.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use crate::{
    Append, Appended, Changes, ClaimRequest, Command, CommandId, Digest, Epoch, Lease, LockState, LockWaiter,
    Manifest, MemoEntry, NewCommand, NewManifest, NodeRow, Page, Projection, Record, Result, Seq, StreamId,
    StreamInfo, VerifyReport, WorkflowQuery, WorkflowRow,
};

/// A future that makes the traits usable as `dyn`.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Ordered facts per stream, and the leases that say who may add to them.
pub trait Journal: Send + Sync {
    /// Writes one transaction and answers once it is durable. The lease row is checked inside it: an append
    /// with another epoch than the current one, or to a stream that nobody leases (a closed one too),
    /// writes nothing. An [`Append::afterword`] is the exception: it is written to a closed stream alone.
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended>>;

    /// Records after `after`, at most `limit` (0 means the maximum), bodies restored from blobs.
    /// An unknown stream has none.
    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>>;

    /// Leases on open streams that are free; each with an epoch larger than any before.
    /// Streams the same owner leases already are not given again.
    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Vec<Lease>>>;

    /// Extends leases to `now + ttl`; answers the ones that are lost because the epoch or the owner changed.
    fn renew<'a>(
        &'a self,
        owner: &'a str,
        leases: &'a [Lease],
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Lease>>>;

    /// Gives leases back; ones that are lost already are skipped. The epoch stays, so later appends of the
    /// former owner are refused.
    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<()>>;

    /// Open streams that nobody leases at `now` and whose wakeup is not after `now`, earliest first.
    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<(StreamId, Timestamp)>>>;

    /// Marks a stream as finished: the lease ends, the wakeup is cleared, it is not claimed again until
    /// reopened. Fenced by the epoch like an append.
    fn close<'a>(&'a self, stream: &'a StreamId, epoch: Epoch) -> BoxFuture<'a, Result<()>>;

    /// Makes a finished stream claimable again. An open one stays as it is.
    fn reopen<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<()>>;
}

/// Commands for streams, whichever process leases them.
pub trait Inbox: Send + Sync {
    /// Puts a command into the inbox, durable when answered.
    fn post(&self, command: NewCommand) -> BoxFuture<'_, Result<CommandId>>;

    /// Commands waiting for streams that `owner` leases, in order of posting. They stay until an append names
    /// them in `consumed`, so a crash in between loses none.
    fn take<'a>(&'a self, owner: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Command>>>;

    /// Commands waiting for one stream, in order of posting.
    fn pending<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Vec<Command>>>;

    /// Counters to compare with earlier ones; cheap enough to ask every 50 ms. Ask before [`Self::take`], never
    /// after: what is posted in between then moves the counters again.
    fn changes(&self) -> BoxFuture<'_, Result<Changes>>;
}

/// Manifests, and the projection rows behind lists.
pub trait Catalog: Send + Sync {
    /// Stores a manifest and answers its generation.
    fn put_manifest(&self, manifest: NewManifest) -> BoxFuture<'_, Result<u64>>;

    /// The manifest, if there is one.
    fn get_manifest<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Manifest>>>;

    /// All manifests of a kind, of one namespace or of all, by namespace and name.
    fn list_manifests<'a>(
        &'a self,
        kind: &'a str,
        namespace: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Manifest>>>;

    /// Removes a manifest; answers whether there was one.
    fn delete_manifest<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool>>;

    /// One page of workflow rows.
    fn list_workflows(&self, query: WorkflowQuery) -> BoxFuture<'_, Result<Page<WorkflowRow>>>;

    /// The row of a workflow by name.
    fn get_workflow<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<WorkflowRow>>>;

    /// Removes a closed stream with everything that belongs to it: records, rows, commands, locks, its blobs.
    ///
    /// Fails with [`crate::Error::StillOpen`] while it is open, [`crate::Error::NotFound`] when unknown.
    fn delete_workflow<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<()>>;

    /// Node rows by ordinal, from `first` on, at most `limit` (0 means all).
    fn nodes<'a>(
        &'a self,
        stream: &'a StreamId,
        first: u32,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<NodeRow>>>;
}

/// Content-addressed bytes.
pub trait Blobs: Send + Sync {
    /// Keeps the bytes until the store is gone; the same bytes are kept once.
    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest>>;

    /// The bytes, checked against the digest.
    fn get_blob<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Option<Vec<u8>>>>;
}

/// Entries of memoization caches.
pub trait Memo: Send + Sync {
    /// Stores or replaces an entry.
    fn put_memo<'a>(
        &'a self,
        cache: &'a str,
        key: &'a str,
        body: Vec<u8>,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<()>>;

    /// The entry, if there is one. Whether it is too old is the caller's decision.
    fn get_memo<'a>(&'a self, cache: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<MemoEntry>>>;

    /// Notes a use; answers whether the entry exists.
    fn touch_memo<'a>(&'a self, cache: &'a str, key: &'a str, at: Timestamp) -> BoxFuture<'a, Result<bool>>;
}

/// Who has and who waits for mutexes and semaphores. Written by [`Journal::append`] alone.
pub trait Locks: Send + Sync {
    /// One lock. An unknown one is free.
    fn lock_state<'a>(&'a self, lock: &'a str) -> BoxFuture<'a, Result<LockState>>;

    /// Everybody who waits, by lock and then in the order of service.
    fn waiting(&self) -> BoxFuture<'_, Result<Vec<LockWaiter>>>;
}

/// Looking after the store as a whole.
pub trait Maintenance: Send + Sync {
    /// Streams in the order of their ids, after `after`, at most `limit` (0 means the maximum page).
    fn streams<'a>(
        &'a self,
        after: Option<&'a StreamId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>>>;

    /// One stream.
    fn stream<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<StreamInfo>>>;

    /// Everybody who leases an open stream, expired leases included.
    fn owners(&self) -> BoxFuture<'_, Result<Vec<String>>>;

    /// Checks the database, every stream for gaps and damaged records, every blob.
    fn verify(&self) -> BoxFuture<'_, Result<VerifyReport>>;

    /// The projection of a stream as stored, for comparison with a refold.
    fn projection<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Projection>>>;

    /// Replaces the projection of a stream. Fails with [`crate::Error::SeqConflict`] when the journal is not at
    /// `as_of` any more.
    fn rebuild<'a>(&'a self, stream: &'a StreamId, projection: Projection) -> BoxFuture<'a, Result<()>>;

    /// Writes a consistent copy while others go on writing. The target must not exist.
    fn backup<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<()>>;

    /// Finishes what was accepted, then refuses everything with [`crate::Error::Closed`].
    fn shutdown(&self) -> BoxFuture<'_, Result<()>>;
}

/// Everything in one, for `Arc<dyn Store>`.
pub trait Store: Journal + Inbox + Catalog + Blobs + Memo + Locks + Maintenance {}

impl<T: Journal + Inbox + Catalog + Blobs + Memo + Locks + Maintenance> Store for T {}
