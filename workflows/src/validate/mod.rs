//! Validation: whether a manifest makes sense, all problems at once, each with its place.
//! Does not run anything and does not look at the outside world; references are looked up in a source.
//!
//! The rules, and the order in which templates are visited, are those of Argo's validation, so that the
//! same manifests are accepted and refused; what Argo leaves to run time is a warning here.

mod arguments;
mod artifacts;
mod checker;
mod container_set;
mod cron;
mod dag;
mod expressions;
mod globals;
mod graph;
mod hooks;
mod leaf;
mod names;
mod node_outputs;
mod outputs;
mod policies;
mod process;
mod report;
mod resource;
mod scope;
mod settings;
mod shared;
mod steps;
mod tags;
mod template;
mod variables;
mod workflow;

use checker::Checker;
use report::{Place, Reporter};

use crate::diagnostic::Diagnostic;
use crate::parse::{Document, Manifest, Origin};
use crate::resolve::TemplateSource;
use crate::spec::{CronWorkflow, ObjectMeta, Workflow, WorkflowTemplate};

/// What validation is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Linting: arguments of the workflow may be without a value.
    pub lint: bool,
    /// Submitting: templates too need a value for every argument.
    pub submit: bool,
    /// Warnings are errors.
    pub strict: bool,
}

/// Validates a manifest.
pub fn validate(manifest: &Manifest, options: Options, source: &dyn TemplateSource) -> Vec<Diagnostic> {
    match manifest {
        Manifest::Workflow(Document { object, origin }) => {
            validate_workflow(object, Some(origin), options, source)
        }
        Manifest::WorkflowTemplate(Document { object, origin })
        | Manifest::ClusterWorkflowTemplate(Document { object, origin }) => {
            validate_template(object, Some(origin), options, source)
        }
        Manifest::CronWorkflow(Document { object, origin }) => {
            validate_cron_workflow(object, Some(origin), options, source)
        }
        Manifest::ConfigMap(_) | Manifest::Secret(_) | Manifest::Other(_) => {
            let mut reporter = Reporter::new(Some(manifest.origin()), manifest.label());
            if manifest.name().is_empty() {
                reporter.error(&Place::new("/metadata", ""), "name-missing", "metadata.name is required");
            }
            reporter.finish()
        }
    }
}

/// Validates a Workflow; `origin` gives the problems their places.
pub fn validate_workflow(
    workflow: &Workflow,
    origin: Option<&Origin>,
    options: Options,
    source: &dyn TemplateSource,
) -> Vec<Diagnostic> {
    let mut checker = Checker::new(options, source, reporter("Workflow", &workflow.metadata, origin));
    object_name(&mut checker, "workflow", &workflow.metadata, 63);
    checker.workflow(&workflow.metadata, &workflow.spec, "/spec");
    finish(checker)
}

/// Validates a WorkflowTemplate or ClusterWorkflowTemplate.
pub fn validate_template(
    template: &WorkflowTemplate,
    origin: Option<&Origin>,
    options: Options,
    source: &dyn TemplateSource,
) -> Vec<Diagnostic> {
    let kind = if template.kind.is_empty() { "WorkflowTemplate" } else { &template.kind };
    let mut checker = Checker::new(options, source, reporter(kind, &template.metadata, origin));
    checker.template_only = true;
    let what =
        if kind == "ClusterWorkflowTemplate" { "cluster workflow template" } else { "workflow template" };
    object_name(&mut checker, what, &template.metadata, 63);
    checker.workflow(&template.metadata, &template.spec, "/spec");
    finish(checker)
}

/// Validates a CronWorkflow. Its arguments need values: nobody is there to give them.
pub fn validate_cron_workflow(
    cron: &CronWorkflow,
    origin: Option<&Origin>,
    options: Options,
    source: &dyn TemplateSource,
) -> Vec<Diagnostic> {
    let options = Options { lint: false, submit: false, ..options };
    let mut checker = Checker::new(options, source, reporter("CronWorkflow", &cron.metadata, origin));
    object_name(&mut checker, "cron workflow", &cron.metadata, 52);
    checker.cron(&cron.spec);
    let mut metadata = cron.spec.workflow_metadata.clone().unwrap_or_default();
    metadata.labels.insert("workflows.argoproj.io/cron-workflow".into(), cron.metadata.name.clone());
    metadata.annotations.insert("workflows.argoproj.io/scheduled-time".into(), String::new());
    checker.workflow(&metadata, &cron.spec.workflow_spec, "/spec/workflowSpec");
    finish(checker)
}

fn reporter<'a>(kind: &str, metadata: &ObjectMeta, origin: Option<&'a Origin>) -> Reporter<'a> {
    let name = if metadata.name.is_empty() { &metadata.generate_name } else { &metadata.name };
    Reporter::new(origin, format!("{kind} {name}").trim_end().to_owned())
}

fn finish(checker: Checker<'_>) -> Vec<Diagnostic> {
    let strict = checker.options.strict;
    let mut out = checker.reporter.finish();
    if strict {
        out.iter_mut().for_each(Diagnostic::escalate);
    }
    out
}

/// Checks the name of the object; `most` because it becomes a label (and, for cron, gets a time appended).
fn object_name(checker: &mut Checker<'_>, what: &str, metadata: &ObjectMeta, most: usize) {
    let name = &metadata.name;
    let at = Place::new("/metadata/name", "");
    if name.len() > most {
        let text = format!(
            "{what} name \"{name}\" must not be more than {most} characters long (currently {})",
            name.len()
        );
        checker.reporter.error(&at, "name-too-long", text);
    } else if !name.is_empty()
        && let Some(why) = names::object_name_broken(name)
    {
        let text = format!("{what} name \"{name}\" would be refused by Kubernetes: {why}");
        checker.reporter.warning(&at, "name-invalid", text);
    }
}

#[cfg(test)]
mod tests;
