//! The Kubernetes runner as a `Runner`: its client, and what it knows of namespaces.
//! What looking after an attempt means is in `drive`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runner_runners::guest::Guest;
use runner_runners::guests::{Guests, Host, Running, blocking};
use runner_runners::{
    AttemptId, AttemptSpec, BoxFuture, Error, LogQuery, LogStream, Observation, ProcessRunner, Release,
    Runner, Sink,
};
use tokio::sync::OnceCell;

use crate::api::Api;
use crate::note::{NOTE, Note};
use crate::watch::Pods;
use crate::{KubernetesConfig, drive, owed};

/// Runs attempts as pods.
pub struct KubernetesRunner {
    shared: Arc<Shared>,
    guests: Guests<Shared>,
}

/// What all attempts share.
pub(crate) struct Shared {
    pub(crate) config: KubernetesConfig,
    pub(crate) process: Arc<ProcessRunner>,
    /// Held by whoever makes or deletes volume claims.
    pub(crate) claims: tokio::sync::Mutex<()>,
    /// What is being deleted for runs that have ended.
    pub(crate) in_hand: owed::InHand,
    client: OnceCell<kube::Client>,
    namespaces: Mutex<HashMap<String, Arc<Pods>>>,
}

impl KubernetesRunner {
    /// A runner over the state directory of the process runner; no cluster is needed before the first step.
    #[must_use]
    pub fn new(config: KubernetesConfig, process: Arc<ProcessRunner>) -> Self {
        let (client, namespaces, claims, in_hand) = Default::default();
        let shared =
            Arc::new(Shared { config, process: Arc::clone(&process), claims, in_hand, client, namespaces });
        Self { guests: Guests::new(Arc::clone(&shared), process), shared }
    }
}

impl Shared {
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

    fn over<'a>(&'a self, _: &'a AttemptId) -> BoxFuture<'a, ()> {
        // `podGC` has the last word about pods.
        Box::pin(async {})
    }
}

impl Runner for KubernetesRunner {
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

    fn release(&self, release: Release) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(owed::release(&self.shared, release))
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
