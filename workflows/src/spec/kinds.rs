//! The four kinds of objects and their metadata.
//! Other kinds that a file may hold (ConfigMap, Secret) are in `parse`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{AnyString, RawStatus, WorkflowSpec, is_default};

/// The part of Kubernetes' ObjectMeta that means something here; the rest is kept as it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectMeta {
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Prefix of a generated name.
    #[serde(skip_serializing_if = "is_default")]
    pub generate_name: String,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Unique id.
    #[serde(skip_serializing_if = "is_default")]
    pub uid: String,
    /// Time of creation, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub creation_timestamp: Option<String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Version of the object on a server; no meaning here.
    #[serde(skip_serializing_if = "is_default")]
    pub resource_version: String,
    /// Generation on a server; no meaning here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Address on a server; no meaning here.
    #[serde(skip_serializing_if = "is_default")]
    pub self_link: String,
    /// Finalizers; no meaning here.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub finalizers: Vec<String>,
    /// Owners; no meaning here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner_references: Option<Value>,
    /// Field managers; no meaning here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub managed_fields: Option<Value>,
    /// Deletion time on a server; no meaning here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_timestamp: Option<String>,
    /// Grace period on a server; no meaning here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deletion_grace_period_seconds: Option<i64>,
}

/// Labels and annotations of pods.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// One run: what to do, and (when read back) what happened.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Workflow {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `Workflow`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Spec.
    pub spec: WorkflowSpec,
    /// Status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RawStatus>,
}

/// A reusable spec, namespaced or (kind ClusterWorkflowTemplate) for all namespaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowTemplate {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `WorkflowTemplate` or `ClusterWorkflowTemplate`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Spec.
    pub spec: WorkflowSpec,
}

/// A workflow started by a clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronWorkflow {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// `CronWorkflow`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Spec.
    pub spec: CronWorkflowSpec,
    /// Status.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<RawStatus>,
}

/// When and what a CronWorkflow starts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CronWorkflowSpec {
    /// What to start.
    pub workflow_spec: WorkflowSpec,
    /// Legacy single schedule (removed in v4, still accepted).
    #[serde(skip_serializing_if = "is_default")]
    pub schedule: String,
    /// Schedules.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub schedules: Vec<String>,
    /// `Allow`, `Forbid` or `Replace`.
    #[serde(skip_serializing_if = "is_default")]
    pub concurrency_policy: String,
    /// No new runs while set.
    #[serde(skip_serializing_if = "is_default")]
    pub suspend: bool,
    /// How late a missed run may still start, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub starting_deadline_seconds: Option<i64>,
    /// Successful runs kept; 3 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub successful_jobs_history_limit: Option<i32>,
    /// Failed runs kept; 1 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_jobs_history_limit: Option<i32>,
    /// IANA time zone.
    #[serde(skip_serializing_if = "is_default")]
    pub timezone: String,
    /// Metadata of the runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_metadata: Option<ObjectMeta>,
    /// When to stop scheduling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_strategy: Option<StopStrategy>,
    /// Condition of each run.
    #[serde(skip_serializing_if = "is_default")]
    pub when: String,
}

/// When a CronWorkflow stops scheduling.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct StopStrategy {
    /// Expression over the cron workflow.
    #[serde(skip_serializing_if = "is_default")]
    pub expression: String,
    /// Legacy spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<AnyString>,
}
