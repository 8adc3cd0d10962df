//! The daemon from outside. A daemon that is killed is one whose task is aborted where it stands; its store stays.
//! Runs no step: the controller has no runner.
#![expect(clippy::unwrap_used, reason = "tests")]

mod bodies;
mod events;
mod fake_forges;
#[path = "../brokers/fake_kafka.rs"]
mod fake_kafka;
mod hooks;
mod kafka;
mod lab;
mod limits;
mod objects;
mod shared;
mod tls;
mod triggers;
