//! Attempts that others run for us (containers, pods): which are looked after, by whom, and who is told.
//! Does not know what looking after one means: a [`Host`] does.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use runner_workflows::spec::Outputs;
use tokio::sync::{Notify, watch};

use crate::guest::{Claim, Guest};
use crate::{
    AttemptId, AttemptSpec, BoxFuture, Error, Exit, ExitPhase, Observation, ProcessRunner, Reason, Sink,
};

/// How often an attempt that another process looks after is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What runs the containers of attempts.
pub trait Host: Send + Sync + 'static {
    /// Looks after an attempt that is ours until it has ended. Dropped in between, the attempt goes on, and a
    /// later call finds it again.
    fn look_after<'a>(
        self: &'a Arc<Self>,
        spec: &'a AttemptSpec,
        running: &'a Arc<Running>,
        guest: Box<Guest>,
    ) -> BoxFuture<'a, Observation>;

    /// The attempt had a record before anybody looked: what is left of it may go.
    fn over<'a>(&'a self, id: &'a AttemptId) -> BoxFuture<'a, ()>;
}

/// An attempt that is looked after.
#[derive(Debug)]
pub struct Running {
    sinks: Mutex<Vec<Sink>>,
    /// How far it is: what it waits for, or that it runs.
    stands: Mutex<Option<Observation>>,
    cancel: Notify,
    gone: watch::Receiver<bool>,
}

impl Running {
    /// Tells everybody who asked for the attempt.
    pub fn tell(&self, id: &AttemptId, observation: &Observation) {
        if matches!(observation, Observation::Waiting { .. } | Observation::Started { .. }) {
            *self.stands.lock().unwrap_or_else(PoisonError::into_inner) = Some(observation.clone());
        }
        for sink in self.sinks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A closed sink belongs to somebody who does not want to know any more.
            let _ = sink.send((id.clone(), observation.clone()));
        }
    }

    /// Returns when somebody wants the attempt to end; the wish itself is kept with the attempt.
    pub async fn cancelled(&self) {
        self.cancel.notified().await;
    }

    /// Returns when the runner was dropped: whoever works for it lets go.
    pub async fn abandoned(&self) {
        let mut gone = self.gone.clone();
        // A sender that is not there any more has said the same.
        let _ = gone.wait_for(|gone| *gone).await;
    }

    /// Somebody else wants to know as well.
    fn join(&self, id: &AttemptId, sink: &Sink) {
        let mut sinks = self.sinks.lock().unwrap_or_else(PoisonError::into_inner);
        if !sinks.iter().any(|known| known.same_channel(sink)) {
            sinks.push(sink.clone());
        }
        if let Some(stands) = self.stands.lock().unwrap_or_else(PoisonError::into_inner).clone() {
            // See `Running::tell`.
            let _ = sink.send((id.clone(), stands));
        }
    }
}

/// The attempts of one runner. Dropped, it lets go of all of them, and they go on.
pub struct Guests<H: Host> {
    inner: Arc<Inner<H>>,
}

struct Inner<H> {
    host: Arc<H>,
    process: Arc<ProcessRunner>,
    table: Mutex<HashMap<String, Arc<Running>>>,
    gone: watch::Sender<bool>,
}

impl<H: Host> Drop for Guests<H> {
    fn drop(&mut self) {
        self.inner.gone.send_replace(true);
    }
}

impl<H: Host> Guests<H> {
    /// No attempts yet, in the state directory of the process runner.
    #[must_use]
    pub fn new(host: Arc<H>, process: Arc<ProcessRunner>) -> Self {
        let (gone, _) = watch::channel(false);
        Self { inner: Arc::new(Inner { host, process, table: Mutex::default(), gone }) }
    }

    /// Looks after an attempt, as [`crate::Runner::ensure`] asks.
    ///
    /// # Errors
    /// Of the attempt's files.
    pub async fn ensure(&self, spec: AttemptSpec, sink: Sink) -> Result<(), Error> {
        let Some(running) = self.inner.enter(&spec, &sink) else { return Ok(()) };
        match self.inner.claim(&spec).await {
            Ok(claim) => drop(tokio::spawn(attend(Arc::clone(&self.inner), spec, running, claim))),
            Err(error) => {
                self.inner.table().remove(&spec.id.storage_name());
                return Err(error);
            }
        }
        Ok(())
    }

    /// Asks an attempt to end, as [`crate::Runner::cancel`]; the wish is kept for an engine that comes later.
    ///
    /// # Errors
    /// Of the attempt's files.
    pub async fn cancel(&self, id: &AttemptId, grace: Duration) -> Result<(), Error> {
        crate::Runner::cancel(self.inner.process.as_ref(), id, grace).await?;
        if let Some(running) = self.inner.table().get(&id.storage_name()) {
            running.cancel.notify_one();
        }
        Ok(())
    }
}

impl<H: Host> Inner<H> {
    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Running>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins an attempt that is looked after already, or enters it.
    fn enter(&self, spec: &AttemptSpec, sink: &Sink) -> Option<Arc<Running>> {
        let mut table = self.table();
        if let Some(running) = table.get(&spec.id.storage_name()) {
            running.join(&spec.id, sink);
            return None;
        }
        let running = Arc::new(Running {
            sinks: Mutex::new(vec![sink.clone()]),
            stands: Mutex::default(),
            cancel: Notify::new(),
            gone: self.gone.subscribe(),
        });
        table.insert(spec.id.storage_name(), Arc::clone(&running));
        Some(running)
    }

    async fn claim(&self, spec: &AttemptSpec) -> Result<Claim, Error> {
        let (process, spec) = (Arc::clone(&self.process), spec.clone());
        blocking(move || process.claim(&spec)).await
    }

    async fn see(&self, spec: &AttemptSpec, running: &Arc<Running>, mut first: Claim) -> Observation {
        loop {
            match first {
                Claim::Ended(exit) => {
                    self.host.over(&spec.id).await;
                    return Observation::Finished(exit);
                }
                Claim::Busy => tokio::time::sleep(LOOK).await,
                // A host that cannot be reached keeps everybody waiting, and nobody guesses.
                Claim::Ours(guest) => return self.host.look_after(spec, running, guest).await,
            }
            first = match self.claim(spec).await {
                Ok(claim) => claim,
                Err(error) => {
                    tracing::warn!(attempt = %spec.id, %error, "an attempt could not be looked at");
                    Claim::Busy
                }
            };
        }
    }
}

/// Looks after an attempt until it has ended, or until the runner is dropped.
async fn attend<H: Host>(inner: Arc<Inner<H>>, spec: AttemptSpec, running: Arc<Running>, claim: Claim) {
    let observation = tokio::select! {
        biased;
        () = running.abandoned() => None,
        seen = inner.see(&spec, &running, claim) => Some(seen),
    };
    if let Some(observation) = observation {
        // Whoever asks from now on finds the record.
        inner.table().remove(&spec.id.storage_name());
        running.tell(&spec.id, &observation);
    }
}

/// Puts an attempt on record that could not be run, and says so.
pub async fn refuse(
    guest: Arc<Guest>,
    message: String,
    reason: Reason,
    started_at: Timestamp,
) -> Observation {
    let exit = Exit {
        phase: ExitPhase::Error,
        message,
        exit_code: None,
        started_at,
        finished_at: Timestamp::now(),
        outputs: Outputs::default(),
        reason: Some(reason),
    };
    let record = exit.clone();
    if let Err(error) = blocking(move || guest.record(&record)).await {
        tracing::error!(%error, "the record of an attempt could not be written");
    }
    Observation::Finished(exit)
}

/// Runs something that blocks beside the async threads.
///
/// # Errors
/// Its own; [`Error::Stopped`] when the process ends meanwhile.
pub async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)?
}
