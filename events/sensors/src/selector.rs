//! Label and field requirements of resource event sources: which objects count.
//! Does not watch; the server may be asked with the same requirements as a text.

use std::collections::BTreeMap;

use regex::Regex;

use crate::path::{Kind, Payload};
use crate::spec::Selector;

/// Operators that a label requirement may have; the empty one is `=`.
pub const OPERATORS: [&str; 10] = ["", "=", "==", "!=", "in", "notin", "exists", "!", "gt", "lt"];

/// Whether labels meet all requirements, as Kubernetes' own selectors decide it: `!=` and `notin` hold for a label
/// that is not there.
///
/// # Errors
/// A sentence for people: an operator that does not exist, values that do not fit it.
pub fn labels(requirements: &[Selector], labels: &BTreeMap<String, String>) -> Result<bool, String> {
    let mut all = true;
    for requirement in requirements {
        all &= label(requirement, labels.get(&requirement.key).map(String::as_str))?;
    }
    Ok(all)
}

fn label(requirement: &Selector, actual: Option<&str>) -> Result<bool, String> {
    check(requirement)?;
    let value = requirement.value.as_str();
    let listed = || value.split(',').any(|candidate| Some(candidate) == actual);
    Ok(match requirement.operation.as_str() {
        "in" => listed(),
        "notin" => !listed(),
        "exists" => actual.is_some(),
        "!" => actual.is_none(),
        "!=" => actual != Some(value),
        operation @ ("gt" | "lt") => {
            let wanted: i64 = value.parse().map_err(|_| not_whole(requirement))?;
            match actual.and_then(|actual| actual.parse::<i64>().ok()) {
                Some(actual) => {
                    if operation == "gt" {
                        actual > wanted
                    } else {
                        actual < wanted
                    }
                }
                None => false,
            }
        }
        _ => actual == Some(value),
    })
}

fn not_whole(requirement: &Selector) -> String {
    format!(
        "`{}` of `{}` must be a whole number for `{}`",
        requirement.value, requirement.key, requirement.operation
    )
}

/// Whether a requirement can be evaluated.
///
/// # Errors
/// A sentence for people.
pub fn check(requirement: &Selector) -> Result<(), String> {
    let Selector { key, operation, value } = requirement;
    if key.is_empty() {
        return Err("key can't be empty for selector".to_owned());
    }
    if !OPERATORS.contains(&operation.as_str()) {
        return Err(format!(
            "unknown selection operation {operation}: it is one of {}",
            OPERATORS[1..].join(" ")
        ));
    }
    let good = |text: &str| {
        let inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let ends = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
        text.is_empty()
            || text.len() <= 63
                && text.chars().all(inner)
                && ends(text.chars().next())
                && ends(text.chars().next_back())
    };
    match operation.as_str() {
        "exists" | "!" => match value.is_empty() {
            true => Ok(()),
            false => Err(format!("`{operation}` of `{key}` takes no value")),
        },
        "gt" | "lt" => value.parse::<i64>().map(|_| ()).map_err(|_| not_whole(requirement)),
        _ => match value.split(',').find(|value| !good(value)) {
            Some(wrong) => Err(format!("`{wrong}` of `{key}` is not the value of a label")),
            None => Ok(()),
        },
    }
}

/// Whether an object meets all field requirements: the value at a path (numbers and booleans too, as text) by a
/// regular expression; the empty operator is `=`, as upstream documents it.
///
/// # Errors
/// A sentence for people: an operator other than `=`, `==` and `!=`, a wrong regular expression.
pub fn fields(requirements: &[Selector], object: &str) -> Result<bool, String> {
    let payload = Payload::new(object)?;
    let mut all = true;
    for Selector { key, operation, value } in requirements {
        let pattern = Regex::new(value).map_err(|error| format!("`{value}`: {error}"))?;
        let found = payload.get(key);
        let text =
            found.map_or_else(
                String::new,
                |found| if found.kind == Kind::Null { String::new() } else { found.text },
            );
        all &= match operation.as_str() {
            "" | "=" | "==" => pattern.is_match(&text),
            "!=" => !pattern.is_match(&text),
            other => return Err(format!("unknown field operation {other}: it is = or !=")),
        };
    }
    Ok(all)
}
