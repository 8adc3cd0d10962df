//! Label selectors as text: `a=b,c!=d,e in (f, g),h notin (i),j,!k`; field selectors, of name and namespace.
//! Does not match anything: the store does.

use runner_store::LabelTerm;

use crate::exit::{Failure, Result};

/// Parses Kubernetes' selector syntax.
///
/// # Errors
/// Exit code 2 when a term is not understood.
pub fn parse(text: &str) -> Result<Vec<LabelTerm>> {
    split(text).into_iter().map(|part| term(part.trim())).collect()
}

/// At commas outside of parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start) = (0_usize, 0);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(text.get(start..at).unwrap_or_default());
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(text.get(start..).unwrap_or_default());
    parts.retain(|part| !part.trim().is_empty());
    parts
}

fn term(part: &str) -> Result<LabelTerm> {
    let own = |text: &str| text.trim().to_owned();
    if let Some((key, value)) = part.split_once("!=") {
        return key_of(key, part).map(|key| LabelTerm::NotEquals(key, own(value)));
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return key_of(key, part).map(|key| LabelTerm::Equals(key, own(value)));
    }
    if let Some((head, list)) = part.split_once('(') {
        let list = list.trim().strip_suffix(')').ok_or_else(|| bad(part))?;
        let values: Vec<String> = list.split(',').map(own).collect();
        let mut words = head.split_whitespace();
        return match (words.next(), words.next(), words.next()) {
            (Some(key), Some("in"), None) => Ok(LabelTerm::In(key.to_owned(), values)),
            (Some(key), Some("notin"), None) => Ok(LabelTerm::NotIn(key.to_owned(), values)),
            (_, _, _) => Err(bad(part)),
        };
    }
    match part.strip_prefix('!') {
        Some(key) => key_of(key, part).map(LabelTerm::NotExists),
        None => key_of(part, part).map(LabelTerm::Exists),
    }
}

fn key_of(text: &str, part: &str) -> Result<String> {
    let key = text.trim();
    let fine = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
    if fine { Ok(key.to_owned()) } else { Err(bad(part)) }
}

/// One term of a field selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    namespace: bool,
    equal: bool,
    value: String,
}

impl Field {
    /// Whether a workflow of that name and namespace is meant.
    pub fn matches(&self, name: &str, namespace: &str) -> bool {
        let is = if self.namespace { namespace } else { name };
        (is == self.value) == self.equal
    }

    /// The same in the language of `list --where`.
    pub fn condition(&self) -> String {
        let (field, sign) =
            (if self.namespace { "namespace" } else { "name" }, if self.equal { "==" } else { "!=" });
        format!("{field} {sign} {}", serde_json::Value::from(self.value.as_str()))
    }
}

/// Parses a field selector; as Kubernetes serves them for workflows, by name and namespace.
///
/// # Errors
/// Exit code 2 when a term is not understood.
pub fn fields(text: &str) -> Result<Vec<Field>> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let unequal = part.split_once("!=").map(|(field, value)| (field, value, false));
            let equal = || part.split_once("==").or_else(|| part.split_once('='));
            let term = unequal.or_else(|| equal().map(|(field, value)| (field, value, true)));
            let (field, value, equal) = term.ok_or_else(|| bad_field(part))?;
            let namespace = match field.trim() {
                "metadata.name" => false,
                "metadata.namespace" => true,
                _other => return Err(bad_field(part)),
            };
            Ok(Field { namespace, equal, value: value.trim().to_owned() })
        })
        .collect()
}

fn bad_field(part: &str) -> Failure {
    Failure::usage(format!("`{part}` is no field selector for workflows"))
        .hint("write for example metadata.name=hello or metadata.namespace!=team")
}

fn bad(part: &str) -> Failure {
    Failure::usage(format!("`{part}` is no label selector"))
        .hint("write for example app=web,tier!=db,env in (a, b)")
}
