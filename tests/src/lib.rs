//! Proof of the product: house rules, conformance corpora, examples, simulation and benchmarks.
//! Holds no product code; nothing here is linked into the binary.

pub mod bench;
pub mod binary;
pub mod conformance;
pub mod examples;
pub mod fuzz;
pub mod objects;
pub mod paths;
pub mod simulation;
pub mod storm;
pub mod tidy;
