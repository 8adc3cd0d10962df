//! Inputs of a template: what was passed, else the default, else an error.
//! Does not evaluate the caller's arguments: `calls` does.

use std::collections::BTreeSet;

use runner_workflows::expr::{Fuel, Text, Vars};
use runner_workflows::spec::{Arguments, Artifact, Inputs, Parameter};

use super::Turn;
use crate::plan::{Compiled, typed};

/// Arguments with their values, and the names of parameters whose producer was skipped.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Passed {
    pub(super) arguments: Arguments,
    pub(super) absent: Vec<String>,
    /// Variables of the template that hold values of events.
    pub(super) tainted: BTreeSet<String>,
}

impl Turn<'_> {
    /// Puts arguments into a template's inputs. `vars` are the globals and the node's own names.
    /// Answers also which of the node's variables hold values of events.
    pub(super) fn inputs(
        &self,
        compiled: &Compiled,
        passed: &Passed,
        vars: &Vars,
    ) -> Result<(Inputs, BTreeSet<String>), String> {
        let mut tainted = BTreeSet::new();
        let mut vars = Vars::child(&std::sync::Arc::new(vars.clone()));
        let mut inputs = Inputs::default();
        for (declared, default) in compiled.template.inputs.parameters.iter().zip(&compiled.defaults) {
            let parameter = self.parameter(declared, default.as_ref(), passed, &vars)?;
            if let Some(value) = &parameter.value {
                let name = format!("inputs.parameters.{}", parameter.name);
                vars.set(name.clone(), value.as_str());
                let given = passed.arguments.parameter(&declared.name).is_some_and(|p| p.value.is_some());
                let stranger = if given {
                    passed.tainted.contains(&name)
                } else {
                    let splices = default.as_ref().map(|text| text.splices(&vars)).transpose();
                    splices.map_err(|e| e.to_string())?.is_some_and(|found| !found.is_empty())
                };
                if stranger {
                    vars.taint(name.clone());
                    tainted.insert(name);
                }
            }
            inputs.parameters.push(parameter);
        }
        let declared: Vec<Artifact> = if compiled.artifacts.is_literal() {
            compiled.template.inputs.artifacts.clone()
        } else {
            typed(compiled.artifacts.render(&vars, &mut Fuel::default()).map_err(|e| e.to_string())?.value)?
        };
        for artifact in declared {
            inputs.artifacts.push(input_artifact(artifact, passed)?);
        }
        Ok((inputs, tainted))
    }

    fn parameter(
        &self,
        declared: &Parameter,
        default: Option<&Text>,
        passed: &Passed,
        vars: &Vars,
    ) -> Result<Parameter, String> {
        let mut parameter = declared.clone();
        let given = passed.arguments.parameter(&declared.name);
        if let Some(value) = given.and_then(|p| p.value.clone()) {
            parameter.value = Some(value);
            parameter.value_from = None;
            return Ok(parameter);
        }
        if let Some(text) = default {
            let rendered = text.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?;
            parameter.value = Some(rendered.text.into());
        }
        let from = given.and_then(|p| p.value_from.as_ref()).or(declared.value_from.as_ref());
        if let Some(key) = from.and_then(|from| from.config_map_key_ref.as_ref()) {
            let render = |text: &str| -> Result<String, String> {
                let text = Text::compile(text).map_err(|e| e.to_string())?;
                Ok(text.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?.text)
            };
            let (name, entry) = (render(&key.name)?, render(&key.key)?);
            match self.plan.workflow.config_maps.get(&name).and_then(|map| map.get(&entry)) {
                Some(value) => parameter.value = Some(value.clone().into()),
                None => match from.and_then(|from| from.default.clone()) {
                    Some(default) => parameter.value = Some(default),
                    None => {
                        return Err(format!(
                            "unable to retrieve inputs.parameters.{} from ConfigMap: there is no key {entry} in {name}",
                            declared.name
                        ));
                    }
                },
            }
        }
        if parameter.value.is_none() {
            return Err(if passed.absent.contains(&declared.name) {
                format!(
                    "inputs.parameters.{}: argument references an absent optional (skipped/omitted node output with no default)",
                    declared.name
                )
            } else {
                format!("inputs.parameters.{} was not supplied", declared.name)
            });
        }
        Ok(parameter)
    }
}

fn input_artifact(declared: Artifact, passed: &Passed) -> Result<Artifact, String> {
    let given = passed.arguments.artifact(&declared.name);
    if !declared.optional && !has_location(&declared) {
        match given {
            None => return Err(format!("inputs.artifacts.{} was not supplied", declared.name)),
            Some(given) if !has_location(given) => {
                return Err(format!("inputs.artifacts.{} missing location information", declared.name));
            }
            Some(_) => {}
        }
    }
    Ok(match given {
        Some(given) => Artifact {
            name: declared.name,
            path: declared.path,
            mode: declared.mode,
            recurse_mode: declared.recurse_mode,
            optional: declared.optional || given.optional,
            archive: given.archive.clone().or(declared.archive),
            ..given.clone()
        },
        None => declared,
    })
}

/// True when an artifact says where its bytes are, if only by a key of the default repository.
pub(super) fn has_location(artifact: &Artifact) -> bool {
    artifact.s3.is_some()
        || artifact.git.is_some()
        || artifact.http.is_some()
        || artifact.artifactory.is_some()
        || artifact.hdfs.is_some()
        || artifact.raw.is_some()
        || artifact.oss.is_some()
        || artifact.gcs.is_some()
        || artifact.azure.is_some()
        || artifact.plugin.is_some()
}
