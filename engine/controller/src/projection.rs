//! Projection rows: what lists and the user interface show of a workflow and its nodes.
//! Deliberately a function of plan and status alone, so that a refold gives the same rows.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runner_machine::{Node, NodeIx, Plan, WorkflowPhase, WorkflowStatus};
use runner_store::{NodeRow, Seq, WorkflowRow};
use serde::{Deserialize, Serialize};

use crate::clock::after;

/// Argo's label with the phase, so that selectors written for Argo find the same runs.
const LABEL_PHASE: &str = "workflows.argoproj.io/phase";
/// Argo's label of ended runs.
const LABEL_COMPLETED: &str = "workflows.argoproj.io/completed";
/// Argo's label of what is in the archive; its value is [`PERSISTED`].
pub const LABEL_ARCHIVED: &str = "workflows.argoproj.io/workflow-archiving-status";
/// What Argo's label says of workflows that are in the archive alone.
pub const PERSISTED: &str = "Persisted";
/// Phase of the row of a node that was undone; its number is not used again.
pub const REMOVED: &str = "Removed";
/// Longest message in a row, in bytes.
const MESSAGE_MAX: usize = 16 * 1024;
/// Longest parameter value in a row, in bytes.
const VALUE_MAX: usize = 256;
/// Most parameters in a row.
const PARAMETERS_MAX: usize = 64;

/// The further columns of a workflow's row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RowDetail {
    /// First template.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub entrypoint: String,
    /// Arguments, long values cut.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Which waits less long for locks: the higher.
    #[serde(skip_serializing_if = "is_zero")]
    pub priority: i32,
    /// Starts no new nodes until resumed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub suspended: bool,
    /// When it is to be deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_at: Option<Timestamp>,
}

fn is_zero(priority: &i32) -> bool {
    *priority == 0
}

impl RowDetail {
    /// Reads the body of a row; an unreadable one is empty.
    #[must_use]
    pub fn of(row: &WorkflowRow) -> Self {
        serde_json::from_slice(&row.body).unwrap_or_default()
    }
}

/// The row of a workflow.
pub(crate) fn workflow_row(plan: &Plan, status: &WorkflowStatus) -> WorkflowRow {
    let mut labels = plan.workflow.metadata.labels.clone();
    if status.phase != WorkflowPhase::Unknown {
        labels.insert(LABEL_PHASE.to_owned(), status.phase.as_str().to_owned());
    }
    if status.phase.completed() {
        labels.insert(LABEL_COMPLETED.to_owned(), "true".to_owned());
    }
    if status.archived {
        labels.insert(LABEL_ARCHIVED.to_owned(), PERSISTED.to_owned());
    }
    let (done, total) = status.progress();
    WorkflowRow {
        uid: status.uid.clone(),
        namespace: status.namespace.clone(),
        name: status.name.clone(),
        phase: status.phase.as_str().to_owned(),
        labels,
        created_at: status.created_at.unwrap_or(Timestamp::UNIX_EPOCH),
        started_at: status.started_at,
        finished_at: status.finished_at,
        progress: format!("{done}/{total}"),
        message: cut(&status.message, MESSAGE_MAX),
        body: serde_json::to_vec(&detail(plan, status)).unwrap_or_default(),
        as_of: Seq::ZERO,
    }
}

fn detail(plan: &Plan, status: &WorkflowStatus) -> RowDetail {
    let spec = &plan.workflow.spec;
    let given = spec.arguments.parameters.iter().take(PARAMETERS_MAX);
    let parameters = given
        .filter_map(|p| {
            Some((p.name.clone(), cut(p.value.as_ref().or(p.default.as_ref())?.as_str(), VALUE_MAX)))
        })
        .chain(
            status
                .parameters
                .iter()
                .filter_map(|p| Some((p.name.clone(), cut(p.value.as_ref()?.as_str(), VALUE_MAX)))),
        )
        .collect();
    RowDetail {
        entrypoint: spec.entrypoint.clone(),
        parameters,
        priority: spec.priority.unwrap_or_default(),
        suspended: status.suspended,
        delete_at: delete_at(plan, status),
    }
}

/// When the workflow is to be deleted by its `ttlStrategy`, as Argo counts: from its end, the strategy of its
/// phase before the general one. In the archive it does not count any more.
pub(crate) fn delete_at(plan: &Plan, status: &WorkflowStatus) -> Option<Timestamp> {
    if status.archived {
        return None;
    }
    let ttl = plan.workflow.spec.ttl_strategy?;
    let own = match status.phase {
        WorkflowPhase::Succeeded => ttl.seconds_after_success,
        WorkflowPhase::Failed | WorkflowPhase::Error => ttl.seconds_after_failure,
        WorkflowPhase::Unknown | WorkflowPhase::Pending | WorkflowPhase::Running => return None,
    };
    let seconds = own.or(ttl.seconds_after_completion)?;
    let ttl = std::time::Duration::from_secs(u64::try_from(seconds).unwrap_or(0));
    Some(after(status.finished_at?, ttl))
}

/// The row of a node; a node that was undone leaves a row without content.
pub(crate) fn node_row(status: &WorkflowStatus, ix: NodeIx) -> NodeRow {
    match status.node(ix) {
        Some(node) => present(status, ix, node),
        None => NodeRow {
            ordinal: ix.0,
            id: String::new(),
            name: String::new(),
            display_name: String::new(),
            node_type: String::new(),
            template_name: String::new(),
            boundary_id: String::new(),
            phase: REMOVED.to_owned(),
            started_at: None,
            finished_at: None,
            message: String::new(),
            body: Vec::new(),
            as_of: Seq::ZERO,
        },
    }
}

fn present(status: &WorkflowStatus, ix: NodeIx, node: &Node) -> NodeRow {
    let boundary = node.boundary.and_then(|boundary| status.node(boundary));
    NodeRow {
        ordinal: ix.0,
        id: node.id.clone(),
        name: node.name.clone(),
        display_name: node.display_name.clone(),
        node_type: node.node_type.as_str().to_owned(),
        template_name: node.template_name.clone(),
        boundary_id: boundary.map(|node| node.id.clone()).unwrap_or_default(),
        phase: node.phase.as_str().to_owned(),
        started_at: node.started_at,
        finished_at: node.finished_at,
        message: cut(&node.message, MESSAGE_MAX),
        body: Vec::new(),
        as_of: Seq::ZERO,
    }
}

/// Rows of all nodes, with one for each number that was ever used.
pub(crate) fn node_rows(status: &WorkflowStatus) -> Vec<NodeRow> {
    let mut rows: Vec<NodeRow> = Vec::new();
    for (ix, node) in status.nodes() {
        while u32::try_from(rows.len()).is_ok_and(|next| next < ix.0) {
            let hole = NodeIx(u32::try_from(rows.len()).unwrap_or(u32::MAX));
            rows.push(node_row(status, hole));
        }
        rows.push(present(status, ix, node));
    }
    rows
}

/// The first bytes of a text, cut between characters.
fn cut(text: &str, max: usize) -> String {
    if text.len() <= max {
        return text.to_owned();
    }
    let mut end = max;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", text.get(..end).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        assert_eq!(cut("abc", 3), "abc");
        assert_eq!(cut("äöü", 3), "ä…");
    }
}
