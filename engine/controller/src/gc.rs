//! Garbage: finished workflows whose time to live is over, with the directories of their attempts; or they go to
//! the archive. Deliberately the only place that deletes. Logs live as long as their workflow, also in the archive.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_machine::Command;
use runner_store::{Catalog, Maintenance, StreamId, TimeRange, WorkflowQuery, WorkflowRow, WorkflowSort};

use crate::clock::after;
use crate::collect::{self, Occasion};
use crate::command;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::inbox::Envelope;
use crate::load::{self, Replay};
use crate::projection::{LABEL_ARCHIVED, RowDetail};
use crate::release;

/// Part of the finished workflows that one scan may delete: a clock that was set to the future by mistake costs
/// a part of the history, and time to notice (F26).
const LARGEST_PART: usize = 5;
/// What a scan may always delete.
const ALWAYS: usize = 16;

/// Deletes workflows when their time to live is over.
pub(crate) async fn collect(core: Arc<Core>, every: Duration) {
    let mut scan_at = core.clock.now();
    loop {
        let now = core.clock.now();
        for stream in core.take_doomed(now) {
            expire(&core, &stream).await;
        }
        if core.options.adopt && scan_at <= now {
            scan_at = after(now, every);
            release::leftovers(&core).await;
            if let Err(error) = scan(&core, now).await {
                tracing::warn!(%error, "finished workflows could not be looked at");
            }
        }
        let next = core.next_doom().map_or(after(now, every), |at| at.min(after(now, every)));
        tokio::select! {
            biased;
            () = core.doom.notified() => {}
            () = core.clock.sleep_until(next) => {}
        }
    }
}

async fn expire(core: &Arc<Core>, stream: &StreamId) {
    let word = if core.options.archive.is_some() { "archived" } else { "deleted" };
    match retire(core, stream, "ttlStrategy").await {
        Ok(()) => tracing::info!(%stream, "{word} at the end of its time to live"),
        Err(Error::NotFound(_)) => {}
        // It was retried and runs again; its next end counts.
        Err(Error::Refused(_)) => {}
        Err(error) => tracing::warn!(%stream, %error, "could not be {word}"),
    }
}

/// What becomes of a finished workflow that is kept no longer: the archive takes it, where there is one, as Argo's does
/// of every workflow that ends; else it is deleted. `by` is who says that it is kept no longer.
pub(crate) async fn retire(core: &Arc<Core>, stream: &StreamId, by: &str) -> Result<()> {
    match core.options.archive {
        Some(_) => archive(core, stream, by).await,
        None => delete(core, stream).await,
    }
}

/// Takes a finished workflow out of the lists, then deletes its artifacts as with a deletion; journal, rows and logs
/// stay. In this order a retry that comes first keeps what it needs. Artifacts that were not come to, because the
/// process died or a store did not answer, go when the workflow leaves the archive.
async fn archive(core: &Arc<Core>, stream: &StreamId, by: &str) -> Result<()> {
    let envelope = Envelope { by: by.to_owned(), command: Command::Archive };
    command::give(core, stream, envelope, None).await?;
    collect_artifacts(core, stream).await
}

/// Whether the archive has kept a workflow for long enough.
fn is_over(core: &Core, row: &WorkflowRow, now: Timestamp) -> bool {
    let keep = core.options.archive.and_then(|archive| archive.keep);
    row.labels.contains_key(LABEL_ARCHIVED)
        && keep.zip(row.finished_at).is_some_and(|(keep, at)| after(at, keep) <= now)
}

/// Looks at all finished workflows, a page at a time.
async fn scan(core: &Arc<Core>, now: Timestamp) -> Result<()> {
    let mut query = WorkflowQuery {
        finished: TimeRange { from: None, to: Some(now) },
        sort: WorkflowSort::FinishedDescending,
        ..WorkflowQuery::default()
    };
    let (mut seen, mut due, mut over) = (0, Vec::new(), Vec::new());
    loop {
        let page = Catalog::list_workflows(core.store.as_ref(), query.clone()).await?;
        seen += page.items.len();
        for row in &page.items {
            if RowDetail::of(row).delete_at.is_some_and(|at| at <= now) {
                due.push(StreamId::workflow(&row.uid)?);
            }
            if is_over(core, row, now) {
                over.push(StreamId::workflow(&row.uid)?);
            }
        }
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => break,
        }
    }
    let most = (seen / LARGEST_PART).max(ALWAYS);
    if due.len() > most {
        tracing::warn!(due = due.len(), most, "many workflows are due for deletion, taking them in parts");
    }
    // Lists come newest first; the oldest go first.
    for stream in due.iter().rev().take(most) {
        expire(core, stream).await;
    }
    for stream in over.iter().rev().take(most) {
        if let Err(error) = delete(core, stream).await {
            tracing::warn!(%stream, %error, "could not be deleted from the archive");
        }
    }
    Ok(())
}

/// Deletes what `artifactGC` ties to the deletion of the workflow. One that cannot be read has no known artifacts.
async fn collect_artifacts(core: &Core, stream: &StreamId) -> Result<()> {
    if core.options.delete_artifact.is_none() {
        return Ok(());
    }
    let mut replay = Replay::new(stream.clone());
    let read = replay.advance(core.store.as_ref(), &mut |_, _| {}).await;
    match read.and_then(|_| replay.snapshot()) {
        Ok(found) => collect::sweep(core, &found.plan, &found.status, Occasion::Deletion).await,
        Err(Error::Corrupt { reason, .. }) => {
            tracing::warn!(%stream, reason, "artifacts are not known; they stay");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Deletes a finished workflow: its artifacts as `artifactGC` says, the directories of its attempts, then its
/// stream. Cut off in between, it can be asked for again.
pub(crate) async fn delete(core: &Core, stream: &StreamId) -> Result<()> {
    let store = core.store.as_ref();
    let info = Maintenance::stream(store, stream).await?;
    let info = info.ok_or_else(|| Error::NotFound(stream.key().to_owned()))?;
    if !info.closed {
        return Err(Error::Refused("it has not ended: stop or terminate it first".to_owned()));
    }
    collect_artifacts(core, stream).await?;
    match load::attempts(store, stream).await {
        Ok(attempts) => {
            for id in attempts {
                for runner in core.runners.all() {
                    runner.remove(&id).await?;
                }
            }
        }
        Err(Error::Corrupt { reason, .. }) => {
            tracing::warn!(%stream, reason, "attempts are not known; their directories stay");
        }
        Err(error) => return Err(error),
    }
    if let Ok(snapshot) = load::load(store, stream).await {
        release::at_deletion(core, &snapshot.status).await;
    }
    Catalog::delete_workflow(store, stream).await?;
    Ok(())
}
