//! Prometheus metrics that a workflow or template emits.
//! Does not record them.

use serde::{Deserialize, Serialize};

use super::{AnyString, is_default};

/// Metrics of a workflow or template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metrics {
    /// The metrics.
    pub prometheus: Vec<Prometheus>,
}

/// One metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Prometheus {
    /// Metric name.
    pub name: String,
    /// Labels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<MetricLabel>,
    /// Help text.
    #[serde(skip_serializing_if = "is_default")]
    pub help: String,
    /// Condition.
    #[serde(skip_serializing_if = "is_default")]
    pub when: String,
    /// Gauge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gauge: Option<Gauge>,
    /// Histogram.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub histogram: Option<Histogram>,
    /// Counter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counter: Option<Counter>,
}

/// One label.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MetricLabel {
    /// Name.
    pub key: String,
    /// Value; may hold tags.
    pub value: String,
}

/// A value that goes up and down.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauge {
    /// Value.
    pub value: String,
    /// Emitted while the node runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub realtime: Option<bool>,
    /// `Set`, `Add` or `Sub`.
    #[serde(skip_serializing_if = "is_default")]
    pub operation: String,
}

/// A distribution.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Histogram {
    /// Value.
    pub value: String,
    /// Upper bounds.
    pub buckets: Vec<AnyString>,
}

/// A value that only grows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counter {
    /// Increment.
    pub value: String,
}
