//! outstanding: what the outside world still owes the run.
//! Level-triggered: after a crash the same list comes out of the replayed status.

use crate::action::Action;
use crate::decide::locks_of;
use crate::node::{AttemptState, NodeIx, Work};
use crate::plan::Plan;
use crate::status::WorkflowStatus;

/// Everything that is due, for a status that was just loaded.
pub fn outstanding(plan: &Plan, status: &WorkflowStatus) -> Vec<Action> {
    let all: Vec<NodeIx> = status.index.working.iter().copied().collect();
    outstanding_of(plan, status, &all)
}

/// What is due for these nodes and for the run itself: the cheap form after a turn.
pub fn outstanding_of(plan: &Plan, status: &WorkflowStatus, nodes: &[NodeIx]) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Work::Lock { since } = status.work {
        let sync = plan.workflow.spec.synchronization.as_ref();
        let locks = sync.map(|sync| crate::decide::lock_needs(status, sync)).unwrap_or_default();
        actions.push(Action::Acquire { node: None, locks, priority: priority(plan), since });
    }
    for ix in nodes {
        let Some(node) = status.node(*ix) else { continue };
        match &node.work {
            Work::Attempt { number, state: AttemptState::Cancelling { .. } } => {
                actions.push(Action::Cancel { node: *ix, attempt: *number });
            }
            Work::Attempt { number, .. } => actions.push(Action::Ensure { node: *ix, attempt: *number }),
            Work::Lock { since } => {
                let locks = locks_of(plan, status, *ix);
                actions.push(Action::Acquire {
                    node: Some(*ix),
                    locks,
                    priority: priority(plan),
                    since: *since,
                });
            }
            Work::Memo => {
                if let Some(memo) = &node.memo {
                    let (cache, key) = (memo.cache_name.clone(), memo.key.clone());
                    actions.push(Action::Recall { node: *ix, cache, key });
                }
            }
            Work::None | Work::Backoff { .. } | Work::Suspended { .. } => {}
        }
    }
    if let Some(at) = status.next_timer() {
        actions.push(Action::Wake { at });
    }
    actions
}

fn priority(plan: &Plan) -> i32 {
    plan.workflow.spec.priority.unwrap_or(0)
}
