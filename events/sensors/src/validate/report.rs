//! Collects what is found, with the place in the file.
//! Does not decide what is wrong.

use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::parse::Origin;
use runner_workflows::parse::tree::Segment;

use crate::load::Object;

/// A place in an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct At(Vec<Segment>);

impl At {
    /// The object itself.
    #[must_use]
    pub fn root() -> Self {
        Self::default()
    }

    /// A field of this place.
    #[must_use]
    pub fn key(&self, name: &str) -> Self {
        let mut path = self.0.clone();
        path.push(Segment::Key(name.to_owned()));
        Self(path)
    }

    /// A field of a field, names joined by dots.
    #[must_use]
    pub fn keys(&self, names: &str) -> Self {
        names.split('.').fold(self.clone(), |at, name| at.key(name))
    }

    /// An element of this list.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        let mut path = self.0.clone();
        path.push(Segment::Index(index));
        Self(path)
    }
}

/// What was found in one object.
pub(super) struct Report<'a> {
    origin: &'a Origin,
    label: String,
    pub(super) out: Vec<Diagnostic>,
}

impl<'a> Report<'a> {
    pub(super) fn new(object: &Object, origin: &'a Origin) -> Self {
        let label = format!("{} {}", object.kind(), object.name()).trim_end().to_owned();
        Self { origin, label, out: Vec::new() }
    }

    /// Whether the file has something at that place.
    pub(super) fn has(&self, at: &At) -> bool {
        self.origin.root().at(&at.0).is_some_and(|node| !node.is_null())
    }

    pub(super) fn error(&mut self, at: &At, code: &'static str, message: impl Into<String>) {
        self.push(at, Diagnostic::error(code, message));
    }

    pub(super) fn warning(&mut self, at: &At, code: &'static str, message: impl Into<String>) {
        self.push(at, Diagnostic::warning(code, message));
    }

    pub(super) fn push(&mut self, at: &At, diagnostic: Diagnostic) {
        let span = self.origin.span(&at.0);
        self.out.push(diagnostic.at(Some(span)).object(self.label.clone()));
    }

    /// An error when a required text is empty.
    pub(super) fn required(&mut self, at: &At, field: &str, value: &str) {
        if value.trim().is_empty() {
            self.missing(at, field);
        }
    }

    /// An error that a required field is missing.
    pub(super) fn missing(&mut self, at: &At, field: &str) {
        self.error(at, "field-missing", format!("`{field}` is required"));
    }

    /// An error unless the result is good.
    pub(super) fn good<T>(&mut self, at: &At, code: &'static str, result: Result<T, String>) {
        if let Err(message) = result {
            self.error(at, code, message);
        }
    }
}
