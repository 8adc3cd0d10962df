//! Template tags as Argo's validation sees them: finding them in text, and filling in what is known.
//! Does not evaluate expressions: an expression tag becomes a placeholder.
//!
//! Validation replaces known variables first and judges the remaining tags, as the controller would meet
//! them; so this follows the replacement rules of text templates, not those of compiled ones.

use serde_json::Value;

/// First character of a placeholder: a value that is known at run time only.
const PLACEHOLDER_START: char = '\u{e000}';
/// Last character of a placeholder.
const PLACEHOLDER_END: char = '\u{e001}';

/// A tag found in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tag<'a> {
    /// `{{name}}`, untrimmed.
    Simple(&'a str),
    /// `{{=expression}}`.
    Expression(&'a str),
    /// `{{` without an end, with the rest of the text.
    Unclosed(&'a str),
}

/// The tags of a text.
pub(super) fn tags(text: &str) -> Vec<Tag<'_>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("{{") {
        let Some((tag, after_tag)) = after.split_once("}}") else {
            out.push(Tag::Unclosed(after));
            break;
        };
        out.push(tag.strip_prefix('=').map_or(Tag::Simple(tag), Tag::Expression));
        rest = after_tag;
    }
    out
}

/// A new placeholder; numbers keep different unknown values different.
pub(super) fn placeholder(number: usize) -> String {
    format!("{PLACEHOLDER_START}{number}{PLACEHOLDER_END}")
}

/// True for text that holds a placeholder.
pub(super) fn has_placeholder(text: &str) -> bool {
    text.contains(PLACEHOLDER_START)
}

/// The text with each placeholder replaced by `x`, which fits in any name.
pub(super) fn blank_placeholders(text: &str) -> String {
    replace_placeholders(text, 'x')
}

/// The text as people should read it: placeholders as dots.
pub(super) fn readable(text: &str) -> String {
    replace_placeholders(text, '…')
}

fn replace_placeholders(text: &str, with: char) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for c in text.chars() {
        match c {
            PLACEHOLDER_START => {
                inside = true;
                out.push(with);
            }
            PLACEHOLDER_END => inside = false,
            _ if inside => {}
            _ => out.push(c),
        }
    }
    out
}

/// Replaces the tags that `lookup` knows; expression tags become the text of `expression`.
pub(super) fn substitute(
    text: &str,
    lookup: &dyn Fn(&str) -> Option<String>,
    expression: &mut dyn FnMut() -> String,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("{{") {
        out.push_str(before);
        let Some((tag, after_tag)) = after.split_once("}}") else {
            out.push_str("{{");
            rest = after;
            continue;
        };
        rest = after_tag;
        if tag.starts_with('=') {
            out.push_str(&expression());
        } else if let Some(value) = lookup(tag.trim()) {
            out.push_str(&value);
        } else if let Some((prefix, value)) = nested(tag, lookup) {
            out.extend(["{{", prefix, &value]);
        } else {
            out.extend(["{{", tag, "}}"]);
        }
    }
    out + rest
}

/// The inner tag of `{{outer{{inner}}…}}`, with what stands before it.
fn nested<'a>(tag: &'a str, lookup: &dyn Fn(&str) -> Option<String>) -> Option<(&'a str, String)> {
    let at = tag.rfind("{{").filter(|at| *at > 0)?;
    let value = lookup(tag.get(at + 2..)?)?;
    Some((tag.get(..at)?, value))
}

/// Replaces tags in all strings and keys of a JSON value.
pub(super) fn substitute_value(
    value: &mut Value,
    lookup: &dyn Fn(&str) -> Option<String>,
    expression: &mut dyn FnMut() -> String,
) {
    match value {
        Value::String(text) => {
            if text.contains("{{") {
                *text = substitute(text, lookup, expression);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|v| substitute_value(v, lookup, expression)),
        Value::Object(map) => {
            map.values_mut().for_each(|v| substitute_value(v, lookup, expression));
            if map.keys().any(|key| key.contains("{{")) {
                let old = std::mem::take(map);
                map.extend(old.into_iter().map(|(key, v)| (substitute(&key, lookup, expression), v)));
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Calls `visit` with the JSON pointer and text of every string and key that may hold a tag.
pub(super) fn visit_strings<'v>(
    value: &'v Value,
    pointer: &mut String,
    visit: &mut dyn FnMut(&str, &'v str),
) {
    match value {
        Value::String(text) => {
            if text.contains("{{") {
                visit(pointer, text);
            }
        }
        Value::Array(list) => {
            for (index, element) in list.iter().enumerate() {
                descend(pointer, &index.to_string(), |pointer| visit_strings(element, pointer, visit));
            }
        }
        Value::Object(map) => {
            for (key, element) in map {
                let escaped = key.replace('~', "~0").replace('/', "~1");
                descend(pointer, &escaped, |pointer| {
                    if key.contains("{{") {
                        visit(pointer, key);
                    }
                    visit_strings(element, pointer, visit);
                });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn descend(pointer: &mut String, segment: &str, inside: impl FnOnce(&mut String)) {
    let length = pointer.len();
    pointer.push('/');
    pointer.push_str(segment);
    inside(pointer);
    pointer.truncate(length);
}

#[cfg(test)]
mod tests {
    use super::{Tag, blank_placeholders, placeholder, substitute, tags};

    #[test]
    fn tags_are_found_and_nested_ones_are_replaced_from_the_inside() {
        assert_eq!(
            tags("a {{ b }} {{=c}} {{d"),
            [Tag::Simple(" b "), Tag::Expression("c"), Tag::Unclosed("d")]
        );
        let lookup = |name: &str| (name == "inputs.parameters.n").then(|| "v".to_owned());
        let out = substitute("{{steps.a-{{inputs.parameters.n}}.status}} {{x}}", &lookup, &mut || "E".into());
        assert_eq!(out, "{{steps.a-v.status}} {{x}}");
        assert_eq!(blank_placeholders(&format!("run-{}", placeholder(12))), "run-x");
    }
}
