//! DOES: drives the cron machine over the store and the controller.
//! Decides nothing: `machine` decides; runs no step: the controller does.
//!
//! A CronWorkflow is the stream `cron/<namespace>/<name>`, leased for the length of one turn only: whichever process
//! comes first takes the turn, the others find it taken. So any command can take one, with or without `cron run`.

mod child;
mod error;
mod history;
mod requests;
mod stream;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runner_controller::{Clock, Controller};
use runner_machine::WorkflowPhase;
use runner_store::{Catalog, Inbox, Manifest, Store, StreamId};
use tokio::sync::Mutex;

use super::machine::{Action, Input, Status, next_tick, outstanding};
use stream::Known;

pub(crate) use child::templates;
pub use child::{CRON_LABEL, SCHEDULED_TIME};
pub use error::{Error, Result};
pub use requests::Started;

/// Kind of the manifests.
pub const KIND: &str = "CronWorkflow";
/// How often other processes' changes are looked for: new manifests, runs that ended.
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(250);
/// Everything is looked at that often even if nothing seems to have changed: the clock may have been set.
const ROUND_EVERY: SignedDuration = SignedDuration::from_secs(60);
/// After something failed.
const TRY_AGAIN: SignedDuration = SignedDuration::from_secs(1);

/// Drives CronWorkflows. One per process; several processes may drive the same store.
pub struct Crons {
    controller: Controller,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    owner: String,
    detached: bool,
    known: Mutex<BTreeMap<StreamId, Known>>,
}

impl std::fmt::Debug for Crons {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Crons").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Crons {
    /// A driver whose runs are run by this controller.
    #[must_use]
    pub fn new(controller: Controller, clock: Arc<dyn Clock>) -> Self {
        Self {
            store: Arc::clone(controller.store()),
            controller,
            clock,
            owner: runner_controller::this_process(),
            detached: false,
            known: Mutex::default(),
        }
    }

    /// A driver that only records runs, for an engine in another process.
    #[must_use]
    pub fn detached(mut self) -> Self {
        self.detached = true;
        self
    }

    /// Fires ticks until `stop`, which is waited for between turns only: nothing is cut off in the middle. What fails
    /// is tried again.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        loop {
            let before = Inbox::changes(self.store.as_ref()).await.ok();
            let now = self.clock.now();
            let next = match self.round().await {
                Ok(next) => next.unwrap_or(Timestamp::MAX).min(later(now, ROUND_EVERY)),
                Err(error) => {
                    tracing::warn!(%error, "CronWorkflows could not be read");
                    later(now, TRY_AGAIN)
                }
            };
            loop {
                let until = next.min(later(self.clock.now(), LOOK_EVERY));
                tokio::select! {
                    biased;
                    () = &mut stop => return,
                    () = self.clock.sleep_until(until) => {}
                }
                let moved = Inbox::changes(self.store.as_ref()).await.ok() != before;
                if moved || self.clock.now() >= next {
                    break;
                }
            }
        }
    }

    /// Looks at every CronWorkflow once and does what is due. Answers when the next one is.
    ///
    /// # Errors
    /// What the store says; what is wrong with one CronWorkflow is logged and does not hold up the others.
    pub async fn round(&self) -> Result<Option<Timestamp>> {
        let manifests = Catalog::list_manifests(self.store.as_ref(), KIND, None).await?;
        let (mut next, mut seen) = (None, BTreeSet::new());
        for manifest in &manifests {
            let found = match self.step(manifest).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(cron = manifest.name, namespace = manifest.namespace, %error, "not driven");
                    Some(later(self.clock.now(), TRY_AGAIN))
                }
            };
            next = [next, found].into_iter().flatten().min();
            seen.extend(StreamId::cron(&manifest.namespace, &manifest.name));
        }
        self.known.lock().await.retain(|stream, _| seen.contains(stream));
        Ok(next)
    }

    /// Everything that one CronWorkflow needs now. Answers when it needs something again.
    async fn step(&self, manifest: &Manifest) -> Result<Option<Timestamp>> {
        let stream = StreamId::cron(&manifest.namespace, &manifest.name)?;
        let fresh = self.forget_if_older(&stream, manifest.created_at).await;
        let status = self.turn(&stream, vec![stream::applied(manifest)?]).await?;
        let mut inputs = self.ended(&status).await?;
        let some_ended = !inputs.is_empty();
        inputs.push(Input::Tick);
        let status = self.turn(&stream, inputs).await?;
        let status = self.perform(&stream, status).await?;
        if fresh || some_ended {
            history::trim(&self.controller, &status).await?;
        }
        Ok(next_tick(&status))
    }

    /// Does what is owed.
    async fn perform(&self, stream: &StreamId, mut status: Status) -> Result<Status> {
        for action in outstanding(&status) {
            match action {
                Action::Terminate { name } => child::terminate(&self.controller, &status, &name).await?,
                Action::Submit { slot, .. } => {
                    tracing::info!(cron = status.name, namespace = status.namespace, %slot, "tick fires");
                    let input = child::submit(&self.controller, &status, slot, self.detached).await?;
                    status = self.turn(stream, vec![input]).await?;
                }
            }
        }
        Ok(status)
    }

    /// The runs that are over since they were last looked at.
    async fn ended(&self, status: &Status) -> Result<Vec<Input>> {
        let mut out = Vec::new();
        for (name, child) in &status.active {
            let row = Catalog::get_workflow(self.store.as_ref(), &status.namespace, name).await?;
            let phase = match row.filter(|row| row.uid == child.uid) {
                Some(row) if WorkflowPhase::parse(&row.phase).is_some_and(WorkflowPhase::completed) => {
                    row.phase
                }
                Some(_going) => continue,
                None => String::new(),
            };
            out.push(Input::Ended { name: name.clone(), phase });
        }
        Ok(out)
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.checked_add(by).unwrap_or(Timestamp::MAX)
}
