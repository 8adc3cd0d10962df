//! DECIDES: the pure state machine of one CronWorkflow, of the same shape as that of a workflow run.
//! No clock, no I/O, no randomness: `now` and observations arrive inside the input.
//!
//! Policy of late ticks: every tick that is at most [`ON_TIME`] late fires. When there is none, the last one within
//! `startingDeadlineSeconds` fires. All others are recorded as missed and never fire, as in Argo.

mod condition;
mod decide;
mod fact;
mod fold;
mod names;
mod status;
mod ticks;

pub use decide::decide;
pub use fact::{Fact, How, IllegalFact, Input, Reason};
pub use fold::fold;
pub use names::{NAME_LIMIT, child_name, idempotency_key};
pub use status::{Action, Child, Pending, Phase, Policy, Status, outstanding};
pub use ticks::{MISSED_LIMIT, ON_TIME, next as tick_after, next_tick, schedules};

#[cfg(test)]
mod tests;
