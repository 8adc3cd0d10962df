//! STARTS WORKFLOWS: what makes a workflow run without a person asking for it. Now: the clock (`cron`).
//! Runs no workflow by itself: it hands them to the controller.

pub mod bus;
mod client;
pub mod cron;
pub mod ingress;
