//! Between the order of a typed step and the functions that do it: secrets, paths of artifacts, outputs.
//! Does no work of its own.

use serde_json::{Map, Value, json};

use super::{Failure, Outputs, Result, Step};
use crate::order;

/// Runs one of our own plugins; nothing if the name is not one of ours.
pub fn run(name: &str, step: &order::Step) -> Option<std::result::Result<order::Done, order::Failure>> {
    let work: fn(Value, &Step) -> Result<Outputs> = match name {
        "git" => crate::git::run,
        "argocd" => crate::argocd::run,
        "kaniko" => |fields, _step| crate::kaniko::run(fields),
        _other => return None,
    };
    Some(perform(name, step, work))
}

fn perform(
    name: &str,
    step: &order::Step,
    work: fn(Value, &Step) -> Result<Outputs>,
) -> std::result::Result<order::Done, order::Failure> {
    let order = step.order();
    let mut fields = serde_json::to_value(&order.template.plugin).unwrap_or_default()[name].take();
    secrets(&mut fields, step);
    paths(&mut fields, &placed(step));
    let who = Step { key: order.step_key.clone(), attempt: order.attempt };
    match work(fields, &who) {
        Ok(outputs) => {
            let mut done = order::Done::result(json!(outputs).to_string());
            done.parameters = outputs.into_iter().collect();
            Ok(done)
        }
        // A mistake in the template is an Error, which retries leave alone unless they say so; a refusal or an
        // absence is a Failure, which every retryStrategy covers.
        Err(Failure::Input(message)) => Err(order::Failure::error(message)),
        Err(Failure::Refused(message) | Failure::Trouble(message)) => Err(order::Failure::failed(message)),
    }
}

/// Each `{secretKeyRef: ...}` becomes the variable that holds the value; an optional one that is absent goes.
fn secrets(value: &mut Value, step: &order::Step) {
    match value {
        Value::Object(map) => {
            if let Some(found) = variable(map, step) {
                *value = found.map_or(Value::Null, |name| json!({"env": name}));
            } else {
                map.values_mut().for_each(|inner| secrets(inner, step));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|inner| secrets(inner, step)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn variable(map: &Map<String, Value>, step: &order::Step) -> Option<Option<String>> {
    let (word, reference) = map.iter().next()?;
    let secret = match word.as_str() {
        "secretKeyRef" => true,
        "configMapKeyRef" => false,
        _other => return None,
    };
    let values = &step.order().values;
    let known = values.iter().find(|known| {
        known.secret == secret && reference["name"] == known.name && reference["key"] == known.key
    })?;
    Some(known.variable.clone())
}

/// Declared paths of artifacts and where they really are; different only where paths are remapped.
fn placed(step: &order::Step) -> Vec<(String, String)> {
    let template = &step.order().template;
    let inputs = template.inputs.artifacts.iter().map(|artifact| (artifact, step.input_path(&artifact.name)));
    let outputs =
        template.outputs.artifacts.iter().map(|artifact| (artifact, step.output_path(&artifact.name)));
    inputs
        .chain(outputs)
        .filter_map(|(artifact, real)| Some((artifact.path.clone(), real?.to_string_lossy().into_owned())))
        .filter(|(declared, real)| !declared.is_empty() && declared != real)
        .collect()
}

fn paths(value: &mut Value, placed: &[(String, String)]) {
    match value {
        Value::Object(map) => map.values_mut().for_each(|inner| paths(inner, placed)),
        Value::Array(items) => items.iter_mut().for_each(|inner| paths(inner, placed)),
        Value::String(text) => {
            let found = placed.iter().find_map(|(declared, real)| {
                let rest = text.strip_prefix(declared.as_str())?;
                (rest.is_empty() || rest.starts_with('/')).then(|| format!("{real}{rest}"))
            });
            if let Some(real) = found {
                *text = real;
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
