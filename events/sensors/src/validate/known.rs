//! References to other objects: what exists, and which references lead nowhere (S0.22).
//! Does not load the other objects.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::report::{At, Report};
use crate::spec::{ArtifactLocation, Sensor, Trigger, TriggerParameter};

/// What exists. Empty namespaces count as `default`.
#[derive(Clone, Debug, Default)]
pub struct Known {
    sources: BTreeMap<(String, String), BTreeSet<String>>,
    buses: BTreeSet<(String, String)>,
    templates: BTreeSet<(String, String)>,
    cluster_templates: BTreeSet<String>,
}

fn in_namespace(namespace: &str, name: &str) -> (String, String) {
    let namespace = if namespace.is_empty() { "default" } else { namespace };
    (namespace.to_owned(), name.to_owned())
}

impl Known {
    /// Adds an EventSource with the names of its events.
    pub fn event_source(&mut self, namespace: &str, name: &str, events: impl IntoIterator<Item = String>) {
        self.sources.entry(in_namespace(namespace, name)).or_default().extend(events);
    }

    /// Adds an EventBus.
    pub fn event_bus(&mut self, namespace: &str, name: &str) {
        self.buses.insert(in_namespace(namespace, name));
    }

    /// Adds a WorkflowTemplate.
    pub fn workflow_template(&mut self, namespace: &str, name: &str) {
        self.templates.insert(in_namespace(namespace, name));
    }

    /// Adds a ClusterWorkflowTemplate.
    pub fn cluster_workflow_template(&mut self, name: &str) {
        self.cluster_templates.insert(name.to_owned());
    }
}

/// A note when the bus is not known: the store carries the events then.
pub(super) fn bus_of(report: &mut Report<'_>, namespace: &str, name: &str, known: &Known) {
    let name = if name.is_empty() { "default" } else { name };
    if name != "default" && !known.buses.contains(&in_namespace(namespace, name)) {
        let text =
            format!("no EventBus `{name}` is known: events go through the store, as without `eventBusName`");
        report.warning(&At::root().keys("spec.eventBusName"), "unknown-event-bus", text);
    }
}

pub(super) fn sensor(report: &mut Report<'_>, sensor: &Sensor, known: &Known) {
    let namespace = &sensor.metadata.namespace;
    bus_of(report, namespace, &sensor.spec.event_bus_name, known);
    let spec = At::root().key("spec");
    for (i, dependency) in sensor.spec.dependencies.iter().enumerate() {
        let at = spec.key("dependencies").index(i);
        let (source, event) = (&dependency.event_source_name, &dependency.event_name);
        match known.sources.get(&in_namespace(namespace, source)) {
            None => report.warning(
                &at.key("eventSourceName"),
                "unknown-event-source",
                format!("no EventSource `{source}` is known: nothing will arrive until it is applied"),
            ),
            Some(events) if !events.contains(event) => report.warning(
                &at.key("eventName"),
                "unknown-event",
                format!("EventSource `{source}` has no event `{event}`: nothing will ever arrive"),
            ),
            Some(_) => {}
        }
    }
    for (i, trigger) in sensor.spec.triggers.iter().enumerate() {
        self::trigger(report, &spec.key("triggers").index(i), trigger, namespace, known);
    }
}

fn trigger(report: &mut Report<'_>, at: &At, trigger: &Trigger, namespace: &str, known: &Known) {
    let Some(template) = &trigger.template else { return };
    let argo = template.argo_workflow.as_ref().map(|t| ("argoWorkflow", &t.source, &t.parameters));
    let k8s = template.k8s.as_ref().map(|t| ("k8s", &t.source, &t.parameters));
    for (kind, source, parameters) in [argo, k8s].into_iter().flatten() {
        let resource = source.as_ref().and_then(resource_of);
        let Some(resource) = resource else { continue };
        let place = at.key("template").key(kind).keys("source.resource");
        let own = resource.pointer("/metadata/namespace").and_then(Value::as_str);
        let search = Search { parameters, namespace: own.unwrap_or(namespace), known };
        search.walk(report, &place, resource, "");
    }
    if let Some(dead) = &trigger.dlq_trigger {
        self::trigger(report, &at.key("dlqTrigger"), dead, namespace, known);
    }
}

/// The resource that stands in the trigger itself; none when it comes from elsewhere.
fn resource_of(source: &ArtifactLocation) -> Option<&Value> {
    Some(&source.resource).filter(|resource| resource.is_object())
}

struct Search<'a> {
    parameters: &'a [TriggerParameter],
    namespace: &'a str,
    known: &'a Known,
}

impl Search<'_> {
    /// Looks for `workflowTemplateRef` and `templateRef` anywhere in a resource.
    fn walk(&self, report: &mut Report<'_>, at: &At, value: &Value, path: &str) {
        match value {
            Value::Object(map) => {
                for (key, inner) in map {
                    let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    if matches!(key.as_str(), "workflowTemplateRef" | "templateRef") {
                        self.reference(report, &at.key(key), inner, &path);
                    } else {
                        self.walk(report, &at.key(key), inner, &path);
                    }
                }
            }
            Value::Array(list) => {
                for (i, inner) in list.iter().enumerate() {
                    self.walk(report, &at.index(i), inner, &format!("{path}.{i}"));
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn reference(&self, report: &mut Report<'_>, at: &At, reference: &Value, path: &str) {
        let Some(name) = reference.get("name").and_then(Value::as_str) else { return };
        let written = |parameter: &TriggerParameter| {
            let dest = parameter.dest.as_str();
            dest == path || dest.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'))
        };
        if name.contains("{{") || self.parameters.iter().any(written) {
            return;
        }
        let cluster = reference.get("clusterScope").and_then(Value::as_bool).unwrap_or(false);
        let exists = if cluster {
            self.known.cluster_templates.contains(name)
        } else {
            self.known.templates.contains(&in_namespace(self.namespace, name))
        };
        if !exists {
            let kind = if cluster { "ClusterWorkflowTemplate" } else { "WorkflowTemplate" };
            let namespace = if self.namespace.is_empty() { "default" } else { self.namespace };
            let text = if cluster {
                format!("no {kind} `{name}` is known: this trigger could only fail")
            } else {
                format!(
                    "no {kind} `{name}` is known in namespace `{namespace}`: this trigger could only fail"
                )
            };
            report.error(&at.key("name"), "unknown-template", text);
        }
    }
}
