//! The corpus of events: every example loads and validates, every vector has its expected outcome or a written reason.
//! Starts nothing: what listens and fires is tested in `runner-events`.
#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod examples;
mod judge;
mod manifests;
mod properties;
mod seeds;
mod vectors;
