//! Checks that all kinds of templates share: timeouts, pod resources, retries, metrics.
//! Does not check deadlines of leaves: `leaf` does.

use super::artifacts;
use super::checker::Checker;
use super::names;
use super::report::Place;
use super::scope::{is_leaf, is_pod};
use crate::spec::{Metrics, Prometheus, Template, TemplateKind, k8s};

impl Checker<'_> {
    /// Checks what every kind may have.
    pub(super) fn shared(&mut self, template: &Template, kind: TemplateKind, place: &Place) {
        if !template.timeout.is_empty() {
            let at = place.field("timeout");
            if !is_leaf(template) {
                self.reporter.error(
                    &at,
                    "timeout",
                    format!(": {kind} template doesn't support timeout field"),
                );
            } else if template.timeout.parse::<i64>().is_ok() {
                let hint = format!("give it a unit: {}s", template.timeout);
                self.reporter.error_hint(&at, "timeout", " has invalid duration format in timeout", hint);
            }
        }
        if !template.pending_timeout.is_empty() && !is_leaf(template) {
            let text = format!(": {kind} template doesn't support pendingTimeout field");
            self.reporter.error(&place.field("pendingTimeout"), "timeout", text);
        }
        if let Some(resources) = &template.pod_resources {
            let at = place.field("podResources").named(".podResources");
            if matches!(kind, TemplateKind::Http | TemplateKind::Plugin) {
                self.reporter.error(&at, "pod-resources", format!(" is not supported for {kind} templates"));
            }
            self.pod_resources(resources, &at);
        }
        if !template.resource_claims.is_empty() && !is_pod(template) {
            let text =
                format!(".resourceClaims is not supported for {kind} templates, which do not create a pod");
            self.reporter.error(&place.field("resourceClaims"), "pod-resources", text);
        }
        if let Some(location) = &template.archive_location {
            let at = place.field("archiveLocation").named(".archiveLocation");
            artifacts::check_location(&mut self.reporter, &location.as_artifact(), &at);
        }
        if let Some(metrics) = &template.metrics {
            self.metrics(metrics, true, place);
        }
    }

    /// Resources of a whole pod: cpu, memory, huge pages, no claims.
    pub(super) fn pod_resources(&mut self, resources: &k8s::ResourceRequirements, at: &Place) {
        if resources.claims.as_ref().is_some_and(|claims| !claims.is_empty()) {
            self.reporter.error(
                &at.field("claims"),
                "pod-resources",
                ".claims is not supported for pod-level resources",
            );
        }
        for (field, list) in [("limits", &resources.limits), ("requests", &resources.requests)] {
            for name in list.iter().flatten().map(|(name, _)| name) {
                if name != "cpu" && name != "memory" && !name.starts_with("hugepages-") {
                    let text = format!(
                        ": \"{name}\" is not a valid pod-level resource, only cpu, memory and hugepages-*"
                    );
                    self.reporter.error(&at.field(field), "pod-resources", text);
                }
            }
        }
    }

    /// Checks metrics; those of the whole workflow are only warned about, because they never stop a run.
    pub(super) fn metrics(&mut self, metrics: &Metrics, template: bool, place: &Place) {
        for (index, metric) in metrics.prometheus.iter().enumerate() {
            let at = place.field(&format!("metrics/prometheus/{index}"));
            for (field, text) in metric_problems(metric) {
                let at = at.field(field);
                if template {
                    self.reporter.error(&at, "metric", text);
                } else {
                    self.reporter.warning(&at, "metric", text);
                }
            }
        }
    }
}

/// What is wrong with a metric, with the field at fault.
fn metric_problems(metric: &Prometheus) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let name = &metric.name;
    if !names::is_metric_name(name) {
        let rule = "Metric names must contain alphanumeric characters or '_'";
        out.push(("name", format!("metric name '{name}' is invalid. {rule}")));
    }
    for label in metric.labels.iter().filter(|label| !names::is_metric_name(&label.key)) {
        let rule = "keys may only contain alphanumeric characters or '_'";
        out.push(("labels", format!("metric label '{}' is invalid: {rule}", label.key)));
    }
    if metric.help.is_empty() {
        out.push(("name", format!("metric '{name}' must contain a help string under 'help: ' field")));
    }
    if let Some(gauge) = &metric.gauge {
        if gauge.value.is_empty() {
            out.push(("gauge", format!("metric '{name}' error: missing gauge.value")));
        }
        if gauge.realtime == Some(true) && gauge.value.contains("resourcesDuration.") {
            let text = "'resourcesDuration.*' metrics cannot be used in real-time";
            out.push(("gauge", format!("metric '{name}' error: {text}")));
        }
    }
    if metric.counter.as_ref().is_some_and(|counter| counter.value.is_empty()) {
        out.push(("counter", format!("metric '{name}' error: missing counter.value")));
    }
    if metric.histogram.as_ref().is_some_and(|histogram| histogram.value.is_empty()) {
        out.push(("histogram", format!("metric '{name}' error: missing histogram.value")));
    }
    out
}
