//! Synchronization and memoization.
//! Does not hold locks or caches.

use serde::{Deserialize, Serialize};

use super::{is_default, k8s};

/// Locks that a workflow or a node needs, all at once.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Synchronization {
    /// Legacy single semaphore (removed in v4, still accepted).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub semaphore: Option<SemaphoreRef>,
    /// Legacy single mutex (removed in v4, still accepted).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutex: Option<Mutex>,
    /// Semaphores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub semaphores: Vec<SemaphoreRef>,
    /// Mutexes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mutexes: Vec<Mutex>,
}

/// A semaphore whose limit is kept elsewhere.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SemaphoreRef {
    /// Key of a ConfigMap that holds the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<k8s::ConfigMapKeySelector>,
    /// Namespace; the workflow's own when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Row of the lock database that holds the limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub database: Option<SyncDatabaseRef>,
}

/// Row of the lock database.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncDatabaseRef {
    /// Key of the row.
    pub key: String,
}

/// A lock of capacity one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Mutex {
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Namespace; the workflow's own when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Keep the lock in the database.
    #[serde(skip_serializing_if = "is_default")]
    pub database: bool,
}

/// Reuse of the outputs of an earlier node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Memoize {
    /// Key of the entry; may hold tags.
    pub key: String,
    /// Where entries are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<Cache>,
    /// Entries older than this are not used.
    #[serde(skip_serializing_if = "is_default")]
    pub max_age: String,
}

/// Where memoized outputs are kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Cache {
    /// The ConfigMap; only its name matters here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<k8s::ConfigMapKeySelector>,
}
