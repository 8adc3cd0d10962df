//! `runner events` from outside: real requests on loopback, to the workflows that they start.
//! Runs the built binary; the sensors are those of the architecture document that the product was asked to serve (S0).
#![expect(clippy::unwrap_used, reason = "tests")]

mod bare;
mod bus;
#[path = "../common/mod.rs"]
mod common;
mod lab;
mod s0;
mod senders;
mod taint;
