//! DOES: drives the pure machine over the store and the runners, one task per leased workflow.
//! Decides nothing and remembers nothing: `runner-machine` decides, `runner-store` remembers.
//!
//! One turn: whatever reached the workflow becomes inputs, `decide` makes facts of them, one append makes the facts
//! durable together with rows, locks, answers and the wakeup; only then does `outstanding` say what to do, the gate
//! lets it pass, and dispatch hands it to a runner. There is no recovery code: a claimed workflow is replayed
//! and takes its next turn like any other.

mod clock;
mod collect;
mod command;
mod controller;
mod core;
mod dispatch;
mod error;
mod estimate;
mod follow;
mod gate;
mod gc;
mod inbox;
mod interrupted;
mod launch;
mod lease;
mod load;
mod locks;
mod memo;
mod metrics;
mod options;
mod owner;
mod projection;
mod record;
mod release;
mod runners;
mod submit;
mod timers;
mod turn;
mod verify;
mod worker;

pub use clock::{Clock, Ids, SUFFIX_ALPHABET, SUFFIX_LENGTH, SystemClock, SystemIds, suffix_from};
pub use collect::DeleteArtifact;
pub use controller::{Controller, Leave};
pub use error::{Error, Result};
pub use estimate::estimate;
pub use follow::Ending;
pub use gate::{Auto, Effect, Gate, Manual};
pub use interrupted::{Interrupted, Why};
pub use load::{Snapshot, attempts, load};
pub use locks::SYNC_LIMIT;
pub use memo::cache_name;
pub use options::{Archive, IsDead, OnFatal, Options};
pub use owner::{is_dead, this_process};
pub use projection::{LABEL_ARCHIVED, PERSISTED, REMOVED, RowDetail};
pub use runners::{Contain, EXECUTOR, Executor, Runners};
pub use submit::{Resubmit, SHARE_CWD, SubmitRequest, Submitted};
pub use verify::{Verification, rebuild, verify};
