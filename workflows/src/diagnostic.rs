//! Diagnostics: what is wrong or worth knowing about a manifest, where, and what to do about it.
//! Does not find problems (`parse`, `resolve`, `validate` do) and does not colour text (the CLI does).

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;
use std::sync::Arc;

use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::parse::Source;

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The manifest is refused.
    Error,
    /// The manifest is accepted, but probably does not do what its author wants.
    Warning,
    /// Something to know.
    Note,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        })
    }
}

/// A place in a source file.
#[derive(Clone, Debug)]
pub struct Span {
    source: Arc<Source>,
    start: usize,
    end: usize,
}

impl Span {
    /// The bytes `range` of `source`; a range beyond the end is cut.
    pub fn new(source: &Arc<Source>, range: Range<usize>) -> Self {
        let start = range.start.min(source.text().len());
        let end = range.end.clamp(start, source.text().len());
        Self { source: Arc::clone(source), start, end }
    }

    /// The name of the file.
    pub fn file(&self) -> &str {
        self.source.name()
    }

    /// The source.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The byte range.
    pub fn range(&self) -> Range<usize> {
        self.start..self.end
    }

    /// Line and column of the start, both from 1; columns count characters.
    pub fn line_column(&self) -> (usize, usize) {
        self.source.line_column(self.start)
    }
}

impl PartialEq for Span {
    fn eq(&self, other: &Self) -> bool {
        self.file() == other.file() && self.start == other.start && self.end == other.end
    }
}

/// One problem or remark.
#[derive(Clone, Debug, PartialEq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// Stable short id, e.g. `unknown-field`.
    pub code: Cow<'static, str>,
    /// One sentence.
    pub message: String,
    /// Where, if the object came from a file.
    pub span: Option<Span>,
    /// What to do about it.
    pub hint: Option<String>,
    /// The object, e.g. `Workflow steps-`.
    pub object: Option<String>,
}

impl Diagnostic {
    fn new(severity: Severity, code: &'static str, message: String) -> Self {
        Self { severity, code: Cow::Borrowed(code), message, span: None, hint: None, object: None }
    }

    /// A problem for which the manifest is refused.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Error, code, message.into())
    }

    /// A problem with which the manifest is still accepted.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Warning, code, message.into())
    }

    /// A remark.
    pub fn note(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Severity::Note, code, message.into())
    }

    /// The same at a place.
    #[must_use]
    pub fn at(mut self, span: Option<Span>) -> Self {
        self.span = span;
        self
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same about an object.
    #[must_use]
    pub fn object(mut self, object: impl Into<String>) -> Self {
        self.object = Some(object.into());
        self
    }

    /// Turns a warning into an error; notes stay notes.
    pub fn escalate(&mut self) {
        if self.severity == Severity::Warning {
            self.severity = Severity::Error;
        }
    }

    /// True for an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Plain text: `file:line:col: severity[code]: message`, then source line, caret and hint.
    pub fn render(&self) -> String {
        let mut out = String::new();
        if let Some(span) = &self.span {
            let (line, column) = span.line_column();
            let _ = write!(out, "{}:{line}:{column}: ", span.file());
        }
        let _ = write!(out, "{}[{}]: ", self.severity, self.code);
        if let Some(object) = &self.object {
            let _ = write!(out, "{object}: ");
        }
        let _ = writeln!(out, "{}", printable(&self.message));
        if let Some(span) = &self.span {
            out.push_str(&snippet(span));
        }
        if let Some(hint) = &self.hint {
            let _ = writeln!(out, "  hint: {}", printable(hint));
        }
        out
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.render().trim_end())
    }
}

/// The JSON form: severity, code, message, and where known file, line, column, start, end, hint, object.
impl Serialize for Diagnostic {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Diagnostic", 10)?;
        out.serialize_field("severity", &self.severity)?;
        out.serialize_field("code", &self.code)?;
        out.serialize_field("message", &self.message)?;
        if let Some(span) = &self.span {
            let (line, column) = span.line_column();
            out.serialize_field("file", span.file())?;
            out.serialize_field("line", &line)?;
            out.serialize_field("column", &column)?;
            out.serialize_field("start", &span.start)?;
            out.serialize_field("end", &span.end)?;
        }
        if let Some(hint) = &self.hint {
            out.serialize_field("hint", hint)?;
        }
        if let Some(object) = &self.object {
            out.serialize_field("object", object)?;
        }
        out.end()
    }
}

/// Longest part of a source line that is shown, in characters.
const SNIPPET_WIDTH: usize = 120;

/// The source line with carets under the span.
fn snippet(span: &Span) -> String {
    let (line, column) = span.line_column();
    let text = span.source.line(line);
    let skip = column.saturating_sub(SNIPPET_WIDTH * 2 / 3);
    let shown: String = printable(&text.chars().skip(skip).take(SNIPPET_WIDTH).collect::<String>());
    let wide = span.source.text().get(span.range()).unwrap_or_default();
    let wide = wide.lines().next().unwrap_or_default().trim_end().chars().count();
    let before = column - 1 - skip;
    let carets = wide.clamp(1, SNIPPET_WIDTH.saturating_sub(before).max(1));
    let number = line.to_string();
    let gutter = " ".repeat(number.len());
    format!("{number} | {shown}\n{gutter} | {}{}\n", " ".repeat(before), "^".repeat(carets))
}

/// Replaces control characters and direction marks, which could rewrite a terminal line (V12).
fn printable(text: &str) -> String {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    text.chars()
        .map(|c| {
            if c == '\t' {
                ' '
            } else if hidden(c) {
                '\u{fffd}'
            } else {
                c
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
