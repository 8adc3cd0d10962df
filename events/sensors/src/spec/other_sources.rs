//! Event sources of clocks, files and resources.
//! Does not watch.

use std::collections::BTreeMap;

use runner_workflows::spec::k8s;
use serde::{Deserialize, Serialize};

use super::{EventSourceFilter, Selector, WatchPathConfig, is_default};

/// Calendar event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CalendarEventSource {
    /// Days without events (`EXDATE` of RFC 5545).
    #[serde(skip_serializing_if = "is_default")]
    pub exclusion_dates: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Go's duration text.
    #[serde(skip_serializing_if = "is_default")]
    pub interval: String,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// What is remembered over restarts.
    #[serde(skip_serializing_if = "is_default")]
    pub persistence: Option<EventPersistence>,
    /// Schedule of five fields; wins over `interval`.
    #[serde(skip_serializing_if = "is_default")]
    pub schedule: String,
    /// IANA time zone; UTC when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub timezone: String,
}

/// Event persistence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventPersistence {
    /// Whether missed ticks fire.
    #[serde(skip_serializing_if = "is_default")]
    pub catchup: Option<CatchupConfiguration>,
    /// Config map.
    #[serde(skip_serializing_if = "is_default")]
    pub config_map: Option<ConfigMapPersistence>,
}

/// Catchup configuration.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CatchupConfiguration {
    /// Enabled.
    #[serde(skip_serializing_if = "is_default")]
    pub enabled: bool,
    /// How far back missed ticks count.
    #[serde(skip_serializing_if = "is_default")]
    pub max_duration: String,
}

/// Config map persistence.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMapPersistence {
    /// Create if not exist.
    #[serde(skip_serializing_if = "is_default")]
    pub create_if_not_exist: bool,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
}

/// File event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileEventSource {
    /// Kinds of changes: `CREATE`, `WRITE`, `REMOVE`, `RENAME`, `CHMOD`.
    #[serde(skip_serializing_if = "is_default")]
    pub event_type: String,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Polling.
    #[serde(skip_serializing_if = "is_default")]
    pub polling: bool,
    /// Watch path config.
    #[serde(skip_serializing_if = "is_default")]
    pub watch_path_config: Option<WatchPathConfig>,
}

/// SFTP event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SftpEventSource {
    /// Address.
    #[serde(skip_serializing_if = "is_default")]
    pub address: Option<k8s::SecretKeySelector>,
    /// Kinds of changes: `CREATE`, `WRITE`, `REMOVE`, `RENAME`, `CHMOD`.
    #[serde(skip_serializing_if = "is_default")]
    pub event_type: String,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Password.
    #[serde(skip_serializing_if = "is_default")]
    pub password: Option<k8s::SecretKeySelector>,
    /// Poll interval duration.
    #[serde(skip_serializing_if = "is_default")]
    pub poll_interval_duration: String,
    /// SSH key secret.
    #[serde(skip_serializing_if = "is_default")]
    pub ssh_key_secret: Option<k8s::SecretKeySelector>,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: Option<k8s::SecretKeySelector>,
    /// Watch path config.
    #[serde(skip_serializing_if = "is_default")]
    pub watch_path_config: Option<WatchPathConfig>,
}

/// HDFS event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HdfsEventSource {
    /// Addresses.
    #[serde(skip_serializing_if = "is_default")]
    pub addresses: Vec<String>,
    /// Check interval.
    #[serde(skip_serializing_if = "is_default")]
    pub check_interval: String,
    /// Directory.
    #[serde(skip_serializing_if = "is_default")]
    pub directory: String,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// HDFS user.
    #[serde(skip_serializing_if = "is_default")]
    pub hdfs_user: String,
    /// KRB C cache secret.
    #[serde(skip_serializing_if = "is_default")]
    pub krb_c_cache_secret: Option<k8s::SecretKeySelector>,
    /// KRB config config map.
    #[serde(skip_serializing_if = "is_default")]
    pub krb_config_config_map: Option<k8s::ConfigMapKeySelector>,
    /// KRB keytab secret.
    #[serde(skip_serializing_if = "is_default")]
    pub krb_keytab_secret: Option<k8s::SecretKeySelector>,
    /// KRB realm.
    #[serde(skip_serializing_if = "is_default")]
    pub krb_realm: String,
    /// KRB service principal name.
    #[serde(skip_serializing_if = "is_default")]
    pub krb_service_principal_name: String,
    /// KRB username.
    #[serde(skip_serializing_if = "is_default")]
    pub krb_username: String,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Path to the value.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Path regexp.
    #[serde(skip_serializing_if = "is_default")]
    pub path_regexp: String,
    /// Type.
    #[serde(skip_serializing_if = "is_default")]
    pub r#type: String,
}

/// Resource event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceEventSource {
    /// `ADD`, `UPDATE`, `DELETE`.
    #[serde(skip_serializing_if = "is_default")]
    pub event_types: Vec<String>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<ResourceFilter>,
    /// Group.
    #[serde(skip_serializing_if = "is_default")]
    pub group: String,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// The resource.
    #[serde(skip_serializing_if = "is_default")]
    pub resource: String,
    /// Version.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
}

/// Resource filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceFilter {
    /// Only what happened after the start.
    #[serde(skip_serializing_if = "is_default")]
    pub after_start: bool,
    /// Only objects created until then, RFC 3339.
    #[serde(skip_serializing_if = "is_default")]
    pub created_by: String,
    /// Fields by path and regular expression.
    #[serde(skip_serializing_if = "is_default")]
    pub fields: Vec<Selector>,
    /// Labels (selectors of the server).
    #[serde(skip_serializing_if = "is_default")]
    pub labels: Vec<Selector>,
    /// Prefix of the name.
    #[serde(skip_serializing_if = "is_default")]
    pub prefix: String,
}

/// Generic event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GenericEventSource {
    /// Bearer token that each request must carry.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_secret: Option<k8s::SecretKeySelector>,
    /// Config.
    #[serde(skip_serializing_if = "is_default")]
    pub config: String,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Insecure.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure: bool,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}
