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
mod rejoin;
mod work;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runner_runners::guest::Guest;
use runner_runners::guests::{Guests, Host, Running};
use runner_runners::{
    AttemptId, AttemptSpec, BoxFuture, Error, LogQuery, LogStream, Observation, ProcessRunner, Release,
    Runner, Sink,
};

use engine::Engine;

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
    guests: Guests<Shared>,
}

/// What all attempts share.
struct Shared {
    config: ContainerConfig,
    process: Arc<ProcessRunner>,
    engine: Engine,
}

impl ContainerRunner {
    /// A runner over the state directory of the process runner; no engine is needed before the first step.
    ///
    /// # Errors
    /// When no client can be made.
    pub fn new(config: ContainerConfig, process: Arc<ProcessRunner>) -> Result<Self, Error> {
        let engine = Engine::new(&config)?;
        let shared = Arc::new(Shared { config, process: Arc::clone(&process), engine });
        Ok(Self { guests: Guests::new(Arc::clone(&shared), process), shared })
    }
}

impl Host for Shared {
    fn look_after<'a>(
        self: &'a Arc<Self>,
        spec: &'a AttemptSpec,
        running: &'a Arc<Running>,
        guest: Box<Guest>,
    ) -> BoxFuture<'a, Observation> {
        Box::pin(drive::drive(self, spec, running, guest))
    }

    fn over<'a>(&'a self, id: &'a AttemptId) -> BoxFuture<'a, ()> {
        Box::pin(async { self.engine.clear(&id.storage_name()).await })
    }
}

impl Runner for ContainerRunner {
    fn ensure(&self, spec: AttemptSpec, sink: Sink) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(self.guests.ensure(spec, sink))
    }

    fn cancel(&self, id: &AttemptId, grace: Duration) -> BoxFuture<'_, Result<(), Error>> {
        let id = id.clone();
        Box::pin(async move { self.guests.cancel(&id, grace).await })
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

    fn release(&self, _: Release) -> BoxFuture<'_, Result<(), Error>> {
        // Containers go when their records are written, and claims are directories: processes' affair.
        Box::pin(std::future::ready(Ok(())))
    }
}
