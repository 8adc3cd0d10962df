//! Following workflows from outside their task: live snapshots, and waiting for the end.
//! Deliberately reads the journal, so that it is the same for workflows of this and of other processes.

use std::sync::Arc;
use std::time::Duration;

use runner_machine::WorkflowPhase;
use runner_store::{Catalog, Inbox, Maintenance, StreamId};
use tokio::sync::watch;

use crate::clock::sleep;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::load::{Replay, Snapshot};
use crate::options::SNAPSHOT_EVERY;
use crate::submit::identity;

/// How often other processes' workflows are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How a workflow ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Final phase.
    pub phase: WorkflowPhase,
    /// Message.
    pub message: String,
}

/// A workflow as it goes on. The first value is the present; the sender is gone when the workflow is deleted or
/// the controller shuts down.
pub(crate) async fn subscribe(core: &Arc<Core>, stream: StreamId) -> Result<watch::Receiver<Arc<Snapshot>>> {
    let mut replay = Replay::new(stream);
    replay.advance(core.store.as_ref(), &mut |_, _| {}).await?;
    let (sender, receiver) = watch::channel(Arc::new(replay.snapshot()?));
    let task = tokio::spawn(follow(Arc::clone(core), replay, sender));
    core.background(task.abort_handle());
    Ok(receiver)
}

async fn follow(core: Arc<Core>, mut replay: Replay, sender: watch::Sender<Arc<Snapshot>>) {
    let mut changes = None;
    loop {
        tokio::select! {
            biased;
            () = sender.closed() => return,
            () = moved(&core, &replay.stream, replay.seq.0) => {}
        }
        if core.is_closing() {
            return;
        }
        if !core.is_held(&replay.stream) {
            // Nobody tells us about other processes: ask the cheap question first.
            let now = Inbox::changes(core.store.as_ref()).await.ok();
            if now.is_some() && now == changes {
                continue;
            }
            changes = now;
        }
        match replay.advance(core.store.as_ref(), &mut |_, _| {}).await {
            Ok(true) => {
                replay.status.take_touched();
                match replay.snapshot() {
                    Ok(snapshot) => sender.send_replace(Arc::new(snapshot)),
                    Err(_) => return,
                };
                sleep(&core.clock, SNAPSHOT_EVERY).await;
            }
            // A journal that is gone has no records either: it was deleted.
            Ok(false) => {
                if let Ok(None) = Maintenance::stream(core.store.as_ref(), &replay.stream).await {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(stream = %replay.stream, %error, "workflow cannot be followed");
                return;
            }
        }
    }
}

/// Returns when there may be records after `seq`.
async fn moved(core: &Arc<Core>, stream: &StreamId, seq: u64) {
    match core.head(stream) {
        Some(mut head) => {
            tokio::select! {
                biased;
                _ = head.wait_for(|head| head.seq.0 > seq) => {}
                () = sleep(&core.clock, LOOK_EVERY * 10) => {}
            }
        }
        None => sleep(&core.clock, LOOK_EVERY).await,
    }
}

/// Waits for the end of a workflow, whoever runs it.
pub(crate) async fn wait_terminal(core: &Arc<Core>, stream: &StreamId) -> Result<Ending> {
    let (namespace, name) = identity(core.store.as_ref(), stream).await?;
    loop {
        if let Some(mut head) = core.head(stream)
            && let Ok(head) = head.wait_for(|head| head.phase.completed()).await
        {
            return Ok(Ending { phase: head.phase, message: head.message.clone() });
        }
        let row = Catalog::get_workflow(core.store.as_ref(), &namespace, &name).await?;
        let row = row.filter(|row| row.uid == stream.key()).ok_or_else(|| Error::NotFound(name.clone()))?;
        let phase = WorkflowPhase::parse(&row.phase).unwrap_or_default();
        if phase.completed() {
            return Ok(Ending { phase, message: row.message });
        }
        if core.is_closing() {
            return Err(Error::Closing);
        }
        sleep(&core.clock, LOOK_EVERY).await;
    }
}
