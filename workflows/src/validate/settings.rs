//! Settings of the whole workflow: garbage collection, deadlines, locks, retries, plugins, metrics.
//! Does not check templates.

use super::checker::Checker;
use super::report::Place;
use crate::spec::{WorkflowSpec, k8s};

impl Checker<'_> {
    /// Checks the settings of a spec.
    pub(super) fn settings(&mut self, spec: &WorkflowSpec, place: &Place) {
        self.collection(spec, place);
        if let Some(resources) = &spec.pod_resources {
            self.pod_resources(resources, &place.field("podResources").named("spec.podResources"));
        }
        for (index, plugin) in spec.executor_plugins.iter().enumerate() {
            if let Some(why) = broken_plugin(plugin) {
                let at = place.field(&format!("executorPlugins/{index}"));
                self.reporter.error(&at, "plugin", format!("spec.executorPlugins: {why}"));
            }
        }
        if let Some(retry) = &spec.retry_strategy {
            self.retry(retry, &place.field("retryStrategy").named("spec.retryStrategy"));
        }
        if let Some(locks) = &spec.synchronization {
            self.locks(locks, &place.field("synchronization").named("spec.synchronization"));
        }
        if let Some(metrics) = &spec.metrics {
            self.metrics(metrics, false, place);
        }
        if spec.active_deadline_seconds.is_some_and(|seconds| seconds < 0) {
            let text = "spec.activeDeadlineSeconds must be a positive integer > 0";
            self.reporter.error(&place.field("activeDeadlineSeconds"), "deadline", text);
        }
        if spec.pod_priority.is_some() {
            let text = "spec.podPriority was removed in Argo v4 and has no effect";
            self.reporter.note(&place.field("podPriority"), "legacy-spelling", text);
        }
        if spec.parallelism.is_some_and(|most| most < 1) {
            let text = "spec.parallelism below 1 would start nothing";
            self.reporter.warning(&place.field("parallelism"), "parallelism", text);
        }
        if !matches!(spec.shutdown.as_str(), "" | "Stop" | "Terminate") {
            let text = format!("spec.shutdown '{}' must be Stop or Terminate", spec.shutdown);
            self.reporter.warning(&place.field("shutdown"), "shutdown", text);
        }
    }

    fn collection(&mut self, spec: &WorkflowSpec, place: &Place) {
        const PODS: [&str; 5] =
            ["", "OnPodCompletion", "OnPodSuccess", "OnWorkflowCompletion", "OnWorkflowSuccess"];
        const ARTIFACTS: [&str; 4] = ["", "OnWorkflowCompletion", "OnWorkflowDeletion", "Never"];
        if let Some(pods) = &spec.pod_gc {
            let at = place.field("podGC");
            if !PODS.contains(&pods.strategy.as_str()) {
                let text = format!("podGC.strategy unknown strategy '{}'", pods.strategy);
                let hint = format!("choose one of: {}", PODS[1..].join(", "));
                self.reporter.error_hint(&at.field("strategy"), "pod-gc", text, hint);
            }
            if let Some(why) = pods.label_selector.as_ref().and_then(broken_selector) {
                let text = format!("podGC.labelSelector invalid: {why}");
                self.reporter.error(&at.field("labelSelector"), "pod-gc", text);
            }
            if !pods.delete_delay_duration.is_empty()
                && !super::policies::is_duration(&pods.delete_delay_duration)
            {
                let text =
                    format!("podGC.deleteDelayDuration '{}' is not a duration", pods.delete_delay_duration);
                self.reporter.warning(&at.field("deleteDelayDuration"), "duration", text);
            }
        }
        if let Some(artifacts) =
            spec.artifact_gc.as_ref().filter(|gc| !ARTIFACTS.contains(&gc.strategy.as_str()))
        {
            let text = format!("artifactGC.strategy unknown strategy '{}'", artifacts.strategy);
            self.reporter.warning(&place.field("artifactGC/strategy"), "artifact-gc", text);
        }
    }
}

/// Why an executor plugin is incomplete.
fn broken_plugin(plugin: &serde_json::Value) -> Option<&'static str> {
    let missing = |pointer: &str| plugin.pointer(pointer).is_none_or(serde_json::Value::is_null);
    let empty = |pointer: &str| plugin.pointer(pointer).and_then(|v| v.as_array()).is_none_or(Vec::is_empty);
    let name = plugin.pointer("/metadata/name").and_then(serde_json::Value::as_str).unwrap_or_default();
    if name.is_empty() {
        return Some("executor plugin metadata name is mandatory");
    }
    if empty("/spec/sidecar/container/ports") {
        return Some("sidecar: at least one port is mandatory");
    }
    if missing("/spec/sidecar/container/resources/requests") {
        return Some("sidecar: resources requests are mandatory");
    }
    if missing("/spec/sidecar/container/resources/limits") {
        return Some("sidecar: resources limits are mandatory");
    }
    missing("/spec/sidecar/container/securityContext").then_some("sidecar: security context is mandatory")
}

/// Why a label selector is invalid.
fn broken_selector(selector: &k8s::LabelSelector) -> Option<String> {
    let labels = selector.match_labels.iter().flatten();
    if let Some((key, value)) =
        labels.into_iter().find(|(key, value)| !is_label_key(key) || !is_label_value(value))
    {
        return Some(format!("label '{key}: {value}' is invalid"));
    }
    selector.match_expressions.iter().flatten().find_map(|rule| {
        let values = rule.values.as_deref().unwrap_or_default();
        if !is_label_key(&rule.key) {
            return Some(format!("label key '{}' is invalid", rule.key));
        }
        match rule.operator.as_str() {
            "In" | "NotIn" if values.is_empty() => Some(format!("operator {} needs values", rule.operator)),
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                Some(format!("operator {} takes no values", rule.operator))
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {
                values.iter().find(|v| !is_label_value(v)).map(|v| format!("label value '{v}' is invalid"))
            }
            other => Some(format!("\"{other}\" is not a valid label selector operator")),
        }
    })
}

fn is_label_value(text: &str) -> bool {
    let edge = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.is_empty()
        || (text.len() <= 63
            && edge(text.chars().next())
            && edge(text.chars().next_back())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')))
}

fn is_label_key(text: &str) -> bool {
    let (prefix, name) = text.split_once('/').map_or((None, text), |(prefix, name)| (Some(prefix), name));
    !name.is_empty()
        && is_label_value(name)
        && prefix.is_none_or(|p| super::names::object_name_broken(p).is_none())
}
