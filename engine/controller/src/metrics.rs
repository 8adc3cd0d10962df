//! Custom metrics of the workflows that this process runs, for a server to show.
//! Deliberately nothing durable: a replay emits nothing, and a restarted process begins at zero, as in Argo.

use jiff::Timestamp;
use runner_machine::metrics::{Realtime, emissions, realtime};
use runner_machine::{Fact, Plan, WorkflowStatus};
use runner_store::StreamId;

use crate::core::Core;

impl Core {
    /// Counts what durable facts emit. What cannot be counted is said in the log and changes nothing.
    pub(crate) fn emit(&self, stream: &StreamId, plan: &Plan, status: &WorkflowStatus, facts: &[Fact]) {
        if !plan.has_metrics() {
            return;
        }
        let emitted = emissions(plan, status, facts);
        {
            let mut registry = self.counted();
            for emission in emitted {
                if let Err(why) = emission.and_then(|emission| registry.record(&emission)) {
                    tracing::warn!(workflow = status.name, why, "metric was not emitted");
                }
            }
        }
        let gauges: Vec<Realtime> = realtime(plan, status).into_iter().filter_map(Result::ok).collect();
        self.set_gauges(stream, gauges);
    }

    /// Prometheus' text format.
    pub(crate) fn metrics_text(&self, now: Timestamp) -> String {
        let gauges = self.gauges();
        self.counted().render(&gauges, now)
    }
}
