//! Tests of resolving.
//! Does not test the machine.
