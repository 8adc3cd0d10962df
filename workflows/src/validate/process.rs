//! Arguments into inputs, and known variables into the template, as the controller does before it runs a node.
//! Does not compute values that are known at run time only.

use std::cell::Cell;
use std::collections::BTreeMap;

use serde_json::Value;

use super::checker::{Args, Checker};
use super::report::Place;
use super::tags;
use crate::resolve::location_kinds;
use crate::spec::{Artifact, Parameter, Template};

/// Longer values count as known at run time only: a short tag must not make a large text (F56).
const MAX_VALUE: usize = 1_024;
/// Bytes that one validation run inserts at most.
pub(super) const MAX_INSERTED: usize = 32 << 20;

/// A template with everything replaced that is known.
pub(super) struct Processed {
    /// The typed template.
    pub(super) template: Box<Template>,
    /// The same as JSON.
    pub(super) value: Value,
}

impl Checker<'_> {
    /// Reports inputs that the arguments do not supply; returns the inputs with their values.
    pub(super) fn supply(
        &mut self,
        template: &Template,
        args: Args<'_>,
        call: &Place,
    ) -> (Vec<Parameter>, Vec<Artifact>) {
        let mut parameters = Vec::with_capacity(template.inputs.parameters.len());
        for input in &template.inputs.parameters {
            let mut input = input.clone();
            input.value = input.value.or_else(|| input.default.clone());
            if let Some(argument) = self.argument(args, &input.name) {
                if argument.value.is_some() {
                    input.value = argument.value;
                    input.value_from = None;
                } else {
                    input.value = None;
                    input.value_from = argument.value_from;
                }
            }
            let from_map = input.value_from.as_ref().is_some_and(|from| from.config_map_key_ref.is_some());
            if !from_map && input.value.is_none() {
                let text =
                    format!("templates.{} inputs.parameters.{} was not supplied", template.name, input.name);
                let hint = format!(
                    "pass `{}` in the arguments, or give the input a `value` or `default`",
                    input.name
                );
                self.reporter.error_hint(&call.field("arguments"), "argument-missing", text, hint);
                input.value = Some(self.placeholder().into());
            }
            parameters.push(input);
        }
        (parameters, self.supply_artifacts(template, args, call))
    }

    fn supply_artifacts(&mut self, template: &Template, args: Args<'_>, call: &Place) -> Vec<Artifact> {
        let mut out = Vec::with_capacity(template.inputs.artifacts.len());
        for input in &template.inputs.artifacts {
            let argument = Self::artifact_argument(args, &input.name);
            let empty_address = input.http.is_some() && !has_location_or_key(input);
            if empty_address && !input.optional {
                // Argo's own lint refuses this one too, but its tests submit it and expect the node to end in Error.
                let text =
                    format!("templates.{} inputs.artifacts.{}.http.url is empty", template.name, input.name);
                self.reporter.warning(call, "artifact-location", text);
            } else if !input.optional && !has_location_or_key(input) && argument.is_none() {
                let text =
                    format!("templates.{} inputs.artifacts.{} was not supplied", template.name, input.name);
                let hint = format!("pass `{}` in the arguments, or give the input a location", input.name);
                self.reporter.error_hint(&call.field("arguments"), "argument-missing", text, hint);
            }
            out.push(match argument {
                Some(argument) => Artifact {
                    path: input.path.clone(),
                    mode: input.mode,
                    recurse_mode: input.recurse_mode,
                    ..argument
                },
                None => input.clone(),
            });
        }
        out
    }

    /// Replaces globals, locals and inputs in a template. None when the result is no template any more.
    pub(super) fn process(
        &mut self,
        template: &Template,
        args: Args<'_>,
        locals: &BTreeMap<String, String>,
        call: &Place,
    ) -> Option<Processed> {
        let mut filled = template.clone();
        (filled.inputs.parameters, filled.inputs.artifacts) = self.supply(template, args, call);
        let mut value = serde_json::to_value(&filled).ok()?;
        self.replace(&mut value, locals);
        let first: Template = serde_json::from_value(value.clone()).unwrap_or(filled);
        let mut known = locals.clone();
        for parameter in &first.inputs.parameters {
            if let Some(text) = &parameter.value {
                known.insert(format!("inputs.parameters.{}", parameter.name), text.0.clone());
            }
        }
        known.insert("inputs.parameters".into(), self.placeholder());
        for artifact in first.inputs.artifacts.iter().filter(|a| !a.path.is_empty()) {
            known.insert(format!("inputs.artifacts.{}.path", artifact.name), artifact.path.clone());
        }
        for artifact in first.outputs.artifacts.iter().filter(|a| !a.path.is_empty()) {
            known.insert(format!("outputs.artifacts.{}.path", artifact.name), artifact.path.clone());
        }
        for parameter in &first.outputs.parameters {
            if let Some(from) = parameter.value_from.as_ref().filter(|from| !from.path.is_empty()) {
                known.insert(format!("outputs.parameters.{}.path", parameter.name), from.path.clone());
            }
        }
        self.replace(&mut value, &known);
        let template = serde_json::from_value(value.clone()).unwrap_or(first);
        Some(Processed { template: Box::new(template), value })
    }

    fn replace(&mut self, value: &mut Value, known: &BTreeMap<String, String>) {
        let globals = std::mem::take(&mut self.globals);
        let unknown = self.placeholder();
        let left = Cell::new(self.insert_budget);
        let lookup = |name: &str| {
            let value = known.get(name).or_else(|| globals.get(name))?;
            let fits = value.len() <= MAX_VALUE && value.len() <= left.get();
            left.set(left.get() - if fits { value.len() } else { 0 });
            Some(if fits { value.clone() } else { unknown.clone() })
        };
        tags::substitute_value(value, &lookup, &mut || self.placeholder());
        self.insert_budget = left.get();
        self.globals = globals;
    }
}

/// True when the artifact says where it is, or which key it has in the default repository.
pub(super) fn has_location_or_key(artifact: &Artifact) -> bool {
    let Some(kind) = location_kinds(artifact).into_iter().next() else { return false };
    let text = |value: Option<&String>| value.is_some_and(|v| !v.is_empty());
    match kind {
        "artifactory" => text(artifact.artifactory.as_ref().map(|a| &a.url)),
        "azure" => text(artifact.azure.as_ref().map(|a| &a.blob)),
        "git" => text(artifact.git.as_ref().map(|a| &a.repo)),
        "gcs" => text(artifact.gcs.as_ref().map(|a| &a.key)),
        "hdfs" => artifact.hdfs.as_ref().is_some_and(|a| !a.addresses.is_empty() || !a.path.is_empty()),
        "http" => text(artifact.http.as_ref().map(|a| &a.url)),
        "oss" => text(artifact.oss.as_ref().map(|a| &a.key)),
        "raw" => true,
        "s3" => text(artifact.s3.as_ref().map(|a| &a.key)),
        _ => text(artifact.plugin.as_ref().map(|a| &a.key)),
    }
}
