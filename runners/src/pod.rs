//! What a workflow says about all of its pods; a template says it again for its own, and then that counts.
//! Builds no pod: runners that have pods do.

use std::collections::BTreeMap;

use runner_workflows::spec::{Metadata, PodGc, WorkflowSpec, k8s};
use serde::{Deserialize, Serialize};

/// The fields of a workflow's spec that concern its pods, as Argo applies them in `workflowpod.go`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodDefaults {
    /// Service account, unless the template names one.
    pub service_account_name: String,
    /// Whether its token is mounted, unless the template says so.
    pub automount_service_account_token: Option<bool>,
    /// Node selector, unless the template has one.
    pub node_selector: BTreeMap<String, String>,
    /// Affinity, unless the template has one.
    pub affinity: Option<k8s::Affinity>,
    /// Tolerations, unless the template has some.
    pub tolerations: Vec<k8s::Toleration>,
    /// Pull secrets.
    pub image_pull_secrets: Vec<k8s::LocalObjectReference>,
    /// Pods use the host's network.
    pub host_network: Option<bool>,
    /// DNS policy.
    pub dns_policy: Option<String>,
    /// DNS configuration.
    pub dns_config: Option<k8s::PodDNSConfig>,
    /// Scheduler, unless the template names one.
    pub scheduler_name: String,
    /// Priority class, unless the template names one.
    pub priority_class_name: String,
    /// Host aliases; those of the template are added.
    pub host_aliases: Vec<k8s::HostAlias>,
    /// Security context, unless the template has one.
    pub security_context: Option<k8s::PodSecurityContext>,
    /// Patch that is applied before the template's.
    pub pod_spec_patch: String,
    /// Labels and annotations under those of the template.
    pub metadata: Metadata,
    /// Resources of the pod as a whole, unless the template says so.
    pub resources: Option<k8s::ResourceRequirements>,
    /// Resource claims, unless the template has some.
    pub resource_claims: Vec<k8s::PodResourceClaim>,
    /// When pods are deleted.
    pub pod_gc: Option<PodGc>,
}

impl PodDefaults {
    /// Takes them out of a workflow's spec.
    #[must_use]
    pub fn of(spec: &WorkflowSpec) -> Self {
        Self {
            service_account_name: spec.service_account_name.clone(),
            automount_service_account_token: spec.automount_service_account_token,
            node_selector: spec.node_selector.clone(),
            affinity: spec.affinity.clone(),
            tolerations: spec.tolerations.clone(),
            image_pull_secrets: spec.image_pull_secrets.clone(),
            host_network: spec.host_network,
            dns_policy: spec.dns_policy.clone(),
            dns_config: spec.dns_config.clone(),
            scheduler_name: spec.scheduler_name.clone(),
            priority_class_name: spec.pod_priority_class_name.clone(),
            host_aliases: spec.host_aliases.clone(),
            security_context: spec.security_context.clone(),
            pod_spec_patch: spec.pod_spec_patch.clone(),
            metadata: spec.pod_metadata.clone().unwrap_or_default(),
            resources: spec.pod_resources.clone(),
            resource_claims: spec.resource_claims.clone(),
            pod_gc: spec.pod_gc.clone(),
        }
    }
}
