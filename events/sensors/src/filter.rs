//! Which events count for a dependency, and why: every clause with what it wanted and what it found.
//! Does not change events: `transform` does.
//!
//! The meaning is that of Argo's dependency filters: expressions, data, context, time and script, all of them (or, with
//! `filtersLogicalOperator: or`, any of those that are there). A kind that cannot be evaluated is an error, and then
//! the event does not pass, even under `or`.

mod data;
mod expr;
mod time;

use runner_workflows::expr::Value;
use serde::{Deserialize, Serialize};

use crate::event::Event;
use crate::lua::{self, Returned};
use crate::path::Payload;
use crate::spec::{EventContext, EventDependency, EventDependencyFilter};
use crate::transform;

pub use time::times;

/// Longest text of an actual value in an explanation, in characters.
const SHOWN: usize = 256;

/// Whether an event counts, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// It counts.
    pub passed: bool,
    /// What could not be evaluated; then the event does not pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Every clause.
    pub clauses: Vec<Clause>,
}

/// One clause of a filter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Clause {
    /// What is wanted, e.g. `body.action = opened`.
    pub wanted: String,
    /// It is so.
    pub passed: bool,
    /// What was found; none when there is nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actual: Option<String>,
    /// Why it did not pass, or what is remarkable.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// Parts that are joined by `and` or `or`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Clause>,
}

/// How clauses are joined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Join {
    And,
    Or,
}

impl Join {
    fn of(operator: &str) -> Self {
        if operator == "or" { Self::Or } else { Self::And }
    }

    fn name(self) -> &'static str {
        match self {
            Self::And => "all of these",
            Self::Or => "any of these",
        }
    }
}

/// What one clause comes to.
pub(crate) struct Outcome {
    pub(crate) clause: Clause,
    pub(crate) error: Option<String>,
}

impl Outcome {
    fn passed(&self) -> bool {
        self.clause.passed && self.error.is_none()
    }
}

impl Verdict {
    /// The verdict as an indented tree of ✓ and ✗.
    #[must_use]
    pub fn tree(&self) -> String {
        let mut out = String::new();
        for clause in &self.clauses {
            clause.print(&mut out, 0);
        }
        out
    }
}

impl Clause {
    fn print(&self, out: &mut String, depth: usize) {
        let mark = if self.passed { '✓' } else { '✗' };
        out.push_str(&"  ".repeat(depth));
        out.push(mark);
        out.push(' ');
        out.push_str(&self.wanted);
        if let Some(actual) = &self.actual {
            out.push_str(&format!("  (is {actual})"));
        }
        if !self.reason.is_empty() {
            out.push_str(&format!("  {}", self.reason));
        }
        out.push('\n');
        for part in &self.parts {
            part.print(out, depth + 1);
        }
    }
}

/// A text for an explanation, cut when it is long.
pub(crate) fn shown(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN).collect();
    if cut.len() < text.len() { format!("{cut}…") } else { cut }
}

/// Transforms an event for a dependency and filters it: the event as triggers will see it, and the verdict.
///
/// A transform that fails discards the event, as in Argo; the verdict says so.
#[must_use]
pub fn admit(dependency: &EventDependency, event: &Event) -> (Event, Verdict) {
    let event = match &dependency.transform {
        None => event.clone(),
        Some(transformer) => match transform::apply(transformer, event) {
            Ok(event) => event,
            Err(message) => {
                let clause = Clause {
                    wanted: "transform".to_owned(),
                    passed: false,
                    actual: None,
                    reason: message.clone(),
                    parts: Vec::new(),
                };
                let error = Some(format!("transform: {message}"));
                return (event.clone(), Verdict { passed: false, error, clauses: vec![clause] });
            }
        },
    };
    let verdict = match &dependency.filters {
        None => Verdict { passed: true, error: None, clauses: Vec::new() },
        Some(filter) => evaluate(filter, &dependency.filters_logical_operator, &event),
    };
    (event, verdict)
}

/// Evaluates the filters of a dependency.
#[must_use]
pub fn evaluate(filter: &EventDependencyFilter, operator: &str, event: &Event) -> Verdict {
    let join = Join::of(operator);
    let payload = event.data.as_deref().map(Payload::new);
    let mut outcomes = Vec::new();
    if !filter.exprs.is_empty() {
        outcomes.push(expr::evaluate(filter, payload.as_ref()));
    }
    if !filter.data.is_empty() {
        outcomes.push(data::evaluate(filter, payload.as_ref()));
    }
    if let Some(wanted) = &filter.context {
        outcomes.push(Outcome { clause: context(wanted, &event.context), error: None });
    }
    if let Some(wanted) = &filter.time {
        outcomes.push(time::evaluate(wanted, event));
    }
    let script = (!filter.script.is_empty()).then(|| self::script(&filter.script, event));
    let failed = script.as_ref().and_then(|outcome| outcome.error.clone());
    outcomes.extend(script);
    let (passed, error) = match (join, failed) {
        (Join::Or, Some(error)) => (false, Some(error)),
        (Join::Or, None) => {
            let errors: Vec<String> = outcomes.iter().filter_map(|outcome| outcome.error.clone()).collect();
            let error = (!errors.is_empty()).then(|| errors.join(" / "));
            (error.is_none() && outcomes.iter().any(Outcome::passed), error)
        }
        (Join::And, _) => {
            let error = outcomes.iter().find_map(|outcome| outcome.error.clone());
            (error.is_none() && outcomes.iter().all(Outcome::passed), error)
        }
    };
    let clauses: Vec<Clause> = outcomes.into_iter().map(|outcome| outcome.clause).collect();
    let clauses = if join == Join::Or && clauses.len() > 1 {
        vec![Clause { wanted: join.name().to_owned(), passed, parts: clauses, ..Clause::default() }]
    } else {
        clauses
    };
    Verdict { passed, error, clauses }
}

/// Equality of the attributes that are wanted.
fn context(wanted: &EventContext, actual: &EventContext) -> Clause {
    let fields = [
        ("type", &wanted.r#type, &actual.r#type),
        ("subject", &wanted.subject, &actual.subject),
        ("source", &wanted.source, &actual.source),
        ("datacontenttype", &wanted.datacontenttype, &actual.datacontenttype),
    ];
    let parts: Vec<Clause> = fields
        .into_iter()
        .filter(|(_, wanted, _)| !wanted.is_empty())
        .map(|(name, wanted, actual)| Clause {
            wanted: format!("context.{name} = {wanted}"),
            passed: wanted == actual,
            actual: Some(shown(actual)),
            ..Clause::default()
        })
        .collect();
    let absent = *actual == EventContext::default();
    Clause {
        wanted: "context".to_owned(),
        passed: !absent && parts.iter().all(|part| part.passed),
        reason: if absent { "the event has no attributes".to_owned() } else { String::new() },
        parts,
        ..Clause::default()
    }
}

/// A script passes only with the boolean true.
fn script(source: &str, event: &Event) -> Outcome {
    let wanted = "script returns true".to_owned();
    let Some(data) = &event.data else {
        let reason = "the event has no payload".to_owned();
        return Outcome { clause: Clause { wanted, passed: true, reason, ..Clause::default() }, error: None };
    };
    let returned = Payload::new(data)
        .and_then(|payload| serde_json::from_str::<Value>(payload.text()).map_err(|error| error.to_string()))
        .and_then(|value| match value {
            Value::Object(_) => lua::run(source, &value),
            other => {
                Err(format!("a script needs a payload that is an object, not {}", shown(&other.to_string())))
            }
        });
    match returned {
        Ok(returned) => {
            let actual = match &returned {
                Returned::Nothing => "nothing".to_owned(),
                Returned::Scalar(value) => shown(&value.to_string()),
                Returned::Table(_) => "a table".to_owned(),
            };
            let passed = returned == Returned::Scalar(Value::Bool(true));
            let clause = Clause { wanted, passed, actual: Some(actual), ..Clause::default() };
            Outcome { clause, error: None }
        }
        Err(message) => {
            let error = Some(format!("script filter error ({message})"));
            Outcome { clause: Clause { wanted, passed: false, reason: message, ..Clause::default() }, error }
        }
    }
}
