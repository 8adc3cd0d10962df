//! The controller over the memory store and a fake runner in virtual time; `real` has SQLite files and real time.
//! Deliberately without real steps: the process runner has tests of its own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod crashes;
mod engines;
mod facade;
mod history;
mod lab;
mod real;
mod waiting;
