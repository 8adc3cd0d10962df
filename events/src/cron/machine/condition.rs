//! `when` and `stopStrategy.expression`: expressions over `cronworkflow.*`.
//! Does not say what follows from them.

use jiff::Timestamp;
use runner_workflows::expr::{Fuel, NOW, Program, Text, Vars, when};
use serde_json::{Value, json};

use super::status::Status;

const LAST: &str = "cronworkflow.lastScheduledTime";

/// Whether `when` lets a tick fire; the empty one does.
///
/// # Errors
/// A text for people.
pub(super) fn may_run(status: &Status, now: Timestamp) -> Result<bool, String> {
    let source = status.spec.when.trim();
    if source.is_empty() {
        return Ok(true);
    }
    let mut fuel = Fuel::default();
    let source = if status.last_scheduled.is_some() { with_times_in_tags(source) } else { source.to_owned() };
    let text = Text::compile(&source).map_err(|error| format!("when: {error}"))?;
    let rendered = text.render(&vars(status, now), &mut fuel).map_err(|error| format!("when: {error}"))?;
    if let Some(name) = rendered.unresolved.first() {
        return Err(format!("when: cannot resolve {{{{{name}}}}}"));
    }
    when::evaluate(&rendered.text, &mut fuel).map_err(|error| format!("when: {error}"))
}

/// Whether `stopStrategy` holds.
///
/// # Errors
/// A text for people.
pub(super) fn must_stop(status: &Status, now: Timestamp) -> Result<bool, String> {
    let Some(stop) = &status.spec.stop_strategy else { return Ok(false) };
    if stop.expression.trim().is_empty() {
        return Ok(false);
    }
    let source =
        if status.last_scheduled.is_some() { with_times(&stop.expression) } else { stop.expression.clone() };
    let said = |error| format!("stopStrategy: {error}");
    Program::compile(&source)
        .and_then(|program| program.eval_bool(&vars(status, now), &mut Fuel::default()))
        .map_err(said)
}

fn vars(status: &Status, now: Timestamp) -> Vars {
    let mut vars = Vars::new();
    vars.set("cronworkflow.name", &status.name);
    vars.set("cronworkflow.namespace", &status.namespace);
    vars.set_value("cronworkflow.labels", json!(status.labels));
    vars.set_value("cronworkflow.annotations", json!(status.annotations));
    for (what, map) in [("labels", &status.labels), ("annotations", &status.annotations)] {
        vars.set(format!("cronworkflow.{what}.json"), json!(map).to_string());
        for (name, value) in map {
            vars.set(format!("cronworkflow.{what}.{name}"), value);
        }
    }
    vars.set_value("cronworkflow.failed", json!(status.failed));
    vars.set_value("cronworkflow.succeeded", json!(status.succeeded));
    vars.set_value(LAST, status.last_scheduled.map_or(Value::Null, |at| json!(at.to_string())));
    vars.set(NOW, now.to_string());
    vars
}

/// As [`with_times`], inside `{{=…}}` only.
fn with_times_in_tags(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, tag)) = rest.split_once("{{=") {
        let (inside, behind) = tag.split_once("}}").unwrap_or((tag, ""));
        out.push_str(before);
        out.push_str("{{=");
        out.push_str(&with_times(inside));
        if tag.len() > inside.len() {
            out.push_str("}}");
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Variables are JSON and cannot hold a time, but Argo's `lastScheduledTime` is one: it is read as a date.
fn with_times(expression: &str) -> String {
    let mut out = String::new();
    let mut rest = expression;
    while let Some(at) = rest.find(LAST) {
        let (before, found) = rest.split_at(at);
        let behind = found.get(LAST.len()..).unwrap_or_default();
        let alone = !behind.starts_with(|c: char| c.is_alphanumeric() || c == '_')
            && !before.ends_with(|c: char| c.is_alphanumeric() || matches!(c, '_' | '.' | '\'' | '"'));
        out.push_str(before);
        if alone {
            out.push_str("date(");
            out.push_str(LAST);
            out.push(')');
        } else {
            out.push_str(LAST);
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}
