//! Policies: retries, deadlines, garbage collection, budgets.
//! Does not apply them.

use serde::{Deserialize, Serialize};

use super::{IntOrString, is_default, k8s};

/// How failed attempts of a node are repeated.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryStrategy {
    /// Number of retries after the first attempt; unlimited when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<IntOrString>,
    /// `OnFailure`, `OnError`, `Always` or `OnTransientError`.
    #[serde(skip_serializing_if = "is_default")]
    pub retry_policy: String,
    /// Waits between attempts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Backoff>,
    /// Placement hints.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<RetryAffinity>,
    /// Condition for another attempt.
    #[serde(skip_serializing_if = "is_default")]
    pub expression: String,
}

/// Exponential waits.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Backoff {
    /// First wait: seconds or a duration text.
    #[serde(skip_serializing_if = "is_default")]
    pub duration: String,
    /// Multiplier of each further wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub factor: Option<IntOrString>,
    /// Total time from the first attempt's start.
    #[serde(skip_serializing_if = "is_default")]
    pub max_duration: String,
    /// Longest single wait.
    #[serde(skip_serializing_if = "is_default")]
    pub cap: String,
}

/// Placement hints of retries.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RetryAffinity {
    /// Prefer hosts that did not run an earlier attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_anti_affinity: Option<RetryNodeAntiAffinity>,
}

/// Marker of [`RetryAffinity`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RetryNodeAntiAffinity {}

/// When finished workflows are deleted, in seconds after they ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TtlStrategy {
    /// After any end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_completion: Option<i32>,
    /// After success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_success: Option<i32>,
    /// After failure or error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seconds_after_failure: Option<i32>,
}

/// When pods are deleted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodGc {
    /// `OnPodCompletion`, `OnPodSuccess`, `OnWorkflowCompletion` or `OnWorkflowSuccess`.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: String,
    /// Only pods with these labels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<k8s::LabelSelector>,
    /// Delay, e.g. `30s`.
    #[serde(skip_serializing_if = "is_default")]
    pub delete_delay_duration: String,
}

/// When volume claims of the workflow are deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct VolumeClaimGc {
    /// `OnWorkflowCompletion` or `OnWorkflowSuccess`.
    #[serde(skip_serializing_if = "is_default")]
    pub strategy: String,
}

/// Which executor settings a template asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExecutorConfig {
    /// Service account of the executor.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
}
