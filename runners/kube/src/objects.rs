//! Objects of any kind as JSON: requests about them, where the objects of a kind are, and notes in their metadata.
//! Sends nothing twice, and decides nothing: that is for those who ask.

use std::time::Duration;

use http::{Method, Request};
use kube::{Client, Config};
use serde_json::{Map, Value, json};

/// Longest wait for a part of an answer. A connection that went silent must not hold anybody (F65).
const ANSWER: Duration = Duration::from_secs(30);

/// The media type of plain objects.
pub const JSON: &str = "application/json";

/// A cluster, asked object by object.
pub struct Objects(Client);

/// A request that got no good answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Status code; 0 when there was no answer.
    pub code: u16,
    /// Kubernetes' word for it, such as `AlreadyExists`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The request did not reach anybody.
    pub unsent: bool,
}

impl Refused {
    /// There is no such object.
    #[must_use]
    pub fn not_found(&self) -> bool {
        self.code == 404
    }

    /// There is one already.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.code == 409 && self.reason == "AlreadyExists"
    }

    /// Somebody changed it in between.
    #[must_use]
    pub fn conflict(&self) -> bool {
        self.code == 409 && !self.exists()
    }

    fn here(code: u16, message: String) -> Self {
        Self { code, reason: String::new(), message, unsent: false }
    }
}

impl From<kube::Error> for Refused {
    fn from(error: kube::Error) -> Self {
        match error {
            kube::Error::Api(status) => {
                let said = if status.message.is_empty() { &status.reason } else { &status.message };
                Self { reason: status.reason.clone(), ..Self::here(status.code, said.clone()) }
            }
            other => {
                let message = crate::chain(&other);
                let unsent = message.contains("refused") || message.contains("unreachable");
                Self { unsent, ..Self::here(0, message) }
            }
        }
    }
}

impl Objects {
    /// Makes the client; sends nothing.
    ///
    /// # Errors
    /// As [`crate::from`].
    pub fn new(mut config: Config) -> Result<Self, crate::Error> {
        config.read_timeout = Some(ANSWER);
        crate::from(config).map(Self)
    }

    /// Sends a request once: a path with its query, and a body with its media type.
    ///
    /// # Errors
    /// The server's refusal, or that there was no answer that is JSON.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, &Value)>,
    ) -> Result<Value, Refused> {
        let mut request = Request::builder().method(method).uri(path).header("accept", JSON);
        let mut bytes = Vec::new();
        if let Some((kind, body)) = body {
            request = request.header("content-type", kind);
            bytes = body.to_string().into_bytes();
        }
        let request = request.body(bytes).map_err(|error| Refused::here(400, error.to_string()))?;
        let answer = tokio::time::timeout(ANSWER * 2, self.0.request_text(request)).await;
        let silent = |_| Refused::here(0, "the API server did not answer in time".to_owned());
        let text = answer.map_err(silent)??;
        let odd = |error| Refused::here(400, format!("an answer that is not JSON: {error}"));
        serde_json::from_str(&text).map_err(odd)
    }
}

/// A text that would make another path than it should (V31).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what} that an object can have")]
pub struct BadName {
    what: &'static str,
    text: String,
}

/// A part of a path: what Kubernetes allows as one, and nothing that would change the path.
fn segment<'a>(what: &'static str, text: &'a str) -> Result<&'a str, BadName> {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-._:@+~".contains(c));
    if text.is_empty() || text == "." || text == ".." || text.contains(odd) {
        return Err(BadName { what, text: text.to_owned() });
    }
    Ok(text)
}

/// Where a version (`v1` or `group/version`) lists its kinds.
///
/// # Errors
/// It is no version.
pub fn kinds_of(version: &str) -> Result<String, BadName> {
    for part in version.split('/') {
        segment("apiVersion", part)?;
    }
    let root = if version.contains('/') { "apis" } else { "api" };
    Ok(format!("/{root}/{version}"))
}

/// A kind as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kind {
    /// `Deployment`.
    pub kind: String,
    /// Where its version is: `/api/v1`, `/apis/apps/v1`.
    root: String,
    /// `deployments`.
    plural: String,
    namespaced: bool,
}

impl Kind {
    /// The first kind of a version's list (`APIResourceList`) for which `wanted` holds. Parts of others, such as
    /// `pods/log`, are none.
    ///
    /// # Errors
    /// As [`kinds_of`].
    pub fn find(
        list: &Value,
        version: &str,
        wanted: impl Fn(&Value) -> bool,
    ) -> Result<Option<Self>, BadName> {
        let root = kinds_of(version)?;
        let mut all = list["resources"].as_array().into_iter().flatten();
        Ok(all.find_map(|entry| {
            let (kind, plural) = (entry["kind"].as_str()?, entry["name"].as_str()?);
            let is = !kind.is_empty() && !plural.is_empty() && !plural.contains('/') && wanted(entry);
            is.then(|| Self {
                kind: kind.to_owned(),
                root: root.clone(),
                plural: plural.to_owned(),
                namespaced: entry["namespaced"].as_bool().unwrap_or(false),
            })
        }))
    }

    /// The path of the objects of this kind, in a namespace if they have one.
    ///
    /// # Errors
    /// No name of a namespace.
    pub fn list(&self, namespace: &str) -> Result<String, BadName> {
        let Self { root, plural, .. } = self;
        Ok(if self.namespaced {
            format!("{root}/namespaces/{}/{plural}", segment("namespace", namespace)?)
        } else {
            format!("{root}/{plural}")
        })
    }

    /// The path of one object.
    ///
    /// # Errors
    /// No name of an object.
    pub fn one(&self, namespace: &str, name: &str) -> Result<String, BadName> {
        Ok(format!("{}/{}", self.list(namespace)?, segment("name", name)?))
    }
}

/// Sets one field of the metadata. Nothing is done where metadata is no map: the server says what is wrong.
pub fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(metadata) = object.as_object_mut().and_then(|object| map(object, "metadata")) {
        metadata.insert(name.to_owned(), value);
    }
}

/// Sets one entry of the metadata's `labels` or `annotations`; see [`set`].
pub fn note(object: &mut Value, section: &str, name: &str, value: &str) {
    let metadata = object.as_object_mut().and_then(|object| map(object, "metadata"));
    if let Some(section) = metadata.and_then(|metadata| map(metadata, section)) {
        section.insert(name.to_owned(), json!(value));
    }
}

fn map<'a>(holder: &'a mut Map<String, Value>, name: &str) -> Option<&'a mut Map<String, Value>> {
    let value = holder.entry(name).or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    value.as_object_mut()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn kind(version: &str, entry: &Value) -> Kind {
        Kind::find(&json!({"resources": [{"kind": "Log", "name": "pods/log"}, entry]}), version, |_| true)
            .unwrap()
            .unwrap()
    }

    #[test]
    fn v31_names_cannot_change_the_path() {
        let pods = kind("v1", &json!({"kind": "Pod", "name": "pods", "namespaced": true}));
        assert_eq!(pods.one("a", "b").unwrap(), "/api/v1/namespaces/a/pods/b");
        for bad in ["", ".", "..", "a/b", "../../secrets", "a?b", "a%2fb", "a b", "a#b", "a\nb"] {
            assert!(pods.one("a", bad).is_err(), "{bad:?}");
            assert!(pods.list(bad).is_err(), "{bad:?}");
        }
        for bad in ["", "v1/", "../v1", "a/../b", "v1?x", "a b/v1"] {
            assert!(kinds_of(bad).is_err(), "{bad:?}");
        }
        let entry = json!({"kind": "ClusterRole", "name": "clusterroles", "namespaced": false});
        let roles = kind("rbac.authorization.k8s.io/v1", &entry);
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:x";
        assert_eq!(roles.one("ignored", "system:x").unwrap(), path);
    }

    #[test]
    fn notes_go_into_maps_and_nothing_is_broken_for_them() {
        let mut object = json!({"metadata": {"labels": null}});
        note(&mut object, "labels", "a", "b");
        set(&mut object, "name", json!("n"));
        assert_eq!(object, json!({"metadata": {"labels": {"a": "b"}, "name": "n"}}));
        let mut odd = json!({"metadata": "none"});
        note(&mut odd, "labels", "a", "b");
        assert_eq!(odd, json!({"metadata": "none"}));
    }
}
