//! Which path an object has: kinds are asked of the cluster (discovery), names are checked here.
//! Asks for nothing but lists of kinds.

use serde_json::Value;

use crate::api::{Api, Bad};
use crate::manifest::field;
use crate::{Problem, Result};

/// A kind as the cluster knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    /// `v1` or `group/version`.
    api_version: String,
    /// `Deployment`.
    pub(crate) kind: String,
    /// `deployments`.
    plural: String,
    namespaced: bool,
}

impl Kind {
    /// The path of the objects of this kind, in a namespace if they have one.
    pub(crate) fn list(&self, namespace: &str) -> Result<String> {
        let root = if self.api_version.contains('/') { "apis" } else { "api" };
        let base = format!("/{root}/{}", self.api_version);
        Ok(if self.namespaced {
            format!("{base}/namespaces/{}/{}", segment("namespace", namespace)?, self.plural)
        } else {
            format!("{base}/{}", self.plural)
        })
    }

    /// The path of one object.
    pub(crate) fn one(&self, namespace: &str, name: &str) -> Result<String> {
        Ok(format!("{}/{}", self.list(namespace)?, segment("name", name)?))
    }

    fn read(entry: &Value, api_version: &str) -> Option<Self> {
        Some(Self {
            api_version: api_version.to_owned(),
            kind: field(entry, &["kind"])?.to_owned(),
            plural: field(entry, &["name"])?.to_owned(),
            namespaced: entry["namespaced"].as_bool().unwrap_or(false),
        })
    }
}

/// A part of a path: what Kubernetes allows as one, and nothing that would change the path.
fn segment<'a>(what: &str, text: &'a str) -> Result<&'a str> {
    let odd = |c: char| !(c.is_ascii_alphanumeric() || "-._:@+~".contains(c));
    if text.is_empty() || text == "." || text == ".." || text.contains(odd) {
        return Err(Problem::Input(format!("resource: {text:?} is not a {what} that an object can have")));
    }
    Ok(text)
}

/// The kind of a manifest.
///
/// # Errors
/// The manifest names none, or the cluster does not know it.
pub(crate) async fn of_object(api: &Api, object: &Value) -> Result<Kind> {
    let (Some(version), Some(kind)) = (field(object, &["apiVersion"]), field(object, &["kind"])) else {
        return Err(Problem::Input("resource: the manifest needs apiVersion and kind".to_owned()));
    };
    let unknown = || Problem::Refused(format!("no matches for kind {kind:?} in version {version:?}"));
    let found =
        entries(api, version).await.map_err(|bad| if bad.not_found() { unknown() } else { bad.into() })?;
    let found = found.iter().find(|entry| entry["kind"] == kind && is_whole(entry));
    found.and_then(|entry| Kind::read(entry, version)).ok_or_else(unknown)
}

/// The kind that a word of kubectl means: `pod`, `pods`, `po`, `deployments.apps`, `deployments.v1.apps`.
///
/// # Errors
/// The cluster knows none.
pub(crate) async fn of_word(api: &Api, word: &str) -> Result<Kind> {
    let word = word.to_ascii_lowercase();
    let (name, rest) = word.split_once('.').map_or((word.as_str(), None), |(name, rest)| (name, Some(rest)));
    if rest.is_none()
        && let Some(kind) = named(api, "v1", name).await?
    {
        return Ok(kind);
    }
    let groups = api.get("/apis").await?;
    for group in groups["groups"].as_array().into_iter().flatten() {
        let group_name = field(group, &["name"]).unwrap_or_default();
        let preferred = field(group, &["preferredVersion", "groupVersion"]).unwrap_or_default();
        let version = match rest {
            None => preferred.to_owned(),
            Some(rest) if rest == group_name => preferred.to_owned(),
            Some(rest) => match rest.split_once('.') {
                Some((version, group)) if group == group_name => format!("{group}/{version}"),
                _other => continue,
            },
        };
        if let Some(kind) = named(api, &version, name).await? {
            return Ok(kind);
        }
    }
    Err(Problem::Refused(format!("the server doesn't have a resource type {word:?}")))
}

async fn named(api: &Api, version: &str, name: &str) -> Result<Option<Kind>> {
    let found = match entries(api, version).await {
        Ok(found) => found,
        // A group whose server is away says nothing about the others.
        Err(bad) if bad.not_found() || bad.code == 503 => return Ok(None),
        Err(bad) => return Err(bad.into()),
    };
    let means = |entry: &&Value| {
        let short = entry["shortNames"].as_array().into_iter().flatten().any(|short| short == name);
        let kind = field(entry, &["kind"]).is_some_and(|kind| kind.eq_ignore_ascii_case(name));
        is_whole(entry) && (entry["name"] == name || entry["singularName"] == name || short || kind)
    };
    Ok(found.iter().find(means).and_then(|entry| Kind::read(entry, version)))
}

async fn entries(api: &Api, version: &str) -> std::result::Result<Vec<Value>, Bad> {
    let root = if version.contains('/') { "apis" } else { "api" };
    let mut list = api.get(&format!("/{root}/{version}")).await?;
    Ok(list["resources"].as_array_mut().map(std::mem::take).unwrap_or_default())
}

/// Not a part of another one, such as `pods/log`.
fn is_whole(entry: &Value) -> bool {
    field(entry, &["name"]).is_some_and(|name| !name.contains('/'))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn v31_names_cannot_change_the_path() {
        let entry = serde_json::json!({"kind": "Pod", "name": "pods", "namespaced": true});
        let pods = Kind::read(&entry, "v1").unwrap();
        assert_eq!(pods.one("a", "b").unwrap(), "/api/v1/namespaces/a/pods/b");
        for bad in ["", ".", "..", "a/b", "a?b", "a%2fb", "a b", "a#b", "a\nb"] {
            assert!(pods.one("a", bad).is_err(), "{bad:?}");
            assert!(pods.list(bad).is_err(), "{bad:?}");
        }
        let entry = serde_json::json!({"kind": "ClusterRole", "name": "clusterroles", "namespaced": false});
        let roles = Kind::read(&entry, "rbac.authorization.k8s.io/v1").unwrap();
        let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:x";
        assert_eq!(roles.one("ignored", "system:x").unwrap(), path);
    }
}
