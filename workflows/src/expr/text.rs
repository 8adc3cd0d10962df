//! A string with `{{tags}}` and `{{=expressions}}`, compiled once and rendered often.
//! Values go into the output as they are and are never parsed again (V2). Parsing is in `text_parse.rs`.

use super::error::ExprError;
use super::fuel::Fuel;
use super::gofmt;
use super::lang::Program;
use super::text_parse;
use super::vars::{Var, Vars};
use crate::expr::lang::TagText;

/// A compiled template text.
#[derive(Clone, Debug)]
pub struct Text {
    pub(super) source: String,
    pub(super) parts: Vec<Part>,
}

#[derive(Clone, Debug)]
pub(super) enum Part {
    /// Bytes of the source, copied.
    Literal { start: usize, end: usize },
    /// `{{name}}`; the name may hold tags itself.
    Tag { start: usize, end: usize, name: Vec<NamePart> },
    /// `{{=expression}}`.
    Expr { start: usize, end: usize, program: Box<Program> },
}

#[derive(Clone, Debug)]
pub(super) enum NamePart {
    Literal(String),
    Tag(Vec<NamePart>),
}

/// A tag of a text, for lint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TagRef {
    /// The trimmed name, or the trimmed expression without `=`. A name with a tag inside shows it as written.
    pub name: String,
    /// Whether it is `{{=…}}`.
    pub is_expr: bool,
    /// Byte offset of `{{` in the text.
    pub offset: usize,
    /// The variables named: the name itself, the inner tags of a nested one, or all of an expression.
    pub references: Vec<String>,
}

/// A rendered text and what could not be filled in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rendered {
    /// The text; unresolved and absent tags stand in it as written.
    pub text: String,
    /// Names that no scope has; `=<expression>` for an expression that gave nil without a missing name.
    pub unresolved: Vec<String>,
    /// Names of absent outputs (of skipped or omitted producers).
    pub absent: Vec<String>,
}

impl Text {
    /// Compiles a text.
    ///
    /// # Errors
    /// Syntax for an unclosed `{{` and for a malformed expression, with the byte offset; Fuel for a
    /// text that is too long or nests too deep.
    pub fn compile(source: &str) -> Result<Self, ExprError> {
        let parts = text_parse::parse(source)?;
        Ok(Self { source: source.to_owned(), parts })
    }

    /// The text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Whether it has no tags.
    pub fn is_literal(&self) -> bool {
        self.parts.iter().all(|p| matches!(p, Part::Literal { .. }))
    }

    /// All tags in order.
    pub fn tags(&self) -> Vec<TagRef> {
        self.parts
            .iter()
            .filter_map(|part| match part {
                Part::Literal { .. } => None,
                Part::Tag { start, end, name } => Some(TagRef {
                    name: self.inner(*start, *end, 2).to_owned(),
                    is_expr: false,
                    offset: *start,
                    references: name_references(name),
                }),
                Part::Expr { start, end, program } => Some(TagRef {
                    name: self.inner(*start, *end, 3).to_owned(),
                    is_expr: true,
                    offset: *start,
                    references: program.references(),
                }),
            })
            .collect()
    }

    /// The name when the whole text is one simple tag: such an argument is a pure reference.
    pub fn is_single_tag(&self) -> Option<&str> {
        match self.parts.as_slice() {
            [Part::Tag { start, end, name }] => match name.as_slice() {
                [] => Some(""),
                [NamePart::Literal(_)] => Some(self.inner(*start, *end, 2)),
                _ => None,
            },
            _ => None,
        }
    }

    pub(super) fn slice(&self, start: usize, end: usize) -> &str {
        self.source.get(start..end).unwrap_or_default()
    }

    /// The trimmed inside of a tag.
    pub(super) fn inner(&self, start: usize, end: usize, open: usize) -> &str {
        self.slice(start + open, end.saturating_sub(2)).trim()
    }

    /// Fills the tags in. Unknown and absent names leave their tag as written and are listed.
    ///
    /// # Errors
    /// What an expression tag says, with the offset in this text; Fuel.
    pub fn render(&self, vars: &Vars, fuel: &mut Fuel) -> Result<Rendered, ExprError> {
        let mut out = Rendered::default();
        for part in &self.parts {
            match part {
                Part::Literal { start, end } => push(&mut out.text, self.slice(*start, *end), fuel)?,
                Part::Tag { start, end, name } => {
                    let filled = fill(name, vars, fuel, &mut out).map_err(|e| e.at(*start))?;
                    match filled {
                        Some(text) => push(&mut out.text, &text, fuel)?,
                        None => push(&mut out.text, self.slice(*start, *end), fuel)?,
                    }
                }
                Part::Expr { start, end, program } => {
                    let text = program.tag_text(vars, fuel).map_err(|e| e.shifted(*start + 3).at(*start))?;
                    match text {
                        TagText::Text(text) => {
                            out.text.push_str(&text);
                            continue;
                        }
                        TagText::Unresolved(name) => note(&mut out.unresolved, name),
                        TagText::Absent(names) => names.into_iter().for_each(|n| note(&mut out.absent, n)),
                        TagText::Nil => {
                            let inner = format!("={}", self.inner(*start, *end, 3));
                            note(&mut out.unresolved, inner);
                        }
                    }
                    push(&mut out.text, self.slice(*start, *end), fuel)?;
                }
            }
        }
        Ok(out)
    }
}

fn note(list: &mut Vec<String>, name: String) {
    if !list.contains(&name) {
        list.push(name);
    }
}

fn push(out: &mut String, text: &str, fuel: &mut Fuel) -> Result<(), ExprError> {
    fuel.alloc(text.len() as u64)?;
    out.push_str(text);
    Ok(())
}

/// The variables a simple tag names: itself, or the inner tags when its name is made of them.
fn name_references(name: &[NamePart]) -> Vec<String> {
    match name {
        [NamePart::Literal(text)] => vec![text.trim().to_owned()],
        parts => parts
            .iter()
            .flat_map(|p| match p {
                NamePart::Literal(_) => Vec::new(),
                NamePart::Tag(inner) => name_references(inner),
            })
            .collect(),
    }
}

/// The text of a simple tag, inner tags first; `None` when a name is unknown or absent.
pub(super) fn fill(
    name: &[NamePart],
    vars: &Vars,
    fuel: &mut Fuel,
    out: &mut Rendered,
) -> Result<Option<String>, ExprError> {
    fuel.spend(1)?;
    let mut full = String::new();
    for part in name {
        match part {
            NamePart::Literal(text) => push(&mut full, text, fuel)?,
            NamePart::Tag(inner) => match fill(inner, vars, fuel, out)? {
                Some(text) => full.push_str(&text),
                None => return Ok(None),
            },
        }
    }
    let key = full.trim();
    match vars.get(key) {
        Some(Var::Value(value)) => {
            let text = gofmt::bare_text(value);
            fuel.alloc(text.len() as u64)?;
            Ok(Some(text))
        }
        Some(Var::Absent) => {
            note(&mut out.absent, key.to_owned());
            Ok(None)
        }
        None => {
            note(&mut out.unresolved, key.to_owned());
            Ok(None)
        }
    }
}
