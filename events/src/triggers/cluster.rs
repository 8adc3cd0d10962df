//! Requests about objects of a Kubernetes API, for `k8s` triggers: kinds are asked of the cluster, names are checked here.
//! Knows no trigger, and sends nothing twice.

use std::time::Duration;

use hyper::http::{Method, Request};
use runner_kube::kube::{Client, Config, Error};
use serde_json::Value;

use super::Failed;

/// Longest wait for an answer. A connection that went silent must not hold the trigger.
const ANSWER: Duration = Duration::from_secs(30);
/// The manager of fields that triggers write.
const MANAGER: &str = "runner";
pub(super) const JSON: &str = "application/json";

/// A cluster.
pub(super) struct Cluster(Client);

/// Where the objects of a kind are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Collection(String);

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// Status code; 0 when there was no answer.
    pub(super) code: u16,
    /// Kubernetes' word for it, such as `AlreadyExists`.
    reason: String,
    /// For people.
    pub(super) message: String,
}

impl Refused {
    /// There is one already.
    pub(super) fn exists(&self) -> bool {
        self.code == 409 && self.reason == "AlreadyExists"
    }

    /// Somebody changed it in between.
    pub(super) fn conflict(&self) -> bool {
        self.code == 409 && !self.exists()
    }
}

impl From<Refused> for Failed {
    fn from(refused: Refused) -> Self {
        // rights can be given and other conflicts solved while the trigger waits
        let later = matches!(refused.code, 0 | 401 | 403 | 408 | 409 | 429 | 500..);
        Self { message: format!("k8s: {}", refused.message), retriable: later }
    }
}

impl Collection {
    /// The path of one object.
    pub(super) fn one(&self, name: &str) -> Result<String, Failed> {
        Ok(format!("{}/{}", self.0, segment("name", name)?))
    }
}

impl Cluster {
    /// Makes the client; sends nothing.
    pub(super) fn new(mut config: Config) -> Result<Self, Failed> {
        config.read_timeout = Some(ANSWER);
        let client = runner_kube::from(config);
        client.map(Self).map_err(|error| Failed::never(format!("k8s: {error}")))
    }

    /// Where objects like this one are, in their namespace if they have one.
    pub(super) async fn collection(&self, object: &Value, namespace: &str) -> Result<Collection, Failed> {
        let text = |name: &str| object[name].as_str().unwrap_or_default();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if version.is_empty() || kind.is_empty() {
            return Err(Failed::never("k8s: the resource needs apiVersion and kind"));
        }
        let parts: Vec<&str> = version.split('/').collect();
        for part in &parts {
            segment("apiVersion", part)?;
        }
        let root = if parts.len() > 1 { "apis" } else { "api" };
        let unknown = || Failed::now(format!("k8s: the cluster has no kind {kind} in version {version}"));
        let list = match self.send(Method::GET, &format!("/{root}/{version}"), None).await {
            Err(refused) if refused.code == 404 => return Err(unknown()),
            answer => answer?,
        };
        let mut all = list["resources"].as_array().into_iter().flatten();
        let whole = |entry: &&Value| entry["name"].as_str().is_some_and(|name| !name.contains('/'));
        let entry = all.find(|entry| entry["kind"] == kind && whole(entry)).ok_or_else(unknown)?;
        let plural = entry["name"].as_str().unwrap_or_default();
        Ok(Collection(match entry["namespaced"].as_bool() {
            Some(true) => {
                format!("/{root}/{version}/namespaces/{}/{plural}", segment("namespace", namespace)?)
            }
            _ => format!("/{root}/{version}/{plural}"),
        }))
    }

    /// The object; nothing when there is none.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, Refused> {
        match self.send(Method::GET, path, None).await {
            Ok(object) => Ok(Some(object)),
            Err(refused) if refused.code == 404 => Ok(None),
            Err(refused) => Err(refused),
        }
    }

    /// Creates an object.
    pub(super) async fn create(&self, collection: &Collection, object: &Value) -> Result<(), Refused> {
        self.write(Method::POST, &collection.0, JSON, object).await
    }

    /// Changes an object: `PUT` or `PATCH`, with the media type of the body.
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
        self.send(method, &path, Some((kind, body))).await.map(drop)
    }

    /// Deletes an object; another one that has its name since is left alone.
    pub(super) async fn delete(&self, path: &str, body: &Value) -> Result<(), Refused> {
        self.send(Method::DELETE, path, Some((JSON, body))).await.map(drop)
    }

    async fn send(&self, method: Method, path: &str, body: Option<(&str, &Value)>) -> Result<Value, Refused> {
        let mut request = Request::builder().method(method).uri(path).header("accept", JSON);
        let mut bytes = Vec::new();
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind);
            bytes = body.to_string().into_bytes();
        }
        let local = |code: u16, message: String| Refused { code, reason: String::new(), message };
        let request = request.body(bytes).map_err(|error| local(400, error.to_string()))?;
        let answer = tokio::time::timeout(ANSWER * 2, self.0.request_text(request)).await;
        let answer = answer.map_err(|_| local(0, "the API server did not answer in time".to_owned()))?;
        let text = answer.map_err(|error| match &error {
            Error::Api(status) => {
                let said = if status.message.is_empty() { &status.reason } else { &status.message };
                Refused { code: status.code, reason: status.reason.clone(), message: said.clone() }
            }
            other => local(0, runner_kube::chain(other)),
        })?;
        serde_json::from_str(&text).map_err(|error| local(0, format!("an answer that is not JSON: {error}")))
    }
}

/// A part of a path: what Kubernetes allows as one, and nothing that would change the path.
fn segment<'a>(what: &str, text: &'a str) -> Result<&'a str, Failed> {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-._:@+~".contains(c));
    if text.is_empty() || text == "." || text == ".." || text.contains(odd) {
        return Err(Failed::never(format!("k8s: {text:?} is not a {what} that an object can have")));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v31_a_name_from_an_event_cannot_change_the_path() {
        let pods = Collection("/api/v1/namespaces/a/pods".to_owned());
        assert_eq!(pods.one("b"), Ok("/api/v1/namespaces/a/pods/b".to_owned()));
        for bad in ["", ".", "..", "a/b", "../../secrets", "a?b", "a%2fb", "a b", "a#b", "a\nb"] {
            assert!(pods.one(bad).is_err(), "{bad:?}");
        }
    }
}
