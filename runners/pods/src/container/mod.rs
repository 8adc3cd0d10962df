//! Steps as containers of a Docker-compatible engine (podman, Docker) on this machine, one attempt one pod.
//! Decides nothing about retries or phases; the Pod itself is built by `pod`.
//!
//! Containers belong to the engine that runs them, not to us: they go on when we die, and are found again by
//! their names. What is known of an attempt is in its directory, beside those of processes: the Pod and how far
//! it is (`pod.json`, written before the effect it speaks of), logs, and the exit record. A container that was
//! created and is not there any more makes the attempt lost; it is never created a second time.

mod begin;
mod create;
mod drive;
mod engine;
mod fetch;
mod follow;
mod note;
mod probe;
mod quantity;
mod work;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runner_runners::guest::Claim;
use runner_runners::{
    AttemptId, AttemptSpec, BoxFuture, Error, LogQuery, LogStream, Observation, ProcessRunner, Runner, Sink,
};
use tokio::sync::{Notify, watch};

use engine::Engine;

/// How often an attempt that another process looks after is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Settings of the container runner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContainerConfig {
    /// Socket of the engine. The first that exists counts.
    pub sockets: Vec<PathBuf>,
    /// Network of pods: `bridge`, `none`, `host`, the name of a network; empty: the engine's default.
    pub network: String,
    /// Images that stand for others: a name, or a prefix with `*` at its end, and what is used instead.
    pub images: Vec<(String, String)>,
    /// Image of templates that name none.
    pub default_image: String,
    /// Fetch images that are not there. What is there is never fetched again.
    pub pull: bool,
    /// Start an init process in every container, which passes signals on and collects orphans.
    pub init: bool,
}

impl Default for ContainerConfig {
    fn default() -> Self {
        let places = ["/run/podman/podman.sock", "/run/docker.sock", "/var/run/docker.sock"];
        Self {
            sockets: places.into_iter().map(PathBuf::from).collect(),
            network: String::new(),
            images: Vec::new(),
            default_image: String::new(),
            pull: true,
            init: true,
        }
    }
}

impl ContainerConfig {
    /// The image that is used for one that a template names.
    fn image(&self, named: &str) -> String {
        let named = if named.is_empty() { &self.default_image } else { named };
        let hit = self.images.iter().find(|(from, _)| match from.strip_suffix('*') {
            Some(prefix) => named.starts_with(prefix),
            None => from == named,
        });
        hit.map_or(named, |(_, to)| to).to_owned()
    }
}

/// Runs attempts as containers.
pub struct ContainerRunner {
    shared: Arc<Shared>,
}

/// What all attempts share.
struct Shared {
    config: ContainerConfig,
    process: Arc<ProcessRunner>,
    engine: Engine,
    running: Mutex<HashMap<String, Arc<Running>>>,
    /// True once the runner was dropped: its tasks let go of everything.
    gone: watch::Sender<bool>,
}

/// An attempt that this runner looks after.
struct Running {
    sinks: Mutex<Vec<Sink>>,
    started: Mutex<Option<Observation>>,
    cancel: Notify,
}

impl Running {
    fn tell(&self, id: &AttemptId, observation: &Observation) {
        if matches!(observation, Observation::Started { .. }) {
            *self.started.lock().unwrap_or_else(PoisonError::into_inner) = Some(observation.clone());
        }
        for sink in self.sinks.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            // A closed sink belongs to somebody who does not want to know any more.
            let _ = sink.send((id.clone(), observation.clone()));
        }
    }
}

impl ContainerRunner {
    /// A runner over the state directory of the process runner; no engine is needed before the first step.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(config: ContainerConfig, process: Arc<ProcessRunner>) -> Result<Self, Error> {
        let engine = Engine::new(&config)?;
        let (gone, _) = watch::channel(false);
        Ok(Self { shared: Arc::new(Shared { config, process, engine, running: Mutex::default(), gone }) })
    }
}

impl Drop for ContainerRunner {
    fn drop(&mut self) {
        self.shared.gone.send_replace(true);
    }
}

impl Shared {
    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
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

impl Runner for ContainerRunner {
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
            let ours = self.shared.process.noted(&id, note::NOTE);
            self.shared.process.remove(&id).await?;
            if ours {
                // Usually there are none: they go when the record is written.
                self.shared.engine.clear(&id.storage_name()).await;
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
            Claim::Ended(exit) => {
                shared.engine.clear(&spec.id.storage_name()).await;
                return Observation::Finished(exit);
            }
            Claim::Busy => tokio::time::sleep(LOOK).await,
            Claim::Ours(guest) => {
                // An engine that cannot be reached keeps everybody waiting, and nobody guesses.
                return drive::drive(shared, spec, running, guest).await;
            }
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
async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)?
}
