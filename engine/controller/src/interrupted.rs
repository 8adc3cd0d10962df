//! Workflows that have not ended and that no live engine runs, with the reason: what can be resumed.
//! Deliberately changes nothing.

use runner_machine::{Work, WorkflowStatus};
use runner_store::{Catalog, Maintenance, Store, StreamId, WorkflowQuery, WorkflowRow};

use crate::core::Core;
use crate::error::{Error, Result};
use crate::lease::dead_owners;
use crate::load;

/// A workflow that has not ended and that no live engine runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interrupted {
    /// Unique id.
    pub uid: String,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Phase.
    pub phase: String,
    /// Why nobody runs it.
    pub why: Why,
    /// What it waits for besides an engine, for people: nodes to be approved, a lock, a timer.
    pub waits: Vec<String>,
}

/// Why no engine runs a workflow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// The process that ran it is gone without handing it over: killed, or the machine went down.
    OwnerDied(String),
    /// It was handed over, or never had an engine.
    NoEngine,
    /// It was put aside because its journal or the machine fails on it.
    Unusable(String),
}

const OPEN_PHASES: [&str; 3] = ["", "Pending", "Running"];

/// All of them, oldest first.
pub(crate) async fn list(core: &Core) -> Result<Vec<Interrupted>> {
    let store = core.store.as_ref();
    let dead = dead_owners(core).await?;
    let aside = core.quarantined();
    let mut query = WorkflowQuery {
        phases: OPEN_PHASES.map(str::to_owned).to_vec(),
        sort: runner_store::WorkflowSort::CreatedAscending,
        ..WorkflowQuery::default()
    };
    let mut found = Vec::new();
    loop {
        let page = Catalog::list_workflows(store, query.clone()).await?;
        for row in page.items {
            let stream = StreamId::workflow(&row.uid)?;
            let why = match aside.get(&stream) {
                Some(reason) => Some(Why::Unusable(reason.clone())),
                None => abandoned(core, &stream, &dead).await?,
            };
            if let Some(why) = why {
                found.push(describe(store, &stream, row, why).await?);
            }
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(found),
        }
    }
}

/// Why nobody runs it; nothing when somebody does.
async fn abandoned(core: &Core, stream: &StreamId, dead: &[String]) -> Result<Option<Why>> {
    let Some(info) = Maintenance::stream(core.store.as_ref(), stream).await? else { return Ok(None) };
    if info.closed {
        return Ok(None);
    }
    let now = core.clock.now();
    Ok(match (info.owner, info.until) {
        (Some(owner), until) if dead.contains(&owner) || until.is_some_and(|until| until <= now) => {
            Some(Why::OwnerDied(owner))
        }
        (Some(_), _) => None,
        (None, _) => Some(Why::NoEngine),
    })
}

async fn describe(store: &dyn Store, stream: &StreamId, row: WorkflowRow, why: Why) -> Result<Interrupted> {
    let (why, waits) = match load::load(store, stream).await {
        Ok(snapshot) => (why, waits(&snapshot.status)),
        Err(Error::Corrupt { reason, .. }) => (Why::Unusable(reason), Vec::new()),
        Err(error) => return Err(error),
    };
    let WorkflowRow { uid, namespace, name, phase, .. } = row;
    Ok(Interrupted { uid, namespace, name, phase, why, waits })
}

fn waits(status: &WorkflowStatus) -> Vec<String> {
    let mut waits = Vec::new();
    if status.suspended {
        waits.push("suspended: starts nothing until resumed".to_owned());
    }
    waits.extend(status.locks.waiting().iter().map(|lock| format!("waits for lock {lock}")));
    for node in status.open_nodes().filter_map(|ix| status.node(ix)) {
        let name = &node.display_name;
        match &node.work {
            Work::Suspended { until: Some(until) } => {
                waits.push(format!("{name} waits to be resumed, or until {until}"));
            }
            Work::Suspended { until: None } => waits.push(format!("{name} waits to be resumed")),
            Work::Backoff { until } => waits.push(format!("{name} is tried again at {until}")),
            Work::Lock { .. } => waits.push(format!("{name} waits for a lock")),
            Work::None | Work::Memo | Work::Attempt { .. } => {}
        }
    }
    waits
}
