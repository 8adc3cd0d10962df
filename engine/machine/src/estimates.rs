//! Estimates: how long a run and its nodes will take, from an earlier run of the same template.
//! Does not look for that run: the controller does, and hands its durations in with the submission.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::node::Node;

/// Durations of an earlier run that succeeded, as Argo's estimator takes them: the newest one with the same
/// label of a WorkflowTemplate, ClusterWorkflowTemplate or CronWorkflow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Estimates {
    /// Name of that run; the names of its nodes begin with it.
    pub workflow: String,
    /// Whole seconds that the run took.
    pub seconds: i64,
    /// Whole seconds of its nodes, by name without the run's; nodes of no second are left out.
    pub nodes: BTreeMap<String, i64>,
}

/// Most nodes whose durations are kept.
pub(crate) const MAX_ESTIMATED_NODES: usize = 2_000;

impl Estimates {
    /// The estimates that an earlier run gives; `nodes` are full names and seconds.
    pub fn of(workflow: &str, seconds: i64, nodes: impl IntoIterator<Item = (String, i64)>) -> Self {
        let own = nodes
            .into_iter()
            .filter(|(_, seconds)| *seconds > 0)
            .filter_map(|(name, seconds)| Some((name.strip_prefix(workflow)?.to_owned(), seconds)))
            .take(MAX_ESTIMATED_NODES);
        Self { workflow: workflow.to_owned(), seconds, nodes: own.collect() }
    }

    /// Seconds that a node of the run `workflow` will take; none when the earlier run had no such node.
    pub(crate) fn node(&self, workflow: &str, node: &Node) -> Option<i64> {
        self.nodes.get(node.name.strip_prefix(workflow)?).copied()
    }
}
