//! One template: its kind, its inputs, and the checks all kinds share.
//! Does not check what is special to a kind: `steps`, `dag`, `leaf` do.

use std::collections::BTreeMap;

use super::artifacts;
use super::checker::{Args, Base, Checker};
use super::names::{self, NameRule};
use super::outputs;
use super::report::Place;
use super::scope::{Scope, is_leaf, is_pod};
use crate::spec::{Template, TemplateKind};

/// What the checks of a template's parts work on.
pub(super) struct Subject<'a, 'b> {
    /// The resource it belongs to.
    pub(super) base: &'b Base<'a>,
    /// Its place; `trail` is `templates.NAME`.
    pub(super) place: &'b Place,
}

impl<'a> Checker<'a> {
    /// Checks a template called with arguments. `places` are those of the call and of the template; `key` names
    /// the template so that it is checked in full once only.
    pub(super) fn template(
        &mut self,
        template: &Template,
        base: &Base<'a>,
        args: Args<'_>,
        places: (&Place, &Place),
        key: &str,
        caller: Option<&Scope>,
    ) {
        let (call, own) = places;
        if self.done.contains(key) {
            self.supply(template, args, call);
            return;
        }
        let title = if template.name.is_empty() {
            "inline template".to_owned()
        } else {
            format!("templates.{}", template.name)
        };
        let trail =
            if call.trail.ends_with(&title) { call.trail.clone() } else { format!("{} {title}", call.trail) };
        let place = Place { trail: trail.trim_start().to_owned(), ..own.clone() };
        let Some(kind) = self.one_kind(template, &place) else { return };
        let mut scope = self.inputs(template, &place);
        if let Some(caller) = caller {
            scope.extend(caller);
        }
        let locals = self.locals(template, &mut scope);
        let Some(processed) = self.process(template, args, &locals, call) else { return };
        self.done.insert(key.to_owned());
        self.shared(&processed.template, kind, &place);
        let subject = Subject { base, place: &place };
        match kind {
            TemplateKind::Steps => self.steps(&processed.template, &mut scope, &subject),
            TemplateKind::Dag => self.dag(&processed.template, &mut scope, &subject),
            _ => self.leaf(&processed, &scope, &subject),
        }
        outputs::check(self, &processed.template, &scope, kind, &place);
        self.policies(&processed.template, kind, &place);
        self.expressions(template, &scope, &place);
    }

    /// The kind, if there is exactly one.
    fn one_kind(&mut self, template: &Template, place: &Place) -> Option<TemplateKind> {
        const KINDS: &str = "choose one of: container, containerSet, steps, script, resource, dag, suspend, data, http, plugin";
        match template.kinds().as_slice() {
            [one] => Some(*one),
            [] => {
                self.reporter.error_hint(place, "template-kind", "template type unspecified", KINDS);
                None
            }
            more => {
                let text = format!("multiple template types specified: {more:?}");
                self.reporter.error_hint(place, "template-kind", text, KINDS);
                None
            }
        }
    }

    /// Checks the inputs and returns the variables they give.
    fn inputs(&mut self, template: &Template, place: &Place) -> Scope {
        let mut scope = Scope::default();
        let list = place.field("inputs/parameters").named(".inputs.parameters");
        names::check_list(
            &mut self.reporter,
            &list,
            NameRule::Parameter,
            template.inputs.parameters.iter().map(|p| p.name.as_str()),
        );
        let list = place.field("inputs/artifacts").named(".inputs.artifacts");
        names::check_list(
            &mut self.reporter,
            &list,
            NameRule::Parameter,
            template.inputs.artifacts.iter().map(|a| a.name.as_str()),
        );
        for parameter in &template.inputs.parameters {
            scope.add(format!("inputs.parameters.{}", parameter.name));
        }
        if !template.inputs.parameters.is_empty() {
            scope.add("inputs.parameters");
        }
        for (index, artifact) in template.inputs.artifacts.iter().enumerate() {
            let at = place
                .field(&format!("inputs/artifacts/{index}"))
                .named(&format!(".inputs.artifacts.{}", artifact.name));
            scope.add(format!("inputs.artifacts.{}", artifact.name));
            if is_leaf(template) {
                scope.add(format!("inputs.artifacts.{}.path", artifact.name));
            }
            artifacts::check_path(&mut self.reporter, artifact, is_leaf(template), &at);
            if !artifact.from.is_empty() {
                self.reporter.error(&at.field("from"), "artifact-from", ".from not valid in inputs");
            }
            artifacts::check_location(&mut self.reporter, artifact, &at);
        }
        scope
    }

    /// Variables that exist inside this template only; those with a value are returned.
    fn locals(&mut self, template: &Template, scope: &mut Scope) -> BTreeMap<String, String> {
        let mut names: Vec<&str> = Vec::new();
        if is_pod(template) {
            names.push("pod.name");
        }
        if template.retry_strategy.is_some() {
            names.extend([
                "retries",
                "lastRetry.exitCode",
                "lastRetry.status",
                "lastRetry.duration",
                "lastRetry.message",
            ]);
        }
        if is_leaf(template) {
            for artifact in template.outputs.artifacts.iter().filter(|a| !a.path.is_empty()) {
                scope.add(format!("outputs.artifacts.{}.path", artifact.name));
            }
        }
        names.iter().for_each(|name| scope.add(*name));
        names.into_iter().map(|name| (name.to_owned(), self.placeholder())).collect()
    }
}
