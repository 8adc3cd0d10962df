//! The requests that are made of a cluster, and what their failures mean.
//! Knows no attempts, and asks nothing twice unless it is told to be patient.

use std::time::Duration;

use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod};
use kube::client::Body;
use kube::core::Status;
use kube::core::params::{
    DeleteParams, GetParams, ListParams, Patch, PatchParams, PostParams, Preconditions, WatchParams,
};
use kube::core::subresource::LogParams;
use kube::core::{ObjectList, Request};
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Wait before a server that could not be reached is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Longest wait for the head of an answer.
const ANSWER: Duration = Duration::from_secs(60);
/// Longest wait that a server may ask for.
const LONGEST: Duration = Duration::from_secs(60);
/// Pods per page of a list.
const PAGE: u32 = 500;
/// Most bytes of an answer that is read as a whole.
const ANSWER_BYTES: usize = 64 << 20;
/// Longest line of a watch or a log.
const LINE_BYTES: usize = 8 << 20;

/// Why a request was not answered as hoped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// There is no such object.
    #[error("{0}")]
    Gone(String),
    /// There is one of that name.
    #[error("{0}")]
    Exists(String),
    /// The version that a watch or a list wants to go on from is too old.
    #[error("{0}")]
    Expired(String),
    /// It is not the time yet: a container whose log is asked for has not started.
    #[error("{0}")]
    NotYet(String),
    /// Too many requests, or a quota: later it may work.
    #[error("{0}")]
    Throttled(String, Duration),
    /// The server cannot be reached, or does not know what to say.
    #[error("{0}")]
    Away(String),
    /// It understood, and does not want to.
    #[error("{0}")]
    Refused(String),
}

impl Failure {
    /// How long to wait before asking again; nothing when that cannot help.
    pub(crate) fn again(&self) -> Option<Duration> {
        match self {
            Self::Throttled(_, wait) => Some(*wait),
            Self::Away(_) => Some(AGAIN),
            Self::Gone(_) | Self::Exists(_) | Self::Expired(_) | Self::NotYet(_) | Self::Refused(_) => None,
        }
    }
}

/// What a server said no with.
fn failure(code: u16, retry_after: Option<u64>, body: &[u8]) -> Failure {
    let status: Status = serde_json::from_slice(body).unwrap_or_else(|_| {
        let text = String::from_utf8_lossy(body).trim().to_owned();
        Status { message: if text.is_empty() { format!("HTTP {code}") } else { text }, ..Status::default() }
    });
    let details = status.details.as_ref().map(|details| u64::from(details.retry_after_seconds));
    let wait = retry_after.or(details).filter(|seconds| *seconds > 0).map_or(AGAIN, Duration::from_secs);
    let (wait, text) = (wait.min(LONGEST), status.message);
    match code {
        404 => Failure::Gone(text),
        409 if status.reason == "AlreadyExists" => Failure::Exists(text),
        410 => Failure::Expired(text),
        400 if text.contains("is waiting to start") || text.contains("is not available") => {
            Failure::NotYet(text)
        }
        429 => Failure::Throttled(text, wait),
        // As Argo's `IsTransientErr`: room may come.
        403 if text.contains("exceeded quota") => Failure::Throttled(text, wait.max(Duration::from_secs(5))),
        409 => Failure::Throttled(text, wait),
        408 | 500.. => Failure::Away(text),
        _other => Failure::Refused(text),
    }
}

/// Requests for the pods of a namespace.
#[derive(Clone)]
pub(crate) struct Api {
    client: kube::Client,
    namespace: String,
}

impl Api {
    pub(crate) fn new(client: kube::Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    fn pods(&self) -> Request {
        Request::new(format!("/api/v1/namespaces/{}/pods", self.namespace))
    }

    /// Creates a pod.
    pub(crate) async fn create(&self, pod: &Pod) -> Result<Pod, Failure> {
        let body = serde_json::to_vec(pod).map_err(|error| Failure::Refused(error.to_string()))?;
        let request = self.pods().create(&PostParams::default(), body);
        self.object(request).await
    }

    /// Creates a ConfigMap.
    pub(crate) async fn create_config_map(&self, map: &ConfigMap) -> Result<ConfigMap, Failure> {
        let body = serde_json::to_vec(map).map_err(|error| Failure::Refused(error.to_string()))?;
        let maps = Request::new(format!("/api/v1/namespaces/{}/configmaps", self.namespace));
        self.object(maps.create(&PostParams::default(), body)).await
    }

    /// Reads a pod.
    pub(crate) async fn get(&self, name: &str) -> Result<Pod, Failure> {
        self.object(self.pods().get(name, &GetParams::default())).await
    }

    /// Deletes a pod, if it is still the one that is meant.
    pub(crate) async fn delete(
        &self,
        name: &str,
        uid: Option<&str>,
        grace: Option<Duration>,
    ) -> Result<(), Failure> {
        let grace_period_seconds = grace.map(|grace| {
            // Zero would take the pod off the books while it still runs.
            u32::try_from(grace.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
        });
        let preconditions = preconditions(uid);
        let params = DeleteParams { grace_period_seconds, preconditions, ..DeleteParams::default() };
        self.deleted(self.pods().delete(name, &params)).await
    }

    async fn deleted(&self, request: Built) -> Result<(), Failure> {
        match self.text(request).await {
            Ok(_) | Err(Failure::Gone(_)) => Ok(()),
            // Another one has the name by now.
            Err(Failure::Throttled(text, _)) if text.contains("UID in precondition") => Ok(()),
            Err(failure) => Err(failure),
        }
    }

    fn claims(&self) -> Request {
        Request::new(format!("/api/v1/namespaces/{}/persistentvolumeclaims", self.namespace))
    }

    /// Creates a volume claim.
    pub(crate) async fn create_claim(&self, claim: &PersistentVolumeClaim) -> Result<Value, Failure> {
        let body = serde_json::to_vec(claim).map_err(|error| Failure::Refused(error.to_string()))?;
        self.object(self.claims().create(&PostParams::default(), body)).await
    }

    /// Reads a volume claim.
    pub(crate) async fn claim(&self, name: &str) -> Result<PersistentVolumeClaim, Failure> {
        self.object(self.claims().get(name, &GetParams::default())).await
    }

    /// Changes a volume claim.
    pub(crate) async fn patch_claim(&self, name: &str, patch: &Value) -> Result<Value, Failure> {
        let params = PatchParams::default();
        self.object(self.claims().patch(name, &params, &Patch::Merge(patch))).await
    }

    /// Deletes a volume claim, if it is still the one that is meant.
    pub(crate) async fn delete_claim(&self, name: &str, uid: Option<&str>) -> Result<(), Failure> {
        let params = DeleteParams { preconditions: preconditions(uid), ..DeleteParams::default() };
        self.deleted(self.claims().delete(name, &params)).await
    }

    /// All pods with a label, and the version to watch from.
    pub(crate) async fn list(&self, selector: &str) -> Result<(Vec<Pod>, String), Failure> {
        let (mut all, mut next) = (Vec::new(), None);
        loop {
            let params = ListParams {
                label_selector: Some(selector.to_owned()),
                limit: Some(PAGE),
                continue_token: next.take(),
                ..ListParams::default()
            };
            let page: ObjectList<Pod> = self.object(self.pods().list(&params)).await?;
            all.extend(page.items);
            next = page.metadata.continue_.filter(|token| !token.is_empty());
            if next.is_none() {
                return Ok((all, page.metadata.resource_version.unwrap_or_default()));
            }
        }
    }

    /// Changes of pods with a label since a version, one JSON event a line.
    pub(crate) async fn watch(
        &self,
        selector: &str,
        version: &str,
        limit: Duration,
    ) -> Result<Lines, Failure> {
        let params = WatchParams {
            label_selector: Some(selector.to_owned()),
            timeout: Some(u32::try_from(limit.as_secs()).unwrap_or(290).clamp(1, 290)),
            bookmarks: true,
            ..WatchParams::default()
        };
        self.open(self.pods().watch(&params, version)).await
    }

    /// The log of a container, with times. `since` is included.
    pub(crate) async fn log(
        &self,
        pod: &str,
        container: &str,
        follow: bool,
        since: Option<jiff::Timestamp>,
    ) -> Result<Lines, Failure> {
        let params = LogParams {
            container: Some(container.to_owned()),
            follow,
            timestamps: true,
            since_time: since,
            ..LogParams::default()
        };
        self.open(self.pods().logs(pod, &params)).await
    }

    async fn object<T: DeserializeOwned>(&self, request: Built) -> Result<T, Failure> {
        let text = self.text(request).await?;
        serde_json::from_slice(&text)
            .map_err(|error| Failure::Away(format!("the answer cannot be read: {error}")))
    }

    async fn text(&self, request: Built) -> Result<Vec<u8>, Failure> {
        let mut lines = self.open(request).await?;
        let mut all = Vec::new();
        while let Some(chunk) = lines.chunk().await? {
            all.extend_from_slice(&chunk);
            if all.len() > ANSWER_BYTES {
                return Err(Failure::Refused("the answer is too long".to_owned()));
            }
        }
        Ok(all)
    }

    async fn open(&self, request: Built) -> Result<Lines, Failure> {
        let request = request.map_err(|error| Failure::Refused(error.to_string()))?;
        let away = |error: &dyn std::error::Error| Failure::Away(runner_runners::error::chain(error));
        let sent = tokio::time::timeout(ANSWER, self.client.send(request.map(Body::from))).await;
        let response = sent
            .map_err(|_| Failure::Away("the server does not answer".to_owned()))?
            .map_err(|e| away(&e))?;
        let code = response.status().as_u16();
        let retry_after =
            response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let mut lines = Lines { body: Some(response.into_body()), held: Vec::new(), at: 0 };
        if (200..300).contains(&code) {
            return Ok(lines);
        }
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = lines.chunk().await {
            body.extend_from_slice(&chunk);
            if body.len() > LINE_BYTES {
                break;
            }
        }
        Err(failure(code, retry_after, &body))
    }
}

fn preconditions(uid: Option<&str>) -> Option<Preconditions> {
    uid.map(|uid| Preconditions { uid: Some(uid.to_owned()), resource_version: None })
}

/// A request that kube built.
type Built = Result<http::Request<Vec<u8>>, kube::core::request::Error>;

/// A body, line by line.
pub(crate) struct Lines {
    body: Option<Body>,
    held: Vec<u8>,
    /// What of it was given out.
    at: usize,
}

/// A line of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// Without its end.
    pub(crate) text: Vec<u8>,
    /// It had one.
    pub(crate) whole: bool,
}

impl Lines {
    /// The next line; nothing at the end of the body. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<Option<Line>, Failure> {
        loop {
            let rest = self.held.get(self.at..).unwrap_or_default();
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let text = rest[..end].to_vec();
                self.at += end + 1;
                return Ok(Some(Line { text, whole: true }));
            }
            self.held.drain(..self.at);
            self.at = 0;
            if self.held.len() > LINE_BYTES {
                return Err(Failure::Away("a line is too long".to_owned()));
            }
            match self.chunk().await? {
                Some(chunk) => self.held.extend_from_slice(&chunk),
                None if self.held.is_empty() => return Ok(None),
                None => return Ok(Some(Line { text: std::mem::take(&mut self.held), whole: false })),
            }
        }
    }

    async fn chunk(&mut self) -> Result<Option<bytes::Bytes>, Failure> {
        let Some(body) = &mut self.body else { return Ok(None) };
        loop {
            match body.frame().await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
                Some(Err(error)) => {
                    self.body = None;
                    return Err(Failure::Away(runner_runners::error::chain(&error)));
                }
                None => {
                    self.body = None;
                    return Ok(None);
                }
            }
        }
    }
}

/// Asks until there is an answer that asking again would not change. Says so when that takes long.
pub(crate) async fn patiently<T, F: Future<Output = Result<T, Failure>>>(
    what: &str,
    mut ask: impl FnMut() -> F,
) -> Result<T, Failure> {
    let mut tries = 0u32;
    loop {
        let failure = match ask().await {
            Err(failure) => failure,
            answer => return answer,
        };
        let Some(wait) = failure.again() else { return Err(failure) };
        if tries.is_multiple_of(30) {
            tracing::warn!(%failure, "the cluster could not be asked to {what}; it will be asked again");
        }
        tries += 1;
        tokio::time::sleep(wait).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_mean_what_they_mean_f65() {
        let status = |reason: &str, text: &str| {
            serde_json::json!({"kind": "Status", "reason": reason, "message": text}).to_string().into_bytes()
        };
        let of = |code, after, reason: &str, text: &str| failure(code, after, &status(reason, text));
        assert_eq!(of(404, None, "NotFound", "no"), Failure::Gone("no".into()));
        assert_eq!(of(409, None, "AlreadyExists", "there"), Failure::Exists("there".into()));
        assert_eq!(of(410, None, "Expired", "old"), Failure::Expired("old".into()));
        assert_eq!(of(429, Some(7), "TooManyRequests", "slow").again(), Some(Duration::from_secs(7)));
        assert_eq!(of(429, Some(7000), "", "slow").again(), Some(LONGEST));
        assert_eq!(of(503, None, "", "later").again(), Some(AGAIN));
        assert_eq!(of(403, None, "Forbidden", "not allowed").again(), None);
        assert!(of(403, None, "Forbidden", "exceeded quota: q").again().is_some());
        let waiting = "container \"main\" in pod \"p\" is waiting to start: PodInitializing";
        assert_eq!(of(400, None, "BadRequest", waiting), Failure::NotYet(waiting.into()));
        assert_eq!(failure(502, None, b"<html>"), Failure::Away("<html>".into()));
        assert_eq!(failure(422, None, b""), Failure::Refused("HTTP 422".into()));
    }
}
