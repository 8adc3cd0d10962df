//! What `k8s` triggers ask of a cluster, and which of its refusals may pass.
//! Knows no trigger; nothing is sent twice here.

use hyper::http::Method;
use runner_kube::kube::Config;
use runner_kube::objects::{BadName, JSON, Kind, Objects, Refused, kinds_of};
use serde_json::Value;

use super::Failed;

/// The manager of fields that triggers write.
const MANAGER: &str = "runner";

/// A cluster.
pub(super) struct Cluster(Objects);

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        // rights can be given and other conflicts solved while the trigger waits
        let later = matches!(refused.code, 0 | 401 | 403 | 408 | 409 | 429 | 500..);
        Self { message: format!("k8s: {}", refused.message), retriable: later }
    }
}

impl From<BadName> for Failed {
    fn from(bad: BadName) -> Self {
        Self::never(format!("k8s: {bad}"))
    }
}

impl Cluster {
    /// Makes the client; sends nothing.
    pub(super) fn new(config: Config) -> Result<Self, Failed> {
        Objects::new(config).map(Self).map_err(|error| Failed::never(format!("k8s: {error}")))
    }

    /// The kind of an object.
    pub(super) async fn kind(&self, object: &Value) -> Result<Kind, Failed> {
        let text = |name: &str| object[name].as_str().unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version.is_empty() || kind.is_empty() {
            return Err(Failed::never("k8s: the resource needs apiVersion and kind"));
        }
        let unknown = || Failed::now(format!("k8s: the cluster has no kind {kind} in version {version}"));
        let list = self.get(&kinds_of(version)?).await?.ok_or_else(unknown)?;
        Kind::find(&list, version, |entry| entry["kind"] == kind)?.ok_or_else(unknown)
    }

    /// What is at a path; nothing when there is nothing.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, Refused> {
        match self.0.send(Method::GET, path, None).await {
            Ok(object) => Ok(Some(object)),
            Err(refused) if refused.not_found() => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// Creates (`POST` to the path of a list) or changes (`PUT`, `PATCH`), with the media type of the body.
    pub(super) async fn write(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: &Value,
    ) -> Result<(), Refused> {
        // server side apply has to be told that fields of others may be taken over
        let force = if kind == "application/apply-patch+yaml" { "&force=true" } else { "" };
        let path = format!("{path}?fieldManager={MANAGER}{force}");
        self.0.send(method, &path, Some((kind, body))).await.map(drop)
    }

    /// Deletes an object as the body (`DeleteOptions`) says.
    pub(super) async fn delete(&self, path: &str, body: &Value) -> Result<(), Refused> {
        self.0.send(Method::DELETE, path, Some((JSON, body))).await.map(drop)
    }
}
