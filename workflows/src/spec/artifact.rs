//! Artifacts, their locations, archives and garbage collection.
//! Does not move bytes: that is `runners/artifacts`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Metadata, is_default, k8s};

/// A named file or directory passed into or out of a template.
///
/// The fields of [`ArtifactLocation`] are repeated here because the API inlines them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Artifact {
    /// Name, unique within its list.
    pub name: String,
    /// Path in the container.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// File mode set when the artifact is loaded (decimal in JSON, octal in YAML 1.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<i32>,
    /// Reference to another artifact, as a tag.
    #[serde(skip_serializing_if = "is_default")]
    pub from: String,
    /// Expression that selects another artifact.
    #[serde(skip_serializing_if = "is_default")]
    pub from_expression: String,
    /// Path inside the artifact.
    #[serde(skip_serializing_if = "is_default")]
    pub sub_path: String,
    /// Output only: also sets `workflow.outputs.artifacts.<globalName>`.
    #[serde(skip_serializing_if = "is_default")]
    pub global_name: String,
    /// How an output is packed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveStrategy>,
    /// A missing artifact is dropped silently.
    #[serde(skip_serializing_if = "is_default")]
    pub optional: bool,
    /// Apply `mode` to everything below a directory.
    #[serde(skip_serializing_if = "is_default")]
    pub recurse_mode: bool,
    /// When to delete the artifact.
    #[serde(rename = "artifactGC", skip_serializing_if = "Option::is_none")]
    pub artifact_gc: Option<ArtifactGc>,
    /// The artifact has been collected.
    #[serde(skip_serializing_if = "is_default")]
    pub deleted: bool,
    /// Keep the container's logs as an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_logs: Option<bool>,
    /// Amazon S3 or compatible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Artifact>,
    /// A git repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitArtifact>,
    /// An HTTP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpArtifact>,
    /// JFrog Artifactory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifactory: Option<ArtifactoryArtifact>,
    /// Hadoop file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hdfs: Option<HdfsArtifact>,
    /// Literal content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawArtifact>,
    /// Alibaba object storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oss: Option<OssArtifact>,
    /// Google cloud storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsArtifact>,
    /// Azure blob storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureArtifact>,
    /// An artifact driver plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginArtifact>,
}

/// Where artifacts live: at most one of the members is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactLocation {
    /// Keep the container's logs as an artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_logs: Option<bool>,
    /// Amazon S3 or compatible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Artifact>,
    /// A git repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git: Option<GitArtifact>,
    /// An HTTP address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpArtifact>,
    /// JFrog Artifactory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifactory: Option<ArtifactoryArtifact>,
    /// Hadoop file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hdfs: Option<HdfsArtifact>,
    /// Literal content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub raw: Option<RawArtifact>,
    /// Alibaba object storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oss: Option<OssArtifact>,
    /// Google cloud storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gcs: Option<GcsArtifact>,
    /// Azure blob storage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub azure: Option<AzureArtifact>,
    /// An artifact driver plugin.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<PluginArtifact>,
}

impl ArtifactLocation {
    /// The location as an artifact without a name: the API inlines one in the other.
    #[must_use]
    pub fn as_artifact(&self) -> Artifact {
        let Self { archive_logs, s3, git, http, artifactory, hdfs, raw, oss, gcs, azure, plugin } =
            self.clone();
        Artifact {
            archive_logs,
            s3,
            git,
            http,
            artifactory,
            hdfs,
            raw,
            oss,
            gcs,
            azure,
            plugin,
            ..Artifact::default()
        }
    }
}

/// How an output artifact is packed; absent means tar and gzip.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArchiveStrategy {
    /// tar and gzip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tar: Option<TarStrategy>,
    /// The bytes as they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub none: Option<NoneStrategy>,
    /// zip.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zip: Option<ZipStrategy>,
}

/// Options of the tar archive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TarStrategy {
    /// gzip level; 0 means no compression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compression_level: Option<i32>,
}

/// Marker: no archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct NoneStrategy {}

/// Marker: zip archive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ZipStrategy {}

/// When artifacts are deleted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactGc {
    /// `OnWorkflowCompletion`, `OnWorkflowDeletion` or `Never`.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: String,
    /// Metadata of the collecting pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_metadata: Option<Metadata>,
    /// Service account of the collecting pod.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// Workflow level only: finish deletion although collection failed.
    #[serde(skip_serializing_if = "is_default")]
    pub force_finalizer_removal: bool,
    /// Workflow level only: patch of the collecting pod.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_spec_patch: String,
}

macro_rules! location {
    ($(#[$doc:meta])* $name:ident { $( $(#[$field_doc:meta])* $field:ident : $ty:ty ),* $(,)? }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            $( $(#[$field_doc])* #[serde(skip_serializing_if = "is_default")] pub $field: $ty, )*
        }
    };
}

location!(
    /// Location in an S3 compatible store.
    S3Artifact {
        /// Host and port.
        endpoint: String,
        /// Bucket name.
        bucket: String,
        /// Region.
        region: String,
        /// Use plain HTTP.
        insecure: Option<bool>,
        /// Secret with the access key.
        access_key_secret: Option<k8s::SecretKeySelector>,
        /// Secret with the secret key.
        secret_key_secret: Option<k8s::SecretKeySelector>,
        /// Secret with the session token.
        session_token_secret: Option<k8s::SecretKeySelector>,
        /// Role to assume.
        #[serde(rename = "roleARN")]
        role_arn: String,
        /// Use the credentials of the SDK's chain.
        #[serde(rename = "useSDKCreds")]
        use_sdk_creds: bool,
        /// Options for a bucket that does not exist yet.
        create_bucket_if_not_present: Option<serde_json::Value>,
        /// Server side encryption.
        encryption_options: Option<serde_json::Value>,
        /// Secret with the certificate authority.
        ca_secret: Option<k8s::SecretKeySelector>,
        /// Addressing style.
        addressing_style: String,
        /// Key of the object.
        key: String,
    }
);
location!(
    /// A git repository checked out as an artifact.
    GitArtifact {
        /// Repository URL.
        repo: String,
        /// Commit, tag or branch.
        revision: String,
        /// Depth of a shallow clone.
        depth: Option<u64>,
        /// Refspecs to fetch.
        fetch: Vec<String>,
        /// User name.
        username_secret: Option<k8s::SecretKeySelector>,
        /// Password or token.
        password_secret: Option<k8s::SecretKeySelector>,
        /// Private key.
        ssh_private_key_secret: Option<k8s::SecretKeySelector>,
        /// Do not check host keys.
        insecure_ignore_host_key: bool,
        /// Skip submodules.
        disable_submodules: bool,
        /// Fetch only the branch.
        single_branch: bool,
        /// Branch to fetch.
        branch: String,
        /// Skip TLS verification.
        insecure_skip_tls: bool,
    }
);
location!(
    /// An HTTP address.
    HttpArtifact {
        /// Address.
        url: String,
        /// Headers sent.
        headers: Vec<Header>,
        /// Authentication.
        auth: Option<serde_json::Value>,
    }
);
location!(
    /// One HTTP header.
    Header {
        /// Name.
        name: String,
        /// Value.
        value: String,
    }
);
location!(
    /// JFrog Artifactory.
    ArtifactoryArtifact {
        /// Address.
        url: String,
        /// User name.
        username_secret: Option<k8s::SecretKeySelector>,
        /// Password.
        password_secret: Option<k8s::SecretKeySelector>,
        /// Key format of repositories.
        key_format: String,
        /// Base address of repositories.
        #[serde(rename = "repoURL")]
        repo_url: String,
    }
);
location!(
    /// Hadoop file system.
    HdfsArtifact {
        /// Name nodes.
        addresses: Vec<String>,
        /// Path.
        path: String,
        /// Path format of repositories.
        path_format: String,
        /// Overwrite existing files.
        force: bool,
        /// User.
        hdfs_user: String,
        /// Kerberos credentials cache.
        krb_c_cache_secret: Option<k8s::SecretKeySelector>,
        /// Kerberos keytab.
        krb_keytab_secret: Option<k8s::SecretKeySelector>,
        /// Kerberos user.
        krb_username: String,
        /// Kerberos realm.
        krb_realm: String,
        /// Kerberos configuration.
        krb_config_config_map: Option<k8s::ConfigMapKeySelector>,
        /// Kerberos service principal.
        krb_service_principal_name: String,
        /// Protection of data transfer.
        data_transfer_protection: String,
    }
);
location!(
    /// Literal content.
    RawArtifact {
        /// The bytes, as text.
        data: String,
    }
);
location!(
    /// Alibaba object storage.
    OssArtifact {
        /// Host.
        endpoint: String,
        /// Bucket name.
        bucket: String,
        /// Secret with the access key.
        access_key_secret: Option<k8s::SecretKeySelector>,
        /// Secret with the secret key.
        secret_key_secret: Option<k8s::SecretKeySelector>,
        /// Create the bucket.
        create_bucket_if_not_present: bool,
        /// Security token.
        security_token: String,
        /// Life cycle rule.
        lifecycle_rule: Option<serde_json::Value>,
        /// Use the credentials of the SDK's chain.
        #[serde(rename = "useSDKCreds")]
        use_sdk_creds: bool,
        /// Key of the object.
        key: String,
    }
);
location!(
    /// Google cloud storage.
    GcsArtifact {
        /// Bucket name.
        bucket: String,
        /// Secret with the service account key.
        service_account_key_secret: Option<k8s::SecretKeySelector>,
        /// Key of the object.
        key: String,
    }
);
location!(
    /// Azure blob storage.
    AzureArtifact {
        /// Account address.
        endpoint: String,
        /// Container name.
        container: String,
        /// Secret with the account key.
        account_key_secret: Option<k8s::SecretKeySelector>,
        /// Use the credentials of the SDK's chain.
        #[serde(rename = "useSDKCreds")]
        use_sdk_creds: bool,
        /// Blob name.
        blob: String,
    }
);
location!(
    /// An artifact driver plugin.
    PluginArtifact {
        /// Plugin name.
        name: String,
        /// Configuration of the plugin.
        configuration: String,
        /// Connection timeout in seconds.
        connection_timeout_seconds: i32,
        /// Key of the object.
        key: String,
    }
);

/// Labels by name; used where the API has plain string maps.
pub type StringMap = BTreeMap<String, String>;
