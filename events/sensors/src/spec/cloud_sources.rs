//! Event sources that consume queues of cloud providers.
//! Does not connect.

use std::collections::BTreeMap;

use runner_workflows::spec::k8s;
use serde::{Deserialize, Serialize};

use super::{EventSourceFilter, TlsConfig, is_default};

/// SQS event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SqsEventSource {
    /// Access key.
    #[serde(skip_serializing_if = "is_default")]
    pub access_key: Option<k8s::SecretKeySelector>,
    /// DLQ.
    #[serde(skip_serializing_if = "is_default")]
    pub dlq: bool,
    /// URL of the service, instead of Amazon's.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint: String,
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
    /// Queue account ID.
    #[serde(skip_serializing_if = "is_default")]
    pub queue_account_id: String,
    /// Region.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
    /// Role ARN.
    #[serde(rename = "roleARN", skip_serializing_if = "is_default")]
    pub role_arn: String,
    /// Secret key.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_key: Option<k8s::SecretKeySelector>,
    /// Session token.
    #[serde(skip_serializing_if = "is_default")]
    pub session_token: Option<k8s::SecretKeySelector>,
    /// Wait time seconds.
    #[serde(skip_serializing_if = "is_default")]
    pub wait_time_seconds: Option<i64>,
}

/// Pub sub event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PubSubEventSource {
    /// Credential secret.
    #[serde(skip_serializing_if = "is_default")]
    pub credential_secret: Option<k8s::SecretKeySelector>,
    /// Delete subscription on finish.
    #[serde(skip_serializing_if = "is_default")]
    pub delete_subscription_on_finish: bool,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Project ID.
    #[serde(rename = "projectID", skip_serializing_if = "is_default")]
    pub project_id: String,
    /// Id of the subscription.
    #[serde(rename = "subscriptionID", skip_serializing_if = "is_default")]
    pub subscription_id: String,
    /// Topic.
    #[serde(skip_serializing_if = "is_default")]
    pub topic: String,
    /// Topic project ID.
    #[serde(rename = "topicProjectID", skip_serializing_if = "is_default")]
    pub topic_project_id: String,
}

/// Azure events hub event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AzureEventsHubEventSource {
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Fqdn.
    #[serde(skip_serializing_if = "is_default")]
    pub fqdn: String,
    /// Hub name.
    #[serde(skip_serializing_if = "is_default")]
    pub hub_name: String,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Shared access key.
    #[serde(skip_serializing_if = "is_default")]
    pub shared_access_key: Option<k8s::SecretKeySelector>,
    /// Shared access key name.
    #[serde(skip_serializing_if = "is_default")]
    pub shared_access_key_name: Option<k8s::SecretKeySelector>,
}

/// Azure queue storage event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AzureQueueStorageEventSource {
    /// Connection string.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_string: Option<k8s::SecretKeySelector>,
    /// Decode message.
    #[serde(skip_serializing_if = "is_default")]
    pub decode_message: bool,
    /// DLQ.
    #[serde(skip_serializing_if = "is_default")]
    pub dlq: bool,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Queue name.
    #[serde(skip_serializing_if = "is_default")]
    pub queue_name: String,
    /// Storage account name.
    #[serde(skip_serializing_if = "is_default")]
    pub storage_account_name: String,
    /// Wait time in seconds.
    #[serde(skip_serializing_if = "is_default")]
    pub wait_time_in_seconds: Option<i64>,
}

/// Azure service bus event source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AzureServiceBusEventSource {
    /// Connection string.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_string: Option<k8s::SecretKeySelector>,
    /// Defer delete.
    #[serde(skip_serializing_if = "is_default")]
    pub defer_delete: bool,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// Fully qualified namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub fully_qualified_namespace: String,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Extra values that are copied into each event as `metadata`.
    #[serde(skip_serializing_if = "is_default")]
    pub metadata: BTreeMap<String, String>,
    /// Queue name.
    #[serde(skip_serializing_if = "is_default")]
    pub queue_name: String,
    /// Subscription name.
    #[serde(skip_serializing_if = "is_default")]
    pub subscription_name: String,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// Topic name.
    #[serde(skip_serializing_if = "is_default")]
    pub topic_name: String,
}

/// Alibaba Cloud MNS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MnsEventSource {
    /// Access key.
    #[serde(skip_serializing_if = "is_default")]
    pub access_key: Option<k8s::SecretKeySelector>,
    /// URL of the service.
    #[serde(skip_serializing_if = "is_default")]
    pub endpoint: String,
    /// Expression that keeps or drops events.
    #[serde(skip_serializing_if = "is_default")]
    pub filter: Option<EventSourceFilter>,
    /// The body is JSON and is embedded as such; else as base64 text.
    #[serde(skip_serializing_if = "is_default")]
    pub json_body: bool,
    /// Queue.
    #[serde(skip_serializing_if = "is_default")]
    pub queue: String,
    /// Secret key.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_key: Option<k8s::SecretKeySelector>,
}
