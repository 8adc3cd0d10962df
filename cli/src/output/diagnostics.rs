//! Diagnostics as people, CI systems and programs want them: pretty, JSON, GitHub annotations, JUnit.
//! Does not find problems.

use clap::ValueEnum;
use runner_workflows::diagnostic::{Diagnostic, Severity};
use serde_json::{Value, json};

use super::color::{Ink, Palette};
use super::text;

/// `lint --format`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LintFormat {
    /// `file:line:col`, the line, a caret, a hint.
    #[default]
    Pretty,
    /// One JSON document.
    Json,
    /// Annotations of GitHub Actions.
    Github,
    /// A JUnit report.
    Junit,
}

/// The lines for people.
pub fn pretty(diagnostic: &Diagnostic, palette: Palette) -> Vec<String> {
    let ink = match diagnostic.severity {
        Severity::Error => Ink::Red,
        Severity::Warning => Ink::Yellow,
        Severity::Note => Ink::Cyan,
    };
    let rendered = diagnostic.render();
    let word = format!("{}[{}]", diagnostic.severity, diagnostic.code);
    let lines: Vec<String> = rendered.trim_end().lines().map(text::plain).collect();
    lines
        .iter()
        .enumerate()
        .map(|(at, line)| match (at, line.split_once(&word)) {
            (0, Some((before, after))) => {
                format!("{}{}{after}", palette.paint(Ink::Bold, before), palette.paint(ink, &word))
            }
            (_, _) if line.trim_start().starts_with("| ") && line.trim_end().ends_with('^') => {
                palette.paint(ink, line)
            }
            (_, _) => line.to_owned(),
        })
        .collect()
}

/// `1 error, 2 warnings`; empty when there is nothing.
pub fn summary(diagnostics: &[Diagnostic]) -> String {
    let count = |severity| diagnostics.iter().filter(|d| d.severity == severity).count();
    let word = |n: usize, word: &str| match n {
        0 => None,
        1 => Some(format!("1 {word}")),
        n => Some(format!("{n} {word}s")),
    };
    let words = [(Severity::Error, "error"), (Severity::Warning, "warning"), (Severity::Note, "note")];
    words
        .into_iter()
        .filter_map(|(severity, name)| word(count(severity), name))
        .collect::<Vec<_>>()
        .join(", ")
}

/// What was checked and what was found, for the formats that programs read.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Files in the order they were read.
    pub files: Vec<String>,
    /// Everything found.
    pub diagnostics: Vec<Diagnostic>,
    /// Secrets and ConfigMaps that the files refer to.
    pub needs: Vec<Value>,
}

impl Report {
    /// Whether anything is refused.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// One JSON document.
    pub fn json(&self) -> Value {
        let errors = self.diagnostics.iter().filter(|d| d.is_error()).count();
        let found: Vec<Value> =
            self.diagnostics.iter().map(|d| serde_json::to_value(d).unwrap_or(Value::Null)).collect();
        json!({"files": self.files, "errors": errors, "valid": errors == 0, "diagnostics": found, "needs": self.needs})
    }

    /// Workflow commands of GitHub Actions.
    pub fn github(&self) -> Vec<String> {
        let level = |severity| match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        self.diagnostics
            .iter()
            .map(|d| {
                let place = d.span.as_ref().map(|span| {
                    let (line, column) = span.line_column();
                    format!(" file={},line={line},col={column}", github_escape(span.file(), true))
                });
                let hint = d.hint.as_ref().map(|hint| format!(" ({hint})")).unwrap_or_default();
                let object = d.object.as_ref().map(|object| format!("{object}: ")).unwrap_or_default();
                let message = github_escape(&format!("{object}{}{hint}", d.message), false);
                format!("::{}{}::{message}", level(d.severity), place.unwrap_or_default())
            })
            .collect()
    }

    /// A JUnit report with one case per file.
    pub fn junit(&self) -> Vec<String> {
        let of = |d: &Diagnostic| d.span.as_ref().map(|span| span.file().to_owned()).unwrap_or_default();
        let bad = |file: &str| {
            self.diagnostics.iter().filter(|d| d.is_error() && of(d) == file).collect::<Vec<_>>()
        };
        let homeless = bad("");
        let failures = self.files.iter().filter(|file| !bad(file).is_empty()).count()
            + usize::from(!homeless.is_empty());
        let tests = self.files.len() + usize::from(!homeless.is_empty());
        let mut out = vec![
            r#"<?xml version="1.0" encoding="UTF-8"?>"#.to_owned(),
            format!(r#"<testsuite name="runner lint" tests="{tests}" failures="{failures}">"#),
        ];
        let mut case = |name: &str, found: &[&Diagnostic]| {
            out.push(format!(r#"  <testcase classname="lint" name="{}">"#, xml_escape(name)));
            for d in found {
                let message = xml_escape(&text::plain(&d.message));
                out.push(format!(r#"    <failure type="{}" message="{message}">"#, xml_escape(&d.code)));
                out.push(xml_escape(d.render().trim_end()));
                out.push("    </failure>".to_owned());
            }
            out.push("  </testcase>".to_owned());
        };
        for file in &self.files {
            case(file, &bad(file));
        }
        if !homeless.is_empty() {
            case("references", &homeless);
        }
        out.push("</testsuite>".to_owned());
        out
    }
}

/// As GitHub's toolkit escapes data and properties of workflow commands.
fn github_escape(text: &str, property: bool) -> String {
    let text = text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    if property { text.replace(':', "%3A").replace(',', "%2C") } else { text }
}

fn xml_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
