//! What a firing will do: the template with the trigger's parameters in it, and the resource with the template's own.
//! Does not fetch resources from elsewhere (who calls hands them in) and does nothing of it.

use runner_workflows::expr::Value;
use serde_json::json;

use crate::event::Events;
use crate::parameter::{self, Tainted};
use crate::spec::{ArtifactLocation, Trigger, TriggerParameter, TriggerTemplate};

/// The template of a trigger with the trigger's own `parameters` in it.
///
/// # Errors
/// A sentence for people: a parameter without a value, or a template that they broke.
pub fn template(trigger: &Trigger, events: &Events) -> Result<TriggerTemplate, String> {
    let template = trigger.template.as_ref().ok_or("the trigger has no template")?;
    if trigger.parameters.is_empty() {
        return Ok(template.clone());
    }
    let mut value = json!(template);
    parameter::apply(&mut value, &trigger.parameters, events)?;
    serde_json::from_value(value)
        .map_err(|error| format!("the parameters of the trigger broke its template: {error}"))
}

/// Where the resource of a template is, and the parameters that edit it: of `argoWorkflow` and `k8s`.
#[must_use]
pub fn source(template: &TriggerTemplate) -> Option<(&ArtifactLocation, &[TriggerParameter])> {
    let argo = template.argo_workflow.as_ref().map(|t| (t.source.as_ref(), t.parameters.as_slice()));
    let k8s = template.k8s.as_ref().map(|t| (t.source.as_ref(), t.parameters.as_slice()));
    match argo.or(k8s) {
        Some((Some(source), parameters)) => Some((source, parameters)),
        Some((None, _)) | None => None,
    }
}

/// The resource that stands in the trigger itself (`resource` or `inline`); none when it is elsewhere.
///
/// # Errors
/// A sentence for people: the inline text is no object.
pub fn resource(source: &ArtifactLocation) -> Result<Option<Value>, String> {
    if source.resource.is_object() {
        return Ok(Some(source.resource.clone()));
    }
    if source.inline.is_empty() {
        return Ok(None);
    }
    parse("inline", &source.inline).map(Some)
}

/// Reads the text of a resource (YAML or JSON, one object).
///
/// # Errors
/// What is wrong, with line and column.
pub fn parse(name: &str, text: &str) -> Result<Value, String> {
    use runner_workflows::parse::{Limits, from_node, parse_trees};
    let (origins, problems) = parse_trees(name, text, Limits::default());
    if let Some(problem) = problems.iter().find(|problem| problem.is_error()) {
        return Err(problem.to_string());
    }
    match origins.as_slice() {
        [origin] => match from_node::<Value>(origin.source(), origin.root()) {
            (Some(value @ Value::Object(_)), _) => Ok(value),
            _ => Err(format!("{name}: the resource is not a map")),
        },
        several => Err(format!("{name}: a trigger has one resource, this text has {}", several.len())),
    }
}

/// A resource with a template's parameters in it, and the places that got values of events.
///
/// # Errors
/// A sentence for people: a parameter without a value, or a place that does not exist.
pub fn render(
    resource: &Value,
    parameters: &[TriggerParameter],
    events: &Events,
) -> Result<(Value, Vec<Tainted>), String> {
    let mut value = resource.clone();
    let tainted = parameter::apply(&mut value, parameters, events)?;
    Ok((value, tainted))
}
