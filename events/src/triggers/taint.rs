//! What of a rendered workflow holds values of events: variables of the run are named for the engine, which guards them
//! (`runner_machine::taint`); text written straight into a template is judged here, because nobody could later.
//! Refuses nothing that stays data.

use std::collections::BTreeSet;

use runner_machine::taint::{ALLOW_SPLICE, allows, is_code, refusal};
use runner_sensors::parameter::Tainted;
use runner_workflows::expr::{Splice, is_plain};
use runner_workflows::spec::Template;
use serde_json::Value;

/// The variables that hold values of events, separated by commas.
///
/// # Errors
/// What would become code, or would be read as a template, and what to do.
pub(super) fn strangers(resource: &Value, tainted: &[Tainted]) -> Result<String, String> {
    let mut names = BTreeSet::new();
    for place in tainted {
        let parts: Vec<&str> = place.dest.split('.').collect();
        match parts.as_slice() {
            ["metadata", family @ ("labels" | "annotations"), ..] => {
                names.insert(format!("workflow.{family}"));
            }
            // a name is checked as a name
            ["metadata", ..] => {}
            ["spec", "arguments", "parameters", number, ..] if number.parse::<usize>().is_ok() => {
                let name = resource.pointer(&format!("/spec/arguments/parameters/{number}/name"));
                names.extend(name.and_then(Value::as_str).map(|name| format!("workflow.parameters.{name}")));
            }
            ["spec", "arguments", ..] => {
                let all = resource.pointer("/spec/arguments/parameters").and_then(Value::as_array);
                let each = all.into_iter().flatten().filter_map(|one| one["name"].as_str());
                names.extend(each.map(|name| format!("workflow.parameters.{name}")));
            }
            _ => written(resource, &parts, place)?,
        }
    }
    Ok(names.into_iter().collect::<Vec<_>>().join(","))
}

/// The same for an object of a cluster: values of events do not become the program of a container.
///
/// # Errors
/// What would become code, and what to do.
pub(super) fn object(resource: &Value, tainted: &[Tainted]) -> Result<(), String> {
    if resource["metadata"]["annotations"][ALLOW_SPLICE] == "true" {
        return Ok(());
    }
    let hint = format!(
        "hand it over in `env` and use it as a variable, or set the annotation {ALLOW_SPLICE}: \"true\" on the resource"
    );
    for place in tainted {
        let pointer = format!("/{}", place.dest.replace('.', "/"));
        let value = resource.pointer(&pointer).unwrap_or(&Value::Null);
        let dest = &place.dest;
        if is_tree(value) && (names_containers(&pointer) || holds_containers(value)) {
            return Err(format!("{dest}: containers are not taken from events: {hint}"));
        }
        if !is_plain(&place.text) && is_code(resource, &pointer) {
            let splice = Splice { tag: "event".to_owned(), text: place.text.clone() };
            return Err(format!("{}; {hint}", refusal(&splice, dest)));
        }
    }
    Ok(())
}

fn is_tree(value: &Value) -> bool {
    value.is_object() || value.is_array()
}

fn names_containers(pointer: &str) -> bool {
    pointer.split('/').any(|part| part.to_ascii_lowercase().ends_with("containers"))
}

fn holds_containers(value: &Value) -> bool {
    match value {
        Value::Object(map) => map.iter().any(|(key, value)| names_containers(key) || holds_containers(value)),
        Value::Array(list) => list.iter().any(holds_containers),
        _ => false,
    }
}

/// Text that stands in the spec itself.
fn written(resource: &Value, parts: &[&str], place: &Tainted) -> Result<(), String> {
    let dest = &place.dest;
    let hint =
        "hand the value to a parameter of the workflow (dest: spec.arguments.parameters.N.value) instead";
    if place.text.contains("{{") {
        return Err(format!(
            "the value of the event for {dest} has {{{{ in it, and would be read as a template there: {hint}"
        ));
    }
    if parts.contains(&"annotations") {
        return Err(format!("{dest}: annotations of templates are not taken from events: {hint}"));
    }
    let ["spec", "templates", number, rest @ ..] = parts else { return Ok(()) };
    let Some(template) = resource.pointer(&format!("/spec/templates/{number}")) else { return Ok(()) };
    let typed: Template = serde_json::from_value(template.clone()).unwrap_or_default();
    let whole =
        Value::as_object(&template.pointer(&format!("/{}", rest.join("/"))).cloned().unwrap_or_default())
            .is_some();
    if whole {
        return Err(format!("{dest}: a whole part of a template is not taken from events: {hint}"));
    }
    if !is_plain(&place.text) && !allows(&typed) && is_code(template, &format!("/{}", rest.join("/"))) {
        let splice = Splice { tag: "workflow.parameters.NAME".to_owned(), text: place.text.clone() };
        return Err(format!("{}; and {hint}", refusal(&splice, dest)));
    }
    Ok(())
}
