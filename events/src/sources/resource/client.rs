//! Lists and watches a collection of a Kubernetes-compatible API, as JSON: no kind of object has to be known.
//! Knows nothing of events.

use futures_util::StreamExt;
use futures_util::stream::{BoxStream, ReadyChunks};
use runner_kube::kube::core::params::{ListParams, WatchParams};
use runner_kube::kube::core::{Request, WatchEvent};
use runner_kube::kube::{Client, Error};
use runner_runners::Cluster;
use runner_sensors::spec::ResourceEventSource;
use serde_json::Value;

use crate::kubeconfig::Place;

/// Objects per page of a list, and steps that are taken together.
const PAGE: u32 = 500;
const BATCH: usize = 64;
/// Seconds after which the server ends a watch, and another one begins.
const WATCH_S: u32 = 290;

/// A step of a watch.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Step {
    /// The object appeared or changed.
    Is(Value),
    /// The object is gone.
    Gone(Value),
    /// Nothing happened up to this version.
    Version(String),
}

/// Why a watch ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// The server ended it in good order: another one goes on.
    Over,
    /// The version is too old: the collection has to be listed.
    Gone,
    /// It failed.
    Failed(String),
}

/// Watches one collection.
pub(super) struct Watcher {
    client: Client,
    request: Request,
    target: String,
}

/// A watch that runs.
pub(super) struct Watch(ReadyChunks<BoxStream<'static, Result<WatchEvent<Value>, Error>>>);

impl Watcher {
    pub(super) async fn new(place: &Place, settings: &ResourceEventSource) -> Result<Self, String> {
        let config = place.config(&Cluster::default()).await?;
        let path = path(settings);
        let target = format!("{}{}", config.cluster_url.to_string().trim_end_matches('/'), path);
        let client = runner_kube::from(config).map_err(|error| error.to_string())?;
        Ok(Self { client, request: Request::new(path), target })
    }

    /// Address and path.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    fn failed(&self, error: &Error) -> String {
        format!("{}: {}", self.target, runner_kube::chain(error))
    }

    /// All objects, and the version of the collection.
    pub(super) async fn list(&self) -> Result<(Vec<Value>, String), String> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let mut params = ListParams::default().limit(PAGE);
            params.continue_token = next.take();
            let request = self.request.list(&params).map_err(|error| error.to_string())?;
            let page: Value = self.client.request(request).await.map_err(|error| self.failed(&error))?;
            let (kind, version) = (&page["kind"], &page["apiVersion"]);
            let kind = kind.as_str().unwrap_or_default().trim_end_matches("List").to_owned();
            for item in page["items"].as_array().into_iter().flatten() {
                let mut item = item.clone();
                // lists leave them out, watches do not
                if item["kind"].is_null() && !kind.is_empty() {
                    item["kind"] = Value::String(kind.clone());
                    item["apiVersion"] = version.clone();
                }
                all.push(item);
            }
            let text = |name: &str| page["metadata"][name].as_str().unwrap_or_default().to_owned();
            match text("continue") {
                token if token.is_empty() => return Ok((all, text("resourceVersion"))),
                token => next = Some(token),
            }
        }
    }

    /// Watches from a version on.
    pub(super) async fn watch(&self, version: &str) -> Result<Watch, String> {
        let params = WatchParams::default().timeout(WATCH_S);
        let request = self.request.watch(&params, version).map_err(|error| error.to_string())?;
        let stream = match self.client.request_events::<Value>(request).await {
            Ok(stream) => stream.boxed(),
            // said at once by some servers, in the stream by others
            Err(Error::Api(status)) if status.code == 410 => {
                futures_util::stream::once(async { Err(Error::Api(status)) }).boxed()
            }
            Err(error) => return Err(self.failed(&error)),
        };
        Ok(Watch(stream.ready_chunks(BATCH)))
    }
}

impl Watch {
    /// The next steps: as many as are there. After an end there are none.
    pub(super) async fn next(&mut self) -> Result<Vec<Step>, Ended> {
        let Some(batch) = self.0.next().await else { return Err(Ended::Over) };
        let mut steps = Vec::with_capacity(batch.len());
        for event in batch {
            let end = match event {
                Ok(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                    steps.push(Step::Is(object));
                    continue;
                }
                Ok(WatchEvent::Deleted(object)) => {
                    steps.push(Step::Gone(object));
                    continue;
                }
                Ok(WatchEvent::Bookmark(mark)) => {
                    steps.push(Step::Version(mark.metadata.resource_version));
                    continue;
                }
                Ok(WatchEvent::Error(status)) if status.code == 410 => Ended::Gone,
                Ok(WatchEvent::Error(status)) => Ended::Failed(status.message.clone()),
                Err(Error::Api(status)) if status.code == 410 => Ended::Gone,
                Err(error) => Ended::Failed(runner_kube::chain(&error)),
            };
            // what came before the end counts: the next call, or the next watch, finds the end again
            return if steps.is_empty() { Err(end) } else { Ok(steps) };
        }
        Ok(steps)
    }
}

/// The path of the collection; all namespaces when none is given.
fn path(settings: &ResourceEventSource) -> String {
    let ResourceEventSource { group, version, resource, namespace, .. } = settings;
    let root = match group.as_str() {
        "" => format!("/api/{version}"),
        group => format!("/apis/{group}/{version}"),
    };
    match namespace.as_str() {
        "" => format!("{root}/{resource}"),
        namespace => format!("{root}/namespaces/{namespace}/{resource}"),
    }
}
