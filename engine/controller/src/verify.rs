//! Checking the store: every journal is folded again and compared with the rows that were made of it.
//! Deliberately repairs nothing by itself; `rebuild` replaces rows, never records.

use runner_store::{Maintenance, NodeRow, Projection, Seq, Store, StreamId, StreamInfo, WorkflowRow};

use crate::error::{Error, Result};
use crate::lease::WORKFLOW;
use crate::load;
use crate::projection::{self, REMOVED};

/// What a check found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verification {
    /// What the store says of itself: sequence gaps, damaged records, missing blobs.
    pub store: runner_store::VerifyReport,
    /// Workflows folded again.
    pub workflows: u64,
    /// Journals that cannot be replayed and rows that do not say what the journal says, for people.
    pub problems: Vec<String>,
}

impl Verification {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.store.is_clean() && self.problems.is_empty()
    }
}

/// Folds every journal again and compares with the rows; needs no engine.
///
/// # Errors
/// What the store says; what is found to be wrong is in the answer.
pub async fn verify(store: &dyn Store) -> Result<Verification> {
    let mut found = Verification { store: Maintenance::verify(store).await?, ..Verification::default() };
    let mut after: Option<StreamId> = None;
    loop {
        let page = Maintenance::streams(store, after.as_ref(), 0).await?;
        let Some(last) = page.last() else { return Ok(found) };
        after = Some(last.stream.clone());
        for info in page.iter().filter(|info| info.stream.kind() == WORKFLOW) {
            found.workflows += 1;
            found.problems.extend(check(store, info).await?);
        }
    }
}

/// One workflow. One that goes on meanwhile is looked at again: its rows belong to a later record.
async fn check(store: &dyn Store, info: &StreamInfo) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    for _ in 0..3 {
        let snapshot = match load::load(store, &info.stream).await {
            Ok(snapshot) => snapshot,
            Err(error @ (Error::Corrupt { .. } | Error::NotFound(_))) => return Ok(vec![error.to_string()]),
            Err(error) => return Err(error),
        };
        let stored = Maintenance::projection(store, &info.stream).await?;
        let row = projection::workflow_row(&snapshot.plan, &snapshot.status);
        let nodes = projection::node_rows(&snapshot.status);
        problems = match stored {
            Some(stored) => differences(&info.stream, &stored, &row, &nodes),
            None => vec![format!("{}: has no rows", info.stream)],
        };
        let now = Maintenance::stream(store, &info.stream).await?;
        if problems.is_empty() || now.is_none_or(|now| now.last_seq == snapshot.seq) {
            break;
        }
    }
    Ok(problems)
}

fn differences(stream: &StreamId, stored: &Projection, row: &WorkflowRow, nodes: &[NodeRow]) -> Vec<String> {
    let mut problems = Vec::new();
    let same = WorkflowRow { as_of: Seq::ZERO, ..stored.workflow.clone() } == *row;
    if !same {
        problems.push(format!(
            "{stream}: the workflow's row says {} `{}`, its journal {} `{}`",
            stored.workflow.phase, stored.workflow.message, row.phase, row.message
        ));
    }
    let mut stored_nodes = stored.nodes.iter();
    for node in nodes {
        match stored_nodes.next() {
            Some(other) if NodeRow { as_of: Seq::ZERO, ..other.clone() } == *node => {}
            Some(other) => problems.push(format!(
                "{stream}: the row of node {} `{}` says {} `{}`, the journal {} `{}`",
                node.ordinal, node.name, other.phase, other.message, node.phase, node.message
            )),
            None => problems.push(format!("{stream}: node {} `{}` has no row", node.ordinal, node.name)),
        }
    }
    problems.extend(
        stored_nodes
            .filter(|other| other.phase != REMOVED)
            .map(|other| format!("{stream}: row {} belongs to no node of the journal", other.ordinal)),
    );
    problems
}

/// Makes the rows of one workflow again.
async fn rebuild_one(store: &dyn Store, stream: &StreamId) -> Result<()> {
    let snapshot = load::load(store, stream).await?;
    let rows = Projection {
        as_of: snapshot.seq,
        workflow: projection::workflow_row(&snapshot.plan, &snapshot.status),
        nodes: projection::node_rows(&snapshot.status),
    };
    Maintenance::rebuild(store, stream, rows).await?;
    Ok(())
}

/// Makes the rows of all workflows again from their journals; answers how many, and which could not be. Needs no
/// engine.
///
/// # Errors
/// What the store says.
pub async fn rebuild(store: &dyn Store) -> Result<(u64, Vec<String>)> {
    let (mut count, mut failed) = (0, Vec::new());
    let mut after: Option<StreamId> = None;
    loop {
        let page = Maintenance::streams(store, after.as_ref(), 0).await?;
        let Some(last) = page.last() else { return Ok((count, failed)) };
        after = Some(last.stream.clone());
        for info in page.iter().filter(|info| info.stream.kind() == WORKFLOW) {
            match rebuild_one(store, &info.stream).await {
                Ok(()) => count += 1,
                Err(error) => failed.push(format!("{}: {error}", info.stream)),
            }
        }
    }
}
