//! Looks for an earlier run from which the duration of a new one is estimated, as Argo's estimator does.
//! Deliberately never in the way: without such a run, or when the store fails, there is no estimate.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runner_machine::{Estimates, WorkflowPhase};
use runner_store::{Catalog, LabelTerm, Store, StreamId, WorkflowQuery, WorkflowRow};

/// Labels that say what a run was made from; the first one that a run has counts.
const MADE_FROM: [&str; 3] = [
    "workflows.argoproj.io/workflow-template",
    "workflows.argoproj.io/cluster-workflow-template",
    "workflows.argoproj.io/cron-workflow",
];
/// Most nodes of the earlier run that are looked at.
const NODES_MAX: usize = 2_000;

/// The durations of the newest successful run with the same origin: labels of the run that is to be estimated.
pub async fn estimate(
    store: &dyn Store,
    namespace: &str,
    labels: &BTreeMap<String, String>,
) -> Option<Estimates> {
    let (label, value) = MADE_FROM.iter().find_map(|name| labels.get_key_value(*name))?;
    match look(store, namespace, label, value).await {
        Ok(found) => found,
        Err(error) => {
            tracing::warn!(label, value, %error, "no estimate: earlier runs could not be looked at");
            None
        }
    }
}

async fn look(
    store: &dyn Store,
    namespace: &str,
    label: &str,
    value: &str,
) -> runner_store::Result<Option<Estimates>> {
    let query = WorkflowQuery {
        namespace: Some(namespace.to_owned()),
        phases: vec![WorkflowPhase::Succeeded.as_str().to_owned()],
        labels: vec![LabelTerm::Equals(label.to_owned(), value.to_owned())],
        limit: 1,
        ..WorkflowQuery::default()
    };
    let page = Catalog::list_workflows(store, query).await?;
    let Some(row) = page.items.into_iter().next() else { return Ok(None) };
    let nodes = Catalog::nodes(store, &StreamId::workflow(&row.uid)?, 0, NODES_MAX).await?;
    let durations = nodes.into_iter().map(|node| (node.name, seconds(node.started_at, node.finished_at)));
    let WorkflowRow { name, started_at, finished_at, .. } = row;
    Ok(Some(Estimates::of(&name, seconds(started_at, finished_at), durations)))
}

/// Whole seconds, at least one: Argo's runs take seconds, those of processes may take milliseconds, and nobody sees an
/// estimate of none.
fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> i64 {
    match (from, to) {
        (Some(from), Some(to)) => {
            let took = to.duration_since(from);
            if took.is_positive() { took.as_secs().max(1) } else { 0 }
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn a_run_of_milliseconds_took_a_second() {
        let at = |millis: i64| jiff::Timestamp::from_millisecond(millis).ok();
        assert_eq!(seconds(at(1000), at(1005)), 1);
        assert_eq!(seconds(at(1000), at(8000)), 7);
        assert_eq!(seconds(at(1000), at(8001)), 7);
        assert_eq!(seconds(at(1000), at(1000)), 0);
        assert_eq!(seconds(at(2000), at(1000)), 0);
        assert_eq!(seconds(at(1000), None), 0);
    }
}
