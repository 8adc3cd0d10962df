//! Every limit of the runners in one place.
//! Limits of the language and of the store are theirs.

use std::time::Duration;

/// Most bytes of one log that are kept from its beginning (F48).
pub const LOG_HEAD_BYTES: u64 = 48 << 20;
/// Size of each of the two segments that keep the end of a log (F48): 8 to 16 MiB survive.
pub const LOG_TAIL_SEGMENT_BYTES: u64 = 8 << 20;
/// Bytes of standard output that become `outputs.result`, as Argo's 256 kB.
pub const RESULT_BYTES: usize = 256 << 10;
/// Most bytes of one output parameter (F53).
pub const PARAMETER_BYTES: u64 = 1 << 20;
/// Most bytes of the report of a typed step: its result and all its parameters.
pub const REPORT_BYTES: u64 = 8 << 20;
/// Most bytes of one argument or `NAME=value` string with its final NUL: Linux `MAX_ARG_STRLEN` (F54).
pub const STRING_BYTES: usize = 128 << 10;
/// Most bytes of all arguments and variables together (F54); Linux allows a quarter of the stack limit.
pub const STRINGS_BYTES: usize = 1536 << 10;
/// Longest wait for an output pipe that a leftover process holds open after main ended (F50).
pub const DRAIN: Duration = Duration::from_secs(1);
/// Time between TERM and KILL when nobody says otherwise, as Kubernetes' default.
pub const GRACE: Duration = Duration::from_secs(30);
/// Longest time spent on killing a tree that keeps growing (F51).
pub const SWEEP: Duration = Duration::from_secs(10);
/// Most entries of an archive (V7).
pub const ARCHIVE_ENTRIES: u64 = 1_000_000;
/// Most bytes an archive may unpack to (V7).
pub const ARCHIVE_BYTES: u64 = 64 << 30;
/// Largest ratio of unpacked to packed bytes (V7), once more than `ARCHIVE_RATIO_FROM` are unpacked.
pub const ARCHIVE_RATIO: u64 = 200;
/// Bytes that may always be unpacked: small files of one repeated letter are no bomb.
pub const ARCHIVE_RATIO_FROM: u64 = 256 << 20;
/// Deepest directory nesting of an artifact.
pub const ARTIFACT_DEPTH: usize = 128;
/// Longest artifact key in bytes.
pub const KEY_BYTES: usize = 1024;
/// Longest piece of a line that a log reader hands out.
pub const LINE_BYTES: usize = 64 << 10;
/// Most mounts of the host that a private root repeats.
pub const HOST_MOUNTS: usize = 64;
