//! The driver of CronWorkflows over a store and a controller, in virtual time: crashes, takeovers, policies.
//! Runs no processes: the runs are suspend nodes with a duration, or only recorded.
#![expect(clippy::unwrap_used, reason = "tests")]

mod crashes;
mod lab;
mod policies;
