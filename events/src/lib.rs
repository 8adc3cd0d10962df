//! STARTS WORKFLOWS: what makes a workflow run without a person asking for it: the clock (`cron`), and events.
//! Runs no workflow by itself: it hands them to the controller.
//!
//! An event comes in by [`ingress`] or [`sources`], is durable on the [`bus`], judged by [`sensors`], and what fires is
//! done by [`triggers`]. [`hooks`] tells providers where to send. Between bus and sensors it may travel by an EventBus of [`carriers`]. [`daemon`] puts these together.

pub mod bus;
pub mod carriers;
mod client;
pub mod cron;
pub mod daemon;
pub mod devctl;
pub mod hooks;
pub mod ingress;
mod kubeconfig;
pub mod sensors;
pub mod sources;
pub mod triggers;
