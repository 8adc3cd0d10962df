//! Containers: the main container, scripts, side cars and container sets.
//! Does not decide how they are run.

use serde::{Deserialize, Serialize};

use super::{AnyString, Artifact, IntOrString, is_default, k8s};

macro_rules! container_like {
    ($(#[$doc:meta])* $name:ident { $( $(#[$field_doc:meta])* $field:ident : $ty:ty ),* $(,)? }) => {
        $(#[$doc])*
        ///
        /// The container fields are Kubernetes' `core/v1 Container`, inlined as in the API.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase", default)]
        pub struct $name {
            /// Container name; `main` when empty.
            #[serde(skip_serializing_if = "is_default")]
            pub name: String,
            /// Image.
            #[serde(skip_serializing_if = "is_default")]
            pub image: String,
            /// Entry point; the image's own when empty.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub command: Vec<String>,
            /// Arguments of the entry point.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub args: Vec<String>,
            /// Working directory.
            #[serde(skip_serializing_if = "is_default")]
            pub working_dir: String,
            /// Ports.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub ports: Vec<k8s::ContainerPort>,
            /// Environment from ConfigMaps and Secrets.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub env_from: Vec<k8s::EnvFromSource>,
            /// Environment.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub env: Vec<k8s::EnvVar>,
            /// Requests and limits.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub resources: Option<k8s::ResourceRequirements>,
            /// Resize policies.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub resize_policy: Vec<k8s::ContainerResizePolicy>,
            /// Restart policy of init containers.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub restart_policy: Option<String>,
            /// Rules that restart a container by its exit code.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub restart_policy_rules: Vec<serde_json::Value>,
            /// Volume mounts.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub volume_mounts: Vec<k8s::VolumeMount>,
            /// Block devices.
            #[serde(skip_serializing_if = "Vec::is_empty")]
            pub volume_devices: Vec<k8s::VolumeDevice>,
            /// Liveness probe.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub liveness_probe: Option<k8s::Probe>,
            /// Readiness probe.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub readiness_probe: Option<k8s::Probe>,
            /// Startup probe.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub startup_probe: Option<k8s::Probe>,
            /// Lifecycle handlers.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub lifecycle: Option<k8s::Lifecycle>,
            /// Termination message path.
            #[serde(skip_serializing_if = "is_default")]
            pub termination_message_path: String,
            /// Termination message policy.
            #[serde(skip_serializing_if = "is_default")]
            pub termination_message_policy: String,
            /// Image pull policy.
            #[serde(skip_serializing_if = "is_default")]
            pub image_pull_policy: String,
            /// Security context.
            #[serde(skip_serializing_if = "Option::is_none")]
            pub security_context: Option<k8s::SecurityContext>,
            /// Keep standard input open.
            #[serde(skip_serializing_if = "is_default")]
            pub stdin: bool,
            /// Close standard input after the first client.
            #[serde(skip_serializing_if = "is_default")]
            pub stdin_once: bool,
            /// Allocate a terminal.
            #[serde(skip_serializing_if = "is_default")]
            pub tty: bool,
            $( $(#[$field_doc])* #[serde(skip_serializing_if = "is_default")] pub $field: $ty, )*
        }
    };
}

container_like!(
    /// A container.
    Container {}
);
container_like!(
    /// A container that runs a script given as text.
    ScriptTemplate {
        /// The script; written to a file whose path becomes the last argument of `command`.
        source: String,
    }
);
container_like!(
    /// A side car or init container.
    UserContainer {
        /// Mount the volumes of the main container too.
        mirror_volume_mounts: Option<bool>,
    }
);
container_like!(
    /// One container of a container set.
    ContainerNode {
        /// Containers of the set that must have succeeded first.
        dependencies: Vec<String>,
    }
);

/// Several containers in one pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerSetTemplate {
    /// The containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub containers: Vec<ContainerNode>,
    /// Volume mounts of all containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub volume_mounts: Vec<k8s::VolumeMount>,
    /// In-place retries of each container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_strategy: Option<ContainerSetRetryStrategy>,
}

/// In-place retries of a container of a set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerSetRetryStrategy {
    /// Wait between retries, e.g. `300ms`.
    #[serde(skip_serializing_if = "is_default")]
    pub duration: String,
    /// Number of retries.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retries: Option<IntOrString>,
}

/// An action on a Kubernetes resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ResourceTemplate {
    /// `get`, `create`, `apply`, `delete`, `replace` or `patch`.
    pub action: String,
    /// `strategic`, `merge` or `json`.
    #[serde(skip_serializing_if = "is_default")]
    pub merge_strategy: String,
    /// The manifest as text.
    #[serde(skip_serializing_if = "is_default")]
    pub manifest: String,
    /// Source of the manifest when it is not literal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest_from: Option<ManifestFrom>,
    /// Add the workflow as owner.
    #[serde(skip_serializing_if = "is_default")]
    pub set_owner_reference: bool,
    /// Label-selector syntax over the object's fields; met means success.
    #[serde(skip_serializing_if = "is_default")]
    pub success_condition: String,
    /// Label-selector syntax over the object's fields; met means failure.
    #[serde(skip_serializing_if = "is_default")]
    pub failure_condition: String,
    /// Extra flags of kubectl.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub flags: Vec<String>,
}

/// Where a manifest comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ManifestFrom {
    /// An artifact that holds the manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<Artifact>,
}

/// An HTTP request made by the engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpTemplate {
    /// Method; GET when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub method: String,
    /// Address.
    pub url: String,
    /// Headers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HttpHeader>,
    /// Seconds until the request is given up; 30 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_seconds: Option<i64>,
    /// Expression over request and response; a 2xx status when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub success_condition: String,
    /// Body as text.
    #[serde(skip_serializing_if = "is_default")]
    pub body: String,
    /// Body from elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_from: Option<HttpBodySource>,
    /// Skip TLS verification.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure_skip_verify: bool,
}

/// A header whose value may come from a Secret.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeader {
    /// Name.
    pub name: String,
    /// Literal value.
    #[serde(skip_serializing_if = "is_default")]
    pub value: String,
    /// Source of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<HttpHeaderSource>,
}

/// Source of a header's value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpHeaderSource {
    /// Key of a Secret.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<k8s::SecretKeySelector>,
}

/// Source of a request's body.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpBodySource {
    /// Bytes, base64 in JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<String>,
}

/// A list of artifacts filtered and transformed by expressions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DataTemplate {
    /// Where the data comes from.
    pub source: DataSource,
    /// Expressions applied one after the other; variable `data`.
    pub transformation: Vec<TransformationStep>,
}

/// Source of a data template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataSource {
    /// The paths of a location, as a list. An artifact in all fields.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_paths: Option<Artifact>,
}

/// One transformation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TransformationStep {
    /// The expression.
    pub expression: String,
}

/// A pause until somebody resumes or the duration passes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuspendTemplate {
    /// Seconds or a duration text such as `1m30s`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<AnyString>,
}
