//! The machine as sentences: one workflow, how its leaves end, what becomes of it. No store, runner or clock.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

mod again;
mod common;
mod daemons;
mod metrics;
mod properties;
mod semantics;
mod taint;
