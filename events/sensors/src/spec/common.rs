//! What several kinds share: TLS, logins, back-off, values from Secrets, S3 places.
//! Does not read any of the values it points to.

use std::collections::BTreeMap;

use runner_workflows::spec::{IntOrString, k8s};
use serde::{Deserialize, Serialize};

use super::{Amount, is_default};

/// TLS of a client.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TlsConfig {
    /// CA cert secret.
    #[serde(skip_serializing_if = "is_default")]
    pub ca_cert_secret: Option<k8s::SecretKeySelector>,
    /// Client cert secret.
    #[serde(skip_serializing_if = "is_default")]
    pub client_cert_secret: Option<k8s::SecretKeySelector>,
    /// Client key secret.
    #[serde(skip_serializing_if = "is_default")]
    pub client_key_secret: Option<k8s::SecretKeySelector>,
    /// Enabled.
    #[serde(skip_serializing_if = "is_default")]
    pub enabled: bool,
    /// Do not check the certificate.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure_skip_verify: bool,
}

/// A user name and a password, both from Secrets.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct BasicAuth {
    /// Password.
    #[serde(skip_serializing_if = "is_default")]
    pub password: Option<k8s::SecretKeySelector>,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: Option<k8s::SecretKeySelector>,
}

/// How to log in to Kafka.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SaslConfig {
    /// Mechanism.
    #[serde(skip_serializing_if = "is_default")]
    pub mechanism: String,
    /// Password secret.
    #[serde(skip_serializing_if = "is_default")]
    pub password_secret: Option<k8s::SecretKeySelector>,
    /// User secret.
    #[serde(skip_serializing_if = "is_default")]
    pub user_secret: Option<k8s::SecretKeySelector>,
}

/// How often and how long to wait between tries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backoff {
    /// First wait: nanoseconds or Go's duration text.
    #[serde(skip_serializing_if = "is_default")]
    pub duration: Option<IntOrString>,
    /// Growth from wait to wait.
    #[serde(skip_serializing_if = "is_default")]
    pub factor: Option<Amount>,
    /// Random share added to each wait.
    #[serde(skip_serializing_if = "is_default")]
    pub jitter: Option<Amount>,
    /// Most tries.
    #[serde(skip_serializing_if = "is_default")]
    pub steps: Option<i64>,
}

/// Labels and annotations of pods and services.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectLabels {
    /// Annotations.
    #[serde(skip_serializing_if = "is_default")]
    pub annotations: BTreeMap<String, String>,
    /// Labels that must be met.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}

/// A value of a Secret or a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFromSource {
    /// Config map key ref.
    #[serde(skip_serializing_if = "is_default")]
    pub config_map_key_ref: Option<k8s::ConfigMapKeySelector>,
    /// Secret key ref.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_key_ref: Option<k8s::SecretKeySelector>,
}

/// A header whose value comes from a Secret or a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SecureHeader {
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Value from.
    #[serde(skip_serializing_if = "is_default")]
    pub value_from: Option<ValueFromSource>,
}

/// The registry of Kafka's message schemas.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SchemaRegistryConfig {
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: Option<BasicAuth>,
    /// Schema ID.
    #[serde(skip_serializing_if = "is_default")]
    pub schema_id: Option<i64>,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// An object in an S3 compatible store; as an event source, a bucket whose changes are events.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct S3Artifact {
    /// Access key.
    #[serde(skip_serializing_if = "is_default")]
    pub access_key: Option<k8s::SecretKeySelector>,
    /// Bucket.
    #[serde(skip_serializing_if = "is_default")]
    pub bucket: Option<S3Bucket>,
    /// CA certificate.
    #[serde(skip_serializing_if = "is_default")]
    pub ca_certificate: Option<k8s::SecretKeySelector>,
    /// Host and port of the store.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint: String,
    /// Events.
    #[serde(skip_serializing_if = "is_default")]
    pub events: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<S3Filter>,
    /// Insecure.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Region.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
    /// Secret key.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_key: Option<k8s::SecretKeySelector>,
}

/// A bucket and a key in it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct S3Bucket {
    /// Key.
    #[serde(skip_serializing_if = "is_default")]
    pub key: String,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
}

/// Which keys count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct S3Filter {
    /// Prefix.
    #[serde(skip_serializing_if = "is_default")]
    pub prefix: String,
    /// Suffix.
    #[serde(skip_serializing_if = "is_default")]
    pub suffix: String,
}

/// How to log in to NATS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatsAuth {
    /// Basic.
    #[serde(skip_serializing_if = "is_default")]
    pub basic: Option<BasicAuth>,
    /// Credential.
    #[serde(skip_serializing_if = "is_default")]
    pub credential: Option<k8s::SecretKeySelector>,
    /// Nkey.
    #[serde(skip_serializing_if = "is_default")]
    pub nkey: Option<k8s::SecretKeySelector>,
    /// Token.
    #[serde(skip_serializing_if = "is_default")]
    pub token: Option<k8s::SecretKeySelector>,
}

/// One requirement on a label or field of a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Selector {
    /// Key.
    #[serde(skip_serializing_if = "is_default")]
    pub key: String,
    /// `=`, `==`, `!=`, `in`, `notin`, `exists`, `!`, `gt` or `lt`; `=` when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub operation: String,
    /// Value.
    #[serde(skip_serializing_if = "is_default")]
    pub value: String,
}

/// Which events of a source are kept; the others are dropped before the bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSourceFilter {
    /// An expression of the expr language over the top level keys of the payload; must be a boolean.
    #[serde(skip_serializing_if = "is_default")]
    pub expression: String,
}

/// Which files are watched.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WatchPathConfig {
    /// Directory.
    #[serde(skip_serializing_if = "is_default")]
    pub directory: String,
    /// Path to the value.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Path regexp.
    #[serde(skip_serializing_if = "is_default")]
    pub path_regexp: String,
}

/// How many firings a trigger may start per unit of time; more wait, none is dropped.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RateLimit {
    /// Firings per unit.
    #[serde(skip_serializing_if = "is_default")]
    pub requests_per_unit: Option<i64>,
    /// `Second`, `Minute` or `Hour`; `Second` when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub unit: String,
}
