//! DECIDES: the pure state machine of one workflow run.
//! No clock, no I/O, no randomness: `now`, ids and observations arrive inside the input.
//!
//! Three functions and nothing else may change a workflow's state:
//! [`decide`] turns an input into facts, [`fold`] applies a fact to the status, [`outstanding`] lists what the
//! outside world still owes the run. `decide` folds each fact as soon as it is decided, so that later
//! decisions of the same turn see it and the cost of a turn is that of what changed; if the facts cannot be
//! appended to the journal the caller must drop the status and replay.

mod action;
mod argo;
mod attempt;
mod claims;
mod command;
mod decide;
mod duration;
mod error;
mod estimates;
mod fact;
mod fold;
mod globals;
mod input;
pub mod limits;
pub mod metrics;
mod names;
mod node;
mod outstanding;
mod plan;
pub mod preview;
mod resources;
mod reuse;
mod selector;
mod status;
pub mod taint;

pub use action::{Action, LockKind, LockNeed};
pub use attempt::{AttemptPlan, attempt_plan};
pub use command::Command;
pub use decide::{decide, reuse};
pub use duration::{format_duration, parse_duration};
pub use error::{Error, IllegalFact};
pub use estimates::Estimates;
pub use fact::{Fact, NewNode, OutputsChange};
pub use fold::{fold, replay};
pub use input::{Input, MemoEntry, Observed, Submit};
pub use names::{node_id, pod_name};
pub use node::{
    AttemptState, LockStand, MemoStatus, Node, NodeFlag, NodeIx, NodePhase, NodeType, Owner, Work,
    WorkflowPhase,
};
pub use outstanding::{outstanding, outstanding_of};
pub use plan::Plan;
pub use resources::ResourcesDuration;
pub use reuse::{EndedNode, Reuse, ReusedNode};
pub use selector::Selector;
pub use status::{Shutdown, WorkflowStatus};

/// A point in time. Always given from outside.
pub type Timestamp = jiff::Timestamp;
