//! Variables: every tag of a value must be in scope.
//! Does not build scopes.

use serde_json::Value;

use super::checker::Checker;
use super::report::Place;
use super::scope::View;
use super::tags::{self, Tag};
use crate::diagnostic::Diagnostic;

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
