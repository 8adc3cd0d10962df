//! The kinds of triggers and where their resources come from.
//! Does not fire.

use std::collections::BTreeMap;

use runner_workflows::spec::k8s;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Backoff, BasicAuth, GithubAppCreds, NatsAuth, S3Artifact, SaslConfig, SchemaRegistryConfig, SecureHeader,
    TlsConfig, TriggerParameter, is_default,
};

/// Submits or commands a workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArgoWorkflowTrigger {
    /// More arguments of the command.
    #[serde(skip_serializing_if = "is_default")]
    pub args: Vec<String>,
    /// What to do.
    #[serde(skip_serializing_if = "is_default")]
    pub operation: String,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Where the resource is.
    #[serde(skip_serializing_if = "is_default")]
    pub source: Option<ArtifactLocation>,
}

/// Creates, updates, patches or deletes a Kubernetes object.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StandardK8sTrigger {
    /// Work on the live object.
    #[serde(skip_serializing_if = "is_default")]
    pub live_object: bool,
    /// What to do.
    #[serde(skip_serializing_if = "is_default")]
    pub operation: String,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Media type of the patch; merge when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub patch_strategy: String,
    /// Where the resource is.
    #[serde(skip_serializing_if = "is_default")]
    pub source: Option<ArtifactLocation>,
}

/// Where the resource of a trigger is; one of these.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ArtifactLocation {
    /// Key of a ConfigMap with the resource.
    #[serde(skip_serializing_if = "is_default")]
    pub configmap: Option<k8s::ConfigMapKeySelector>,
    /// File with the resource.
    #[serde(skip_serializing_if = "is_default")]
    pub file: Option<FileArtifact>,
    /// File of a git repository.
    #[serde(skip_serializing_if = "is_default")]
    pub git: Option<GitArtifact>,
    /// The resource as text.
    #[serde(skip_serializing_if = "is_default")]
    pub inline: String,
    /// The resource.
    #[serde(skip_serializing_if = "is_default")]
    pub resource: Value,
    /// Object in an S3 compatible store.
    #[serde(skip_serializing_if = "is_default")]
    pub s3: Option<S3Artifact>,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: Option<UrlArtifact>,
}

/// File artifact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FileArtifact {
    /// Path to the value.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
}

/// URL artifact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct UrlArtifact {
    /// Path to the value.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Verify cert.
    #[serde(skip_serializing_if = "is_default")]
    pub verify_cert: bool,
}

/// Git artifact.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GitArtifact {
    /// Branch.
    #[serde(skip_serializing_if = "is_default")]
    pub branch: String,
    /// Clone directory.
    #[serde(skip_serializing_if = "is_default")]
    pub clone_directory: String,
    /// Creds.
    #[serde(skip_serializing_if = "is_default")]
    pub creds: Option<GitCreds>,
    /// File path.
    #[serde(skip_serializing_if = "is_default")]
    pub file_path: String,
    /// Github app.
    #[serde(skip_serializing_if = "is_default")]
    pub github_app: Option<GithubAppCreds>,
    /// Insecure ignore host key.
    #[serde(skip_serializing_if = "is_default")]
    pub insecure_ignore_host_key: bool,
    /// Ref.
    #[serde(skip_serializing_if = "is_default")]
    pub r#ref: String,
    /// Remote.
    #[serde(skip_serializing_if = "is_default")]
    pub remote: Option<GitRemoteConfig>,
    /// SSH key secret.
    #[serde(skip_serializing_if = "is_default")]
    pub ssh_key_secret: Option<k8s::SecretKeySelector>,
    /// Tag.
    #[serde(skip_serializing_if = "is_default")]
    pub tag: String,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// Git creds.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GitCreds {
    /// Password.
    #[serde(skip_serializing_if = "is_default")]
    pub password: Option<k8s::SecretKeySelector>,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: Option<k8s::SecretKeySelector>,
}

/// Git remote config.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct GitRemoteConfig {
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Urls.
    #[serde(skip_serializing_if = "is_default")]
    pub urls: Vec<String>,
}

/// HTTP trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HttpTrigger {
    /// Basic auth.
    #[serde(skip_serializing_if = "is_default")]
    pub basic_auth: Option<BasicAuth>,
    /// Headers from events.
    #[serde(skip_serializing_if = "is_default")]
    pub dynamic_headers: Vec<TriggerParameter>,
    /// Headers.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, String>,
    /// Host.
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    /// HTTP method.
    #[serde(skip_serializing_if = "is_default")]
    pub method: String,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
    /// Headers from Secrets.
    #[serde(skip_serializing_if = "is_default")]
    pub secure_headers: Vec<SecureHeader>,
    /// Seconds; 60 when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub timeout: Option<i64>,
    /// TLS towards the server; none when absent.
    #[serde(skip_serializing_if = "is_default")]
    pub tls: Option<TlsConfig>,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// Slack trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlackTrigger {
    /// Attachments.
    #[serde(skip_serializing_if = "is_default")]
    pub attachments: String,
    /// Blocks.
    #[serde(skip_serializing_if = "is_default")]
    pub blocks: String,
    /// Channel.
    #[serde(skip_serializing_if = "is_default")]
    pub channel: String,
    /// Message.
    #[serde(skip_serializing_if = "is_default")]
    pub message: String,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Sender.
    #[serde(skip_serializing_if = "is_default")]
    pub sender: Option<SlackSender>,
    /// Slack token.
    #[serde(skip_serializing_if = "is_default")]
    pub slack_token: Option<k8s::SecretKeySelector>,
    /// Thread.
    #[serde(skip_serializing_if = "is_default")]
    pub thread: Option<SlackThread>,
}

/// Slack sender.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlackSender {
    /// Icon.
    #[serde(skip_serializing_if = "is_default")]
    pub icon: String,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
}

/// Slack thread.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlackThread {
    /// Broadcast message to channel.
    #[serde(skip_serializing_if = "is_default")]
    pub broadcast_message_to_channel: bool,
    /// Message aggregation key.
    #[serde(skip_serializing_if = "is_default")]
    pub message_aggregation_key: String,
}

/// Email trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EmailTrigger {
    /// Body.
    #[serde(skip_serializing_if = "is_default")]
    pub body: String,
    /// From.
    #[serde(skip_serializing_if = "is_default")]
    pub from: String,
    /// Host.
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Port of the mail server.
    #[serde(skip_serializing_if = "is_default")]
    pub port: Option<i64>,
    /// Smtp password.
    #[serde(skip_serializing_if = "is_default")]
    pub smtp_password: Option<k8s::SecretKeySelector>,
    /// Subject of the mail.
    #[serde(skip_serializing_if = "is_default")]
    pub subject: String,
    /// To.
    #[serde(skip_serializing_if = "is_default")]
    pub to: Vec<String>,
    /// Username.
    #[serde(skip_serializing_if = "is_default")]
    pub username: String,
}

/// Log trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LogTrigger {
    /// Log at most once in so many seconds.
    #[serde(skip_serializing_if = "is_default")]
    pub interval_seconds: Option<i64>,
}

/// NATS trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct NatsTrigger {
    /// How to log in.
    #[serde(skip_serializing_if = "is_default")]
    pub auth: Option<NatsAuth>,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
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

/// Kafka trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct KafkaTrigger {
    /// Compress.
    #[serde(skip_serializing_if = "is_default")]
    pub compress: bool,
    /// Flush frequency.
    #[serde(skip_serializing_if = "is_default")]
    pub flush_frequency: Option<i64>,
    /// Headers.
    #[serde(skip_serializing_if = "is_default")]
    pub headers: BTreeMap<String, String>,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Partition.
    #[serde(skip_serializing_if = "is_default")]
    pub partition: Option<i64>,
    /// Partitioning key.
    #[serde(skip_serializing_if = "is_default")]
    pub partitioning_key: String,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
    /// Required acks.
    #[serde(skip_serializing_if = "is_default")]
    pub required_acks: Option<i64>,
    /// SASL.
    #[serde(skip_serializing_if = "is_default")]
    pub sasl: Option<SaslConfig>,
    /// Schema registry.
    #[serde(skip_serializing_if = "is_default")]
    pub schema_registry: Option<SchemaRegistryConfig>,
    /// Headers from Secrets.
    #[serde(skip_serializing_if = "is_default")]
    pub secure_headers: Vec<SecureHeader>,
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

/// Pulsar trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PulsarTrigger {
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
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
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
    /// Topic.
    #[serde(skip_serializing_if = "is_default")]
    pub topic: String,
    /// URL of the server.
    #[serde(skip_serializing_if = "is_default")]
    pub url: String,
}

/// AWS lambda trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AwsLambdaTrigger {
    /// Access key.
    #[serde(skip_serializing_if = "is_default")]
    pub access_key: Option<k8s::SecretKeySelector>,
    /// Function name.
    #[serde(skip_serializing_if = "is_default")]
    pub function_name: String,
    /// Invocation type.
    #[serde(skip_serializing_if = "is_default")]
    pub invocation_type: String,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
    /// Region.
    #[serde(skip_serializing_if = "is_default")]
    pub region: String,
    /// Role ARN.
    #[serde(rename = "roleARN", skip_serializing_if = "is_default")]
    pub role_arn: String,
    /// Secret key.
    #[serde(skip_serializing_if = "is_default")]
    pub secret_key: Option<k8s::SecretKeySelector>,
}

/// Azure event hubs trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AzureEventHubsTrigger {
    /// Fqdn.
    #[serde(skip_serializing_if = "is_default")]
    pub fqdn: String,
    /// Hub name.
    #[serde(skip_serializing_if = "is_default")]
    pub hub_name: String,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
    /// Shared access key.
    #[serde(skip_serializing_if = "is_default")]
    pub shared_access_key: Option<k8s::SecretKeySelector>,
    /// Shared access key name.
    #[serde(skip_serializing_if = "is_default")]
    pub shared_access_key_name: Option<k8s::SecretKeySelector>,
}

/// Azure service bus trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AzureServiceBusTrigger {
    /// Connection string.
    #[serde(skip_serializing_if = "is_default")]
    pub connection_string: Option<k8s::SecretKeySelector>,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
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

/// Open whisk trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct OpenWhiskTrigger {
    /// Action name.
    #[serde(skip_serializing_if = "is_default")]
    pub action_name: String,
    /// Auth token.
    #[serde(skip_serializing_if = "is_default")]
    pub auth_token: Option<k8s::SecretKeySelector>,
    /// Host.
    #[serde(skip_serializing_if = "is_default")]
    pub host: String,
    /// Namespace.
    #[serde(skip_serializing_if = "is_default")]
    pub namespace: String,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
    /// Version.
    #[serde(skip_serializing_if = "is_default")]
    pub version: String,
}

/// Custom trigger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CustomTrigger {
    /// Cert secret.
    #[serde(skip_serializing_if = "is_default")]
    pub cert_secret: Option<k8s::SecretKeySelector>,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// Values that make up the body.
    #[serde(skip_serializing_if = "is_default")]
    pub payload: Vec<TriggerParameter>,
    /// Secure.
    #[serde(skip_serializing_if = "is_default")]
    pub secure: bool,
    /// Server name override.
    #[serde(skip_serializing_if = "is_default")]
    pub server_name_override: String,
    /// Server URL.
    #[serde(rename = "serverURL", skip_serializing_if = "is_default")]
    pub server_url: String,
    /// What is wanted.
    #[serde(skip_serializing_if = "is_default")]
    pub spec: BTreeMap<String, String>,
}
