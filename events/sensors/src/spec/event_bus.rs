//! EventBus: what carries events from sources to sensors.
//! Does not carry them: by default the store is the bus.

use std::collections::BTreeMap;

use runner_workflows::spec::{ObjectMeta, k8s};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{KafkaConsumerGroup, ObjectLabels, SaslConfig, TlsConfig, is_default};

/// Event bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventBus {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Metadata of the object.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: EventBusSpec,
    /// What a cluster wrote back; no meaning here.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Value,
}

/// Event bus spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventBusSpec {
    /// JetStream, run by the operator.
    #[serde(skip_serializing_if = "is_default")]
    pub jetstream: Option<JetStreamBus>,
    /// JetStream somewhere else.
    #[serde(skip_serializing_if = "is_default")]
    pub jetstream_exotic: Option<JetStreamConfig>,
    /// Kafka.
    #[serde(skip_serializing_if = "is_default")]
    pub kafka: Option<KafkaBus>,
    /// NATS.
    #[serde(skip_serializing_if = "is_default")]
    pub nats: Option<NatsBus>,
}

/// Jet stream bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JetStreamBus {
    /// Placement of pods.
    #[serde(skip_serializing_if = "is_default")]
    pub affinity: Option<k8s::Affinity>,
    /// Container template.
    #[serde(skip_serializing_if = "is_default")]
    pub container_template: Option<ContainerTemplate>,
    /// Image pull secrets.
    #[serde(skip_serializing_if = "is_default")]
    pub image_pull_secrets: Vec<k8s::LocalObjectReference>,
    /// Max payload.
    #[serde(skip_serializing_if = "is_default")]
    pub max_payload: String,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Option<ObjectLabels>,
    /// Metrics container template.
    #[serde(skip_serializing_if = "is_default")]
    pub metrics_container_template: Option<ContainerTemplate>,
    /// Node selector.
    #[serde(skip_serializing_if = "is_default")]
    pub node_selector: BTreeMap<String, String>,
    /// What is remembered over restarts.
    #[serde(skip_serializing_if = "is_default")]
    pub persistence: Option<PersistenceStrategy>,
    /// Priority.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: Option<i64>,
    /// Priority class name.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_class_name: String,
    /// Reloader container template.
    #[serde(skip_serializing_if = "is_default")]
    pub reloader_container_template: Option<ContainerTemplate>,
    /// Copies to run in a cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<i64>,
    /// Security context.
    #[serde(skip_serializing_if = "is_default")]
    pub security_context: Option<k8s::PodSecurityContext>,
    /// Service account name.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// Settings.
    #[serde(skip_serializing_if = "is_default")]
    pub settings: String,
    /// Start args.
    #[serde(skip_serializing_if = "is_default")]
    pub start_args: Vec<String>,
    /// Stream config.
    #[serde(skip_serializing_if = "is_default")]
    pub stream_config: String,
    /// Tolerations.
    #[serde(skip_serializing_if = "is_default")]
    pub tolerations: Vec<k8s::Toleration>,
    /// Version of NATS; any text, the server decides.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
}

/// Jet stream config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct JetStreamConfig {
    /// Access secret.
    #[serde(skip_serializing_if = "is_default")]
    pub access_secret: Option<k8s::SecretKeySelector>,
    /// Stream config.
    #[serde(skip_serializing_if = "is_default")]
    pub stream_config: String,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// NATS bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatsBus {
    /// NATS Streaming somewhere else.
    #[serde(skip_serializing_if = "is_default")]
    pub exotic: Option<NatsConfig>,
    /// NATS Streaming, run by the operator.
    #[serde(skip_serializing_if = "is_default")]
    pub native: Option<NativeStrategy>,
}

/// Native strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NativeStrategy {
    /// Placement of pods.
    #[serde(skip_serializing_if = "is_default")]
    pub affinity: Option<k8s::Affinity>,
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: String,
    /// Container template.
    #[serde(skip_serializing_if = "is_default")]
    pub container_template: Option<ContainerTemplate>,
    /// Image pull secrets.
    #[serde(skip_serializing_if = "is_default")]
    pub image_pull_secrets: Vec<k8s::LocalObjectReference>,
    /// Max age.
    #[serde(skip_serializing_if = "is_default")]
    pub max_age: String,
    /// Max bytes.
    #[serde(skip_serializing_if = "is_default")]
    pub max_bytes: String,
    /// Max msgs.
    #[serde(skip_serializing_if = "is_default")]
    pub max_msgs: Option<i64>,
    /// Max payload.
    #[serde(skip_serializing_if = "is_default")]
    pub max_payload: String,
    /// Max subs.
    #[serde(skip_serializing_if = "is_default")]
    pub max_subs: Option<i64>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Option<ObjectLabels>,
    /// Metrics container template.
    #[serde(skip_serializing_if = "is_default")]
    pub metrics_container_template: Option<ContainerTemplate>,
    /// Node selector.
    #[serde(skip_serializing_if = "is_default")]
    pub node_selector: BTreeMap<String, String>,
    /// What is remembered over restarts.
    #[serde(skip_serializing_if = "is_default")]
    pub persistence: Option<PersistenceStrategy>,
    /// Priority.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: Option<i64>,
    /// Priority class name.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_class_name: String,
    /// Raft commit timeout.
    #[serde(skip_serializing_if = "is_default")]
    pub raft_commit_timeout: String,
    /// Raft election timeout.
    #[serde(skip_serializing_if = "is_default")]
    pub raft_election_timeout: String,
    /// Raft heartbeat timeout.
    #[serde(skip_serializing_if = "is_default")]
    pub raft_heartbeat_timeout: String,
    /// Raft lease timeout.
    #[serde(skip_serializing_if = "is_default")]
    pub raft_lease_timeout: String,
    /// Copies to run in a cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<i64>,
    /// Security context.
    #[serde(skip_serializing_if = "is_default")]
    pub security_context: Option<k8s::PodSecurityContext>,
    /// Service account name.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// Tolerations.
    #[serde(skip_serializing_if = "is_default")]
    pub tolerations: Vec<k8s::Toleration>,
}

/// NATS config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatsConfig {
    /// Access secret.
    #[serde(skip_serializing_if = "is_default")]
    pub access_secret: Option<k8s::SecretKeySelector>,
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: String,
    /// Cluster ID.
    #[serde(rename = "clusterID", skip_serializing_if = "is_default")]
    pub cluster_id: String,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// Kafka bus.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KafkaBus {
    /// Consumer group.
    #[serde(skip_serializing_if = "is_default")]
    pub consumer_group: Option<KafkaConsumerGroup>,
    /// Partitioner.
    #[serde(skip_serializing_if = "is_default")]
    pub partitioner: String,
    /// SASL.
    #[serde(skip_serializing_if = "is_default")]
    pub sasl: Option<SaslConfig>,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Topic.
    #[serde(skip_serializing_if = "is_default")]
    pub topic: String,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
    /// Version.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
}

/// Persistence strategy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PersistenceStrategy {
    /// Access mode.
    #[serde(skip_serializing_if = "is_default")]
    pub access_mode: String,
    /// Storage class name.
    #[serde(skip_serializing_if = "is_default")]
    pub storage_class_name: String,
    /// Volume size.
    #[serde(skip_serializing_if = "is_default")]
    pub volume_size: String,
}

/// Container template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerTemplate {
    /// Image pull policy.
    #[serde(skip_serializing_if = "is_default")]
    pub image_pull_policy: String,
    /// Resources.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Option<k8s::ResourceRequirements>,
    /// Security context.
    #[serde(skip_serializing_if = "is_default")]
    pub security_context: Option<k8s::SecurityContext>,
}
