//! History limits: of the runs that have ended only the latest few stay in the lists; the archive, if there is one, has
//! the others, as in Argo.
//! Deliberately decides by rows alone, so that it can be cut off and done again.

use runner_controller::{Controller, LABEL_ARCHIVED, PERSISTED};
use runner_store::{Catalog, LabelTerm, WorkflowQuery, WorkflowSort};

use super::child::CRON_LABEL;
use super::error::Result;
use crate::cron::machine::Status;

/// Successful runs that are kept unless the manifest says otherwise, as in Argo.
const SUCCEEDED: i32 = 3;
/// Failed runs that are kept unless the manifest says otherwise, as in Argo.
const FAILED: i32 = 1;

/// Takes out of the lists what is beyond the limits, the oldest first to go.
pub(super) async fn trim(controller: &Controller, status: &Status) -> Result<()> {
    let limit = |given: Option<i32>, usual: i32| usize::try_from(given.unwrap_or(usual)).unwrap_or(0);
    let mut succeeded = limit(status.spec.successful_jobs_history_limit, SUCCEEDED);
    let mut failed = limit(status.spec.failed_jobs_history_limit, FAILED);
    let mut query = WorkflowQuery {
        namespace: Some(status.namespace.clone()),
        labels: vec![
            LabelTerm::Equals(CRON_LABEL.to_owned(), status.name.clone()),
            // What is in the archive does not count and stays there.
            LabelTerm::NotEquals(LABEL_ARCHIVED.to_owned(), PERSISTED.to_owned()),
        ],
        sort: WorkflowSort::FinishedDescending,
        ..WorkflowQuery::default()
    };
    let mut old = Vec::new();
    loop {
        let page = Catalog::list_workflows(controller.store().as_ref(), query.clone()).await?;
        for row in page.items {
            let left = if row.phase == "Succeeded" { &mut succeeded } else { &mut failed };
            match left.checked_sub(1) {
                Some(less) => *left = less,
                None => old.push(row.name),
            }
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    for name in old.iter().rev() {
        use runner_controller::Error as E;
        match controller.retire(&status.namespace, name, "historyLimit").await {
            // it is retried just now, or somebody else deleted it
            Ok(()) | Err(E::Refused(_) | E::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}
