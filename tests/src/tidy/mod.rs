//! House rules that a compiler does not check; `tests/tests/tidy.rs` turns each into a test.
//! Does not format or lint: rustfmt and clippy do.

pub mod edges;
pub mod lexer;
pub mod ratchet;
pub mod rules;
pub mod size;
pub mod tree;
