//! What a firing will do: the template with the trigger's parameters in it, and the resource with the template's own.
//! Does not fetch resources from elsewhere (who calls hands them in) and does nothing of it.

use runner_workflows::expr::Value;
use serde_json::json;

use crate::event::Events;
use crate::parameter::{self, Tainted};
use crate::spec::{ArtifactLocation, Trigger, TriggerParameter, TriggerTemplate};

/// Kinds whose own `parameters` edit the trigger itself. Those of `argoWorkflow` and `k8s` edit the resource; upstream
/// forgets those of `slack` and `email`, here they count.
const EDIT_THEMSELVES: [&str; 10] = [
    "awsLambda",
    "azureEventHubs",
    "azureServiceBus",
    "email",
    "http",
    "kafka",
    "nats",
    "openWhisk",
    "pulsar",
    "slack",
];

/// The template of a trigger with the trigger's own `parameters` in it, and then those of its kind where they edit the
/// kind itself (`http.url`, `slack.message`).
///
/// # Errors
/// A sentence for people: a parameter without a value, or a template that they broke.
pub fn template(trigger: &Trigger, events: &Events) -> Result<TriggerTemplate, String> {
    let template = trigger.template.as_ref().ok_or("the trigger has no template")?;
    let mut value = json!(template);
    let mut changed = !trigger.parameters.is_empty();
    parameter::apply(&mut value, &trigger.parameters, events)?;
    for kind in EDIT_THEMSELVES {
        let Some(part) = value.get_mut(kind) else { continue };
        let Some(parameters) = part.get("parameters").cloned() else { continue };
        let parameters: Vec<TriggerParameter> = serde_json::from_value(parameters)
            .map_err(|error| format!("the parameters of {kind}: {error}"))?;
        parameter::apply(part, &parameters, events).map_err(|why| format!("{kind}: {why}"))?;
        changed = true;
    }
    if !changed {
        return Ok(template.clone());
    }
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

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use serde_json::json;

    use super::template;
    use crate::event::{Event, Events, context};
    use crate::spec::Trigger;

    fn events() -> Events {
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let data = json!({"channel": "ops", "text": "hello", "to": "a@b.c", "host": "example.org"});
        [("d".to_owned(), Event::json(context("1", "webhook", "s", "e", now), &data))].into()
    }

    fn trigger(value: serde_json::Value) -> Trigger {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn parameters_of_the_trigger_and_of_its_kind_edit_the_template() {
        let source = |key: &str| json!({"dependencyName": "d", "dataKey": key});
        let slack = trigger(json!({
            "template": {"name": "t", "slack": {"message": "x", "parameters": [{"src": source("text"), "dest": "message"}]}},
            "parameters": [{"src": source("channel"), "dest": "slack.channel"}]}));
        let slack = template(&slack, &events()).unwrap().slack.unwrap();
        assert_eq!((slack.channel.as_str(), slack.message.as_str()), ("ops", "hello"));
        let email = trigger(json!({
            "template": {"name": "t", "email": {"host": "h", "to": ["first"]}},
            "parameters": [{"src": source("to"), "dest": "email.to.-1"}]}));
        assert_eq!(template(&email, &events()).unwrap().email.unwrap().to, ["first", "a@b.c"]);
        let http = trigger(json!({"template": {"name": "t", "http": {"url": "https://", "parameters": [
            {"src": source("host"), "dest": "url", "operation": "append"}]}}}));
        assert_eq!(template(&http, &events()).unwrap().http.unwrap().url, "https://example.org");
    }

    #[test]
    fn a_parameter_that_breaks_the_template_is_an_error() {
        let source = json!({"dependencyName": "d", "dataKey": "text"});
        let broken = trigger(json!({
            "template": {"name": "t", "log": {"intervalSeconds": 1}},
            "parameters": [{"src": source, "dest": "log.intervalSeconds"}]}));
        assert!(template(&broken, &events()).unwrap_err().contains("broke its template"));
        let missing = trigger(json!({
            "template": {"name": "t", "log": {}},
            "parameters": [{"src": {"dependencyName": "d", "dataKey": "nothing"}, "dest": "name"}]}));
        assert!(template(&missing, &events()).unwrap_err().contains("parameter 0 (name)"));
    }
}
