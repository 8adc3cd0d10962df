//! Tests of parsing.
//! Does not test meaning.
