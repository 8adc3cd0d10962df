//! Sensor: which events it depends on, how they are filtered, what they trigger.
//! Triggers themselves are in `trigger` and `trigger_kinds`.

use std::collections::BTreeMap;

use runner_workflows::spec::ObjectMeta;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{PodSettings, Trigger, is_default};

/// Sensor.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Sensor {
    /// `argoproj.io/v1alpha1`.
    pub api_version: String,
    /// Kind of the object.
    pub kind: String,
    /// Metadata of the object.
    pub metadata: ObjectMeta,
    /// What is wanted.
    pub spec: SensorSpec,
    /// What a cluster wrote back; no meaning here.
    #[serde(skip_serializing_if = "is_default")]
    pub status: Value,
}

/// Sensor spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SensorSpec {
    /// Events to wait for.
    #[serde(skip_serializing_if = "is_default")]
    pub dependencies: Vec<EventDependency>,
    /// No effect upstream either.
    #[serde(skip_serializing_if = "is_default")]
    pub error_on_failed_round: bool,
    /// Name of the EventBus; `default` when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub event_bus_name: String,
    /// Extra fields of each log line.
    #[serde(skip_serializing_if = "is_default")]
    pub logging_fields: BTreeMap<String, String>,
    /// Copies to run in a cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub replicas: Option<i64>,
    /// Old deployments kept in a cluster.
    #[serde(skip_serializing_if = "is_default")]
    pub revision_history_limit: Option<i64>,
    /// Settings of the pod.
    #[serde(skip_serializing_if = "is_default")]
    pub template: Option<PodSettings>,
    /// What to do.
    #[serde(skip_serializing_if = "is_default")]
    pub triggers: Vec<Box<Trigger>>,
}

/// An event that a sensor waits for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventDependency {
    /// Name of the event in its source.
    #[serde(skip_serializing_if = "is_default")]
    pub event_name: String,
    /// Name of the EventSource.
    #[serde(skip_serializing_if = "is_default")]
    pub event_source_name: String,
    /// Which events count.
    #[serde(skip_serializing_if = "is_default")]
    pub filters: Option<EventDependencyFilter>,
    /// `and` (default) or `or` between the kinds of filters.
    #[serde(skip_serializing_if = "is_default")]
    pub filters_logical_operator: String,
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Change of the event before filters.
    #[serde(skip_serializing_if = "is_default")]
    pub transform: Option<EventDependencyTransformer>,
}

/// Which events count for a dependency.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventDependencyFilter {
    /// Attributes that must be equal.
    #[serde(skip_serializing_if = "is_default")]
    pub context: Option<EventContext>,
    /// Conditions on the payload.
    #[serde(skip_serializing_if = "is_default")]
    pub data: Vec<DataFilter>,
    /// `and` (default) or `or` between data filters.
    #[serde(skip_serializing_if = "is_default")]
    pub data_logical_operator: String,
    /// `and` (default) or `or` between expressions.
    #[serde(skip_serializing_if = "is_default")]
    pub expr_logical_operator: String,
    /// Expressions.
    #[serde(skip_serializing_if = "is_default")]
    pub exprs: Vec<ExprFilter>,
    /// Lua source that returns true for events that count.
    #[serde(skip_serializing_if = "is_default")]
    pub script: String,
    /// Time of day.
    #[serde(skip_serializing_if = "is_default")]
    pub time: Option<TimeFilter>,
}

/// How an event is changed before filters see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventDependencyTransformer {
    /// jq filter whose first output is the new payload.
    #[serde(skip_serializing_if = "is_default")]
    pub jq: String,
    /// Lua source that returns the new payload, from the global `event`.
    #[serde(skip_serializing_if = "is_default")]
    pub script: String,
}

/// A condition on one value of the payload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DataFilter {
    /// `>=`, `>`, `=`, `!=`, `<` or `<=`; `=` when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub comparator: String,
    /// Path to the value.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// Go template that changes the value first, as `.Input`.
    #[serde(skip_serializing_if = "is_default")]
    pub template: String,
    /// `string`, `number` or `bool`.
    #[serde(skip_serializing_if = "is_default")]
    pub r#type: String,
    /// Values, any of which will do.
    #[serde(skip_serializing_if = "is_default")]
    pub value: Vec<String>,
}

/// An expression over values of the payload.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ExprFilter {
    /// Expression in govaluate's language.
    #[serde(skip_serializing_if = "is_default")]
    pub expr: String,
    /// Names of the expression and their paths.
    #[serde(skip_serializing_if = "is_default")]
    pub fields: Vec<PayloadField>,
}

/// A value of the payload under a name for expressions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PayloadField {
    /// Name.
    #[serde(skip_serializing_if = "is_default")]
    pub name: String,
    /// Path to the value.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
}

/// The attributes of an event (CloudEvents 1.0).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EventContext {
    /// Media type of the payload.
    #[serde(skip_serializing_if = "is_default")]
    pub datacontenttype: String,
    /// Id of the event.
    #[serde(skip_serializing_if = "is_default")]
    pub id: String,
    /// Name of the EventSource.
    #[serde(skip_serializing_if = "is_default")]
    pub source: String,
    /// `1.0`.
    #[serde(skip_serializing_if = "is_default")]
    pub specversion: String,
    /// Name of the event.
    #[serde(skip_serializing_if = "is_default")]
    pub subject: String,
    /// When the event was seen, RFC 3339.
    #[serde(skip_serializing_if = "is_default")]
    pub time: String,
    /// Type of the event source.
    #[serde(skip_serializing_if = "is_default")]
    pub r#type: String,
}

/// The time of day at which events count.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TimeFilter {
    /// First second that counts, `HH:MM:SS`.
    #[serde(skip_serializing_if = "is_default")]
    pub start: String,
    /// First second that does not count any more, `HH:MM:SS`.
    #[serde(skip_serializing_if = "is_default")]
    pub stop: String,
    /// IANA time zone; UTC when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub timezone: String,
}
