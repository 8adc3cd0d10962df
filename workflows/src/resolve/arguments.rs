//! The arguments of a workflow: values from the command line and from ConfigMaps.
//! Does not evaluate expressions.

use std::collections::BTreeMap;

use super::source::TemplateSource;
use super::stored::has_tag;
use crate::diagnostic::Diagnostic;
use crate::spec::{AnyString, Parameter, Template, ValueFrom, WorkflowSpec};

/// Sets parameters given on the command line; a name that the workflow does not declare is added (as Argo does).
pub(super) fn override_parameters(spec: &mut WorkflowSpec, given: &[(String, String)]) {
    for (name, value) in given {
        let value = Some(AnyString::from(value.as_str()));
        match spec.arguments.parameters.iter_mut().find(|p| p.name == *name) {
            Some(parameter) => {
                parameter.value = value;
                parameter.value_from = None;
            }
            None => {
                spec.arguments.parameters.push(Parameter {
                    name: name.clone(),
                    value,
                    ..Parameter::default()
                });
            }
        }
    }
}

/// Replaces `configMapKeyRef` of the workflow's arguments by the value of the key.
pub(super) fn read_config_maps(spec: &mut WorkflowSpec, source: &dyn TemplateSource) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for index in 0..spec.arguments.parameters.len() {
        let known = known_values(spec);
        let Some(parameter) = spec.arguments.parameters.get_mut(index) else { break };
        if parameter.value.is_some() {
            continue;
        }
        let Some(from) = &parameter.value_from else { continue };
        let Some((map, key)) = key_ref(from, &known) else { continue };
        let value = source.config_map(&map).and_then(|data| data.get(&key)).cloned().map(AnyString);
        match value.or_else(|| from.default.clone()) {
            Some(value) => {
                parameter.value = Some(value);
                parameter.value_from = None;
            }
            None => problems.push(
                Diagnostic::error(
                    "config-map-key-not-found",
                    format!(
                        "spec.arguments.parameters.{}: ConfigMap `{map}` with key `{key}` not found",
                        parameter.name
                    ),
                )
                .hint("apply the ConfigMap first, or give `valueFrom.default`"),
            ),
        }
    }
    problems
}

/// The ConfigMaps that inputs of templates refer to.
pub(super) fn input_config_maps<'a>(
    spec: &WorkflowSpec,
    templates: impl Iterator<Item = &'a Template>,
    source: &dyn TemplateSource,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let known = known_values(spec);
    let mut out = BTreeMap::new();
    for parameter in templates.flat_map(|template| &template.inputs.parameters) {
        let Some((map, _)) = parameter.value_from.as_ref().and_then(|from| key_ref(from, &known)) else {
            continue;
        };
        if let Some(data) = source.config_map(&map) {
            out.insert(map, data.clone());
        }
    }
    out
}

fn known_values(spec: &WorkflowSpec) -> BTreeMap<String, String> {
    let value = |p: &Parameter| p.value.clone().or_else(|| p.default.clone());
    spec.arguments.parameters.iter().filter_map(|p| Some((p.name.clone(), value(p)?.0))).collect()
}

/// The ConfigMap and key that a source names, workflow parameters in the names replaced.
fn key_ref(from: &ValueFrom, known: &BTreeMap<String, String>) -> Option<(String, String)> {
    let reference = from.config_map_key_ref.as_ref()?;
    Some((fill(&reference.name, known), fill(&reference.key, known)))
}

fn fill(text: &str, known: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while has_tag(rest) {
        let Some((before, after)) = rest.split_once("{{") else { break };
        let Some((tag, after)) = after.split_once("}}") else { break };
        let value = tag.trim().strip_prefix("workflow.parameters.").and_then(|name| known.get(name));
        out.push_str(before);
        match value {
            Some(value) => out.push_str(value),
            None => out.extend(["{{", tag, "}}"]),
        }
        rest = after;
    }
    out + rest
}
