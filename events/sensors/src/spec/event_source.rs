//! EventSource: where events come from, and the settings of its pod.
//! The sources themselves are in `web_sources`, `message_sources`, `cloud_sources`, `other_sources`.

use std::collections::BTreeMap;

use runner_workflows::spec::{ObjectMeta, k8s};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    AmqpEventSource, AzureEventsHubEventSource, AzureQueueStorageEventSource, AzureServiceBusEventSource,
    BitbucketEventSource, BitbucketServerEventSource, CalendarEventSource, EmitterEventSource,
    FileEventSource, GenericEventSource, GerritEventSource, GithubEventSource, GitlabEventSource,
    HdfsEventSource, KafkaEventSource, MnsEventSource, MqttEventSource, NatsEventsSource, NsqEventSource,
    ObjectLabels, PubSubEventSource, PulsarEventSource, RedisEventSource, RedisStreamEventSource,
    ResourceEventSource, S3Artifact, SftpEventSource, SlackEventSource, SnsEventSource, SqsEventSource,
    StorageGridEventSource, StripeEventSource, WebhookEventSource, is_default,
};

/// Where events come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSource {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Metadata of the object.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: EventSourceSpec,
    /// What a cluster wrote back; no meaning here.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Value,
}

/// The sources by type and event name, and settings of the pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventSourceSpec {
    /// Amqp.
    #[serde(skip_serializing_if = "is_default")]
    pub amqp: BTreeMap<String, AmqpEventSource>,
    /// Azure events hub.
    #[serde(skip_serializing_if = "is_default")]
    pub azure_events_hub: BTreeMap<String, AzureEventsHubEventSource>,
    /// Azure queue storage.
    #[serde(skip_serializing_if = "is_default")]
    pub azure_queue_storage: BTreeMap<String, AzureQueueStorageEventSource>,
    /// Azure service bus.
    #[serde(skip_serializing_if = "is_default")]
    pub azure_service_bus: BTreeMap<String, AzureServiceBusEventSource>,
    /// Bitbucket.
    #[serde(skip_serializing_if = "is_default")]
    pub bitbucket: BTreeMap<String, BitbucketEventSource>,
    /// Bitbucketserver.
    #[serde(skip_serializing_if = "is_default")]
    pub bitbucketserver: BTreeMap<String, BitbucketServerEventSource>,
    /// Calendar.
    #[serde(skip_serializing_if = "is_default")]
    pub calendar: BTreeMap<String, CalendarEventSource>,
    /// Emitter.
    #[serde(skip_serializing_if = "is_default")]
    pub emitter: BTreeMap<String, EmitterEventSource>,
    /// Name of the EventBus; `default` when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub event_bus_name: String,
    /// File with the resource.
    #[serde(skip_serializing_if = "is_default")]
    pub file: BTreeMap<String, FileEventSource>,
    /// Generic.
    #[serde(skip_serializing_if = "is_default")]
    pub generic: BTreeMap<String, GenericEventSource>,
    /// Gerrit.
    #[serde(skip_serializing_if = "is_default")]
    pub gerrit: BTreeMap<String, GerritEventSource>,
    /// Github.
    #[serde(skip_serializing_if = "is_default")]
    pub github: BTreeMap<String, GithubEventSource>,
    /// Gitlab.
    #[serde(skip_serializing_if = "is_default")]
    pub gitlab: BTreeMap<String, GitlabEventSource>,
    /// HDFS.
    #[serde(skip_serializing_if = "is_default")]
    pub hdfs: BTreeMap<String, HdfsEventSource>,
    /// Kafka.
    #[serde(skip_serializing_if = "is_default")]
    pub kafka: BTreeMap<String, KafkaEventSource>,
    /// Minio.
    #[serde(skip_serializing_if = "is_default")]
    pub minio: BTreeMap<String, S3Artifact>,
    /// Mns.
    #[serde(skip_serializing_if = "is_default")]
    pub mns: BTreeMap<String, MnsEventSource>,
    /// Mqtt.
    #[serde(skip_serializing_if = "is_default")]
    pub mqtt: BTreeMap<String, MqttEventSource>,
    /// NATS.
    #[serde(skip_serializing_if = "is_default")]
    pub nats: BTreeMap<String, NatsEventsSource>,
    /// Nsq.
    #[serde(skip_serializing_if = "is_default")]
    pub nsq: BTreeMap<String, NsqEventSource>,
    /// Pub sub.
    #[serde(skip_serializing_if = "is_default")]
    pub pub_sub: BTreeMap<String, PubSubEventSource>,
    /// Pulsar.
    #[serde(skip_serializing_if = "is_default")]
    pub pulsar: BTreeMap<String, PulsarEventSource>,
    /// Redis.
    #[serde(skip_serializing_if = "is_default")]
    pub redis: BTreeMap<String, RedisEventSource>,
    /// Redis stream.
    #[serde(skip_serializing_if = "is_default")]
    pub redis_stream: BTreeMap<String, RedisStreamEventSource>,
    /// Copies to run in a cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<i64>,
    /// The resource.
    #[serde(skip_serializing_if = "is_default")]
    pub resource: BTreeMap<String, ResourceEventSource>,
    /// Service.
    #[serde(skip_serializing_if = "is_default")]
    pub service: Option<Service>,
    /// Sftp.
    #[serde(skip_serializing_if = "is_default")]
    pub sftp: BTreeMap<String, SftpEventSource>,
    /// Slack.
    #[serde(skip_serializing_if = "is_default")]
    pub slack: BTreeMap<String, SlackEventSource>,
    /// Sns.
    #[serde(skip_serializing_if = "is_default")]
    pub sns: BTreeMap<String, SnsEventSource>,
    /// Sqs.
    #[serde(skip_serializing_if = "is_default")]
    pub sqs: BTreeMap<String, SqsEventSource>,
    /// Storage grid.
    #[serde(skip_serializing_if = "is_default")]
    pub storage_grid: BTreeMap<String, StorageGridEventSource>,
    /// Stripe.
    #[serde(skip_serializing_if = "is_default")]
    pub stripe: BTreeMap<String, StripeEventSource>,
    /// Settings of the pod.
    #[serde(skip_serializing_if = "is_default")]
    pub template: Option<PodSettings>,
    /// Where to listen.
    #[serde(skip_serializing_if = "is_default")]
    pub webhook: BTreeMap<String, WebhookEventSource>,
}

/// The Kubernetes service in front of an event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Cluster IP.
    #[serde(rename = "clusterIP", skip_serializing_if = "is_default")]
    pub cluster_ip: String,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Option<ObjectLabels>,
    /// Ports.
    #[serde(skip_serializing_if = "is_default")]
    pub ports: Vec<k8s::ServicePort>,
}

/// Settings of the pod that would run the object in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSettings {
    /// Placement of pods.
    #[serde(skip_serializing_if = "is_default")]
    pub affinity: Option<k8s::Affinity>,
    /// Container.
    #[serde(skip_serializing_if = "is_default")]
    pub container: Option<ContainerSettings>,
    /// Image pull secrets.
    #[serde(skip_serializing_if = "is_default")]
    pub image_pull_secrets: Vec<k8s::LocalObjectReference>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: Option<ObjectLabels>,
    /// Node selector.
    #[serde(skip_serializing_if = "is_default")]
    pub node_selector: BTreeMap<String, String>,
    /// Priority.
    #[serde(skip_serializing_if = "is_default")]
    pub priority: Option<i64>,
    /// Priority class name.
    #[serde(skip_serializing_if = "is_default")]
    pub priority_class_name: String,
    /// Security context.
    #[serde(skip_serializing_if = "is_default")]
    pub security_context: Option<k8s::PodSecurityContext>,
    /// Service account name.
    #[serde(skip_serializing_if = "is_default")]
    pub service_account_name: String,
    /// Tolerations.
    #[serde(skip_serializing_if = "is_default")]
    pub tolerations: Vec<k8s::Toleration>,
    /// Volumes.
    #[serde(skip_serializing_if = "is_default")]
    pub volumes: Vec<k8s::Volume>,
}

/// Settings of the container that would run the object in a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerSettings {
    /// Env.
    #[serde(skip_serializing_if = "is_default")]
    pub env: Vec<k8s::EnvVar>,
    /// Env from.
    #[serde(skip_serializing_if = "is_default")]
    pub env_from: Vec<k8s::EnvFromSource>,
    /// Image pull policy.
    #[serde(skip_serializing_if = "is_default")]
    pub image_pull_policy: String,
    /// Resources.
    #[serde(skip_serializing_if = "is_default")]
    pub resources: Option<k8s::ResourceRequirements>,
    /// Security context.
    #[serde(skip_serializing_if = "is_default")]
    pub security_context: Option<k8s::SecurityContext>,
    /// Volume mounts.
    #[serde(skip_serializing_if = "is_default")]
    pub volume_mounts: Vec<k8s::VolumeMount>,
}
