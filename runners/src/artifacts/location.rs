//! Where an artifact is: its own location, or that of the repository with its key (Argo's "key-only artifacts").
//! Opens nothing and resolves no secret.

use runner_workflows::spec::{
    Artifact, ArtifactoryArtifact, AzureArtifact, GcsArtifact, GitArtifact, HttpArtifact, PluginArtifact,
    S3Artifact, k8s,
};
use serde_json::Value;

use crate::{ArtifactRepository, Error};

/// Where one artifact is, with nothing left to look up but secrets.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Location {
    /// The directory of this machine.
    Local {
        /// The key; empty means everything.
        key: String,
    },
    /// An S3 compatible store.
    S3(S3Artifact),
    /// Google cloud storage.
    Gcs(GcsArtifact),
    /// Azure blob storage.
    Azure(AzureArtifact),
    /// An HTTP address.
    Http(HttpArtifact),
    /// JFrog Artifactory.
    Artifactory(ArtifactoryArtifact),
    /// A git repository; input only.
    Git(GitArtifact),
    /// Behind a driver that is not part of this program.
    Plugin(PluginArtifact),
}

impl Location {
    /// The key in its store, or the address.
    pub(crate) fn key(&self) -> &str {
        match self {
            Self::Local { key } => key,
            Self::S3(at) => &at.key,
            Self::Gcs(at) => &at.key,
            Self::Azure(at) => &at.blob,
            Self::Http(at) => &at.url,
            Self::Artifactory(at) => &at.url,
            Self::Git(at) => &at.repo,
            Self::Plugin(at) => &at.key,
        }
    }

    /// Whether keys below its key may be parts of it.
    pub(crate) fn has_parts(&self) -> bool {
        match self {
            Self::Local { .. } | Self::S3(_) | Self::Gcs(_) | Self::Azure(_) | Self::Plugin(_) => true,
            Self::Http(_) | Self::Artifactory(_) | Self::Git(_) => false,
        }
    }

    /// The same store with another key.
    pub(crate) fn with_key(mut self, new: String) -> Self {
        match &mut self {
            Self::Local { key } => *key = new,
            Self::S3(at) => at.key = new,
            Self::Gcs(at) => at.key = new,
            Self::Azure(at) => at.blob = new,
            Self::Http(at) => at.url = new,
            Self::Artifactory(at) => at.url = new,
            Self::Git(at) => at.repo = new,
            Self::Plugin(at) => at.key = new,
        }
        self
    }

    /// The secrets that are needed to get there.
    pub(crate) fn secrets(&self) -> Vec<k8s::SecretKeySelector> {
        let some = |all: &[&Option<k8s::SecretKeySelector>]| all.iter().copied().flatten().cloned().collect();
        match self {
            // A driver outside looks up by itself what its configuration names.
            Self::Local { .. } | Self::Plugin(_) => Vec::new(),
            Self::S3(at) => {
                some(&[&at.access_key_secret, &at.secret_key_secret, &at.session_token_secret, &at.ca_secret])
            }
            Self::Gcs(at) => some(&[&at.service_account_key_secret]),
            Self::Azure(at) => some(&[&at.account_key_secret]),
            Self::Http(at) => {
                let basic = at.auth.as_ref().and_then(|auth| auth.get("basicAuth"));
                let secrets = basic.map(|basic| {
                    ["usernameSecret", "passwordSecret"].map(|field| selector(basic.get(field)))
                });
                secrets.into_iter().flatten().flatten().collect()
            }
            Self::Artifactory(at) => some(&[&at.username_secret, &at.password_secret]),
            Self::Git(at) => some(&[&at.username_secret, &at.password_secret, &at.ssh_private_key_secret]),
        }
    }

    /// Writes the location into an artifact, as a workflow's status shows it: in the repository of the workflow
    /// the key alone, elsewhere all of it.
    pub(crate) fn write_to(&self, artifact: &mut Artifact, in_repository: bool) {
        (artifact.s3, artifact.gcs, artifact.azure, artifact.plugin) = (None, None, None, None);
        match self {
            Self::Local { key } => {
                artifact.s3 = Some(S3Artifact { key: key.clone(), ..S3Artifact::default() })
            }
            Self::S3(at) if in_repository => {
                artifact.s3 = Some(S3Artifact { key: at.key.clone(), ..S3Artifact::default() });
            }
            Self::S3(at) => artifact.s3 = Some(at.clone()),
            Self::Gcs(at) if in_repository => {
                artifact.gcs = Some(GcsArtifact { key: at.key.clone(), ..GcsArtifact::default() });
            }
            Self::Gcs(at) => artifact.gcs = Some(at.clone()),
            Self::Azure(at) if in_repository => {
                artifact.azure = Some(AzureArtifact { blob: at.blob.clone(), ..AzureArtifact::default() });
            }
            Self::Azure(at) => artifact.azure = Some(at.clone()),
            Self::Http(at) => artifact.http = Some(at.clone()),
            Self::Artifactory(at) => artifact.artifactory = Some(at.clone()),
            Self::Git(at) => artifact.git = Some(at.clone()),
            Self::Plugin(at) if in_repository => {
                artifact.plugin = Some(PluginArtifact { key: at.key.clone(), ..PluginArtifact::default() });
            }
            Self::Plugin(at) => artifact.plugin = Some(at.clone()),
        }
    }
}

/// Reads a `SecretKeySelector` out of a free-form part.
pub(crate) fn selector(value: Option<&Value>) -> Option<k8s::SecretKeySelector> {
    serde_json::from_value(value?.clone()).ok()
}

/// The location an artifact names by itself. `Ok(None)`: none, or only a key.
///
/// # Errors
/// Not built in: hdfs and oss.
pub(crate) fn own(artifact: &Artifact) -> Result<Option<Location>, Error> {
    let declined = |what: &str, instead: &str| {
        Err(Error::NotBuiltIn { what: format!("{what} (artifact {:?}; {instead})", artifact.name) })
    };
    if artifact.hdfs.is_some() {
        return declined("hdfs artifacts", "HDFS speaks S3 through a gateway: use s3");
    }
    if artifact.oss.is_some() {
        return declined("oss artifacts", "OSS speaks S3: use s3 with its endpoint");
    }
    if let Some(at) = artifact.plugin.as_ref().filter(|at| !at.name.is_empty()) {
        return Ok(Some(Location::Plugin(at.clone())));
    }
    if let Some(git) = &artifact.git {
        return Ok(Some(Location::Git(git.clone())));
    }
    if let Some(http) = &artifact.http {
        return Ok(Some(Location::Http(http.clone())));
    }
    if let Some(at) = artifact.artifactory.as_ref().filter(|at| !at.url.is_empty()) {
        return Ok(Some(Location::Artifactory(at.clone())));
    }
    let s3 = artifact.s3.as_ref().filter(|at| !at.bucket.is_empty() || !at.endpoint.is_empty());
    let gcs = artifact.gcs.as_ref().filter(|at| !at.bucket.is_empty());
    let azure = artifact.azure.as_ref().filter(|at| !at.container.is_empty());
    Ok(s3
        .cloned()
        .map(Location::S3)
        .or_else(|| gcs.cloned().map(Location::Gcs))
        .or_else(|| azure.cloned().map(Location::Azure)))
}

/// The key of an artifact in the store that its kind names.
pub(crate) fn key_of(artifact: &Artifact) -> Option<&str> {
    let keys = [
        artifact.s3.as_ref().map(|at| at.key.as_str()),
        artifact.gcs.as_ref().map(|at| at.key.as_str()),
        artifact.azure.as_ref().map(|at| at.blob.as_str()),
        artifact.plugin.as_ref().map(|at| at.key.as_str()),
    ];
    keys.into_iter().flatten().find(|key| !key.is_empty())
}

/// Where the repository keeps what has this key.
///
/// # Errors
/// The repository is of a kind that is not built in, or not resolved.
pub(crate) fn in_repository(repository: &ArtifactRepository, key: String) -> Result<Location, Error> {
    match repository {
        ArtifactRepository::Local { .. } => Ok(Location::Local { key }),
        ArtifactRepository::Remote { location, .. } => {
            let bare = location.as_artifact();
            if let Some(at) = bare.artifactory.as_ref().filter(|at| !at.repo_url.is_empty()) {
                let url = format!("{}/{key}", at.repo_url.trim_end_matches('/'));
                return Ok(Location::Artifactory(ArtifactoryArtifact { url, ..at.clone() }));
            }
            match own(&bare)? {
                Some(Location::Http(at)) => {
                    let url = format!("{}/{key}", at.url.trim_end_matches('/'));
                    Ok(Location::Http(HttpArtifact { url, ..at }))
                }
                Some(found) => Ok(found.with_key(key)),
                None => Err(Error::Artifact("the artifact repository names no bucket and no driver".into())),
            }
        }
        ArtifactRepository::Ref { config_map, .. } => Err(Error::Artifact(format!(
            "the artifact repository of ConfigMap {config_map:?} was not looked up"
        ))),
    }
}

/// Where an artifact is: its own location, or its key in the repository; nothing when it has neither.
///
/// # Errors
/// As [`own`] and [`in_repository`].
pub(crate) fn locate(
    artifact: &Artifact,
    repository: &ArtifactRepository,
) -> Result<Option<Location>, Error> {
    match (own(artifact)?, key_of(artifact)) {
        // A bucket without an endpoint takes what is missing from a repository of the same kind.
        (Some(Location::S3(at)), _) => Ok(Some(Location::S3(filled(at, repository)))),
        (Some(found), _) => Ok(Some(found)),
        (None, Some(key)) => in_repository(repository, key.to_owned()).map(Some),
        (None, None) => Ok(None),
    }
}

fn filled(at: S3Artifact, repository: &ArtifactRepository) -> S3Artifact {
    let ArtifactRepository::Remote { location, .. } = repository else { return at };
    let Some(base) = &location.s3 else { return at };
    let same_host = at.endpoint.is_empty() || at.endpoint == base.endpoint;
    if !same_host || at.access_key_secret.is_some() {
        return at;
    }
    let bucket = if at.bucket.is_empty() { base.bucket.clone() } else { at.bucket };
    S3Artifact { bucket, key: at.key, ..base.clone() }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn artifact(value: Value) -> Artifact {
        serde_json::from_value(value).unwrap()
    }

    fn bucket() -> ArtifactRepository {
        let location = serde_json::json!({"s3": {"endpoint": "s:9000", "bucket": "b", "insecure": true,
            "accessKeySecret": {"name": "s", "key": "a"}, "secretKeySecret": {"name": "s", "key": "b"}}});
        ArtifactRepository::Remote {
            location: serde_json::from_value(location).unwrap(),
            key_format: String::new(),
        }
    }

    #[test]
    fn a_key_alone_means_the_repository_of_the_workflow() {
        let a = artifact(serde_json::json!({"name": "a", "s3": {"key": "k/x.tgz"}}));
        let Some(Location::S3(at)) = locate(&a, &bucket()).unwrap() else { panic!("not s3") };
        assert_eq!((at.bucket.as_str(), at.key.as_str()), ("b", "k/x.tgz"));
        let local = ArtifactRepository::Local { root: "/r".into() };
        assert_eq!(locate(&a, &local).unwrap(), Some(Location::Local { key: "k/x.tgz".into() }));
    }

    #[test]
    fn a_location_of_its_own_wins_and_brings_its_secrets() {
        let a =
            artifact(serde_json::json!({"name": "a", "s3": {"endpoint": "other", "bucket": "c", "key": "k",
            "accessKeySecret": {"name": "t", "key": "a"}}}));
        let found = locate(&a, &bucket()).unwrap().unwrap();
        assert_eq!(found.secrets().len(), 1);
        assert_eq!(found.secrets()[0].name, "t");
    }

    #[test]
    fn v29_credentials_of_the_repository_do_not_go_to_another_host() {
        let a =
            artifact(serde_json::json!({"name": "a", "s3": {"endpoint": "evil", "bucket": "c", "key": "k"}}));
        assert!(locate(&a, &bucket()).unwrap().unwrap().secrets().is_empty());
    }

    #[test]
    fn what_is_not_built_in_is_declined_with_a_way_out() {
        let a = artifact(serde_json::json!({"name": "a", "hdfs": {"addresses": ["n:1"], "path": "/x"}}));
        assert!(locate(&a, &bucket()).unwrap_err().to_string().contains("hdfs artifacts"));
    }
}
