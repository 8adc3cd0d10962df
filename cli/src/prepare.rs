//! From files, or a stored template, to resolved and validated workflows.
//! Does not run them; `store_manifests` alone writes, and only after everything was found valid.

use std::path::PathBuf;
use std::sync::Arc;

use runner_controller::Executor;
use runner_store::{NewManifest, Store};
use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::parse::Manifest;
use runner_workflows::resolve::{Catalog, ResolvedWorkflow, Submission, freeze_invalid, resolve};
use runner_workflows::spec::{ObjectMeta, Workflow, WorkflowSpec, WorkflowTemplateRef};
use serde_json::{Value, json};

use crate::catalog;
use crate::check;
use crate::commands::apply::Validate;
use crate::exit::{Code, Failure, Result};
use crate::manifests::{Loaded, report};
use crate::names::{self, From};
use crate::wire::Wire;

/// How files are judged.
#[derive(Clone, Copy, Debug)]
pub struct Checks {
    /// Unknown fields are errors.
    pub strict: bool,
    /// Whether problems refuse.
    pub validate: Validate,
    /// What steps will run as.
    pub executor: Executor,
}

/// What is about to be run.
#[derive(Debug, Default)]
pub struct Prepared {
    /// The workflows.
    pub workflows: Vec<ResolvedWorkflow>,
    /// Templates and ConfigMaps of the same files, to be stored first.
    pub manifests: Vec<NewManifest>,
    /// Namespace of all of them.
    pub namespace: String,
}

/// Reads, resolves and validates files. Everything wrong with them is printed at once.
///
/// # Errors
/// Exit code 3 when anything is wrong; 4 when a file does not exist.
pub async fn from_files(
    wire: &Wire,
    files: &[PathBuf],
    submission: &Submission,
    how: Checks,
) -> Result<Prepared> {
    let loaded = Loaded::read(files, how.strict)?;
    let mut diagnostics = loaded.diagnostics;
    let validate = how.validate;
    let namespace = namespace(wire, &loaded.manifests)?;
    let mut catalog = stored_catalog(wire, &namespace).await?;
    let mut out = Prepared::default();
    for manifest in &loaded.manifests {
        catalog.add(manifest);
    }
    for manifest in &loaded.manifests {
        diagnostics.extend(check::notes(manifest, how.executor));
        match manifest {
            Manifest::Workflow(document) => {
                let made = one(manifest, &document.object, submission, &catalog, validate, &mut diagnostics);
                out.workflows.extend(made);
            }
            other => match check::storable(other, &namespace, wire.now()) {
                Some(new) => {
                    diagnostics.extend(validate.judge(check::store(other, &catalog)));
                    out.manifests.push(new);
                }
                None => diagnostics.push(
                    Diagnostic::note(
                        "not-submitted",
                        format!("{} is not something to submit; it is passed over", other.label()),
                    )
                    .at(Some(other.origin().span(&[]))),
                ),
            },
        }
    }
    report(&wire.console, &diagnostics, "nothing was stored")?;
    if out.workflows.is_empty() {
        return Err(Failure::new(Code::Invalid, "no Workflow in the given files; nothing was stored").hint(
            "to store templates: runner apply -f FILE; to start from one: runner submit --from wftmpl/NAME",
        ));
    }
    out.namespace = namespace;
    Ok(out)
}

/// The namespace of the workflows: that of the command line, else the one they say, else the usual one.
fn namespace(wire: &Wire, manifests: &[Manifest]) -> Result<String> {
    let said = manifests.iter().filter_map(|manifest| match manifest {
        Manifest::Workflow(document) => Some(&document.object.metadata.namespace),
        _ => None,
    });
    let mut said: Vec<&String> = said.filter(|namespace| !namespace.is_empty()).collect();
    said.sort_unstable();
    said.dedup();
    match said.as_slice() {
        [] => Ok(wire.namespace.clone()),
        [one] if !wire.namespace_given || **one == wire.namespace => Ok((*one).clone()),
        [one] => Err(Failure::usage(format!(
            "the file says namespace `{one}`, the command line `{}`",
            wire.namespace
        ))),
        several => {
            let names: Vec<&str> = several.iter().map(|name| name.as_str()).collect();
            Err(Failure::usage(format!("the files name several namespaces: {}", names.join(", ")))
                .hint("submit them one by one"))
        }
    }
}

/// Makes a workflow from a stored template.
///
/// # Errors
/// Exit code 4 when there is no such template, 3 when it is not valid.
pub async fn from_stored(
    wire: &Wire,
    from: &str,
    submission: &Submission,
    validate: Validate,
) -> Result<Prepared> {
    let from = names::parse_from(from)?;
    let catalog = stored_catalog(wire, &wire.namespace).await?;
    let workflow = match &from {
        From::WorkflowTemplate(name) | From::ClusterWorkflowTemplate(name) => {
            let cluster = matches!(from, From::ClusterWorkflowTemplate(_));
            let map = if cluster { &catalog.cluster_workflow_templates } else { &catalog.workflow_templates };
            if !map.contains_key(name) {
                let kind = if cluster { "ClusterWorkflowTemplate" } else { "WorkflowTemplate" };
                return Err(Failure::not_found(format!("no {kind} `{name}` in the store"))
                    .hint("runner template list shows what there is; runner apply -f FILE stores one"));
            }
            from_template(name, cluster)
        }
        From::CronWorkflow(name) => from_cron(wire, name).await?,
    };
    let manifest = check::in_memory(&workflow)?;
    let mut diagnostics = Vec::new();
    let mut out = Prepared { namespace: wire.namespace.clone(), ..Prepared::default() };
    out.workflows.extend(one(&manifest, &workflow, submission, &catalog, validate, &mut diagnostics));
    report(&wire.console, &diagnostics, "nothing was stored")?;
    Ok(out)
}

fn from_template(name: &str, cluster_scope: bool) -> Workflow {
    let label = if cluster_scope {
        "workflows.argoproj.io/cluster-workflow-template"
    } else {
        "workflows.argoproj.io/workflow-template"
    };
    let reference = WorkflowTemplateRef { name: name.to_owned(), cluster_scope };
    Workflow {
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Workflow".to_owned(),
        metadata: ObjectMeta {
            generate_name: format!("{name}-"),
            labels: std::iter::once((label.to_owned(), name.to_owned())).collect(),
            ..ObjectMeta::default()
        },
        spec: WorkflowSpec { workflow_template_ref: Some(reference), ..WorkflowSpec::default() },
        status: None,
    }
}

async fn from_cron(wire: &Wire, name: &str) -> Result<Workflow> {
    let missing = || Failure::not_found(format!("no CronWorkflow `{name}` in the store"));
    let Some(store) = wire.existing().await? else { return Err(missing()) };
    let stored = store.get_manifest("CronWorkflow", &wire.namespace, name).await?.ok_or_else(missing)?;
    let cron: runner_workflows::spec::CronWorkflow = serde_json::from_slice(&stored.body)
        .map_err(|error| Failure::new(Code::Invalid, format!("CronWorkflow `{name}`: {error}")))?;
    let mut metadata = cron.spec.workflow_metadata.unwrap_or_default();
    metadata.generate_name = format!("{name}-");
    metadata.labels.insert("workflows.argoproj.io/cron-workflow".to_owned(), name.to_owned());
    Ok(Workflow {
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Workflow".to_owned(),
        metadata,
        spec: cron.spec.workflow_spec,
        status: None,
    })
}

/// What is to be run of a workflow: with problems nothing, unless the user wants to see it fail with them.
fn one(
    manifest: &Manifest,
    workflow: &Workflow,
    submission: &Submission,
    catalog: &Catalog,
    validate: Validate,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<ResolvedWorkflow> {
    let mut found = check::submit(manifest, submission, catalog);
    if !found.iter().any(Diagnostic::is_error) {
        match resolve(workflow, submission, catalog) {
            Ok(resolved) => {
                diagnostics.extend(found);
                return Some(resolved);
            }
            Err(problems) => found.extend(problems.into_iter().map(|problem| {
                let place = problem.span.clone().or_else(|| Some(manifest.origin().span(&[])));
                let object = problem.object.clone().unwrap_or_else(|| manifest.label());
                problem.at(place).object(object)
            })),
        }
    }
    let wrong = found.iter().filter(|problem| problem.is_error()).map(|problem| problem.message.to_string());
    let why = wrong.collect::<Vec<_>>().join("; ");
    diagnostics.extend(validate.judge(found));
    (!validate.validate).then(|| freeze_invalid(workflow, submission, why))
}

async fn stored_catalog(wire: &Wire, namespace: &str) -> Result<Catalog> {
    let mut catalog = match wire.existing().await? {
        Some(store) => catalog::templates(store.as_ref(), namespace).await?,
        None => Catalog::default(),
    };
    catalog.template_referencing = wire.template_referencing();
    Ok(catalog)
}

/// Stores the templates and ConfigMaps that came with the workflows.
pub async fn store_manifests(wire: &Wire, store: &Arc<dyn Store>, prepared: &Prepared) -> Result<()> {
    for manifest in &prepared.manifests {
        store.put_manifest(manifest.clone()).await?;
        wire.console.hint(&format!("stored {} {}", manifest.kind, manifest.name));
    }
    Ok(())
}

/// A resolved workflow as a manifest, for `--dry-run`.
pub fn manifest(workflow: &ResolvedWorkflow) -> Value {
    json!({
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Workflow",
        "metadata": workflow.metadata,
        "spec": workflow.spec,
    })
}
