//! Every limit of the store in one place, so that no driver can have its own idea of them.
//! Deliberately holds no limits on what users may write in YAML: those belong to the language.

use std::time::Duration;

/// Record bodies above this many bytes are moved to `blobs` in the same transaction.
pub const INLINE_BODY_MAX_BYTES: usize = 32 * 1024;
/// Largest record body, command body, manifest or blob, in bytes.
pub const BODY_MAX_BYTES: usize = 64 * 1024 * 1024;
/// Largest opaque JSON detail of a workflow or node row, in bytes; rows are for lists, values belong in records.
pub const ROW_BODY_MAX_BYTES: usize = 1024 * 1024;
/// Longest stream id, in bytes.
pub const STREAM_ID_MAX_BYTES: usize = 512;
/// Longest name-like string (namespace, name, record kind, client key, owner, lock, holder, cache key), in bytes.
pub const NAME_MAX_BYTES: usize = 1024;
/// Most records in one append.
pub const RECORDS_PER_APPEND_MAX: usize = 200_000;
/// Most records one `read` returns, whatever the caller asks for.
pub const READ_MAX_RECORDS: usize = 10_000;
/// Most rows one list page holds, whatever the caller asks for.
pub const PAGE_MAX_ROWS: usize = 1_000;
/// Most streams one `claim`, and commands one `take`, return.
pub const CLAIM_MAX_STREAMS: usize = 10_000;
/// Appends that wait for the writer; a full queue makes callers wait, it never drops.
pub const WRITER_QUEUE: usize = 4_096;
/// Most requests that share one commit.
pub const GROUP_COMMIT_MAX: usize = 512;
/// How long an append that can wait does so for others to share its commit.
pub const COMMIT_PATIENCE: Duration = Duration::from_millis(3);
/// As many appends that can wait are a commit of their own: more would only hold up the one they share.
pub const PATIENT_APPENDS: usize = 4;
/// Most records that share one commit (a single larger append still gets a commit of its own).
pub const GROUP_COMMIT_MAX_RECORDS: usize = 4_096;
/// How long a connection waits for another process to finish its transaction.
pub const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// Connections that read.
pub const READERS: u32 = 4;
/// Size the write-ahead log is grown to at open, so that commits overwrite instead of growing a file.
pub const WAL_PREGROWN_BYTES: u64 = 32 * 1024 * 1024;
/// Written bytes (estimated) after which a checkpoint is started beside the writer.
pub const CHECKPOINT_AFTER_BYTES: u64 = 12 * 1024 * 1024;
/// Pages of write-ahead log at which SQLite itself checkpoints, should the background one fall behind.
pub const WAL_AUTOCHECKPOINT_PAGES: u32 = 7_500;
/// The write-ahead log is cut back to this size after a burst; it never falls below the pre-grown size.
pub const WAL_MAX_BYTES: u64 = 64 * 1024 * 1024;
/// Oldest SQLite whose write-ahead log cannot be corrupted by two processes that checkpoint at once.
pub const SQLITE_MIN_VERSION: (u32, u32, u32) = (3, 51, 3);
