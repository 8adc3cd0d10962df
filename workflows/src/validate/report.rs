//! Reporting: problems at places, once each.
//! Does not decide what is a problem.

use std::collections::BTreeSet;

use super::tags;
use crate::diagnostic::{Diagnostic, Severity, Span};
use crate::parse::Origin;

/// A place in the object that is validated.
#[derive(Clone, Debug, Default)]
pub(super) struct Place {
    /// JSON pointer in the document.
    pub(super) pointer: String,
    /// The place in words, e.g. `templates.main.steps[0].a`.
    pub(super) trail: String,
    /// Inside another resource: the pointer stays at the step that refers to it.
    pub(super) foreign: bool,
}

impl Place {
    /// A place in the document.
    pub(super) fn new(pointer: impl Into<String>, trail: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), trail: trail.into(), foreign: false }
    }

    /// A field below, not mentioned in words.
    pub(super) fn field(&self, pointer: &str) -> Self {
        let mut out = self.clone();
        if !out.foreign {
            out.pointer.push('/');
            out.pointer.push_str(pointer);
        }
        out
    }

    /// The same place, more words.
    pub(super) fn named(mut self, words: &str) -> Self {
        if !self.trail.is_empty() && !words.starts_with(['.', '[', ':']) {
            self.trail.push(' ');
        }
        self.trail.push_str(words);
        self
    }
}

/// Collects diagnostics.
pub(super) struct Reporter<'a> {
    origin: Option<&'a Origin>,
    label: String,
    seen: BTreeSet<(Severity, String)>,
    problems: Vec<Diagnostic>,
}

impl<'a> Reporter<'a> {
    /// A reporter about one object.
    pub(super) fn new(origin: Option<&'a Origin>, label: String) -> Self {
        Self { origin, label, seen: BTreeSet::new(), problems: Vec::new() }
    }

    /// What was reported, in the order of the source.
    pub(super) fn finish(mut self) -> Vec<Diagnostic> {
        let at = |d: &Diagnostic| d.span.as_ref().map_or(0, |span| span.range().start);
        self.problems.sort_by_key(|d| (at(d), d.severity));
        self.problems
    }

    /// How many problems were reported so far.
    pub(super) fn count(&self) -> usize {
        self.problems.len()
    }

    /// Reports an error.
    pub(super) fn error(&mut self, place: &Place, code: &'static str, text: impl AsRef<str>) {
        self.push(place, Diagnostic::error(code, text.as_ref()), None);
    }

    /// Reports an error with a hint.
    pub(super) fn error_hint(
        &mut self,
        place: &Place,
        code: &'static str,
        text: impl AsRef<str>,
        hint: impl Into<String>,
    ) {
        self.push(place, Diagnostic::error(code, text.as_ref()).hint(hint), None);
    }

    /// Reports something to know.
    pub(super) fn note(&mut self, place: &Place, code: &'static str, text: impl AsRef<str>) {
        self.push(place, Diagnostic::note(code, text.as_ref()), None);
    }

    /// Reports a warning.
    pub(super) fn warning(&mut self, place: &Place, code: &'static str, text: impl AsRef<str>) {
        self.push(place, Diagnostic::warning(code, text.as_ref()), None);
    }

    /// Adds a diagnostic; `needle` is the text in the node that the caret should point at.
    pub(super) fn push(&mut self, place: &Place, mut diagnostic: Diagnostic, needle: Option<&str>) {
        let text = tags::readable(&diagnostic.message);
        let gap = if place.trail.is_empty() || text.starts_with(['.', '[', ':']) { "" } else { " " };
        diagnostic.message = shortened(format!("{}{gap}{text}", tags::readable(&place.trail)));
        if !self.seen.insert((diagnostic.severity, diagnostic.message.clone()))
            || self.problems.len() >= 1_000
        {
            return;
        }
        let span = self.origin.map(|origin| origin.span_of(&place.pointer));
        diagnostic.span = match (span, needle) {
            (Some(span), Some(needle)) => Some(self.narrow(place, &span, needle).unwrap_or(span)),
            (span, _) => span,
        };
        diagnostic.object = Some(self.label.clone());
        self.problems.push(diagnostic);
    }

    /// The needle inside the node, if the source has it there as it is.
    fn narrow(&self, place: &Place, span: &Span, needle: &str) -> Option<Span> {
        let node = self.origin?.node_of(&place.pointer)?;
        let text = span.source().text().get(node.range.clone())?;
        let at = text.find(needle)? + node.range.start;
        Some(Span::new(span.source(), at..at + needle.len()))
    }
}

/// A message that people can read, whatever a hostile name makes of it: the middle is cut out.
fn shortened(message: String) -> String {
    const LONGEST: usize = 2_000;
    let count = message.chars().count();
    if count <= LONGEST {
        return message;
    }
    let start: String = message.chars().take(LONGEST / 2).collect();
    let end: String = message.chars().skip(count - LONGEST / 2).collect();
    format!("{start}…{end}")
}
