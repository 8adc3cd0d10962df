//! The Kubernetes runner as a `Runner`: which attempts are looked after, and by whom.
//! What looking after one means is in `drive`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runner_runners::guest::Claim;
use runner_runners::{
    AttemptId, AttemptSpec, BoxFuture, Error, LogQuery, LogStream, Observation, ProcessRunner, Runner, Sink,
};
use tokio::sync::{Notify, OnceCell, watch};

use crate::api::Api;
use crate::note::{NOTE, Note};
use crate::watch::Pods;
use crate::{KubernetesConfig, drive};

/// How often an attempt that another process looks after is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Runs attempts as pods.
pub struct KubernetesRunner {
    shared: Arc<Shared>,
}

/// What all attempts share.
pub(crate) struct Shared {
    pub(crate) config: KubernetesConfig,
    pub(crate) process: Arc<ProcessRunner>,
    client: OnceCell<kube::Client>,
    namespaces: Mutex<HashMap<String, Arc<Pods>>>,
    running: Mutex<HashMap<String, Arc<Running>>>,
    /// True once the runner was dropped: its tasks let go of everything.
    gone: watch::Sender<bool>,
}

/// An attempt that this runner looks after.
pub(crate) struct Running {
    sinks: Mutex<Vec<Sink>>,
    started: Mutex<Option<Observation>>,
    pub(crate) cancel: Notify,
}

impl Running {
    pub(crate) fn tell(&self, id: &AttemptId, observation: &Observation) {
        if matches!(observation, Observation::Started { .. }) {
            *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(observation.clone());
        }
        for sink in self.sinks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A closed sink belongs to somebody who does not want to know any more.
            let _ = sink.send((id.clone(), observation.clone()));
        }
    }
}

impl KubernetesRunner {
    /// A runner over the state directory of the process runner; no cluster is needed before the first step.
    #[must_use]
    pub fn new(config: KubernetesConfig, process: Arc<ProcessRunner>) -> Self {
        let (gone, _) = watch::channel(false);
        let (client, namespaces, running) = (OnceCell::new(), Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { config, process, client, namespaces, running, gone }) }
    }
}

impl Drop for KubernetesRunner {
    fn drop(&mut self) {
        self.shared.gone.send_replace(true);
    }
}

impl Shared {
    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests for a namespace.
    pub(crate) async fn api(&self, namespace: &str) -> Result<Api, String> {
        let client = self.client.get_or_try_init(|| self.config.client()).await?;
        Ok(Api::new(client.clone(), namespace))
    }

    /// What is known of the pods of a namespace.
    pub(crate) fn pods(&self, api: &Api, namespace: &str) -> Arc<Pods> {
        let mut all = self.namespaces.lock().unwrap_or_else(PoisonError::into_inner);
        let pods = all.entry(namespace.to_owned());
        Arc::clone(pods.or_insert_with(|| Arc::new(Pods::start(api.clone(), self.config.stall))))
    }

    /// Joins an attempt that is looked after already, or enters it.
    fn enter(&self, spec: &AttemptSpec, sink: &Sink) -> Option<Arc<Running>> {
        let mut table = self.table();
        if let Some(running) = table.get(&spec.id.storage_name()) {
            let mut sinks = running.sinks.lock().unwrap_or_else(PoisonError::into_inner);
            if !sinks.iter().any(|known| known.same_channel(sink)) {
                sinks.push(sink.clone());
            }
            if let Some(started) = running.started.lock().unwrap_or_else(PoisonError::into_inner).clone() {
                // See `Running::tell`.
                let _ = sink.send((spec.id.clone(), started));
            }
            return None;
        }
        let running = Arc::new(Running {
            sinks: Mutex::new(vec![sink.clone()]),
            started: Mutex::default(),
            cancel: Notify::new(),
        });
        table.insert(spec.id.storage_name(), Arc::clone(&running));
        Some(running)
    }
}

impl Runner for KubernetesRunner {
    fn ensure(&self, spec: AttemptSpec, sink: Sink) -> BoxFuture<'_, Result<(), Error>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let Some(running) = shared.enter(&spec, &sink) else { return Ok(()) };
            let name = spec.id.storage_name();
            match claim(&shared, &spec).await {
                Ok(claim) => drop(tokio::spawn(attend(shared, spec, running, claim))),
                Err(error) => {
                    shared.table().remove(&name);
                    return Err(error);
                }
            }
            Ok(())
        })
    }

    fn cancel(&self, id: &AttemptId, grace: Duration) -> BoxFuture<'_, Result<(), Error>> {
        let id = id.clone();
        Box::pin(async move {
            // The wish is kept with the attempt, for an engine that comes later.
            self.shared.process.cancel(&id, grace).await?;
            if let Some(running) = self.shared.table().get(&id.storage_name()) {
                running.cancel.notify_one();
            }
            Ok(())
        })
    }

    fn logs(&self, id: &AttemptId, query: LogQuery) -> BoxFuture<'_, Result<LogStream, Error>> {
        self.shared.process.logs(id, query)
    }

    fn remove(&self, id: &AttemptId) -> BoxFuture<'_, Result<(), Error>> {
        let id = id.clone();
        Box::pin(async move {
            let (process, asked) = (Arc::clone(&self.shared.process), id.clone());
            let note: Option<Note> = blocking(move || process.note_of(&asked, NOTE)).await?;
            self.shared.process.remove(&id).await?;
            let Some(note) = note.filter(|note| note.uid.is_some()) else { return Ok(()) };
            let deleted = match self.shared.api(note.namespace()).await {
                Ok(api) => {
                    api.delete(note.name(), note.uid.as_deref(), None).await.map_err(|e| e.to_string())
                }
                Err(error) => Err(error),
            };
            if let Err(error) = deleted {
                tracing::warn!(pod = note.name(), %error, "the pod of a removed step could not be deleted");
            }
            Ok(())
        })
    }
}

async fn claim(shared: &Arc<Shared>, spec: &AttemptSpec) -> Result<Claim, Error> {
    let (process, spec) = (Arc::clone(&shared.process), spec.clone());
    blocking(move || process.claim(&spec)).await
}

/// Looks after an attempt until it has ended, or until the runner is dropped.
async fn attend(shared: Arc<Shared>, spec: AttemptSpec, running: Arc<Running>, claim: Claim) {
    let mut gone = shared.gone.subscribe();
    let observation = tokio::select! {
        biased;
        _ = gone.wait_for(|gone| *gone) => None,
        seen = see(&shared, &spec, &running, claim) => Some(seen),
    };
    if let Some(observation) = observation {
        // Whoever asks from now on finds the record.
        shared.table().remove(&spec.id.storage_name());
        running.tell(&spec.id, &observation);
    }
}

async fn see(shared: &Arc<Shared>, spec: &AttemptSpec, running: &Running, mut first: Claim) -> Observation {
    loop {
        match first {
            Claim::Ended(exit) => return Observation::Finished(exit),
            Claim::Busy => tokio::time::sleep(LOOK).await,
            Claim::Ours(guest) => return drive::drive(shared, spec, running, guest).await,
        }
        first = match claim(shared, spec).await {
            Ok(claim) => claim,
            Err(error) => {
                tracing::warn!(attempt = %spec.id, %error, "an attempt could not be looked at");
                Claim::Busy
            }
        };
    }
}

/// Runs something that blocks beside the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)?
}
