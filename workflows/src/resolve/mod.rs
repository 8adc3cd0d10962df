//! Resolving: a workflow, what it refers to, and what the command line says become one frozen spec.
//! Does not judge the result: `validate` does.

mod arguments;
mod labels;
mod legacy;
pub mod merge;
mod resolved;
mod restriction;
mod scope;
mod source;
mod spec_merge;
mod stored;

use std::collections::BTreeMap;

pub use legacy::{normalize_cron, normalize_spec, normalize_template};
pub use resolved::{RESOLVED_VERSION, ResolvedWorkflow};
pub use restriction::TemplateReferencing;
pub use scope::{TemplateHolder, TemplateScope};
pub use source::{Catalog, TemplateSource};
pub use spec_merge::{join_metadata, join_specs};
pub(crate) use spec_merge::{location_kinds, parse_defaults};
pub(crate) use stored::has_tag;

use crate::diagnostic::Diagnostic;
use crate::spec::{Workflow, WorkflowSpec, WorkflowTemplate, WorkflowTemplateRef};

/// What the submitter says beside the file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Submission {
    /// `-p name=value`, in order; the last one of a name wins.
    pub parameters: Vec<(String, String)>,
    /// Another entrypoint.
    pub entrypoint: Option<String>,
    /// The name of the run.
    pub name: Option<String>,
    /// The prefix of a generated name.
    pub generate_name: Option<String>,
    /// Labels to set.
    pub labels: BTreeMap<String, String>,
    /// Annotations to set.
    pub annotations: BTreeMap<String, String>,
    /// Priority to set.
    pub priority: Option<i32>,
    /// Service account to set.
    pub service_account: Option<String>,
}

/// Freezes a workflow: follows every reference, merges every default, applies the submission.
///
/// # Errors
/// Returns every reference that leads nowhere and every merge that does not fit.
pub fn resolve(
    workflow: &Workflow,
    submission: &Submission,
    source: &dyn TemplateSource,
) -> Result<ResolvedWorkflow, Vec<Diagnostic>> {
    let mut workflow = workflow.clone();
    apply_submission(&mut workflow, submission);
    let referencing = source.template_referencing();
    if let Some(problem) = referencing.and_then(|_| restriction::problem(&workflow.spec)) {
        return Err(vec![problem]);
    }
    let defaults = parse_defaults(source.workflow_defaults()).map_err(|e| vec![bad_merge(&e)])?;
    let template = referred(&workflow.spec, source)?;
    let default_spec = defaults.as_ref().map(|d| &d.spec);
    let mut spec = join_specs(&workflow.spec, template.map(|t| &t.spec), default_spec)
        .map_err(|error| vec![bad_merge(&error)])?;
    normalize_spec(&mut spec);
    arguments::override_parameters(&mut spec, &submission.parameters);
    let mut metadata = workflow.metadata;
    if let Some(reference) = &workflow.spec.workflow_template_ref {
        metadata.labels.insert(reference_label(reference).to_owned(), reference.name.clone());
    }
    if let Some(defaults) = &defaults {
        join_metadata(&mut metadata, &defaults.metadata);
    }
    if let Some(own) = &spec.workflow_metadata {
        metadata.labels.extend(own.labels.clone());
        metadata.annotations.extend(own.annotations.clone());
    }
    let mut problems = arguments::read_config_maps(&mut spec, source);
    problems.extend(labels::compute(&mut metadata, &spec));
    let stored = stored::collect(&spec, &metadata.name, source);
    problems.extend(stored.problems);
    if !problems.is_empty() {
        return Err(problems);
    }
    let inputs = spec.templates.iter().chain(stored.templates.values());
    let config_maps = arguments::input_config_maps(&spec, inputs, source);
    let mut out = ResolvedWorkflow::new(metadata, spec);
    out.stored_spec = template.is_some().then(|| out.spec.clone());
    out.stored_templates = stored.templates;
    out.config_maps = config_maps;
    out.referencing = referencing;
    Ok(out)
}

/// Freezes a workflow that cannot run, as it was written, with the reason: Argo stores such a one too, and fails it
/// with the message `invalid spec: …` when its controller looks at it first.
pub fn freeze_invalid(workflow: &Workflow, submission: &Submission, why: String) -> ResolvedWorkflow {
    let mut workflow = workflow.clone();
    apply_submission(&mut workflow, submission);
    normalize_spec(&mut workflow.spec);
    arguments::override_parameters(&mut workflow.spec, &submission.parameters);
    let mut out = ResolvedWorkflow::new(workflow.metadata, workflow.spec);
    out.invalid = Some(why);
    out
}

/// Argo's label with the name of the template that a workflow was made from; estimates look for it.
fn reference_label(reference: &WorkflowTemplateRef) -> &'static str {
    if reference.cluster_scope {
        "workflows.argoproj.io/cluster-workflow-template"
    } else {
        "workflows.argoproj.io/workflow-template"
    }
}

/// The template that `workflowTemplateRef` names.
fn referred<'a>(
    spec: &WorkflowSpec,
    source: &'a dyn TemplateSource,
) -> Result<Option<&'a WorkflowTemplate>, Vec<Diagnostic>> {
    let Some(reference) = &spec.workflow_template_ref else { return Ok(None) };
    if !spec.templates.is_empty() {
        return Err(vec![Diagnostic::error(
            "templates-beside-reference",
            "spec.templates is invalid beside spec.workflowTemplateRef: templates come from the referred resource",
        )]);
    }
    match source.template_resource(&reference.name, reference.cluster_scope) {
        Some(template) => Ok(Some(template)),
        None => Err(vec![
            Diagnostic::error(
                "workflow-template-not-found",
                format!("spec.workflowTemplateRef: workflow template `{}` not found", reference.name),
            )
            .hint("apply the template first, or pass its file along"),
        ]),
    }
}

fn apply_submission(workflow: &mut Workflow, submission: &Submission) {
    if let Some(name) = &submission.name {
        workflow.metadata.name.clone_from(name);
    }
    if let Some(prefix) = &submission.generate_name {
        workflow.metadata.generate_name.clone_from(prefix);
    }
    if let Some(entrypoint) = &submission.entrypoint {
        workflow.spec.entrypoint.clone_from(entrypoint);
    }
    if let Some(account) = &submission.service_account {
        workflow.spec.service_account_name.clone_from(account);
    }
    if submission.priority.is_some() {
        workflow.spec.priority = submission.priority;
    }
    workflow.metadata.labels.extend(submission.labels.clone());
    workflow.metadata.annotations.extend(submission.annotations.clone());
}

fn bad_merge(error: &serde_json::Error) -> Diagnostic {
    Diagnostic::error("merge-failed", format!("workflow, template and defaults do not fit together: {error}"))
}

#[cfg(test)]
mod tests;
