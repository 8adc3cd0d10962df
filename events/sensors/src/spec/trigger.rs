//! Trigger: when it fires, with which parameters and under which policies.
//! What each kind does is in `trigger_kinds`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    ArgoWorkflowTrigger, AwsLambdaTrigger, AzureEventHubsTrigger, AzureServiceBusTrigger, Backoff,
    CustomTrigger, EmailTrigger, HttpTrigger, KafkaTrigger, LogTrigger, NatsTrigger, OpenWhiskTrigger,
    PulsarTrigger, RateLimit, SlackTrigger, StandardK8sTrigger, is_default,
};

/// What a sensor does, and its policies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Trigger {
    /// Wait for the outcome, and retry until it is known.
    #[serde(skip_serializing_if = "is_default")]
    pub at_least_once: bool,
    /// What to do when all tries failed.
    #[serde(skip_serializing_if = "is_default")]
    pub dlq_trigger: Option<Box<Trigger>>,
    /// Values of events put into the template of this object.
    #[serde(skip_serializing_if = "is_default")]
    pub parameters: Vec<TriggerParameter>,
    /// When a firing counts as successful.
    #[serde(skip_serializing_if = "is_default")]
    pub policy: Option<TriggerPolicy>,
    /// Most firings per unit of time.
    #[serde(skip_serializing_if = "is_default")]
    pub rate_limit: Option<RateLimit>,
    /// How failed firings are tried again.
    #[serde(skip_serializing_if = "is_default")]
    pub retry_strategy: Option<Backoff>,
    /// Settings of the pod.
    #[serde(skip_serializing_if = "is_default")]
    pub template: Option<TriggerTemplate>,
}

/// The kind of a trigger and when it fires.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerTemplate {
    /// Argo workflow.
    #[serde(skip_serializing_if = "is_default")]
    pub argo_workflow: Option<ArgoWorkflowTrigger>,
    /// AWS lambda.
    #[serde(skip_serializing_if = "is_default")]
    pub aws_lambda: Option<AwsLambdaTrigger>,
    /// Azure event hubs.
    #[serde(skip_serializing_if = "is_default")]
    pub azure_event_hubs: Option<AzureEventHubsTrigger>,
    /// Azure service bus.
    #[serde(skip_serializing_if = "is_default")]
    pub azure_service_bus: Option<AzureServiceBusTrigger>,
    /// Boolean expression over names of dependencies; all joined by `&&` when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions: String,
    /// When collected events are forgotten.
    #[serde(skip_serializing_if = "is_default")]
    pub conditions_reset: Vec<ConditionsResetCriteria>,
    /// Custom.
    #[serde(skip_serializing_if = "is_default")]
    pub custom: Option<CustomTrigger>,
    /// Email.
    #[serde(skip_serializing_if = "is_default")]
    pub email: Option<EmailTrigger>,
    /// HTTP.
    #[serde(skip_serializing_if = "is_default")]
    pub http: Option<HttpTrigger>,
    /// K8S.
    #[serde(skip_serializing_if = "is_default")]
    pub k8s: Option<StandardK8sTrigger>,
    /// Kafka.
    #[serde(skip_serializing_if = "is_default")]
    pub kafka: Option<KafkaTrigger>,
    /// Log.
    #[serde(skip_serializing_if = "is_default")]
    pub log: Option<LogTrigger>,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// NATS.
    #[serde(skip_serializing_if = "is_default")]
    pub nats: Option<NatsTrigger>,
    /// Open whisk.
    #[serde(skip_serializing_if = "is_default")]
    pub open_whisk: Option<OpenWhiskTrigger>,
    /// Pulsar.
    #[serde(skip_serializing_if = "is_default")]
    pub pulsar: Option<PulsarTrigger>,
    /// Slack.
    #[serde(skip_serializing_if = "is_default")]
    pub slack: Option<SlackTrigger>,
}

/// When collected events of an unfinished condition are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionsResetCriteria {
    /// By a schedule.
    #[serde(skip_serializing_if = "is_default")]
    pub by_time: Option<ConditionsResetByTime>,
}

/// A schedule at which collected events are forgotten.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConditionsResetByTime {
    /// Schedule of five fields.
    #[serde(skip_serializing_if = "is_default")]
    pub cron: String,
    /// IANA time zone; UTC when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub timezone: String,
}

/// A value of an event and where it goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerParameter {
    /// Path into the target (sjson's).
    #[serde(skip_serializing_if = "is_default")]
    pub dest: String,
    /// `overwrite` (default), `append` or `prepend`.
    #[serde(skip_serializing_if = "is_default")]
    pub operation: String,
    /// Where the value comes from.
    #[serde(skip_serializing_if = "is_default")]
    pub src: Option<TriggerParameterSource>,
}

/// Where the value of a parameter comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerParameterSource {
    /// Path into the attributes of the event.
    #[serde(skip_serializing_if = "is_default")]
    pub context_key: String,
    /// Go template over the attributes, as `.Input`.
    #[serde(skip_serializing_if = "is_default")]
    pub context_template: String,
    /// Path into the payload (gjson's).
    #[serde(skip_serializing_if = "is_default")]
    pub data_key: String,
    /// Go template over the payload, as `.Input`.
    #[serde(skip_serializing_if = "is_default")]
    pub data_template: String,
    /// Dependency whose event it is.
    #[serde(skip_serializing_if = "is_default")]
    pub dependency_name: String,
    /// Keep numbers, booleans, lists and maps as they are; else everything is text.
    #[serde(skip_serializing_if = "is_default")]
    pub use_raw_data: bool,
    /// Value when the event has none.
    #[serde(skip_serializing_if = "is_default")]
    pub value: Option<String>,
}

/// When a trigger counts as successful.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TriggerPolicy {
    /// K8S.
    #[serde(skip_serializing_if = "is_default")]
    pub k8s: Option<K8sResourcePolicy>,
    /// What a cluster wrote back; no meaning here.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Option<StatusPolicy>,
}

/// Labels that the created object must get.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct K8sResourcePolicy {
    /// Waits between looks.
    #[serde(skip_serializing_if = "is_default")]
    pub backoff: Option<Backoff>,
    /// Whether running out of time is a failure.
    #[serde(skip_serializing_if = "is_default")]
    pub error_on_backoff_timeout: bool,
    /// Labels that must be met.
    #[serde(skip_serializing_if = "is_default")]
    pub labels: BTreeMap<String, String>,
}

/// Status codes that count as success.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct StatusPolicy {
    /// Status codes that count as success.
    #[serde(skip_serializing_if = "is_default")]
    pub allow: Vec<i64>,
}
