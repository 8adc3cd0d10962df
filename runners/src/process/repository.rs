//! Which artifact repository an attempt has, which keys it uses there, and which secrets its stores need.
//! Opens no store: the supervisor does.

use std::collections::BTreeSet;

use runner_workflows::spec::{Artifact, ArtifactLocation, Template};
use serde_json::Value;

use super::secrets::Secrets;
use crate::artifacts::location::{Location, in_repository, locate, own};
use crate::artifacts::{ArtifactDriver, Credential, Located, Outside, Stores};
use crate::{ArtifactRepository, AttemptSpec, Error, Objects, SecretValue};

/// The ConfigMap that Argo looks into when a reference names none.
const DEFAULT_CONFIG_MAP: &str = "artifact-repositories";
/// Variables of the engine that a store may use when its location asks for ambient credentials.
const AMBIENT: [&str; 3] = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];

/// Everything about artifacts that is decided before an attempt starts.
pub(super) struct Resolved {
    pub(super) repository: ArtifactRepository,
    pub(super) key_prefix: String,
    pub(super) archive_logs: bool,
    pub(super) credentials: Vec<Credential>,
    /// The drivers outside that it calls.
    pub(super) drivers: Vec<ArtifactDriver>,
}

impl ArtifactRepository {
    /// A repository as Argo configures it (`s3: {bucket: …, keyFormat: …}`, `archiveLogs: true`), as a value.
    ///
    /// # Errors
    /// The value is no repository, or of a kind that is not built in.
    pub fn from_value(value: Value) -> Result<Self, Error> {
        let bad = |error: serde_json::Error| Error::Invalid(format!("artifact repository: {error}"));
        let text = |kind: &str, field: &str| {
            value.get(kind).and_then(|kind| kind.get(field)).and_then(Value::as_str).map(str::to_owned)
        };
        let formats = [
            ("s3", "keyFormat"),
            ("gcs", "keyFormat"),
            ("azure", "blobNameFormat"),
            ("artifactory", "keyFormat"),
            ("plugin", "keyFormat"),
        ];
        let key_format = formats.into_iter().find_map(|(kind, field)| text(kind, field));
        let old = || Some(format!("{}/{{{{workflow.name}}}}/{{{{pod.name}}}}", text("s3", "keyPrefix")?));
        let key_format = key_format.or_else(old).unwrap_or_default();
        let location: ArtifactLocation = serde_json::from_value(value).map_err(bad)?;
        let made = Self::Remote { location, key_format };
        in_repository(&made, "key".to_owned())?;
        Ok(made)
    }
}

/// Decides everything about the artifacts of an attempt.
pub(super) fn resolve(
    spec: &AttemptSpec,
    secrets: &Secrets<'_>,
    declared: &[ArtifactDriver],
) -> Result<Resolved, Error> {
    let template = &spec.template;
    let mut repository = look_up(&spec.repository, &spec.namespace, secrets)?;
    let own_location = template.archive_location.as_ref().map(ArtifactLocation::as_artifact);
    if let Some(artifact) = &own_location
        && let Some(found) = own(artifact)?
    {
        // Argo keeps what a template does not place itself at the template's own location.
        let mut location = template.archive_location.clone().unwrap_or_default();
        location.archive_logs = None;
        repository = ArtifactRepository::Remote { location, key_format: found.key().to_owned() };
    }
    let (mut format, mut archive_logs) = (String::new(), spec.archive_logs);
    if let ArtifactRepository::Remote { location, key_format } = &repository {
        format.clone_from(key_format);
        let decided = template.archive_location.as_ref().and_then(|own| own.archive_logs).is_some();
        archive_logs |= !decided && location.archive_logs.unwrap_or(false);
    }
    let key_prefix = if format.is_empty() { key_prefix(spec) } else { render(&format, spec)? };
    let mut locations = locations(template, &repository);
    if let ArtifactRepository::Remote { .. } = &repository {
        locations.push(in_repository(&repository, "key".to_owned())?);
    }
    let credentials = credentials(&spec.namespace, &locations, secrets)?;
    let drivers = drivers(&locations, declared)?;
    Ok(Resolved { repository, key_prefix, archive_logs, credentials, drivers })
}

/// The declared drivers that locations name, each once.
fn drivers(locations: &[Location], declared: &[ArtifactDriver]) -> Result<Vec<ArtifactDriver>, Error> {
    let names = locations.iter().filter_map(|location| match location {
        Location::Plugin(at) => Some(at.name.as_str()),
        _built_in => None,
    });
    let names: BTreeSet<&str> = names.collect();
    names.into_iter().map(|name| ArtifactDriver::named(declared, name).cloned()).collect()
}

/// Default keys of the template: its own key, or the workflow's.
fn key_prefix(spec: &AttemptSpec) -> String {
    let own = spec.template.archive_location.as_ref().and_then(|location| location.s3.as_ref());
    match own.filter(|s3| !s3.key.is_empty() && s3.bucket.is_empty()) {
        Some(s3) => s3.key.trim_end_matches('/').to_owned(),
        None => spec.default_key_prefix.clone(),
    }
}

/// A key format with its variables replaced.
fn render(format: &str, spec: &AttemptSpec) -> Result<String, Error> {
    let known = [
        ("{{workflow.name}}", spec.workflow.as_str()),
        ("{{workflow.namespace}}", &spec.namespace),
        ("{{workflow.uid}}", &spec.id.workflow_uid),
        ("{{pod.name}}", &spec.pod_name),
    ];
    let mut key = format.trim_end_matches('/').to_owned();
    for (tag, value) in known {
        key = key.replace(tag, value);
    }
    match key.contains("{{") {
        false => Ok(key),
        true => Err(Error::NotBuiltIn {
            what: format!(
                "the key format {format:?} (known are workflow.name, workflow.namespace, workflow.uid and pod.name)"
            ),
        }),
    }
}

/// Follows a reference to a ConfigMap.
fn look_up(
    repository: &ArtifactRepository,
    namespace: &str,
    secrets: &Secrets<'_>,
) -> Result<ArtifactRepository, Error> {
    let ArtifactRepository::Ref { config_map, key, otherwise: _ } = repository else {
        return Ok(repository.clone());
    };
    let name = if config_map.is_empty() { DEFAULT_CONFIG_MAP } else { config_map };
    let missing = |what: String| Error::Missing(format!("artifactRepositoryRef: {what}"));
    let data = secrets.config_map(namespace, name)?;
    let data =
        data.ok_or_else(|| missing(format!("there is no ConfigMap {name:?} (runner apply stores one)")))?;
    let (key, text) = match (key.as_str(), data.len()) {
        ("", 1) => data.iter().next(),
        ("", _) => return Err(missing(format!("ConfigMap {name:?} has several keys: name one as `key`"))),
        (key, _) => data.get_key_value(key),
    }
    .ok_or_else(|| missing(format!("ConfigMap {name:?} has no key {key:?}")))?;
    let value: Value = serde_saphyr::from_str(text)
        .map_err(|error| Error::Invalid(format!("key {key:?} of ConfigMap {name:?}: {error}")))?;
    ArtifactRepository::from_value(value)
}

/// Deletes an output artifact where its location says, as artifact collection does. Deleting what is not there
/// succeeds, so it may be asked for again after a crash. Blocks on files and on the network.
///
/// # Errors
/// Its store cannot be reached, or its secrets are gone.
pub fn delete_artifact(
    artifact: &Artifact,
    repository: &ArtifactRepository,
    namespace: &str,
    objects: &dyn Objects,
    drivers: &[ArtifactDriver],
) -> Result<(), Error> {
    let secrets = Secrets::new(objects);
    let repository = look_up(repository, namespace, &secrets)?;
    let Some(location) = locate(artifact, &repository)? else { return Ok(()) };
    let credentials = credentials(namespace, std::slice::from_ref(&location), &secrets)?;
    let outside = Outside { drivers, exchange: None };
    let stores = Stores::open(&repository, &credentials, true, outside)?;
    match stores.locate(artifact)? {
        Some(Located { driver, location }) => driver.delete(location.key()),
        None => Ok(()),
    }
}

/// The locations that a template names.
fn locations(template: &Template, repository: &ArtifactRepository) -> Vec<Location> {
    let source = template.data.as_ref().and_then(|data| data.source.artifact_paths.as_ref());
    let all = template.inputs.artifacts.iter().chain(&template.outputs.artifacts).chain(source);
    // What cannot be located is said when the artifact is placed or collected.
    all.filter_map(|artifact| locate(artifact, repository).ok().flatten()).collect()
}

/// Looks up what stores ask for.
fn credentials(
    namespace: &str,
    locations: &[Location],
    secrets: &Secrets<'_>,
) -> Result<Vec<Credential>, Error> {
    let mut found: Vec<Credential> = Vec::new();
    let mut asked = BTreeSet::new();
    for selector in locations.iter().flat_map(Location::secrets) {
        if !asked.insert((selector.name.clone(), selector.key.clone())) {
            continue;
        }
        let optional = selector.optional.unwrap_or(false);
        if let Some(value) = secrets.one(namespace, &selector.name, &selector.key, optional)? {
            found.push(Credential { name: selector.name, key: selector.key, value });
        }
    }
    let ambient = locations.iter().any(
        |location| matches!(location, Location::S3(at) if at.use_sdk_creds || at.access_key_secret.is_none()),
    );
    if ambient {
        for variable in AMBIENT {
            if let Ok(value) = std::env::var(variable) {
                let value = SecretValue::new(value);
                found.push(Credential { name: String::new(), key: variable.to_owned(), value });
            }
        }
    }
    Ok(found)
}
