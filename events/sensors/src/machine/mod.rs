//! THE SENSOR MACHINE: what an event means to a sensor, which triggers fire, and what is still owed.
//! Performs nothing: a driver appends the facts, then does what [`outstanding`] says.
//!
//! - `decide(status, input, now) -> facts`, `fold(status, fact) -> status`, `outstanding(status, now) -> actions`.
//! - Events come in the order of their `seq`; one that was taken before means nothing, so a consumer may deliver
//!   twice.
//! - A firing has a key made of sensor, trigger and event ids. Whoever performs it uses the key as its name, so that
//!   doing it twice finds the first.
//! - State that is collected for `a && b` is made of facts, and survives as they do.

mod backoff;
mod decide;
mod fact;
mod firing;
mod fold;
mod names;
mod outstanding;
mod snapshot;
mod status;

pub use backoff::{attempts, wait};
pub use decide::{advance, decide};
pub use fact::{Compat, Fact, Gate, IllegalFact, Input, Judgement, Mode};
pub use firing::{Collected, Firing, Stage};
pub use fold::fold;
pub use names::{Replay, child_name, firing_key};
pub use outstanding::{Action, OPEN_LIMIT, accepts, next_wakeup, outstanding};
pub use snapshot::{restore, snapshot};
pub use status::{Counts, Status, TriggerCounts, TriggerState, performs_once};

#[cfg(test)]
mod tests;
