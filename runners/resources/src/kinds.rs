//! Which kind a manifest or a word of kubectl means: the cluster is asked (discovery).
//! Asks for nothing but lists of kinds; what follows from one is in `runner_kube::objects`.

use runner_kube::objects::{Kind, kinds_of};
use serde_json::Value;

use crate::api::Api;
use crate::manifest::field;
use crate::{Problem, Result};

/// The kind of a manifest.
///
/// # Errors
/// The manifest names none, or the cluster does not know it.
pub(crate) async fn of_object(api: &Api, object: &Value) -> Result<Kind> {
    let (Some(version), Some(kind)) = (field(object, &["apiVersion"]), field(object, &["kind"])) else {
        return Err(Problem::Input("resource: the manifest needs apiVersion and kind".to_owned()));
    };
    let unknown = || Problem::Refused(format!("no matches for kind {kind:?} in version {version:?}"));
    let list = match api.get(&kinds_of(version)?).await {
        Err(refused) if refused.not_found() => return Err(unknown()),
        answer => answer?,
    };
    Kind::find(&list, version, |entry| entry["kind"] == kind)?.ok_or_else(unknown)
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
    let list = match api.get(&kinds_of(version)?).await {
        // A group whose server is away says nothing about the others.
        Err(refused) if refused.not_found() || refused.code == 503 => return Ok(None),
        answer => answer?,
    };
    let means = |entry: &Value| {
        let short = entry["shortNames"].as_array().into_iter().flatten().any(|short| short == name);
        let kind = field(entry, &["kind"]).is_some_and(|kind| kind.eq_ignore_ascii_case(name));
        entry["name"] == name || entry["singularName"] == name || short || kind
    };
    Ok(Kind::find(&list, version, means)?)
}
