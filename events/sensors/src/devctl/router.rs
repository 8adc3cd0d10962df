//! Which triggers an event is for, and why: every condition with what it wanted and what it found.
//! Starts nothing.

use regex::Regex;
use runner_workflows::expr::Value;

use super::config::{Config, Trigger};
use super::event::DevctlEvent;
use super::templates;
use crate::filter::{Clause, Verdict, shown};

/// A trigger and whether the event is for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Routed<'a> {
    /// The trigger.
    pub trigger: &'a Trigger,
    /// Whether it matches, and why.
    pub verdict: Verdict,
}

/// Judges an event for every trigger, in the order of the file.
#[must_use]
pub fn route<'a>(config: &'a Config, event: &DevctlEvent) -> Vec<Routed<'a>> {
    config.triggers.iter().map(|trigger| Routed { trigger, verdict: judge(trigger, event) }).collect()
}

fn judge(trigger: &Trigger, event: &DevctlEvent) -> Verdict {
    let mut clauses = vec![equal("source", &trigger.source, &event.source)];
    if !trigger.event_type.is_empty() {
        clauses.push(equal("event_type", &trigger.event_type, &event.event_type));
    }
    let mut error = None;
    // conditions on an event of another source say nothing
    if clauses.iter().all(|clause| clause.passed) {
        for (key, wanted) in &trigger.conditions {
            let (clause, failed) = condition(key, wanted, event);
            error = error.or(failed);
            clauses.push(clause);
        }
    }
    Verdict { passed: error.is_none() && clauses.iter().all(|clause| clause.passed), error, clauses }
}

fn equal(name: &str, wanted: &str, actual: &str) -> Clause {
    Clause {
        wanted: format!("{name} = {wanted}"),
        passed: wanted == actual,
        actual: Some(shown(actual)),
        ..Clause::default()
    }
}

fn condition(key: &str, wanted: &Value, event: &DevctlEvent) -> (Clause, Option<String>) {
    if key == "expression" {
        return expression(wanted, event);
    }
    if let Some(field) = key.strip_suffix("_pattern") {
        return pattern(field, wanted, event);
    }
    let actual = event.field(key);
    let clause = Clause {
        wanted: format!("{key} = {wanted}"),
        passed: actual.is_some_and(|actual| holds(wanted, actual)),
        actual: actual.map(|actual| shown(&actual.to_string())),
        reason: if actual.is_none() { format!("the event has no {key}") } else { String::new() },
        parts: Vec::new(),
    };
    (clause, None)
}

/// Whether a value is what is wanted; of a map only the named keys are compared.
fn holds(wanted: &Value, actual: &Value) -> bool {
    match (wanted, actual) {
        (Value::Object(wanted), Value::Object(actual)) => {
            wanted.iter().all(|(key, wanted)| actual.get(key).is_some_and(|actual| holds(wanted, actual)))
        }
        (Value::Array(wanted), Value::Array(actual)) => {
            wanted.len() == actual.len()
                && wanted.iter().zip(actual).all(|(wanted, actual)| holds(wanted, actual))
        }
        (Value::Number(wanted), Value::Number(actual)) => wanted.as_f64() == actual.as_f64(),
        (wanted, actual) => wanted == actual,
    }
}

/// A regular expression that fits the beginning of the value, as Python's `re.match`.
fn pattern(field: &str, wanted: &Value, event: &DevctlEvent) -> (Clause, Option<String>) {
    let source = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
    let mut clause = Clause { wanted: format!("{field} matches {source}"), ..Clause::default() };
    let regex = match Regex::new(&format!("^(?:{source})")) {
        Ok(regex) => regex,
        Err(error) => {
            clause.reason = error.to_string();
            return (clause, Some(format!("`{source}`: {error}")));
        }
    };
    match event.field(field) {
        None => clause.reason = format!("the event has no {field}"),
        Some(actual) => {
            let text = actual.as_str().map_or_else(|| actual.to_string(), str::to_owned);
            clause.passed = regex.is_match(&text);
            clause.actual = Some(shown(&text));
        }
    }
    (clause, None)
}

/// A template whose result is `true`, `1` or `yes`.
fn expression(wanted: &Value, event: &DevctlEvent) -> (Clause, Option<String>) {
    let source = wanted.as_str().map_or_else(|| wanted.to_string(), str::to_owned);
    let mut clause = Clause { wanted: format!("expression {source}"), ..Clause::default() };
    match templates::fill(&source, &event.merged()) {
        Ok(text) => {
            clause.passed = matches!(text.trim().to_lowercase().as_str(), "true" | "1" | "yes");
            clause.actual = Some(shown(&text));
            (clause, None)
        }
        Err(why) => {
            clause.reason.clone_from(&why);
            (clause, Some(format!("expression: {why}")))
        }
    }
}
