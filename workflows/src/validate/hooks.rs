//! Lifecycle hooks and exit handlers of steps, tasks and the workflow.
//! Does not evaluate their expressions.

use std::collections::BTreeMap;

use super::checker::{Base, Checker};
use super::report::Place;
use super::tags;
use crate::resolve::has_tag;
use crate::spec::LifecycleHook;

impl<'a> Checker<'a> {
    /// Checks hooks and the legacy `onExit` of a step, a task or the workflow.
    pub(super) fn hooks(
        &mut self,
        hooks: &BTreeMap<String, LifecycleHook>,
        on_exit: &str,
        base: &Base<'a>,
        place: &Place,
    ) {
        for (name, hook) in hooks {
            let at = place.field(&format!("hooks/{}", name.replace('~', "~0").replace('/', "~1")));
            if name != "exit" && hook.expression.is_empty() {
                let owner = if place.trail.is_empty() { "hooks" } else { "" };
                let text = format!("{owner}.{name} Expression required");
                let hint = "only the hook named `exit` runs without an expression";
                self.reporter.error_hint(&at, "hook-expression", text, hint);
            }
            match &hook.template_ref {
                Some(reference) if !has_tag(&reference.name) && !has_tag(&reference.template) => {
                    let dynamic =
                        tags::has_placeholder(&reference.name) || tags::has_placeholder(&reference.template);
                    let known =
                        self.other_base(reference).is_some_and(|b| b.template(&reference.template).is_some());
                    if !known && !dynamic {
                        let text = format!(
                            "hook template reference {}.{} not found",
                            reference.name, reference.template
                        );
                        self.reporter.error(&at.field("templateRef"), "template-ref-not-found", text);
                    }
                }
                Some(_) => {}
                None => self.hook_template(&hook.template, base, &at),
            }
        }
        if !on_exit.is_empty() {
            self.hook_template_at(on_exit, base, &place.field("onExit"));
        }
    }

    fn hook_template(&mut self, name: &str, base: &Base<'a>, place: &Place) {
        if name.is_empty() {
            self.reporter.error(place, "template-missing", "the hook names no template");
        } else {
            self.hook_template_at(name, base, &place.field("template"));
        }
    }

    fn hook_template_at(&mut self, name: &str, base: &Base<'a>, at: &Place) {
        if !has_tag(name) && !tags::has_placeholder(name) && base.template(name).is_none() {
            self.undefined_template(name, base, at);
        }
    }
}
