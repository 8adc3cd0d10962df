//! The controller over the memory store and a fake runner, in virtual time.
//! Deliberately without real processes, files or clocks: those have tests of their own.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod crashes;
mod engines;
mod facade;
mod lab;
mod waiting;
