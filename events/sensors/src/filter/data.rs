//! Data filters: one value of the payload by type, comparator and values.
//! Does not join different kinds of filters: the parent does.

use regex::Regex;

use super::{Clause, Join, Outcome, shown};
use crate::path::{Found, Kind, Payload, parse_bool};
use crate::spec::{DataFilter, EventDependencyFilter};
use crate::template;

/// All data filters of a dependency, joined by `dataLogicalOperator`.
pub(super) fn evaluate(
    filter: &EventDependencyFilter,
    payload: Option<&Result<Payload<'_>, String>>,
) -> Outcome {
    let join = Join::of(&filter.data_logical_operator);
    let payload = match payload {
        None => return unfiltered("data"),
        Some(Err(_)) => return failed("data", "event data not valid JSON"),
        Some(Ok(payload)) => *payload,
    };
    let parts = filter.data.iter().map(|filter| one(filter, payload)).collect();
    joined("data", join, parts)
}

/// Without a payload there is nothing to filter: the event passes, as in Argo.
pub(super) fn unfiltered(kind: &str) -> Outcome {
    let reason = "the event has no payload".to_owned();
    Outcome {
        clause: Clause { wanted: kind.to_owned(), passed: true, reason, ..Clause::default() },
        error: None,
    }
}

/// A kind of filter that cannot be evaluated at all.
pub(super) fn failed(kind: &str, why: &str) -> Outcome {
    let clause =
        Clause { wanted: kind.to_owned(), passed: false, reason: why.to_owned(), ..Clause::default() };
    Outcome { clause, error: Some(format!("{kind} filter error ({why})")) }
}

/// Joins the clauses of one kind. With `and` the first that does not pass decides, an error or not; with `or` errors
/// count only when nothing passes.
pub(super) fn joined(kind: &str, join: Join, parts: Vec<Outcome>) -> Outcome {
    let (passed, error) = match join {
        Join::And => match parts.iter().find(|part| !part.passed()) {
            None => (true, None),
            Some(part) => (false, part.error.as_ref().map(|why| format!("{kind} filter error ({why})"))),
        },
        Join::Or => {
            let passed = parts.iter().any(Outcome::passed);
            let errors: Vec<&str> = parts.iter().filter_map(|part| part.error.as_deref()).collect();
            let error = (!passed && !errors.is_empty())
                .then(|| format!("{kind} filter errors [{}]", errors.join(" / ")));
            (passed, error)
        }
    };
    let mut parts: Vec<Clause> = parts.into_iter().map(|part| part.clause).collect();
    let clause = match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            Clause { wanted: format!("{kind}: {}", join.name()), passed, parts, ..Clause::default() }
        }
    };
    Outcome { clause, error }
}

fn one(filter: &DataFilter, payload: Payload<'_>) -> Outcome {
    let comparator = if filter.comparator.is_empty() { "=" } else { &filter.comparator };
    let wanted = format!("{} {comparator} {}", filter.path, filter.value.join(" or "));
    let fail = |actual: Option<String>, why: String| Outcome {
        clause: Clause {
            wanted: wanted.clone(),
            passed: false,
            actual,
            reason: why.clone(),
            parts: Vec::new(),
        },
        error: Some(why),
    };
    let Some(found) = payload.get(&filter.path) else {
        return fail(None, format!("path '{}' does not exist", filter.path));
    };
    let mut actual = shown(&found.raw);
    if filter.value.is_empty() {
        return fail(Some(actual), "no values specified".to_owned());
    }
    let found = if filter.template.is_empty() {
        found
    } else {
        match template::render(&filter.template, &serde_json::Value::String(found.text)) {
            Ok(text) => {
                actual = format!("{actual}, templated {}", shown(&text));
                let raw = serde_json::Value::String(text.clone()).to_string();
                Found { kind: Kind::Text, raw, text }
            }
            Err(why) => return fail(Some(actual), why),
        }
    };
    match matches(filter, comparator, &found) {
        Ok(passed) => {
            let reason = if passed && matches_a_part(filter, comparator, &found) {
                PART.to_owned()
            } else {
                String::new()
            };
            let clause = Clause { wanted, passed, actual: Some(actual), reason, parts: Vec::new() };
            Outcome { clause, error: None }
        }
        Err(why) => fail(Some(actual), why),
    }
}

/// What is remarkable about text that a pattern fits in part: `main` fits `refs/heads/main-2` as well.
const PART: &str = "only a part of it fits: write ^…$ if the whole value is meant";

/// Whether text fits patterns only in part, as upstream's unanchored expressions allow it.
fn matches_a_part(filter: &DataFilter, comparator: &str, found: &Found) -> bool {
    let whole =
        |value: &String| Regex::new(&format!("^(?:{value})$")).is_ok_and(|whole| whole.is_match(&found.text));
    filter.r#type == "string" && comparator == "=" && !filter.value.iter().any(whole)
}

/// Whether any of the values fits; a value that is wrong is an error if none before it fits.
fn matches(filter: &DataFilter, comparator: &str, found: &Found) -> Result<bool, String> {
    for value in &filter.value {
        let fits = match filter.r#type.as_str() {
            "bool" => {
                let wanted = parse_bool(value).ok_or_else(|| format!("`{value}` is not a boolean"))?;
                wanted == found.truth()
            }
            "number" => {
                let wanted: f64 = value.trim().parse().map_err(|_| format!("`{value}` is not a number"))?;
                compare(found.number(), comparator, wanted)
            }
            "string" => {
                let pattern = Regex::new(value).map_err(|error| format!("`{value}`: {error}"))?;
                match comparator {
                    "=" => pattern.is_match(&found.text),
                    "!=" => !pattern.is_match(&found.text),
                    _ => false,
                }
            }
            other => return Err(format!("unsupported JSON type '{other}'")),
        };
        if fits {
            return Ok(true);
        }
    }
    Ok(false)
}

fn compare(actual: f64, comparator: &str, wanted: f64) -> bool {
    #[expect(clippy::float_cmp, reason = "Argo compares exactly")]
    match comparator {
        ">=" => actual >= wanted,
        ">" => actual > wanted,
        "<" => actual < wanted,
        "<=" => actual <= wanted,
        "!=" => actual != wanted,
        "=" => actual == wanted,
        _ => false,
    }
}
