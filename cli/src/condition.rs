//! `--where`: a condition on workflows in the language of `when` and `expression`.
//! Does not list anything: it judges rows, and tells the store what it need not bring.

use jiff::Timestamp;
use regex::Regex;
use runner_store::{DurationRange, TimeRange, WorkflowQuery, WorkflowRow};
use runner_workflows::expr::{Fuel, Program, Vars};
use serde_json::{Map, Value, json};

use crate::exit::{Failure, Result};
use crate::output::time;

/// A compiled condition.
pub struct Condition {
    program: Program,
    source: String,
    text: String,
    now: Timestamp,
}

/// What a condition can speak of.
const NAMES: [&str; 13] = [
    "name",
    "namespace",
    "phase",
    "status",
    "message",
    "progress",
    "priority",
    "duration",
    "age",
    "created",
    "started",
    "finished",
    "uid",
];

impl Condition {
    /// Compiles. Durations are written as everywhere (`10m`, `1h30m`); they become seconds, as `duration` and `age` are.
    ///
    /// # Errors
    /// Exit code 2, with the place, when it cannot be compiled or names something unknown.
    pub fn new(text: &str, now: Timestamp) -> Result<Self> {
        let source = plain_durations(text);
        let program = Program::compile(&source)
            .map_err(|error| Failure::usage(format!("--where `{text}`: {error}")).hint(HINT))?;
        for reference in program.references() {
            let first = reference.split('.').next().unwrap_or_default();
            if !NAMES.contains(&first) && !matches!(first, "labels" | "params") {
                return Err(Failure::usage(format!("--where `{text}`: there is no `{first}`")).hint(HINT));
            }
        }
        Ok(Self { program, source, text: text.to_owned(), now })
    }

    /// Whether a workflow is meant.
    ///
    /// # Errors
    /// Exit code 2 when the condition makes no sense for it, e.g. compares text with a number.
    pub fn matches(&self, row: &WorkflowRow) -> Result<bool> {
        let vars = self.vars(row);
        self.program.eval_bool(&vars, &mut Fuel::default()).map_err(|error| {
            Failure::usage(format!("--where `{}`, workflow {}: {error}", self.text, row.name)).hint(HINT)
        })
    }

    fn vars(&self, row: &WorkflowRow) -> Vars {
        let mut vars = Vars::new();
        let phase = if row.phase.is_empty() { "Pending" } else { &row.phase };
        for (name, text) in [
            ("name", row.name.as_str()),
            ("namespace", &row.namespace),
            ("phase", phase),
            ("status", phase),
            ("message", &row.message),
            ("progress", &row.progress),
            ("uid", &row.uid),
        ] {
            vars.set(name, text);
        }
        let seconds = |from: Timestamp, to: Timestamp| json!(to.duration_since(from).as_secs_f64());
        let at = |at: Option<Timestamp>| at.map_or(Value::Null, |at| json!(time::whole(at)));
        vars.set_value("age", seconds(row.created_at, self.now));
        let duration = row.started_at.map(|from| seconds(from, row.finished_at.unwrap_or(self.now)));
        vars.set_value("duration", duration.unwrap_or_else(|| json!(0)));
        vars.set_value("created", at(Some(row.created_at)));
        vars.set_value("started", at(row.started_at));
        vars.set_value("finished", at(row.finished_at));
        let body: Value = serde_json::from_slice(&row.body).unwrap_or_default();
        vars.set_value("priority", json!(body["priority"].as_i64().unwrap_or(0)));
        vars.set_value("params", parameters(&body["parameters"]));
        let labels: Map<String, Value> = row.labels.iter().map(|(k, v)| (k.clone(), json!(v))).collect();
        vars.set_value("labels", Value::Object(labels));
        vars
    }

    /// Adds to a query what must hold anyway: parts joined by `&&` that the store has an index or a quick look for.
    pub fn narrow(&self, query: &mut WorkflowQuery) {
        for part in conjunction(&self.source) {
            narrow(query, part.trim(), self.now);
        }
    }
}

const HINT: &str = "write for example: --where 'duration > 10m && params.env == \"prod\" && phase == \"Failed\"'; \
     there are name, namespace, phase, message, progress, priority, duration, age, created, started, finished, \
     labels.X and params.X";

/// Parameters by name, whether the row keeps Argo's list or a map.
fn parameters(json: &Value) -> Value {
    match json {
        Value::Array(items) => {
            let pair = |item: &Value| Some((item["name"].as_str()?.to_owned(), item["value"].clone()));
            Value::Object(items.iter().filter_map(pair).collect())
        }
        Value::Object(_) => json.clone(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => json!({}),
    }
}

/// The source with `10m` as `600`, outside of texts.
fn plain_durations(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut quote = None;
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let word = c.is_ascii_digit()
            && quote.is_none()
            && !before.is_ascii_alphanumeric()
            && !"_.".contains(before);
        if word {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
            let (number, behind) = rest.split_at(end);
            let is_duration = number.ends_with(|c: char| c.is_ascii_alphabetic());
            match time::parse(number).ok().filter(|_| is_duration) {
                Some(duration) => out.push_str(&duration.as_secs_f64().to_string()),
                None => out.push_str(number),
            }
            before = '0';
            rest = behind;
            continue;
        }
        match quote {
            Some(open) if c == open && before != '\\' => quote = None,
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            Some(_) | None => {}
        }
        out.push(c);
        // an escaped backslash escapes nothing
        before = if c == '\\' && before == '\\' { ' ' } else { c };
        rest = &rest[c.len_utf8()..];
    }
    out
}

/// The parts that all must hold; none when the expression is anything but a plain conjunction.
fn conjunction(source: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut depth, mut start, mut quote, mut skip) = (0_usize, 0, None, false);
    // what stands outside of texts
    let mut bare = String::new();
    for (at, c) in source.char_indices() {
        if skip {
            skip = false;
            continue;
        }
        bare.push(if quote.is_none() { c } else { ' ' });
        match (quote, c) {
            (Some(_), '\\') => skip = true,
            (Some(open), c) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'' | '`') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, '|' | '?' | ';') => return Vec::new(),
            (None, '&') if depth == 0 => {
                parts.push(source.get(start..at).unwrap_or_default());
                skip = true;
                start = at + 2;
            }
            (None, _) => {}
        }
    }
    parts.push(source.get(start..).unwrap_or_default());
    let words = bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    if words.into_iter().any(|word| matches!(word, "or" | "let")) { Vec::new() } else { parts }
}

fn narrow(query: &mut WorkflowQuery, part: &str, now: Timestamp) {
    let comparison = Regex::new(r#"^(duration|age)\s*(<=|>=|<|>|==)\s*([0-9.]+)$"#);
    if let Some(found) = comparison.ok().and_then(|regex| regex.captures(part))
        && let Ok(seconds) = found[3].parse::<f64>()
        && let Ok(bound) = jiff::SignedDuration::try_from_secs_f64(seconds)
    {
        // a little wider than asked: the condition itself decides
        let slack = jiff::SignedDuration::from_millis(1);
        let (below, above) = (bound.saturating_sub(slack), bound.saturating_add(slack));
        let (from, to) = match &found[2] {
            ">" | ">=" => (Some(below), None),
            "<" | "<=" => (None, Some(above)),
            _ => (Some(below), Some(above)),
        };
        if &found[1] == "age" {
            let ago = |age: Option<jiff::SignedDuration>| age.and_then(|age| now.checked_sub(age).ok());
            let range = TimeRange { from: ago(to), to: ago(from) };
            query.created.from = query.created.from.max(range.from);
            query.created.to = [query.created.to, range.to].into_iter().flatten().min();
        } else if query.duration.is_none() && from.is_some() && seconds > 0.0 {
            // what has not started has the duration 0, and no range of durations has it
            query.duration = Some(DurationRange { from, to, now });
        }
        return;
    }
    let equality =
        Regex::new(r#"^([A-Za-z]+)(?:\.([A-Za-z_][A-Za-z0-9_]*)|\["([^"\\]+)"\])?\s*==\s*"([^"\\]*)"$"#);
    let Some(found) = equality.ok().and_then(|regex| regex.captures(part)) else { return };
    let key = found.get(2).or(found.get(3)).map(|key| key.as_str());
    let value = found[4].to_owned();
    match (&found[1], key) {
        ("phase" | "status", None) if query.phases.is_empty() => {
            query.phases = if value == "Pending" { vec![value, String::new()] } else { vec![value] };
        }
        ("name", None) if query.name_prefix.is_none() => query.name_prefix = Some(value),
        ("labels", Some(key)) => {
            query.labels.push(runner_store::LabelTerm::Equals(key.to_owned(), value));
        }
        // as JSON has it, inside of its quotes
        ("params", Some(_)) if value.chars().all(|c| c.is_ascii_graphic() && !"<>&\"\\".contains(c)) => {
            query.body_contains.push(format!("\"{value}\""));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
