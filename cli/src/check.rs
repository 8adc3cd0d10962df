//! Validation as commands need it: for lint, for submit, for apply.
//! Does not know the rules: `runner_workflows::validate` does.

use jiff::Timestamp;
use runner_controller::{Executor, SYNC_LIMIT};
use runner_store::NewManifest;
use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::effect::without_effect;
use runner_workflows::parse::tree::NodeValue;
use runner_workflows::parse::{Document, Limits, Manifest, parse_file};
use runner_workflows::resolve::{Catalog, Submission};
use runner_workflows::spec::{Parameter, Workflow};
use runner_workflows::validate::{Options, validate, validate_workflow};
use serde_json::{Value, json};

use crate::exit::{Code, Failure, Result};

/// What `lint` says about a manifest among others.
pub fn lint(manifest: &Manifest, catalog: &Catalog, strict: bool) -> Vec<Diagnostic> {
    let mut problems = events(manifest);
    if strict {
        problems.iter_mut().for_each(crate::manifests::be_strict);
    }
    if matches!(manifest.kind(), "EventSource" | "EventBus" | "Sensor") {
        return problems;
    }
    validate(manifest, Options { lint: true, submit: false, strict }, catalog)
}

/// What a manifest says that changes nothing for steps that run as processes, each field with the reason.
pub fn notes(manifest: &Manifest, executor: Executor) -> Vec<Diagnostic> {
    match executor {
        Executor::Process => without_effect(manifest),
        Executor::Container | Executor::Kubernetes => Vec::new(),
    }
}

/// What is to be said about an EventSource, an EventBus or a Sensor.
fn events(manifest: &Manifest) -> Vec<Diagnostic> {
    let (object, mut problems) = runner_sensors::load::read(manifest);
    problems.extend(object.iter().flat_map(|object| runner_sensors::validate::validate(object, None)));
    problems
}

/// What stands against running a workflow with what the command line says.
pub fn submit(manifest: &Manifest, submission: &Submission, catalog: &Catalog) -> Vec<Diagnostic> {
    match manifest {
        Manifest::Workflow(Document { object, origin }) => {
            let workflow = with_submission(object, submission);
            validate_workflow(&workflow, Some(origin), Options::default(), catalog)
        }
        other => validate(other, Options::default(), catalog),
    }
}

/// What stands against storing a template.
pub fn store(manifest: &Manifest, catalog: &Catalog) -> Vec<Diagnostic> {
    lint(manifest, catalog, false)
}

/// The workflow with the parameters and names of the command line, as `resolve` will apply them.
fn with_submission(workflow: &Workflow, submission: &Submission) -> Workflow {
    let mut workflow = workflow.clone();
    for (name, value) in &submission.parameters {
        let parameters = &mut workflow.spec.arguments.parameters;
        let new = Parameter::literal(name, value);
        match parameters.iter_mut().find(|parameter| parameter.name == *name) {
            Some(parameter) => (parameter.value, parameter.value_from) = (new.value, None),
            None => parameters.push(new),
        }
    }
    if let Some(name) = &submission.name {
        workflow.metadata.name.clone_from(name);
    }
    if let Some(prefix) = &submission.generate_name {
        workflow.metadata.generate_name.clone_from(prefix);
    }
    if let Some(entrypoint) = &submission.entrypoint {
        workflow.spec.entrypoint.clone_from(entrypoint);
    }
    workflow.metadata.labels.extend(submission.labels.clone());
    workflow
}

/// A workflow that is in no file, as a manifest that diagnostics can point into.
///
/// # Errors
/// Exit code 3 when it cannot be written or read back.
pub fn in_memory(workflow: &Workflow) -> Result<Manifest> {
    let broken =
        |why: String| Failure::new(Code::Invalid, format!("the stored template cannot be used: {why}"));
    let text = serde_json::to_string_pretty(workflow).map_err(|error| broken(error.to_string()))?;
    let (manifests, diagnostics) = parse_file("<from the store>", &text, Limits::default());
    match (manifests.into_iter().next(), diagnostics.iter().find(|d| d.is_error())) {
        (Some(manifest), None) => Ok(manifest),
        (_, Some(diagnostic)) => Err(broken(diagnostic.message.clone())),
        (None, None) => Err(broken("it is empty".to_owned())),
    }
}

/// The form in which the catalog keeps a manifest; none for what is run instead of kept.
pub fn storable(manifest: &Manifest, namespace: &str, at: Timestamp) -> Option<NewManifest> {
    let own = |given: &str| if given.is_empty() { namespace.to_owned() } else { given.to_owned() };
    let (namespace, body): (String, Value) = match manifest {
        Manifest::WorkflowTemplate(doc) => (own(&doc.object.metadata.namespace), to_json(&doc.object)),
        Manifest::ClusterWorkflowTemplate(doc) => (String::new(), to_json(&doc.object)),
        Manifest::CronWorkflow(doc) => (own(&doc.object.metadata.namespace), to_json(&doc.object)),
        Manifest::ConfigMap(doc) => {
            let map = &doc.object;
            let body =
                json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": map.metadata, "data": map.data});
            (own(&map.metadata.namespace), body)
        }
        Manifest::Other(doc) if doc.object.kind == SYNC_LIMIT => {
            // The limit of a database semaphore (`synchronization.semaphores[].database`), named by its key.
            let text = |pointer: &str| match doc.origin.node_of(pointer).map(|node| &node.value) {
                Some(NodeValue::Scalar(scalar)) => Some(scalar.text.as_str()),
                Some(NodeValue::Sequence(_) | NodeValue::Mapping(_)) | None => None,
            };
            let limit: u32 = text("/spec/limit")?.parse().ok()?;
            (own(text("/metadata/namespace").unwrap_or_default()), json!({ "limit": limit }))
        }
        Manifest::Other(_) => {
            use runner_sensors::load::{Object, read};
            let object = read(manifest).0?;
            let body = match &object {
                Object::EventSource(doc) => to_json(&doc.object),
                Object::EventBus(doc) => to_json(&doc.object),
                Object::Sensor(doc) => to_json(&doc.object),
            };
            (own(object.namespace()), body)
        }
        Manifest::Workflow(_) | Manifest::Secret(_) => return None,
    };
    let range = manifest.origin().root().range.clone();
    let source = manifest.origin().source().text().get(range).unwrap_or_default().to_owned();
    Some(NewManifest {
        kind: manifest.kind().to_owned(),
        namespace,
        name: manifest.name().to_owned(),
        body: serde_json::to_vec(&body).unwrap_or_default(),
        source,
        at,
    })
}

fn to_json<T: serde::Serialize>(object: &T) -> Value {
    serde_json::to_value(object).unwrap_or(Value::Null)
}
