//! CronWorkflow: the schedule language, the pure machine that decides about ticks, and its driver over the store.
//! Knows nothing of command lines; a driver that runs is [`Crons::run`].
//!
//! A tick fires once, ever. Its fact is durable before its workflow exists, and the workflow has a name and a key
//! that follow from the tick: whoever creates it a second time finds the first.

mod driver;
mod machine;

pub(crate) use driver::templates;
pub use driver::{CRON_LABEL, Crons, Error, KIND, Result, SCHEDULED_TIME, Started};
pub use machine::{
    Action, Child, Fact, How, IllegalFact, Input, MISSED_LIMIT, NAME_LIMIT, ON_TIME, Pending, Phase, Policy,
    Reason, Status, child_name, decide, fold, idempotency_key, next_tick, outstanding, schedules, tick_after,
};
pub use runner_sensors::schedule::{Invalid, Schedule};
