//! Global variables: `workflow.*` as every template of a run sees them.
//! Does not know local ones; `decide/scope.rs` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::tz::TimeZone;
use runner_workflows::expr::{Fuel, Text, Var, Vars};
use runner_workflows::spec::Parameter;
use serde_json::Value;

use crate::Timestamp;
use crate::names::pod_name;
use crate::plan::Plan;
use crate::status::WorkflowStatus;

/// The global variables, cached in the status until something they show changes.
pub(crate) fn globals(plan: &Plan, status: &mut WorkflowStatus) -> Arc<Vars> {
    if let Some(known) = &status.index.globals {
        return Arc::clone(known);
    }
    let built = Arc::new(build(plan, status));
    status.index.globals = Some(Arc::clone(&built));
    built
}

/// Builds the global variables anew.
pub(crate) fn build(plan: &Plan, status: &WorkflowStatus) -> Vars {
    let spec = &plan.workflow.spec;
    let metadata = &plan.workflow.metadata;
    let mut vars = Vars::new();
    vars.set("workflow.name", &status.name);
    vars.set("workflow.namespace", &status.namespace);
    vars.set("workflow.uid", &status.uid);
    vars.set("workflow.mainEntrypoint", &spec.entrypoint);
    let account = if spec.service_account_name.is_empty() { "default" } else { &spec.service_account_name };
    vars.set("workflow.serviceAccountName", account);
    if let Some(priority) = spec.priority {
        vars.set("workflow.priority", priority.to_string());
    }
    if let Some(at) = status.created_at {
        creation(&mut vars, at);
    }
    maps(&mut vars, "annotations", &metadata.annotations);
    maps(&mut vars, "labels", &metadata.labels);
    if let Some(at) = metadata.annotations.get("workflows.argoproj.io/scheduled-time") {
        vars.set("workflow.scheduledTime", at);
    }
    let mut parameters = spec.arguments.parameters.clone();
    for replaced in &status.parameters {
        parameters.retain(|p| p.name != replaced.name);
        parameters.push(replaced.clone());
    }
    let strangers = strangers(plan, status);
    global_parameters(plan, &strangers, &mut vars, parameters);
    for family in ["labels", "annotations"] {
        let family = format!("workflow.{family}");
        if strangers.contains(family.as_str()) {
            let names = vars.names();
            let mine = names.into_iter().filter(|name| name.strip_prefix(&family).is_some_and(is_end));
            mine.for_each(|name| vars.taint(name));
        }
    }
    for parameter in &status.outputs.parameters {
        if let Some(value) = &parameter.value {
            vars.set(format!("workflow.outputs.parameters.{}", parameter.name), value.as_str());
        }
    }
    vars
}

fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('.')
}

/// The variables that a trigger filled in with values of events; a parameter that somebody replaced since is theirs.
fn strangers<'a>(plan: &'a Plan, status: &WorkflowStatus) -> BTreeSet<&'a str> {
    let names = plan.workflow.metadata.annotations.get(crate::taint::FROM_EVENTS);
    let mut names: BTreeSet<&str> =
        names.into_iter().flat_map(|text| text.split(',')).map(str::trim).collect();
    for parameter in &status.parameters {
        names.retain(|name| name.strip_prefix("workflow.parameters.") != Some(parameter.name.as_str()));
    }
    names
}

/// Parameters may refer to other globals, and to each other in order; author's text is rendered once (V2).
fn global_parameters(plan: &Plan, strangers: &BTreeSet<&str>, vars: &mut Vars, parameters: Vec<Parameter>) {
    let mut shown = Vec::new();
    for mut parameter in parameters {
        if parameter.value.is_none() {
            parameter.value = parameter.default.clone().or_else(|| config_map_value(plan, &parameter));
        }
        let Some(value) = &parameter.value else { continue };
        let name = format!("workflow.parameters.{}", parameter.name);
        let stranger = strangers.contains(name.as_str());
        let text = match Text::compile(value.as_str()) {
            // an event's words are no template
            _ if stranger => value.0.clone(),
            Ok(text) if !text.is_literal() => {
                text.render(vars, &mut Fuel::default()).map_or_else(|_| value.0.clone(), |r| r.text)
            }
            Ok(_) | Err(_) => value.0.clone(),
        };
        vars.set(name.clone(), &text);
        if stranger {
            for name in ["workflow.parameters", "workflow.parameters.json", &name] {
                vars.taint(name);
            }
        }
        parameter.value = Some(text.into());
        shown.push(parameter);
    }
    let json = serde_json::to_string(&shown).unwrap_or_default();
    vars.set("workflow.parameters", &json);
    vars.set("workflow.parameters.json", &json);
}

fn config_map_value(plan: &Plan, parameter: &Parameter) -> Option<runner_workflows::spec::AnyString> {
    let source = parameter.value_from.as_ref()?;
    let found = source.config_map_key_ref.as_ref().and_then(|key| {
        plan.workflow.config_maps.get(&key.name)?.get(&key.key).map(|value| value.clone().into())
    });
    found.or_else(|| source.default.clone())
}

fn maps(vars: &mut Vars, name: &str, map: &std::collections::BTreeMap<String, String>) {
    let json = serde_json::to_string(map).unwrap_or_default();
    vars.set(format!("workflow.{name}"), &json);
    vars.set(format!("workflow.{name}.json"), &json);
    for (key, value) in map {
        vars.set(format!("workflow.{name}.{key}"), value);
    }
}

/// Letters of strftime: those of Argo but `L`, and more whose meaning no language changes.
const LETTERS: &str = "aAbBdHImMpSyYzZCDeFjklRTuUVw";

/// `workflow.creationTimestamp`, in RFC 3339, and its strftime letters, in UTC.
fn creation(vars: &mut Vars, at: Timestamp) {
    let zoned = at.to_zoned(TimeZone::UTC);
    let text = |format: &str| zoned.strftime(format).to_string();
    vars.set("workflow.creationTimestamp", text("%Y-%m-%dT%H:%M:%SZ"));
    vars.set("workflow.creationTimestamp.RFC3339", text("%Y-%m-%dT%H:%M:%SZ"));
    vars.set("workflow.creationTimestamp.s", at.as_second().to_string());
    // Milliseconds of a time that Kubernetes keeps to the second.
    vars.set("workflow.creationTimestamp.L", ".000");
    for letter in LETTERS.chars() {
        if let Ok(printed) = jiff::fmt::strtime::format(format!("%{letter}"), &zoned) {
            vars.set(format!("workflow.creationTimestamp.{letter}"), printed);
        }
    }
}

/// `workflow.status` and `workflow.duration` for what starts while the run goes on, as of that moment.
pub(crate) fn running(status: &WorkflowStatus, vars: &mut Vars, at: Timestamp) {
    vars.set("workflow.status", "Running");
    duration(status, vars, at);
}

/// `workflow.status` and `workflow.failures`, for hooks and exit handlers.
pub(crate) fn outcome(status: &WorkflowStatus, vars: &mut Vars) {
    let phase = status.root().and_then(|ix| status.node(ix)).map(|node| match node.phase {
        crate::NodePhase::Skipped | crate::NodePhase::Omitted => "Succeeded",
        phase => phase.as_str(),
    });
    vars.set("workflow.status", phase.unwrap_or("Running"));
    let failures: Vec<Value> = status
        .nodes()
        .filter(|(_, node)| node.phase.failed_or_error())
        .map(|(_, node)| {
            let template =
                node.template_ref.as_ref().map_or(&node.template_name, |reference| &reference.template);
            serde_json::json!({
                "displayName": node.display_name,
                "message": node.message,
                "templateName": template,
                "phase": node.phase.as_str(),
                "podName": pod_name(&status.name, &node.name, template),
                "finishedAt": node.finished_at.map(rfc3339),
            })
        })
        .collect();
    let json = if failures.is_empty() { "null".to_owned() } else { Value::Array(failures).to_string() };
    // Quoted once more, as Argo does: consumers decode twice.
    vars.set("workflow.failures", Value::String(json).to_string());
}

/// `workflow.duration` in seconds.
pub(crate) fn duration(status: &WorkflowStatus, vars: &mut Vars, now: Timestamp) {
    let seconds = status.started_at.map_or(0.0, |at| now.duration_since(at).as_secs_f64());
    vars.set("workflow.duration", format!("{seconds:.6}"));
}

/// A time to the second, as Kubernetes prints it.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// The text of a variable, if it is one.
pub(crate) fn text_of(var: &Var) -> Option<String> {
    match var {
        Var::Value(Value::String(text)) => Some(text.clone()),
        Var::Value(Value::Null) | Var::Absent => None,
        Var::Value(other) => Some(other.to_string()),
    }
}
