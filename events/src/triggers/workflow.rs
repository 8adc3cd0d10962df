//! Triggers `argoWorkflow` and `k8s`: workflows are submitted under the key of the firing, or get a command.
//! Speaks to no cluster: objects of other kinds are `object`'s.

use std::collections::BTreeMap;

use runner_controller::{Error as E, Resubmit, SubmitRequest};
use runner_machine::Command;
use runner_machine::taint::FROM_EVENTS;
use runner_sensors::event::Events;
use runner_sensors::machine::child_name;
use runner_sensors::parameter::Tainted;
use runner_sensors::spec::TriggerTemplate;
use runner_workflows::resolve::{Submission, resolve};
use runner_workflows::spec::Workflow;
use runner_workflows::validate::{Options, validate_workflow};
use serde_json::{Value, json};

use super::{Done, Failed, Hands, Order, render, taint};

/// Argo Events' labels on what a trigger makes.
pub(super) const SENSOR: &str = "events.argoproj.io/sensor";
pub(crate) const TRIGGER: &str = "events.argoproj.io/trigger";
pub(super) const TIMESTAMP: &str = "events.argoproj.io/action-timestamp";
/// Annotation with the ids of the events of the firing.
pub(crate) const EVENTS: &str = "runner/events";

/// Kinds that the store keeps. Others of `argoproj.io`, such as Application, are objects of a cluster.
const OURS: [&str; 7] = [
    "Workflow",
    "WorkflowTemplate",
    "ClusterWorkflowTemplate",
    "CronWorkflow",
    "EventSource",
    "EventBus",
    "Sensor",
];

impl Hands {
    pub(super) async fn workflow(
        &self,
        order: &Order,
        template: &TriggerTemplate,
        events: &Events,
    ) -> Result<Done, Failed> {
        let rendered = render(template, events, &order.namespace, self.objects.as_ref())?;
        let resource = rendered.resource;
        let kind = resource["kind"].as_str().unwrap_or_default().to_owned();
        let operation = match (&template.argo_workflow, &template.k8s) {
            (Some(argo), _) => argo.operation.as_str(),
            (None, Some(k8s)) => match (k8s.operation.as_str(), kind.as_str()) {
                ("" | "create", "Workflow") => "submit",
                (operation, kind) if is_ours(&resource) => {
                    let operation = if operation.is_empty() { "create" } else { operation };
                    return Err(Failed::never(format!(
                        "k8s: {kind}s live in this store, not in a cluster: {operation} is not built in for them; use an \
                         argoWorkflow trigger, or `runner apply`"
                    )));
                }
                _ => {
                    let rendered = (resource, rendered.tainted);
                    return self.object(order, template, k8s, events, rendered).await;
                }
            },
            (None, None) => return Err(Failed::never("the trigger has no template")),
        };
        let key = |name: &str| {
            resource["metadata"][name].as_str().filter(|text| !text.is_empty()).map(str::to_owned)
        };
        let namespace = key("namespace").unwrap_or_else(|| order.namespace.clone());
        match operation {
            "" | "submit" => self.submit(order, &namespace, resource, &rendered.tainted).await,
            "submit-from" => {
                let name = key("name").ok_or_else(|| Failed::never("submit-from needs metadata.name"))?;
                let workflow = from(&kind, &name, &resource)?;
                self.submit(order, &namespace, workflow, &rendered.tainted).await
            }
            _ => {
                let name =
                    key("name").ok_or_else(|| Failed::never(format!("{operation} needs metadata.name")))?;
                self.command(order, operation, &namespace, &name).await
            }
        }
    }

    async fn submit(
        &self,
        order: &Order,
        namespace: &str,
        resource: Value,
        tainted: &[Tainted],
    ) -> Result<Done, Failed> {
        let strangers = taint::strangers(&resource, tainted).map_err(Failed::never)?;
        let mut workflow: Workflow = serde_json::from_value(resource)
            .map_err(|error| Failed::never(format!("the resource is no Workflow: {error}")))?;
        let metadata = &mut workflow.metadata;
        if metadata.name.is_empty() {
            let prefix = match metadata.generate_name.as_str() {
                "" => format!("{}-", order.firing.trigger),
                prefix => prefix.to_owned(),
            };
            metadata.name = child_name(&prefix, &order.key);
            metadata.generate_name.clear();
        }
        metadata.labels.insert(SENSOR.to_owned(), order.sensor.clone());
        metadata.labels.insert(TRIGGER.to_owned(), order.firing.trigger.clone());
        metadata.labels.insert(TIMESTAMP.to_owned(), order.firing.at.as_millisecond().to_string());
        let ids: Vec<&str> = order.firing.events.values().map(String::as_str).collect();
        metadata.annotations.insert(EVENTS.to_owned(), ids.join(","));
        if !strangers.is_empty() {
            metadata.annotations.insert(FROM_EVENTS.to_owned(), strangers);
        }
        self.create(namespace, workflow, &order.key).await
    }

    /// Makes a workflow that has a name, under a key: made twice it is one.
    pub(crate) async fn create(
        &self,
        namespace: &str,
        workflow: Workflow,
        key: &str,
    ) -> Result<Done, Failed> {
        let catalog = crate::cron::templates(self.bus.store().as_ref(), namespace)
            .await
            .map_err(|error| Failed { retriable: error.is_retriable(), message: error.to_string() })?;
        let problems = validate_workflow(&workflow, None, Options::default(), &catalog);
        if let Some(problem) = problems.iter().find(|problem| problem.is_error()) {
            return Err(Failed::never(problem.message.clone()));
        }
        let resolved = resolve(&workflow, &Submission::default(), &catalog).map_err(|problems| {
            let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            Failed::never(said.join("; "))
        })?;
        let request = SubmitRequest {
            namespace: namespace.to_owned(),
            name: Some(workflow.metadata.name),
            resolved,
            idempotency_key: Some(key.to_owned()),
            detached: self.detached,
            ..SubmitRequest::default()
        };
        let done = self.controller.submit(request).await.map_err(|error| failed(&error))?;
        let name = format!("{}/{}", done.namespace, done.name);
        let word = if done.existing { "was submitted before" } else { "submitted" };
        Ok(Done { message: format!("workflow {name} {word}"), workflow: Some(name) })
    }

    async fn command(
        &self,
        order: &Order,
        operation: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Done, Failed> {
        let command = match operation {
            "resubmit" => return self.resubmit(order, namespace, name).await,
            "resume" => Command::Resume {
                selector: String::new(),
                parameters: BTreeMap::new(),
                message: String::new(),
            },
            "suspend" => Command::Suspend,
            "terminate" => Command::Terminate,
            "stop" => Command::Stop { selector: String::new(), message: String::new() },
            "retry" => {
                Command::Retry { restart_successful: false, selector: String::new(), parameters: Vec::new() }
            }
            other => {
                return Err(Failed::never(format!("`{other}` is no operation of argoWorkflow triggers")));
            }
        };
        let by = format!("sensor {}", order.sensor);
        let done = self.controller.command_once(namespace, name, command, &by, Some(order.key.clone())).await;
        done.map_err(|error| failed(&error))?;
        Ok(Done { message: format!("{operation} {namespace}/{name}"), workflow: None })
    }

    async fn resubmit(&self, order: &Order, namespace: &str, name: &str) -> Result<Done, Failed> {
        let request = self.controller.resubmit(namespace, name, &Resubmit::default()).await;
        let mut request = request.map_err(|error| failed(&error))?;
        request.idempotency_key = Some(order.key.clone());
        request.detached = self.detached;
        let done = self.controller.submit(request).await.map_err(|error| failed(&error))?;
        let made = format!("{}/{}", done.namespace, done.name);
        Ok(Done { message: format!("{namespace}/{name} resubmitted as {made}"), workflow: Some(made) })
    }
}

/// Whether a resource is of a kind that the store keeps, and no cluster.
fn is_ours(resource: &Value) -> bool {
    let version = resource["apiVersion"].as_str().unwrap_or_default();
    version.starts_with("argoproj.io/") && OURS.contains(&resource["kind"].as_str().unwrap_or_default())
}

/// A workflow that refers to a template.
fn from(kind: &str, name: &str, resource: &Value) -> Result<Value, Failed> {
    let reference = match kind {
        "WorkflowTemplate" => json!({"name": name}),
        "ClusterWorkflowTemplate" => json!({"name": name, "clusterScope": true}),
        other => {
            return Err(Failed::never(format!(
                "submit-from a {other} is not built in; use a WorkflowTemplate"
            )));
        }
    };
    let labels: BTreeMap<String, String> =
        serde_json::from_value(resource["metadata"]["labels"].clone()).unwrap_or_default();
    let mut spec = json!({"workflowTemplateRef": reference});
    if resource["spec"]["arguments"].is_object() {
        spec["arguments"] = resource["spec"]["arguments"].clone();
    }
    Ok(json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": {"generateName": format!("{name}-"), "labels": labels},
        "spec": spec,
    }))
}

fn failed(error: &E) -> Failed {
    Failed { retriable: error.is_retriable(), message: error.to_string() }
}
