//! Event sources that consume messages of a broker or a queue.
//! Does not connect.

use std::collections::BTreeMap;

use runner_workflows::spec::k8s;
use serde::{Deserialize, Serialize};

use super::{
    Backoff, BasicAuth, EventSourceFilter, NatsAuth, SaslConfig, SchemaRegistryConfig, TlsConfig, is_default,
};

/// AMQP event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AmqpEventSource {
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: Option<BasicAuth>,
    /// Waits between tries to connect.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_backoff: Option<Backoff>,
    /// How messages are consumed.
    #[serde(skip_serializing_if = "is_default")]
    pub consume: Option<AmqpConsumeConfig>,
    /// Exchange declare.
    #[serde(skip_serializing_if = "is_default")]
    pub exchange_declare: Option<AmqpExchangeDeclareConfig>,
    /// Exchange name.
    #[serde(skip_serializing_if = "is_default")]
    pub exchange_name: String,
    /// Exchange type.
    #[serde(skip_serializing_if = "is_default")]
    pub exchange_type: String,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Queue bind.
    #[serde(skip_serializing_if = "is_default")]
    pub queue_bind: Option<AmqpQueueBindConfig>,
    /// Queue declare.
    #[serde(skip_serializing_if = "is_default")]
    pub queue_declare: Option<AmqpQueueDeclareConfig>,
    /// Routing key.
    #[serde(skip_serializing_if = "is_default")]
    pub routing_key: String,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
    /// URL secret.
    #[serde(skip_serializing_if = "is_default")]
    pub url_secret: Option<k8s::SecretKeySelector>,
}

/// AMQP consume config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AmqpConsumeConfig {
    /// Auto ack.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_ack: bool,
    /// Consumer tag.
    #[serde(skip_serializing_if = "is_default")]
    pub consumer_tag: String,
    /// Exclusive.
    #[serde(skip_serializing_if = "is_default")]
    pub exclusive: bool,
    /// No local.
    #[serde(skip_serializing_if = "is_default")]
    pub no_local: bool,
    /// No wait.
    #[serde(skip_serializing_if = "is_default")]
    pub no_wait: bool,
}

/// AMQP exchange declare config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AmqpExchangeDeclareConfig {
    /// Auto delete.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_delete: bool,
    /// Durable.
    #[serde(skip_serializing_if = "is_default")]
    pub durable: bool,
    /// Internal.
    #[serde(skip_serializing_if = "is_default")]
    pub internal: bool,
    /// No wait.
    #[serde(skip_serializing_if = "is_default")]
    pub no_wait: bool,
}

/// AMQP queue bind config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AmqpQueueBindConfig {
    /// No wait.
    #[serde(skip_serializing_if = "is_default")]
    pub no_wait: bool,
}

/// AMQP queue declare config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AmqpQueueDeclareConfig {
    /// Arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub arguments: String,
    /// Auto delete.
    #[serde(skip_serializing_if = "is_default")]
    pub auto_delete: bool,
    /// Durable.
    #[serde(skip_serializing_if = "is_default")]
    pub durable: bool,
    /// Exclusive.
    #[serde(skip_serializing_if = "is_default")]
    pub exclusive: bool,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// No wait.
    #[serde(skip_serializing_if = "is_default")]
    pub no_wait: bool,
}

/// Kafka event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KafkaEventSource {
    /// AWS msk IAM auth.
    #[serde(skip_serializing_if = "is_default")]
    pub aws_msk_iam_auth: Option<AwsMskIamConfig>,
    /// Config.
    #[serde(skip_serializing_if = "is_default")]
    pub config: String,
    /// Waits between tries to connect.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_backoff: Option<Backoff>,
    /// Consumer group.
    #[serde(skip_serializing_if = "is_default")]
    pub consumer_group: Option<KafkaConsumerGroup>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Limit events per second.
    #[serde(skip_serializing_if = "is_default")]
    pub limit_events_per_second: Option<i64>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Partition.
    #[serde(skip_serializing_if = "is_default")]
    pub partition: String,
    /// SASL.
    #[serde(skip_serializing_if = "is_default")]
    pub sasl: Option<SaslConfig>,
    /// Schema registry.
    #[serde(skip_serializing_if = "is_default")]
    pub schema_registry: Option<SchemaRegistryConfig>,
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

/// Kafka consumer group.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KafkaConsumerGroup {
    /// Group name.
    #[serde(skip_serializing_if = "is_default")]
    pub group_name: String,
    /// Oldest.
    #[serde(skip_serializing_if = "is_default")]
    pub oldest: bool,
    /// Rebalance strategy.
    #[serde(skip_serializing_if = "is_default")]
    pub rebalance_strategy: String,
}

/// AWSMSKIAM config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsMskIamConfig {
    /// Region.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
}

/// MQTT event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MqttEventSource {
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: Option<BasicAuth>,
    /// Client ID.
    #[serde(skip_serializing_if = "is_default")]
    pub client_id: String,
    /// Waits between tries to connect.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_backoff: Option<Backoff>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Topic.
    #[serde(skip_serializing_if = "is_default")]
    pub topic: String,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// A NATS subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatsEventsSource {
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: Option<NatsAuth>,
    /// Waits between tries to connect.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_backoff: Option<Backoff>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Queue.
    #[serde(skip_serializing_if = "is_default")]
    pub queue: String,
    /// Subject.
    #[serde(skip_serializing_if = "is_default")]
    pub subject: String,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// NSQ event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NsqEventSource {
    /// Channel.
    #[serde(skip_serializing_if = "is_default")]
    pub channel: String,
    /// Waits between tries to connect.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_backoff: Option<Backoff>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Host address.
    #[serde(skip_serializing_if = "is_default")]
    pub host_address: String,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Topic.
    #[serde(skip_serializing_if = "is_default")]
    pub topic: String,
}

/// Pulsar event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PulsarEventSource {
    /// Auth athenz params.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_athenz_params: BTreeMap<String, String>,
    /// Auth athenz secret.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_athenz_secret: Option<k8s::SecretKeySelector>,
    /// Auth token secret.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_token_secret: Option<k8s::SecretKeySelector>,
    /// Waits between tries to connect.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_backoff: Option<Backoff>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// TLS allow insecure connection.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_allow_insecure_connection: bool,
    /// TLS trust certs secret.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_trust_certs_secret: Option<k8s::SecretKeySelector>,
    /// TLS validate hostname.
    #[serde(skip_serializing_if = "is_default")]
    pub tls_validate_hostname: bool,
    /// Topics.
    #[serde(skip_serializing_if = "is_default")]
    pub topics: Vec<String>,
    /// Type.
    #[serde(skip_serializing_if = "is_default")]
    pub r#type: String,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// Redis event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RedisEventSource {
    /// Channels.
    #[serde(skip_serializing_if = "is_default")]
    pub channels: Vec<String>,
    /// Db.
    #[serde(skip_serializing_if = "is_default")]
    pub db: Option<i64>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Host address.
    #[serde(skip_serializing_if = "is_default")]
    pub host_address: String,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Password.
    #[serde(skip_serializing_if = "is_default")]
    pub password: Option<k8s::SecretKeySelector>,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
}

/// Redis stream event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct RedisStreamEventSource {
    /// Consumer group.
    #[serde(skip_serializing_if = "is_default")]
    pub consumer_group: String,
    /// Db.
    #[serde(skip_serializing_if = "is_default")]
    pub db: Option<i64>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Host address.
    #[serde(skip_serializing_if = "is_default")]
    pub host_address: String,
    /// Max msg count per read.
    #[serde(skip_serializing_if = "is_default")]
    pub max_msg_count_per_read: Option<i64>,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Password.
    #[serde(skip_serializing_if = "is_default")]
    pub password: Option<k8s::SecretKeySelector>,
    /// Streams.
    #[serde(skip_serializing_if = "is_default")]
    pub streams: Vec<String>,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
}

/// Emitter event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmitterEventSource {
    /// Broker.
    #[serde(skip_serializing_if = "is_default")]
    pub broker: String,
    /// Channel key.
    #[serde(skip_serializing_if = "is_default")]
    pub channel_key: String,
    /// Channel name.
    #[serde(skip_serializing_if = "is_default")]
    pub channel_name: String,
    /// Waits between tries to connect.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_backoff: Option<Backoff>,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Password.
    #[serde(skip_serializing_if = "is_default")]
    pub password: Option<k8s::SecretKeySelector>,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: Option<k8s::SecretKeySelector>,
}
