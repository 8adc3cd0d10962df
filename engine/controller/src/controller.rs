//! The facade: what the command line and the API ask of an engine.
//! Deliberately thin; each request is carried out where its subject lives.

use std::sync::Arc;
use std::time::Duration;

use runner_machine::Command;
use runner_runners::{AttemptId, LogQuery, LogStream};
use runner_store::{Catalog, Maintenance, Store, StreamId};
use tokio::sync::watch;

use crate::clock::{Clock, Ids, after, sleep};
use crate::command;
use crate::core::Core;
use crate::error::{Error, Result};
use crate::follow::{self, Ending};
use crate::gc;
use crate::inbox::{Envelope, Letter};
use crate::interrupted::{self, Interrupted};
use crate::lease;
use crate::load::{self, Snapshot};
use crate::options::{HAND_OVER, Options};
use crate::runners::Runners;
use crate::submit::{self, Resubmit, SubmitRequest, Submitted};
use crate::verify::{self, Verification};

/// How a controller lets go of its workflows. Running steps go on under their supervisors in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Leases are given back and the next adopting engine goes on at once.
    HandOver,
    /// Leases are given back, but nobody goes on until somebody asks for it (Ctrl-C).
    Park,
    /// Nothing is written, as if the process had been killed.
    Now,
}

/// An engine over a store. Cheap to clone; when the last clone is dropped without a shutdown, everything stops
/// as if the process had been killed.
#[derive(Clone)]
pub struct Controller {
    core: Arc<Core>,
    _guard: Arc<Guard>,
}

struct Guard(Arc<Core>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

impl std::fmt::Debug for Controller {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Controller").field("options", &self.core.options).finish_non_exhaustive()
    }
}

impl Controller {
    /// Starts an engine. Must be called within a tokio runtime.
    #[must_use]
    pub fn start(
        store: Arc<dyn Store>,
        runners: Runners,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        options: Options,
    ) -> Self {
        let core = Arc::new(Core::new(store, runners, clock, ids, options));
        core.background(tokio::spawn(lease::renew(Arc::clone(&core))).abort_handle());
        core.background(tokio::spawn(lease::watch_others(Arc::clone(&core))).abort_handle());
        if let Some(every) = core.options.gc_every {
            core.background(tokio::spawn(gc::collect(Arc::clone(&core), every)).abort_handle());
        }
        Self { _guard: Arc::new(Guard(Arc::clone(&core))), core }
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.core.store
    }

    /// What the store last failed with, until it works again. While it fails nothing new is started; running steps
    /// go on, and everything is taken up again when it works (F19). A store that cannot recover in this process
    /// (F18) stays in trouble: restart the process.
    #[must_use]
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.core.troubles()
    }

    /// Makes a workflow durable and starts it. Once this returns, it survives anything (P1).
    ///
    /// # Errors
    /// [`Error::NameTaken`], [`Error::Spec`], [`Error::Closing`], or what the store says.
    pub async fn submit(&self, request: SubmitRequest) -> Result<Submitted> {
        submit::submit(&self.core, request).await
    }

    /// Gives a command to a workflow and waits for the answer, whichever process runs it. A workflow that nobody
    /// runs is claimed by this process.
    ///
    /// # Errors
    /// [`Error::Refused`] with the machine's reason, [`Error::NotFound`], [`Error::NoAnswer`].
    pub async fn command(&self, namespace: &str, name: &str, command: Command, by: &str) -> Result<()> {
        self.command_once(namespace, name, command, by, None).await
    }

    /// As [`Self::command`]; a second one with the same key gets the answer of the first.
    ///
    /// # Errors
    /// As [`Self::command`].
    pub async fn command_once(
        &self,
        namespace: &str,
        name: &str,
        command: Command,
        by: &str,
        key: Option<String>,
    ) -> Result<()> {
        let stream = self.stream(namespace, name).await?;
        command::give(&self.core, &stream, Envelope { by: by.to_owned(), command }, key).await
    }

    /// The status of a workflow by replaying its journal, whoever runs it.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`].
    pub async fn load_status(&self, namespace: &str, name: &str) -> Result<Snapshot> {
        load::load(self.core.store.as_ref(), &self.stream(namespace, name).await?).await
    }

    /// As [`Self::load_status`], by unique id.
    ///
    /// # Errors
    /// As [`Self::load_status`].
    pub async fn load_uid(&self, uid: &str) -> Result<Snapshot> {
        load::load(self.core.store.as_ref(), &StreamId::workflow(uid)?).await
    }

    /// Live snapshots of a workflow, whoever runs it; the first is the present. Intermediate ones are skipped
    /// when they come faster than twenty a second.
    ///
    /// # Errors
    /// As [`Self::load_status`].
    pub async fn subscribe(&self, uid: &str) -> Result<watch::Receiver<Arc<Snapshot>>> {
        follow::subscribe(&self.core, StreamId::workflow(uid)?).await
    }

    /// Waits for the end of a workflow, whoever runs it.
    ///
    /// # Errors
    /// [`Error::NotFound`], also when it is deleted meanwhile; [`Error::Closing`].
    pub async fn wait_terminal(&self, uid: &str) -> Result<Ending> {
        follow::wait_terminal(&self.core, &StreamId::workflow(uid)?).await
    }

    /// Whether this process runs the workflow.
    ///
    /// # Errors
    /// When the uid has not the shape of one.
    pub fn runs_here(&self, uid: &str) -> Result<bool> {
        Ok(self.core.is_held(&StreamId::workflow(uid)?))
    }

    /// Takes over a workflow that no live engine runs, and goes on from its checkpoint.
    ///
    /// # Errors
    /// [`Error::OwnedElsewhere`]; [`Error::Refused`] when it has ended.
    pub async fn adopt(&self, uid: &str) -> Result<()> {
        let stream = StreamId::workflow(uid)?;
        let store = self.core.store.as_ref();
        if lease::claim_only(&self.core, &stream).await? {
            self.core.own(stream);
            return Ok(());
        }
        let (_, name) = submit::identity(store, &stream).await?;
        let info = Maintenance::stream(store, &stream).await?.ok_or_else(|| Error::NotFound(name.clone()))?;
        if info.closed {
            return Err(Error::Refused(format!("{name} has ended: there is nothing to resume")));
        }
        Err(Error::OwnedElsewhere { name, owner: info.owner.unwrap_or_default() })
    }

    /// Looks for abandoned workflows now instead of at the next poll.
    pub fn look_around(&self) {
        self.core.kick.notify_one();
    }

    /// Workflows that have not ended and that no live engine runs, and why.
    ///
    /// # Errors
    /// What the store says.
    pub async fn interrupted(&self) -> Result<Vec<Interrupted>> {
        interrupted::list(&self.core).await
    }

    /// A request that runs the same workflow again under a new name; submit it.
    ///
    /// # Errors
    /// [`Error::Refused`] for memoized ones of a run that did not fail; [`Error::NotFound`].
    pub async fn resubmit(&self, namespace: &str, name: &str, changes: &Resubmit) -> Result<SubmitRequest> {
        submit::resubmit(self.core.store.as_ref(), &self.stream(namespace, name).await?, changes).await
    }

    /// Deletes a finished workflow with its logs.
    ///
    /// # Errors
    /// [`Error::Refused`] while it has not ended; [`Error::NotFound`].
    pub async fn delete(&self, namespace: &str, name: &str) -> Result<()> {
        gc::delete(&self.core, &self.stream(namespace, name).await?).await
    }

    /// Takes a finished workflow out of the lists: into the archive where there is one, else by deleting it. `by` is who
    /// says that it is kept no longer.
    ///
    /// # Errors
    /// [`Error::Refused`] while it has not ended; [`Error::NotFound`].
    pub async fn retire(&self, namespace: &str, name: &str, by: &str) -> Result<()> {
        gc::retire(&self.core, &self.stream(namespace, name).await?, by).await
    }

    /// Attempts of all nodes of a workflow that were ever started, by node id and number.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`].
    pub async fn attempts(&self, uid: &str) -> Result<Vec<AttemptId>> {
        load::attempts(self.core.store.as_ref(), &StreamId::workflow(uid)?).await
    }

    /// The log of an attempt, from whichever runner knows it.
    ///
    /// # Errors
    /// [`Error::Runner`].
    pub async fn logs(&self, id: &AttemptId, query: LogQuery) -> Result<LogStream> {
        let mut missing = runner_runners::Error::NotFound(id.to_string());
        for runner in self.core.runners.all() {
            match runner.logs(id, query.clone()).await {
                Ok(lines) => return Ok(lines),
                Err(error @ runner_runners::Error::NotFound(_)) => missing = error,
                Err(error) => return Err(error.into()),
            }
        }
        Err(missing.into())
    }

    /// Folds every journal again and compares with the rows.
    ///
    /// # Errors
    /// What the store says; what is found to be wrong is in the answer.
    pub async fn verify(&self) -> Result<Verification> {
        verify::verify(self.core.store.as_ref()).await
    }

    /// Makes the rows of all workflows again from their journals; answers how many, and which could not be.
    ///
    /// # Errors
    /// What the store says.
    pub async fn rebuild(&self) -> Result<(u64, Vec<String>)> {
        verify::rebuild(self.core.store.as_ref()).await
    }

    /// Custom metrics of the workflows that this process runs, in Prometheus' text format. They begin at zero
    /// with the process, as Argo's do.
    #[must_use]
    pub fn metrics_text(&self) -> String {
        self.core.metrics_text(self.core.clock.now())
    }

    /// Lets go of all workflows and stops. Takes at most five seconds; steps keep running (F72).
    pub async fn shutdown(&self, leave: Leave) {
        self.core.close();
        if leave != Leave::Now {
            for held in self.core.leases() {
                self.core.post(&held.stream, Letter::Stop { hand_over: leave == Leave::HandOver });
            }
            let deadline = after(self.core.clock.now(), HAND_OVER);
            while !self.core.is_quiet() && self.core.clock.now() < deadline {
                tokio::select! {
                    biased;
                    () = self.core.gone.notified() => {}
                    () = sleep(&self.core.clock, Duration::from_millis(20)) => {}
                }
            }
        }
        self.core.abandon();
    }

    async fn stream(&self, namespace: &str, name: &str) -> Result<StreamId> {
        let row = Catalog::get_workflow(self.core.store.as_ref(), namespace, name).await?;
        let row = row.ok_or_else(|| Error::NotFound(format!("{namespace}/{name}")))?;
        Ok(StreamId::workflow(&row.uid)?)
    }
}
