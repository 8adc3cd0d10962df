//! Deadlines and other timers: what is due now.
//! Does not sleep.

use super::{Todo, Turn};
use crate::fact::Fact;
use crate::node::{AttemptState, NodeIx, NodePhase, NodeType, Work};
use crate::status::Timer;

pub(super) const DEADLINE: &str = "Step exceeded its deadline";

impl Turn<'_> {
    /// Does everything whose time has come.
    pub(super) fn tick(&mut self) {
        let due: Vec<Timer> = self
            .status
            .index
            .timers
            .iter()
            .take_while(|(at, _)| *at <= self.now)
            .map(|(_, timer)| *timer)
            .collect();
        for timer in due {
            match timer {
                Timer::Deadline => self.deadline_passed(),
                Timer::Node(ix) => self.node_due(ix),
            }
        }
    }

    fn node_due(&mut self, ix: NodeIx) {
        let Some(node) = self.node(ix) else { return };
        if node.phase.fulfilled() {
            return;
        }
        let late = node.phase == NodePhase::Pending && node.deadline.is_some_and(|at| at <= self.now);
        match node.work.clone() {
            Work::Backoff { until } if until <= self.now => self.queue.push_back(Todo::Advance(ix)),
            Work::Suspended { until: Some(until) } if until <= self.now => self.resume_due(ix),
            _ if late => self.stop_node(ix, "timeout: the step did not start in time"),
            Work::None
            | Work::Lock { .. }
            | Work::Memo
            | Work::Attempt { .. }
            | Work::Backoff { .. }
            | Work::Suspended { .. } => {}
        }
    }

    /// A suspension that ends by itself; outputs that were not supplied take their defaults.
    fn resume_due(&mut self, ix: NodeIx) {
        match self.supplied(ix) {
            Ok(outputs) => self.finish(ix, NodePhase::Succeeded, "", outputs),
            Err(message) => self.fail(ix, message),
        }
    }

    fn deadline_passed(&mut self) {
        if self.status.phase.completed() || self.status.deadline_passed {
            return;
        }
        self.emit(Fact::DeadlinePassed { at: self.now });
        let open: Vec<NodeIx> = self.status.open_nodes().collect();
        for ix in open {
            let outside = self.node(ix).is_some_and(|node| !node.exit_handler && !node.phase.fulfilled());
            if outside {
                self.interrupt(ix, DEADLINE);
            }
        }
    }

    /// Stops a node that works by itself; composite nodes follow from their children.
    pub(super) fn interrupt(&mut self, ix: NodeIx, message: &str) {
        let Some(node) = self.node(ix) else { return };
        match (&node.node_type, &node.work) {
            (NodeType::Retry, Work::Backoff { .. }) => self.queue.push_back(Todo::Advance(ix)),
            // A daemon that is ready has done what it is for: it ends as with the Steps or DAG around it.
            (_, Work::Attempt { .. }) if node.daemoned => self.stop_node(ix, ""),
            (_, Work::Attempt { .. } | Work::Suspended { .. } | Work::Lock { .. } | Work::Memo) => {
                self.stop_node(ix, message);
            }
            (NodeType::DAG | NodeType::TaskGroup | NodeType::Steps | NodeType::StepGroup, _) => {
                self.queue.push_back(Todo::Advance(ix));
            }
            (_, Work::None | Work::Backoff { .. }) => {}
        }
    }

    /// Ends a node: at once when nothing of it runs, otherwise when its attempt is gone.
    pub(super) fn stop_node(&mut self, ix: NodeIx, message: &str) {
        let Some(node) = self.node(ix) else { return };
        match &node.work {
            Work::Attempt { state: AttemptState::Cancelling { .. }, .. } => {}
            Work::Attempt { .. } => self.emit(Fact::AttemptCancelled { ix, message: message.to_owned() }),
            Work::None | Work::Lock { .. } | Work::Memo | Work::Backoff { .. } | Work::Suspended { .. } => {
                self.finish(ix, NodePhase::Failed, message, None);
            }
        }
    }
}
