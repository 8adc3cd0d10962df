//! Variables: every tag of a value must be in scope.
//! Does not build scopes.

use serde_json::Value;

use super::checker::Checker;
use super::report::Place;
use super::scope::{Scope, View};
use super::tags::{self, Tag};
use crate::diagnostic::Diagnostic;
use crate::expr::Program;

impl Checker<'_> {
    /// Reports every tag in a JSON value that the view does not accept.
    pub(super) fn check_variables(&mut self, value: &Value, view: &View<'_>, place: &Place) -> usize {
        let mut bad: Vec<(String, Tag<'_>)> = Vec::new();
        tags::visit_strings(value, &mut String::new(), &mut |pointer, text| {
            for tag in tags::tags(text) {
                let name = match tag {
                    Tag::Simple(name) | Tag::Unclosed(name) => name,
                    Tag::Expression(_) => continue,
                };
                if !view.accepts(name.trim()) {
                    bad.push((pointer.to_owned(), tag));
                }
            }
        });
        let count = bad.len();
        for (pointer, tag) in bad {
            self.unresolved(tag, view, &place.field(pointer.trim_start_matches('/')));
        }
        count
    }

    /// Warns about names in `{{=…}}` that nothing in scope has. Only a warning: whether such a name is ever read
    /// is known at run time, and expressions that handle what is absent (`??`, `?.`, `in`) are left alone.
    /// `scope` is everything that the template ever has: an order of steps is not looked at.
    pub(super) fn check_expressions(&mut self, template: &Value, scope: &Scope, place: &Place) {
        let globals = std::mem::take(&mut self.globals);
        let (extra, template_only) = (Scope::default(), self.template_only);
        let view = View { scope, extra: &extra, globals: &globals, on_demand: &|_| false, template_only };
        self.unknown_names(template, &view, place);
        self.globals = globals;
    }

    fn unknown_names(&mut self, value: &Value, view: &View<'_>, place: &Place) {
        let mut bad: Vec<(String, String, String)> = Vec::new();
        tags::visit_strings(value, &mut String::new(), &mut |pointer, text| {
            // An inline template has a scope of its own and is looked at by itself.
            if pointer.split('/').any(|part| part == "inline") {
                return;
            }
            for tag in tags::tags(text) {
                let Tag::Expression(source) = tag else { continue };
                if ["??", "?.", " in ", "{{"].iter().any(|part| source.contains(part)) {
                    continue;
                }
                let Ok(program) = Program::compile(source) else { continue };
                let unknown = program.references().into_iter().filter(|name| !view.knows(name));
                bad.extend(unknown.map(|name| (pointer.to_owned(), source.to_owned(), name)));
            }
        });
        for (pointer, source, name) in bad {
            let text = format!("expression `{}` reads `{name}`, which is not in scope here", source.trim());
            let near = if self.reporter.count() < 20 { view.near(&name) } else { Vec::new() };
            let found = Diagnostic::warning("expression-variable", text);
            let found = match near.first() {
                Some(one) => found.hint(format!("did you mean {one}?")),
                None => found,
            };
            let place = place.field(pointer.trim_start_matches('/'));
            self.reporter.push(&place, found, Some(&format!("{{{{={source}}}}}")));
        }
    }

    fn unresolved(&mut self, tag: Tag<'_>, view: &View<'_>, place: &Place) {
        let (name, needle, end) = match tag {
            Tag::Unclosed(rest) => {
                (rest.lines().next().unwrap_or_default(), "{{".to_owned(), ": the tag has no end")
            }
            Tag::Simple(name) | Tag::Expression(name) => (name, format!("{{{{{name}}}}}"), ""),
        };
        let found =
            Diagnostic::error("variable-unresolved", format!("failed to resolve {{{{{name}}}}}{end}"));
        // Comparing with every name in scope costs; after the first few nobody reads the hints.
        let near = if self.reporter.count() < 20 { view.near(name.trim()) } else { Vec::new() };
        let found = match near.as_slice() {
            [] => found,
            [one] => found.hint(format!("did you mean {{{{{one}}}}}?")),
            more => found.hint(format!("in scope are {{{{{}}}}}", more.join("}}, {{"))),
        };
        self.reporter.push(place, found, Some(&needle));
    }
}
