//! Steps, tasks and hooks of a preview: condition, loop, template and arguments of a call.
//! Does not unroll templates: `build` does.

use std::sync::Arc;

use runner_workflows::spec::{Arguments, LifecycleHook, TemplateRef};

use super::build::{Around, Builder, Place};
use super::fates;
use super::scope::{Given, Scope};
use super::{Fate, Foreseen, MAX_PREVIEW_NODES};
use crate::decide as machine;
use crate::plan::{Call, Compiled, With};

impl Builder<'_> {
    pub(super) fn is_daemon(&self, around: &Around<'_>, call: &Call) -> bool {
        let found = match &call.inline {
            Some(inline) => Ok(Arc::clone(inline)),
            None => self.target(&around.scope, around.compiled, call),
        };
        found.is_ok_and(|compiled| compiled.template.daemon == Some(true))
    }

    /// Puts a step or task with all items of its loop and its hooks: the first wave after it, and what became of it.
    pub(super) fn call(
        &mut self,
        around: &Around<'_>,
        call: &Call,
        arguments: &Arguments,
        prefix: &str,
        start: usize,
        fate: Fate,
    ) -> (usize, Fate) {
        let looped = !matches!(call.with, With::None);
        let mut place = Place::new(format!("{prefix}{}", call.name), &call.name, fate, start);
        place.parent = Some(around.parent);
        place.perhaps = around.perhaps;
        place.holder = Some((call.family, call.name.clone()));
        if matches!(place.fate, Fate::Omitted { .. }) {
            return self.one(around, call, arguments, place, &around.scope);
        }
        let condition = match fates::of_when(call.when.as_ref(), &around.scope, looped) {
            Ok(condition) => condition,
            Err(why) => return self.broken(place, why),
        };
        place.fate = both(place.fate, condition.clone());
        if !looped || matches!(place.fate, Fate::Skipped { .. }) {
            return self.one(around, call, arguments, place, &around.scope);
        }
        let (tags, source) = loop_tags(&call.with);
        let unknown = around.scope.unknown(&tags);
        if !unknown.is_empty() {
            place.repeats = Some(Foreseen { text: around.scope.text(&source).text, runtime: unknown });
            let mut scope = around.scope.clone();
            scope.runtime.add("item");
            place.path.push_str("(⟨item⟩)");
            let own = if condition.is_none() {
                fates::of_when(call.when.as_ref(), &scope, false).ok().flatten()
            } else {
                None
            };
            place.fate = both(place.fate, own);
            return self.one(around, call, arguments, place, &scope);
        }
        let items = match machine::items(&call.with, &around.scope.vars) {
            Ok(items) => items.unwrap_or_default(),
            Err(why) => return self.broken(place, why),
        };
        if items.is_empty() {
            place.fate = Fate::Skipped { reason: "the loop has no items".to_owned() };
            return self.one(around, call, arguments, place, &around.scope);
        }
        let (mut end, fate) = (start, place.fate.clone());
        for (number, item) in items.iter().enumerate() {
            if self.nodes.len() >= MAX_PREVIEW_NODES {
                self.cut = true;
                break;
            }
            let scope = around.scope.with_item(item);
            let mut place = place.clone();
            place.display_name = machine::call_name(call, Some((number, item)));
            place.path = format!("{prefix}{}", place.display_name);
            let own = if condition.is_none() { call.when.as_ref() } else { None };
            end = end.max(match fates::of_when(own, &scope, false) {
                Ok(own) => {
                    place.fate = both(place.fate, own);
                    self.one(around, call, arguments, place, &scope).0
                }
                Err(why) => self.broken(place, why).0,
            });
        }
        (end, fate)
    }

    /// Puts one node of a call, and its hooks.
    fn one(
        &mut self,
        around: &Around<'_>,
        call: &Call,
        arguments: &Arguments,
        mut place: Place,
        scope: &Scope,
    ) -> (usize, Fate) {
        let compiled = match &call.inline {
            Some(inline) => Ok(Arc::clone(inline)),
            None => self.target(scope, around.compiled, call),
        };
        place.opaque = self.is_opaque(scope, call);
        let (path, fate, start) = (place.path.clone(), place.fate.clone(), place.start);
        let given = scope.given(self.plan, arguments);
        let parent = place.parent;
        let mut end = self.place(place, compiled, &given, call.inline.as_ref().map(|_| scope));
        if matches!(fate, Fate::Skipped { .. } | Fate::Omitted { .. }) {
            return (end, fate);
        }
        for (name, hook) in &call.hooks {
            let when = Fate::Perhaps { when: hook.expression.clone() };
            let mut place = Place::new(format!("{path}.hooks.{name}"), name, when, start);
            place.parent = parent;
            end = end.max(self.hook(place, &around.compiled.scope, scope, hook, &Arguments::default()));
        }
        if let Some(hook) = &call.exit_hook {
            let mut place = Place::new(format!("{path}.onExit"), "onExit", fate.clone(), end);
            place.parent = parent;
            end = self.hook(place, &around.compiled.scope, scope, hook, arguments);
        }
        (end, fate)
    }

    pub(super) fn hook(
        &mut self,
        place: Place,
        local: &runner_workflows::resolve::TemplateScope,
        scope: &Scope,
        hook: &LifecycleHook,
        otherwise: &Arguments,
    ) -> usize {
        let arguments = if hook.arguments.is_empty() { otherwise } else { &hook.arguments };
        let given = scope.given(self.plan, arguments);
        let compiled = self.plan.lookup(local, &hook.template, hook.template_ref.as_ref());
        self.place(place, compiled, &given, None)
    }

    /// The template that a call names, when that is known.
    fn target(&self, scope: &Scope, around: &Compiled, call: &Call) -> Result<Arc<Compiled>, String> {
        let name = scope.text(&call.template);
        if self.is_opaque(scope, call) {
            return Err(format!("which template it is comes at run time: {}", name.text));
        }
        let reference = call.template_ref.as_ref().map(|reference| TemplateRef {
            name: scope.text(&reference.name).text,
            template: scope.text(&reference.template).text,
            ..reference.clone()
        });
        self.plan.lookup(&around.scope, &name.text, reference.as_ref())
    }

    fn is_opaque(&self, scope: &Scope, call: &Call) -> bool {
        let reference = call.template_ref.iter().flat_map(|reference| [&reference.name, &reference.template]);
        std::iter::once(&call.template).chain(reference).any(|text| !scope.text(text).is_known())
    }

    /// Puts a node of which nothing can be said but why.
    fn broken(&mut self, place: Place, why: String) -> (usize, Fate) {
        let fate = place.fate.clone();
        let end = self.place(place, Err(why), &Given::new(), None);
        (end, fate)
    }
}

/// The stronger of two fates: what is left out stays so, and what depends on something does.
fn both(first: Fate, second: Option<Fate>) -> Fate {
    match (first, second) {
        (first, None | Some(Fate::Runs)) => first,
        (Fate::Perhaps { when }, Some(Fate::Perhaps { when: other })) => {
            Fate::Perhaps { when: format!("{when}, {other}") }
        }
        (Fate::Runs | Fate::Perhaps { .. }, Some(second)) => second,
        (first @ (Fate::Skipped { .. } | Fate::Omitted { .. }), Some(_)) => first,
    }
}

/// The tags of a loop's list, and the list as it is written.
fn loop_tags(with: &With) -> (Vec<runner_workflows::expr::TagRef>, String) {
    match with {
        With::None => (Vec::new(), String::new()),
        With::Param(text) => (text.tags(), text.source().to_owned()),
        With::Items(tree) | With::Sequence(tree) => {
            let tags = tree.tags();
            let written = tags.iter().map(|tag| format!("{{{{{}}}}}", tag.name));
            let written = written.collect::<Vec<_>>().join(", ");
            (tags, written)
        }
    }
}
