//! The whole workflow: entrypoint, arguments, exit handler, all templates, in the order Argo looks at them.
//! Does not check what is inside templates (`template` does) or settings (`settings` does).

use super::arguments;
use super::checker::{Args, Base, Checker};
use super::names::{self, NameRule};
use super::node_outputs::is_parameter;
use super::report::Place;
use super::scope::ANY_OUTPUT_ARTIFACT;
use crate::resolve::TemplateScope;
use crate::spec::{Arguments, ObjectMeta, TemplateRef, WorkflowSpec};

/// The template resource that `workflowTemplateRef` names.
pub(super) struct Referred<'a> {
    reference: TemplateRef,
    /// Its spec.
    pub(super) spec: &'a WorkflowSpec,
}

impl Referred<'_> {
    /// A reference to one of its templates.
    fn template(&self, name: &str) -> TemplateRef {
        TemplateRef { template: name.to_owned(), ..self.reference.clone() }
    }
}

impl<'a> Checker<'a> {
    /// Checks a spec. `pointer` is its place in the document, `/spec` or `/spec/workflowSpec`.
    pub(super) fn workflow(&mut self, metadata: &ObjectMeta, spec: &'a WorkflowSpec, pointer: &str) {
        let place = Place::new(pointer, "");
        let Ok(referred) = self.referred(spec, &place) else { return };
        let referred = referred.as_ref();
        let list = Place::new(format!("{pointer}/templates"), "spec.templates");
        names::check_list(
            &mut self.reporter,
            &list,
            NameRule::Field,
            spec.templates.iter().map(|t| t.name.as_str()),
        );
        let arguments = merged_arguments(spec, referred);
        let may_be_empty = self.options.lint || (self.template_only && !self.options.submit);
        let at = Place::new(format!("{pointer}/arguments"), "spec.arguments");
        arguments::check(&mut self.reporter, &arguments, may_be_empty, &at);
        self.set_globals(metadata, spec, referred, &arguments);
        let base = Base::new(TemplateScope::Local(metadata.name.clone()), spec, Some(pointer.to_owned()));
        self.entrypoint(spec, referred, &base, &arguments, &place);
        self.exit_handler(spec, referred, &base, &place);
        let hooks_base = referred.and_then(|r| self.other_base(&r.reference)).unwrap_or_else(|| base.clone());
        self.hooks(&spec.hooks, "", &hooks_base, &place);
        self.settings(spec, &place);
        self.all_templates(spec, referred, &base, &place);
    }

    /// Follows `workflowTemplateRef`; an error when it leads nowhere.
    fn referred(&mut self, spec: &WorkflowSpec, place: &Place) -> Result<Option<Referred<'a>>, ()> {
        let Some(reference) = &spec.workflow_template_ref else { return Ok(None) };
        if !spec.templates.is_empty() {
            let text = "spec.templates is invalid beside spec.workflowTemplateRef: templates come from the referred resource";
            self.reporter.error(&place.field("templates"), "templates-beside-reference", text);
            return Err(());
        }
        let at = place.field("workflowTemplateRef");
        let kind = if reference.cluster_scope { "ClusterWorkflowTemplate" } else { "WorkflowTemplate" };
        let Some(found) = self.source.template_resource(&reference.name, reference.cluster_scope) else {
            let text = format!("spec.workflowTemplateRef: {kind} `{}` not found", reference.name);
            let names = self.source.template_names(reference.cluster_scope);
            let hint = super::checker::near(&reference.name, names.iter().map(String::as_str))
                .unwrap_or_else(|| "apply it first, or pass its file along".into());
            self.reporter.error_hint(&at.field("name"), "workflow-template-not-found", text, hint);
            return Err(());
        };
        let reference = TemplateRef {
            name: reference.name.clone(),
            template: String::new(),
            cluster_scope: reference.cluster_scope,
        };
        Ok(Some(Referred { reference, spec: &found.spec }))
    }

    fn entrypoint(
        &mut self,
        spec: &WorkflowSpec,
        referred: Option<&Referred<'a>>,
        base: &Base<'a>,
        arguments: &Arguments,
        place: &Place,
    ) {
        let at = place.field("entrypoint");
        let inherited = referred.map_or("", |r| r.spec.entrypoint.as_str());
        let entrypoint = if spec.entrypoint.is_empty() { inherited } else { &spec.entrypoint };
        if entrypoint.is_empty() {
            if !self.template_only {
                self.reporter.error_hint(
                    place,
                    "entrypoint-missing",
                    "spec.entrypoint is required",
                    "name the template to start with",
                );
            }
            return;
        }
        let args = if self.template_only { Args::Fake } else { Args::Given(arguments) };
        match referred {
            Some(referred) => self.holder(&referred.template(entrypoint), base, args, &at, None),
            None => self.holder(entrypoint, base, args, &at, None),
        };
    }

    fn exit_handler(
        &mut self,
        spec: &WorkflowSpec,
        referred: Option<&Referred<'a>>,
        base: &Base<'a>,
        place: &Place,
    ) {
        let inherited = referred.map_or("", |r| r.spec.on_exit.as_str());
        let on_exit = if spec.on_exit.is_empty() { inherited } else { &spec.on_exit };
        if on_exit.is_empty() {
            return;
        }
        self.add_global("workflow.failures");
        let templates = spec.templates.iter().chain(referred.iter().flat_map(|r| &r.spec.templates));
        let late = |name: &str| !name.is_empty() && is_parameter(name);
        if templates.flat_map(|t| &t.outputs.artifacts).any(|artifact| late(&artifact.global_name)) {
            self.globals.insert(ANY_OUTPUT_ARTIFACT.into(), "true".into());
        }
        let at = place.field("onExit");
        let args = Args::Given(&spec.arguments);
        match referred {
            Some(referred) => self.holder(&referred.template(on_exit), base, args, &at, None),
            None => self.holder(on_exit, base, args, &at, None),
        };
    }

    /// Every template must be sound, also those that nothing calls.
    fn all_templates(
        &mut self,
        spec: &WorkflowSpec,
        referred: Option<&Referred<'a>>,
        base: &Base<'a>,
        place: &Place,
    ) {
        if let Some(referred) = referred {
            for template in &referred.spec.templates {
                let at = place.field("workflowTemplateRef");
                self.holder(&referred.template(&template.name), base, Args::Fake, &at, None);
            }
            return;
        }
        for (index, template) in spec.templates.iter().enumerate().filter(|(_, t)| !t.name.is_empty()) {
            let at = place.field(&format!("templates/{index}"));
            self.holder(template.name.as_str(), base, Args::Fake, &at, None);
        }
    }
}

/// The workflow's arguments, and those of the template that it does not give.
fn merged_arguments(spec: &WorkflowSpec, referred: Option<&Referred<'_>>) -> Arguments {
    let mut out = spec.arguments.clone();
    for parameter in referred.iter().flat_map(|r| &r.spec.arguments.parameters) {
        if out.parameter(&parameter.name).is_none() {
            out.parameters.push(parameter.clone());
        }
    }
    for artifact in referred.iter().flat_map(|r| &r.spec.arguments.artifacts) {
        if out.artifact(&artifact.name).is_none() {
            out.artifacts.push(artifact.clone());
        }
    }
    out
}
