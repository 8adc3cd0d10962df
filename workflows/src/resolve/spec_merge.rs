//! The merge of a workflow with the template it refers to and with the defaults of the installation.
//! Does not fetch them.

use serde_json::Value;

use super::merge;
use crate::spec::{Artifact, ObjectMeta, Parameter, Workflow, WorkflowSpec};

/// Merges specs: workflow over template over defaults (as Argo's JoinWorkflowSpec).
///
/// # Errors
/// Returns serde's message when the merged value does not fit the type any more.
pub fn join_specs(
    own: &WorkflowSpec,
    template: Option<&WorkflowSpec>,
    defaults: Option<&WorkflowSpec>,
) -> Result<WorkflowSpec, serde_json::Error> {
    let mut merged = own.clone();
    for base in [template, defaults].into_iter().flatten() {
        merged = merge_two(base, &merged)?;
    }
    merged.suspend = own.suspend;
    let layers: Vec<&WorkflowSpec> = std::iter::once(own).chain(template).collect();
    for parameter in &mut merged.arguments.parameters {
        if has_value(parameter)
            && let Some(winner) = layers.iter().find_map(|spec| valued(spec, &parameter.name))
        {
            *parameter = winner.clone();
        }
    }
    for artifact in &mut merged.arguments.artifacts {
        if let Some(winner) = layers.iter().find_map(|spec| spec.arguments.artifact(&artifact.name)) {
            *artifact = override_artifact(artifact, winner)?;
        }
    }
    Ok(merged)
}

/// Merges two specs; hooks and computed labels are taken whole by name, not merged.
fn merge_two(base: &WorkflowSpec, over: &WorkflowSpec) -> Result<WorkflowSpec, serde_json::Error> {
    let mut plain = base.clone();
    let hooks = std::mem::take(&mut plain.hooks);
    let labels_from =
        plain.workflow_metadata.as_mut().map(|m| std::mem::take(&mut m.labels_from)).unwrap_or_default();
    let mut merged = merge::typed(&plain, over)?;
    for (name, hook) in hooks {
        merged.hooks.entry(name).or_insert(hook);
    }
    if !labels_from.is_empty() {
        let target = &mut merged.workflow_metadata.get_or_insert_default().labels_from;
        for (name, label) in labels_from {
            target.entry(name).or_insert(label);
        }
    }
    Ok(merged)
}

fn has_value(parameter: &Parameter) -> bool {
    parameter.value.is_some() || parameter.default.is_some() || parameter.value_from.is_some()
}

fn valued<'a>(spec: &'a WorkflowSpec, name: &str) -> Option<&'a Parameter> {
    spec.arguments.parameter(name).filter(|p| has_value(p))
}

/// The artifact of higher priority; fields of the same kind of location fall back to the lower one.
fn override_artifact(base: &Artifact, over: &Artifact) -> Result<Artifact, serde_json::Error> {
    let same = location_kinds(base) == location_kinds(over) && !location_kinds(over).is_empty();
    if !same {
        return Ok(over.clone());
    }
    let mut location = serde_json::to_value(over)?;
    if let (Value::Object(location), Value::Object(base)) = (&mut location, serde_json::to_value(base)?) {
        for kind in location_kinds(over) {
            if let (Some(old), Some(new)) = (base.get(kind), location.get(kind)) {
                let merged = merge::strategic(old.clone(), new.clone());
                location.insert(kind.to_owned(), merged);
            }
        }
    }
    serde_json::from_value(location)
}

/// The names of the locations that an artifact sets.
pub(crate) fn location_kinds(artifact: &Artifact) -> Vec<&'static str> {
    let set = [
        (artifact.artifactory.is_some(), "artifactory"),
        (artifact.azure.is_some(), "azure"),
        (artifact.git.is_some(), "git"),
        (artifact.gcs.is_some(), "gcs"),
        (artifact.hdfs.is_some(), "hdfs"),
        (artifact.http.is_some(), "http"),
        (artifact.oss.is_some(), "oss"),
        (artifact.raw.is_some(), "raw"),
        (artifact.s3.is_some(), "s3"),
        (artifact.plugin.is_some(), "plugin"),
    ];
    set.into_iter().filter(|(is_set, _)| *is_set).map(|(_, name)| name).collect()
}

/// Adds labels and annotations of `from` that `to` does not have.
pub fn join_metadata(to: &mut ObjectMeta, from: &ObjectMeta) {
    for (key, value) in &from.labels {
        to.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
    for (key, value) in &from.annotations {
        to.annotations.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

/// The defaults as a workflow.
///
/// # Errors
/// Returns serde's message when they are not a workflow.
pub(crate) fn parse_defaults(defaults: Option<&Value>) -> Result<Option<Workflow>, serde_json::Error> {
    defaults.map(|value| serde_json::from_value(value.clone())).transpose()
}
