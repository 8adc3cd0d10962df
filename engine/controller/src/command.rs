//! Gives a command to a workflow and waits for the answer, whichever process runs it.
//! Deliberately carries nothing out: the task that leases the workflow does.

use std::sync::Arc;
use std::time::Duration;

use runner_store::{Inbox, Journal, Maintenance, NewCommand, Seq, StreamId};

use crate::clock::{after, sleep};
use crate::core::Core;
use crate::error::{Error, Result};
use crate::inbox::{Envelope, Letter};
use crate::{lease, load};

/// Posts a command and waits for the answer in the journal. A second one with the same key gets the answer of
/// the first.
pub(crate) async fn give(
    core: &Arc<Core>,
    stream: &StreamId,
    envelope: Envelope,
    key: Option<String>,
) -> Result<()> {
    let store = core.store.as_ref();
    let before = Maintenance::stream(store, stream).await?;
    let before = before.ok_or_else(|| Error::NotFound(stream.key().to_owned()))?;
    let body = serde_json::to_vec(&envelope).map_err(|e| Error::Invalid(e.to_string()))?;
    // An answer to a key that was used before may stand anywhere in the journal.
    let mut read = if key.is_some() { Seq::ZERO } else { before.last_seq };
    let now = core.clock.now();
    let new = NewCommand { stream: stream.clone(), body, client_key: key, at: now };
    let id = Inbox::post(store, new).await?;
    let deadline = after(now, core.options.answer_within);
    loop {
        let (answer, seq) = load::find_answer(store, stream, read, id.0).await?;
        read = seq;
        if let Some(answer) = answer {
            return answer.refused.map_or(Ok(()), |why| Err(Error::Refused(why)));
        }
        if core.clock.now() >= deadline {
            return Err(Error::NoAnswer { seconds: core.options.answer_within.as_secs() });
        }
        if core.is_closing() {
            return Err(Error::Closing);
        }
        reach(core, stream).await?;
        await_news(core, stream, read).await;
    }
}

/// Sees to it that somebody reads the inbox of a workflow.
async fn reach(core: &Arc<Core>, stream: &StreamId) -> Result<()> {
    if core.post(stream, Letter::Commands) {
        return Ok(());
    }
    let store = core.store.as_ref();
    let info = Maintenance::stream(store, stream).await?;
    let info = info.ok_or_else(|| Error::NotFound(stream.key().to_owned()))?;
    if info.closed {
        Journal::reopen(store, stream).await?;
    }
    lease::claim_only(core, stream).await?;
    Ok(())
}

/// Returns when a workflow has new records, or after a moment.
async fn await_news(core: &Core, stream: &StreamId, seq: Seq) {
    const MOMENT: Duration = Duration::from_millis(50);
    let news = async {
        match core.head(stream) {
            Some(mut head) => drop(head.wait_for(|head| head.seq > seq).await),
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        () = news => {}
        () = sleep(&core.clock, MOMENT) => {}
    }
}
