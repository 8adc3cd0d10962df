//! Reads what a case gives: workflows, templates, objects, settings.
//! Does not run anything.

use runner_workflows::diagnostic::Severity;
use runner_workflows::parse::Manifest;
use serde_json::{Value, json};

use super::memo;
use super::run::Run;
use super::world::World;
use crate::conformance::index::{Case, Index};
use crate::conformance::language;

/// Builds the world of a case.
///
/// # Errors
/// A file that is missing or does not parse.
pub(super) fn world(index: &Index, case: &Case) -> Result<World, String> {
    let mut world = World::new();
    let given = case.body.get("given").cloned().unwrap_or_else(|| json!({}));
    let list = |key: &str| -> Vec<String> {
        let items = given.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
        items.iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    world.config = given.get("config").cloned().unwrap_or_else(|| json!({}));
    let restriction = world.config.pointer("/workflowRestrictions/templateReferencing").cloned();
    world.catalog.template_referencing = restriction.and_then(|mode| serde_json::from_value(mode).ok());
    if let Some(env) = given.get("env").and_then(Value::as_object) {
        let texts = env.iter().filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        world.env = texts.collect();
    }
    for file in list("templates").into_iter().chain(list("objects")) {
        object(&mut world, &file, &index.read(&file)?)?;
    }
    let snapshot = given.get("snapshot").and_then(Value::as_bool).unwrap_or_default();
    for (number, file) in list("workflows").iter().enumerate() {
        let run = workflow(number, file, &index.read(file)?, snapshot)?;
        if let Some(status) = run.manifest.get("status") {
            language::register_stored(&mut world.catalog, status);
        }
        world.runs.push(run);
    }
    Ok(world)
}

/// Adds a template or another object.
///
/// # Errors
/// It does not parse.
pub(super) fn object(world: &mut World, file: &str, text: &str) -> Result<(), String> {
    language::register(&mut world.catalog, file, text, Some("WorkflowTemplate"))?;
    let (manifests, _) = language::load(file, text, Some("WorkflowTemplate"));
    for manifest in manifests {
        if let Manifest::ConfigMap(document) = &manifest {
            let map = json!({
                "metadata": { "labels": document.object.metadata.labels },
                "data": document.object.data,
            });
            world.caches.insert(manifest.name().to_owned(), memo::entries(&map));
        }
    }
    Ok(())
}

/// Reads one workflow.
///
/// # Errors
/// The file holds no workflow.
pub(super) fn workflow(number: usize, file: &str, text: &str, snapshot: bool) -> Result<Run, String> {
    let (manifests, problems) = language::load(file, text, Some("Workflow"));
    let found = manifests.into_iter().find_map(|manifest| match manifest {
        Manifest::Workflow(document) => Some(document),
        _ => None,
    });
    let Some(document) = found else {
        let errors: Vec<String> =
            problems.iter().filter(|d| d.severity == Severity::Error).map(|d| d.message.clone()).collect();
        return Err(format!("{file}: no workflow: {}", errors.join("; ")));
    };
    let mut workflow = document.object;
    if workflow.metadata.name.is_empty() {
        workflow.metadata.name = match workflow.metadata.generate_name.as_str() {
            "" => format!("workflow-{number}"),
            prefix => format!("{prefix}{number}"),
        };
    }
    let mut manifest = serde_json::to_value(&workflow).map_err(|error| error.to_string())?;
    if !snapshot && let Some(map) = manifest.as_object_mut() {
        map.remove("status");
    }
    let has_status = manifest
        .get("status")
        .is_some_and(|status| ["phase", "nodes"].iter().any(|key| status.get(*key).is_some()));
    Ok(Run::new(manifest, workflow, has_status))
}
