//! THE LANGUAGE: what an Argo workflow file says, and whether it makes sense.
//! Pure: no clock, no I/O, no randomness; running anything is the business of other crates.

pub mod convert;
pub mod diagnostic;
pub mod duration;
pub mod effect;
pub mod expr;
pub mod fmt;
pub mod graph;
pub mod library;
pub mod needs;
pub mod parse;
pub mod resolve;
pub mod schedule;
pub mod spec;
pub mod validate;
