//! The template: one unit of work, of exactly one kind.
//! Does not check that it is one kind: `validate` does.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ArtifactLocation, Container, ContainerSetTemplate, DagTemplate, DataTemplate, ExecutorConfig,
    HttpTemplate, Inputs, IntOrString, Memoize, Metadata, Metrics, Outputs, ResourceTemplate, RetryStrategy,
    ScriptTemplate, SuspendTemplate, Synchronization, UserContainer, WorkflowStep, is_default, k8s,
};

/// One unit of work.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Template {
    /// Name, unique within the workflow; empty when inline.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Inputs.
    #[serde(skip_serializing_if = "is_default")]
    pub inputs: Inputs,
    /// Outputs.
    #[serde(skip_serializing_if = "is_default")]
    pub outputs: Outputs,
    /// Node selector of the pod.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,
    /// Affinity of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<k8s::Affinity>,
    /// Labels and annotations of the pod.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Metadata,
    /// The workflow goes on once the step is ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub daemon: Option<bool>,
    /// Kind: groups of steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub steps: Option<Vec<Vec<WorkflowStep>>>,
    /// Kind: a container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// Kind: several containers in one pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_set: Option<ContainerSetTemplate>,
    /// Kind: a script.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub script: Option<ScriptTemplate>,
    /// Kind: an action on a Kubernetes resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resource: Option<ResourceTemplate>,
    /// Kind: tasks with dependencies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dag: Option<DagTemplate>,
    /// Kind: a pause.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspend: Option<SuspendTemplate>,
    /// Kind: a transformation of data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<DataTemplate>,
    /// Kind: an HTTP request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpTemplate>,
    /// Kind: a plugin, free form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plugin: Option<Value>,
    /// Volumes of the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volumes: Vec<k8s::Volume>,
    /// Init containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<UserContainer>,
    /// Side cars.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<UserContainer>,
    /// Where outputs of this template go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub archive_location: Option<ArtifactLocation>,
    /// Seconds a leaf may run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_deadline_seconds: Option<IntOrString>,
    /// Retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_strategy: Option<RetryStrategy>,
    /// Most children that may be active at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parallelism: Option<i64>,
    /// Stop at the first failed child.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_fast: Option<bool>,
    /// Tolerations of the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<k8s::Toleration>,
    /// Scheduler of the pod.
    #[serde(skip_serializing_if = "is_default")]
    pub scheduler_name: String,
    /// Priority class of the pod.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_class_name: String,
    /// Legacy priority of the pod (removed in v4, still accepted).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// Service account of the pod.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// Mount the service account's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Executor settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub executor: Option<ExecutorConfig>,
    /// Host aliases of the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_aliases: Vec<k8s::HostAlias>,
    /// Security context of the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub security_context: Option<k8s::PodSecurityContext>,
    /// Patch of the pod's spec.
    #[serde(skip_serializing_if = "is_default")]
    pub pod_spec_patch: String,
    /// Resources of the whole pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_resources: Option<k8s::ResourceRequirements>,
    /// Resource claims of the pod.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_claims: Vec<k8s::PodResourceClaim>,
    /// Metrics.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Locks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub synchronization: Option<Synchronization>,
    /// Reuse of earlier outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memoize: Option<Memoize>,
    /// Time a leaf may take from its creation, e.g. `1h`.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: String,
    /// Time a leaf may be pending.
    #[serde(skip_serializing_if = "is_default")]
    pub pending_timeout: String,
    /// Annotations of the node.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The kind of a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TemplateKind {
    /// A container.
    Container,
    /// Several containers in one pod.
    ContainerSet,
    /// A script.
    Script,
    /// An action on a Kubernetes resource.
    Resource,
    /// Groups of steps.
    Steps,
    /// Tasks with dependencies.
    Dag,
    /// A pause.
    Suspend,
    /// A transformation of data.
    Data,
    /// An HTTP request.
    Http,
    /// A plugin.
    Plugin,
}

/// Prints Argo's name of the kind, e.g. `DAG`.
impl fmt::Display for TemplateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Container => "Container",
            Self::ContainerSet => "ContainerSet",
            Self::Script => "Script",
            Self::Resource => "Resource",
            Self::Steps => "Steps",
            Self::Dag => "DAG",
            Self::Suspend => "Suspend",
            Self::Data => "Data",
            Self::Http => "HTTP",
            Self::Plugin => "Plugin",
        })
    }
}

impl TemplateKind {
    /// True for the kinds that run as one pod (one process tree) of their own.
    pub fn is_pod(self) -> bool {
        matches!(self, Self::Container | Self::ContainerSet | Self::Script | Self::Resource | Self::Data)
    }

    /// True for the kinds whose work is done by one attempt and not by child nodes.
    pub fn is_leaf(self) -> bool {
        !matches!(self, Self::Steps | Self::Dag)
    }
}

impl Template {
    /// The kinds that are set; a valid template has exactly one.
    pub fn kinds(&self) -> Vec<TemplateKind> {
        let set = [
            (self.container.is_some(), TemplateKind::Container),
            (self.container_set.is_some(), TemplateKind::ContainerSet),
            (self.steps.is_some(), TemplateKind::Steps),
            (self.script.is_some(), TemplateKind::Script),
            (self.resource.is_some(), TemplateKind::Resource),
            (self.dag.is_some(), TemplateKind::Dag),
            (self.suspend.is_some(), TemplateKind::Suspend),
            (self.data.is_some(), TemplateKind::Data),
            (self.http.is_some(), TemplateKind::Http),
            (self.plugin.is_some(), TemplateKind::Plugin),
        ];
        set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, kind)| kind).collect()
    }

    /// The kind, if exactly one is set.
    pub fn kind(&self) -> Option<TemplateKind> {
        match self.kinds().as_slice() {
            [one] => Some(*one),
            [] | [_, ..] => None,
        }
    }
}
