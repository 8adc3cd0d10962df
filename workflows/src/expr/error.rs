//! The error of the expression layer: what is wrong, of which kind, and where in the source.
//! It does not know files or lines; the caller adds the place of the source text.

use std::fmt;

/// What went wrong, for callers that react by kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ExprErrorKind {
    /// The text is not an expression (or template text) at all.
    Syntax,
    /// A variable or function that nothing provides.
    UnknownName,
    /// An operator or function got a value it cannot use.
    Type,
    /// A value of the right type that is out of bounds or malformed (index, number, regex, JSON...).
    Value,
    /// A limit on steps, memory, depth or size was reached (F57).
    Fuel,
    /// Known, and deliberately not available: clocks, randomness, environment.
    Unavailable,
}

/// An error of compiling or evaluating.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExprError {
    /// One sentence for the user, hint included.
    pub message: String,
    /// Byte offset in the source text.
    pub offset: Option<usize>,
    /// The kind.
    pub kind: ExprErrorKind,
    /// The variable that is missing, with [`ExprErrorKind::UnknownName`].
    pub name: Option<String>,
}

impl ExprError {
    /// An error without a place.
    pub fn new(kind: ExprErrorKind, message: impl Into<String>) -> Self {
        Self { message: message.into(), offset: None, kind, name: None }
    }

    /// A syntax error at a byte offset.
    pub fn syntax(offset: usize, message: impl Into<String>) -> Self {
        Self::new(ExprErrorKind::Syntax, message).at(offset)
    }

    pub(crate) fn types(message: impl Into<String>) -> Self {
        Self::new(ExprErrorKind::Type, message)
    }

    pub(crate) fn value(message: impl Into<String>) -> Self {
        Self::new(ExprErrorKind::Value, message)
    }

    pub(crate) fn fuel(message: impl Into<String>) -> Self {
        Self::new(ExprErrorKind::Fuel, message)
    }

    pub(crate) fn unknown(name: &str, message: impl Into<String>) -> Self {
        let mut error = Self::new(ExprErrorKind::UnknownName, message);
        error.name = Some(name.to_owned());
        error
    }

    /// Sets the place, unless a more exact one is known already.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset.get_or_insert(offset);
        self
    }

    /// Moves the place by `by` bytes: the source was a part of a larger text.
    #[must_use]
    pub fn shifted(mut self, by: usize) -> Self {
        self.offset = self.offset.map(|o| o.saturating_add(by));
        self
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ExprError {}
