//! What is written down of a pod before anything is done: the Pod itself, and how far each container is.
//! Does nothing by itself.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use runner_runners::{AttemptSpec, Error};
use serde::{Deserialize, Serialize};

/// Name of the note in the attempt's directory.
pub(super) const NOTE: &str = "pod.json";

/// The note.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Note {
    pub(super) pod: Pod,
    /// When the attempt was taken on.
    pub(super) started_at: Timestamp,
    /// Scripts and input artifacts are in place.
    #[serde(default)]
    pub(super) furnished: bool,
    /// Containers by their names in the engine.
    #[serde(default)]
    pub(super) containers: BTreeMap<String, Mark>,
}

/// How far a container is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Mark {
    /// It was there: when it is not any more, somebody took it away.
    pub(super) created: bool,
    /// It was about to be started, in this boot of the machine.
    pub(super) started: Option<String>,
    /// Main had ended, and it was told to end too.
    pub(super) dismissed: bool,
}

/// Name of a container in the engine: readable, and the same for every engine of ours that asks.
pub(super) fn container_name(spec: &AttemptSpec, container: &str, again: u32) -> String {
    let pod: String = spec.pod_name.chars().take(80).collect();
    let hash: String = spec.id.storage_name().chars().take(12).collect();
    match again {
        0 => format!("{pod}-{hash}-{container}"),
        number => format!("{pod}-{hash}-{container}-r{number}"),
    }
}

/// The spec of the note's Pod, which always has one.
pub(super) fn spec_of(pod: &Pod) -> Result<&k8s_openapi::api::core::v1::PodSpec, Error> {
    pod.spec.as_ref().ok_or_else(|| Error::Invalid("the pod has no spec".to_owned()))
}
