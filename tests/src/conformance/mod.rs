//! Conformance: runs corpora of cases that say what an Argo-compatible engine must do.
//! Knows the format of the corpora; holds no cases itself.
//!
//! A corpus is a folder with an `index.json`. Cases are data written by others: a case that panics or hangs is
//! a failed case, never a failed run.

pub mod controller;
pub mod examples;
pub mod facts;
pub mod features;
pub mod fields;
pub mod guard;
pub mod index;
pub mod known;
pub mod language;
pub mod lint;
pub mod outcome;
pub mod page;
pub mod path;
pub mod probe;
pub mod report;
pub mod select;
pub mod suite;
