//! Taint: which variables hold values that strangers chose (of events), and where a template puts them (V1).
//! Judges no place: whether a text is run as code is the business of the callers.

use super::fuel::Fuel;
use super::lang::TagText;
use super::text::{NamePart, Part, Text, fill};
use super::vars::Vars;
use super::{ExprError, Program, Rendered};

/// A value of a stranger that a text takes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Splice {
    /// The tag without braces: a name, or `=expression`.
    pub tag: String,
    /// What is put in.
    pub text: String,
}

/// Whether a text means the same wherever it stands: nothing that shells, languages or YAML treat as more than a
/// word. Bytes of `A-Z a-z 0-9 _ . , : @ % + = / -`, and neither `-` nor `~` in front (reliability V1).
#[must_use]
pub fn is_plain(text: &str) -> bool {
    !text.starts_with(['-', '~']) && text.bytes().all(is_plain_byte)
}

/// The first character that makes a text more than a word.
#[must_use]
pub fn offending(text: &str) -> Option<char> {
    let first = text.chars().next().filter(|first| matches!(first, '-' | '~'));
    first.or_else(|| text.chars().find(|c| !u8::try_from(*c).is_ok_and(is_plain_byte)))
}

fn is_plain_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_.,:@%+=/-".contains(&byte)
}

impl Program {
    /// Whether its value depends on a variable of a stranger.
    #[must_use]
    pub fn is_tainted(&self, vars: &Vars) -> bool {
        vars.has_taint() && self.references().iter().any(|name| vars.reaches_taint(name))
    }
}

impl Text {
    /// The values of strangers that rendering this text puts in.
    ///
    /// # Errors
    /// As [`Text::render`].
    pub fn splices(&self, vars: &Vars) -> Result<Vec<Splice>, ExprError> {
        let mut found = Vec::new();
        if !vars.has_taint() {
            return Ok(found);
        }
        let fuel = &mut Fuel::default();
        for part in &self.parts {
            match part {
                Part::Literal { .. } => {}
                Part::Tag { start, end, name } => {
                    let mut scratch = Rendered::default();
                    if tainted_name(name, vars, fuel)?
                        && let Some(text) = fill(name, vars, fuel, &mut scratch)?
                    {
                        found.push(Splice { tag: self.inside(*start, *end, 2), text });
                    }
                }
                Part::Expr { start, end, program } => {
                    if program.is_tainted(vars)
                        && let TagText::Text(text) = program.tag_text(vars, fuel)?
                    {
                        found.push(Splice { tag: self.inside(*start, *end, 2), text });
                    }
                }
            }
        }
        Ok(found)
    }

    fn inside(&self, start: usize, end: usize, open: usize) -> String {
        let inner = self.source.get(start + open..end.saturating_sub(2)).unwrap_or_default();
        inner.trim().to_owned()
    }
}

/// Whether a simple tag, or a tag that its name is made of, is of a stranger.
fn tainted_name(name: &[NamePart], vars: &Vars, fuel: &mut Fuel) -> Result<bool, ExprError> {
    let mut full = String::new();
    for part in name {
        match part {
            NamePart::Literal(text) => full.push_str(text),
            NamePart::Tag(inner) => {
                if tainted_name(inner, vars, fuel)? {
                    return Ok(true);
                }
                match fill(inner, vars, fuel, &mut Rendered::default())? {
                    Some(text) => full.push_str(&text),
                    None => return Ok(false),
                }
            }
        }
    }
    Ok(vars.reaches_taint(full.trim()))
}
