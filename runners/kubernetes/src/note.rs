//! What is written down of a pod before the cluster is asked for it.
//! Does nothing by itself.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use serde::{Deserialize, Serialize};

/// Name of the note in the attempt's directory.
pub(crate) const NOTE: &str = "pod.json";

/// The note.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Note {
    /// The Pod as it is asked for.
    pub(crate) pod: Pod,
    /// When the attempt started.
    pub(crate) started_at: Timestamp,
    /// Its unique id once it was there: when it is not any more, somebody took it away.
    #[serde(default)]
    pub(crate) uid: Option<String>,
    /// Pieces of the bundle, each in a ConfigMap of its own.
    #[serde(default)]
    pub(crate) pieces: usize,
}

impl Note {
    /// Name of the pod.
    pub(crate) fn name(&self) -> &str {
        self.pod.metadata.name.as_deref().unwrap_or_default()
    }

    /// Namespace of the pod.
    pub(crate) fn namespace(&self) -> &str {
        self.pod.metadata.namespace.as_deref().unwrap_or("default")
    }
}
