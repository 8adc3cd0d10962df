//! Steps templates: names, loops, arguments, what each step may refer to.
//! Does not check the templates that steps call: `Checker::holder` does.

use std::collections::BTreeSet;

use super::arguments;
use super::checker::{Args, Checker};
use super::names::NameRule;
use super::node_outputs::{Node, add_items};
use super::report::Place;
use super::scope::{Scope, View};
use super::template::Subject;
use crate::spec::{Template, WorkflowStep};

impl<'a> Checker<'a> {
    /// Checks the steps of a template in order; each step's outputs come into scope after it.
    pub(super) fn steps(&mut self, template: &Template, scope: &mut Scope, subject: &Subject<'a, '_>) {
        self.not_a_leaf(template, subject.place);
        let mut names = BTreeSet::new();
        for (group, steps) in template.steps.iter().flatten().enumerate() {
            for (index, step) in steps.iter().enumerate() {
                let at =
                    subject.place.field(&format!("steps/{group}/{index}")).named(&format!(".steps[{group}]"));
                if self.step_name(step, &mut names, &at) {
                    let place = at.named(&format!(".{}", step.name));
                    self.step(step, scope, subject, &place);
                }
            }
        }
    }

    fn step_name(&mut self, step: &WorkflowStep, names: &mut BTreeSet<String>, place: &Place) -> bool {
        let at = place.field("name");
        if step.name.is_empty() {
            self.reporter.error(place, "name-missing", ".name is required");
            return false;
        }
        if !names.insert(step.name.clone()) {
            self.reporter.error(&at, "name-not-unique", format!(".name '{}' is not unique", step.name));
        }
        if let Some(why) = NameRule::Step.broken(&step.name) {
            let text = format!(".name '{}' is invalid", step.name);
            self.reporter.error_hint(&at, "name-invalid", text, why);
        }
        true
    }

    fn step(&mut self, step: &WorkflowStep, scope: &mut Scope, subject: &Subject<'a, '_>, place: &Place) {
        let node = Node { prefix: "steps", name: &step.name };
        scope.add(node.path("status"));
        let items = step.with_items.as_deref().unwrap_or_default();
        if let Err(why) = add_items(items, &step.with_param, step.with_sequence.as_ref(), scope) {
            self.reporter.error(place, "loop", why);
        }
        arguments::check(
            &mut self.reporter,
            &step.arguments,
            false,
            &place.field("arguments").named(".arguments"),
        );
        let called = self.holder(step, subject.base, Args::Fake, place, Some(scope));
        if step.hooks.contains_key("exit") || !step.on_exit.is_empty() {
            self.add_outputs(called.as_deref(), &node, false, scope);
        }
        self.hooks(&step.hooks, &step.on_exit, subject.base, place);
        self.step_variables(step, scope, place);
        let aggregate = !items.is_empty() || !step.with_param.is_empty();
        self.add_outputs(called.as_deref(), &node, aggregate, scope);
        self.holder(step, subject.base, Args::Given(&step.arguments), place, Some(scope));
    }

    fn step_variables(&mut self, step: &WorkflowStep, scope: &Scope, place: &Place) {
        let mut extra = Scope::default();
        for parameter in step.inline.iter().flat_map(|inline| &inline.inputs.parameters) {
            extra.add(format!("inputs.parameters.{}", parameter.name));
        }
        let Ok(value) = serde_json::to_value(step) else { return };
        let globals = std::mem::take(&mut self.globals);
        let template_only = self.template_only;
        let view = View { scope, extra: &extra, globals: &globals, on_demand: &|_| false, template_only };
        self.check_variables(&value, &view, place);
        self.globals = globals;
    }

    /// What steps and dag templates may not have.
    pub(super) fn not_a_leaf(&mut self, template: &Template, place: &Place) {
        if template.active_deadline_seconds.is_some() {
            let at = place.field("activeDeadlineSeconds");
            self.reporter.error(&at, "deadline", ".activeDeadlineSeconds is only valid for leaf templates");
        }
    }
}
