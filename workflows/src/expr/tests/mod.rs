//! Tests of the expression layer.
//! Placeholder until the tables are in.
