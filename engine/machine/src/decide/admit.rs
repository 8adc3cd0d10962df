//! Room: `parallelism` of the run and of templates, and their `failFast`.
//! Does not count: the status keeps the counts.

use runner_workflows::spec::Template;

use super::Turn;
use crate::node::{NodeIx, NodePhase, NodeType};

/// Whether one more node may start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// It may.
    Free,
    /// Not now.
    Full,
}

const FAIL_FAST: &str = "template has failed or errored children and failFast enabled";

impl Turn<'_> {
    /// Whether a node of this template may start inside this boundary, as Argo's `checkParallelism`.
    pub(super) fn room(&mut self, _template: &Template, boundary: Option<NodeIx>) -> Room {
        if let Some(limit) = self.plan.workflow.spec.parallelism
            && self.status.index.active_pods as i64 >= limit
        {
            self.block(boundary);
            return Room::Full;
        }
        let Some(boundary) = boundary else { return Room::Free };
        let Ok(compiled) = self.plan.template_of(self.status, boundary) else { return Room::Free };
        let counters = self.status.counters(boundary);
        if compiled.template.fail_fast == Some(true) && counters.unsuccessful > 0 {
            if counters.active_pods == 0 {
                self.fail_fast(boundary);
            } else {
                self.block(Some(boundary));
            }
            return Room::Full;
        }
        if let Some(limit) = compiled.template.parallelism
            && counters.active_children as i64 >= limit
        {
            self.block(Some(boundary));
            return Room::Full;
        }
        Room::Free
    }

    /// Remembers that something inside this boundary waits for room.
    fn block(&mut self, boundary: Option<NodeIx>) {
        if let Some(boundary) = boundary {
            self.status.index.blocked.insert(boundary);
        }
    }

    /// Ends a boundary whose `failFast` is set once a child failed and nothing of it runs any more, before the
    /// ordinary verdict: Argo looks at this first each time. True when it did.
    pub(super) fn failed_fast(&mut self, boundary: NodeIx, fail_fast: Option<bool>) -> bool {
        let counters = self.status.counters(boundary);
        let due = fail_fast == Some(true) && counters.unsuccessful > 0 && counters.active_pods == 0;
        if due {
            self.fail_fast(boundary);
        }
        due
    }

    /// Ends a boundary whose `failFast` forbids to go on.
    fn fail_fast(&mut self, boundary: NodeIx) {
        let open: Vec<NodeIx> = self
            .status
            .open_nodes()
            .filter(|ix| {
                self.status.node(*ix).is_some_and(|node| {
                    node.boundary == Some(boundary)
                        && matches!(node.node_type, NodeType::StepGroup | NodeType::TaskGroup)
                })
            })
            .collect();
        for group in open {
            self.finish(group, NodePhase::Failed, FAIL_FAST, None);
        }
        if self.is_open(boundary) {
            let outbound = self.outbound_now(boundary);
            self.finish_with(boundary, NodePhase::Failed, FAIL_FAST.to_owned(), None, outbound);
        }
    }
}
