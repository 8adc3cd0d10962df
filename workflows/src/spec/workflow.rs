//! The spec of a workflow: entry point, templates and settings of the whole run.
//! Does not resolve references between them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Arguments, ArtifactGc, ExecutorConfig, LifecycleHook, Metadata, Metrics, PodGc, RetryStrategy,
    Synchronization, Template, TtlStrategy, VolumeClaimGc, is_default, k8s,
};

/// What a workflow does and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowSpec {
    /// Templates.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub templates: Vec<Template>,
    /// Name of the first template.
    #[serde(skip_serializing_if = "is_default")]
    pub entrypoint: String,
    /// Global arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub arguments: Arguments,
    /// Service account of the pods.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// Mount the service account's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Executor settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<ExecutorConfig>,
    /// Volumes that templates may mount.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<k8s::Volume>,
    /// Volume claims created for the run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_claim_templates: Vec<k8s::PersistentVolumeClaim>,
    /// Most pods active at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i64>,
    /// Named artifact repository.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_repository_ref: Option<ArtifactRepositoryRef>,
    /// Start suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
    /// Node selector of the pods.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Affinity of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<k8s::Affinity>,
    /// Tolerations of the pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<k8s::Toleration>,
    /// Pull secrets of the pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<k8s::LocalObjectReference>,
    /// Pods use the host's network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_network: Option<bool>,
    /// DNS policy of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<String>,
    /// DNS configuration of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_config: Option<k8s::PodDNSConfig>,
    /// Template to run when the workflow ends.
    #[serde(skip_serializing_if = "is_default")]
    pub on_exit: String,
    /// When finished runs are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_strategy: Option<TtlStrategy>,
    /// Seconds the whole run may take.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<i64>,
    /// Priority in queues.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Scheduler of the pods.
    #[serde(skip_serializing_if = "is_default")]
    pub scheduler_name: String,
    /// When pods are deleted.
    #[serde(rename = "podGC", skip_serializing_if = "Option::is_none")]
    pub pod_gc: Option<PodGc>,
    /// Priority class of the pods.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_priority_class_name: String,
    /// Legacy priority of the pods (removed in v4, still accepted).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_priority: Option<i32>,
    /// Host aliases of the pods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_aliases: Vec<k8s::HostAlias>,
    /// Security context of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<k8s::PodSecurityContext>,
    /// Patch of every pod's spec.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_spec_patch: String,
    /// Disruption budget of the pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_disruption_budget: Option<k8s::PodDisruptionBudgetSpec>,
    /// Metrics of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// `Stop` or `Terminate`.
    #[serde(skip_serializing_if = "is_default")]
    pub shutdown: String,
    /// The spec comes from this template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_template_ref: Option<WorkflowTemplateRef>,
    /// Locks of the run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization: Option<Synchronization>,
    /// When volume claims are deleted.
    #[serde(rename = "volumeClaimGC", skip_serializing_if = "Option::is_none")]
    pub volume_claim_gc: Option<VolumeClaimGc>,
    /// Retries of every template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_strategy: Option<RetryStrategy>,
    /// Labels and annotations of all pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_metadata: Option<Metadata>,
    /// Merged under every template.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_defaults: Option<Box<Template>>,
    /// Keep container logs as artifacts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_logs: Option<bool>,
    /// Lifecycle hooks of the run.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, LifecycleHook>,
    /// Labels and annotations of the run itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workflow_metadata: Option<WorkflowMetadata>,
    /// When artifacts are deleted.
    #[serde(rename = "artifactGC", skip_serializing_if = "Option::is_none")]
    pub artifact_gc: Option<ArtifactGc>,
    /// Executor plugins declared by the workflow itself.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub executor_plugins: Vec<Value>,
    /// Resources of every pod as a whole.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_resources: Option<k8s::ResourceRequirements>,
    /// Resource claims of every pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_claims: Vec<k8s::PodResourceClaim>,
}

/// Names an artifact repository of a ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactRepositoryRef {
    /// The ConfigMap; `artifact-repositories` when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub config_map: String,
    /// The key; the annotation's default when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub key: String,
}

/// The template that gives the spec.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowTemplateRef {
    /// Name of the template.
    pub name: String,
    /// It is a ClusterWorkflowTemplate.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_scope: bool,
}

/// Labels and annotations of the run, some computed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowMetadata {
    /// Labels.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Labels by expression.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels_from: BTreeMap<String, LabelValueFrom>,
}

/// A label whose value is an expression.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LabelValueFrom {
    /// The expression.
    pub expression: String,
}

/// A status object carried in a manifest; read by resume tests and ignored by submit.
pub type RawStatus = Value;
