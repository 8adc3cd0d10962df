//! `successCondition` and `failureCondition`: Kubernetes' label selectors, whose keys are gjson paths of the object.
//! Pure: does not look at the cluster.

use std::fmt;

use runner_workflows::spec::ResourceTemplate;
use serde_json::Value;

use crate::{Problem, Result};

/// One requirement of a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    /// The operator as it was written, and the values.
    OneOf(&'static str, Vec<String>),
    NoneOf(&'static str, Vec<String>),
    Above(i64),
    Below(i64),
}

/// Both conditions of a template.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    success: Option<Vec<Condition>>,
    failure: Option<Vec<Condition>>,
}

/// What an object says about them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Success.
    Met,
    /// The failure condition, as a sentence.
    Failed(String),
    /// Neither.
    Open,
}

impl Conditions {
    /// Reads both.
    ///
    /// # Errors
    /// Input with the position of the mistake.
    pub(crate) fn read(resource: &ResourceTemplate) -> Result<Self> {
        let one = |which: &str, text: &str| -> Result<Option<Vec<Condition>>> {
            if text.is_empty() {
                return Ok(None);
            }
            let read = Condition::parse(text);
            let read = read.map_err(|why| {
                Problem::Input(format!("{which} condition '{text}' failed to parse: {why}"))
            })?;
            Ok(Some(read))
        };
        Ok(Self {
            success: one("success", &resource.success_condition)?,
            failure: one("fail", &resource.failure_condition)?,
        })
    }

    /// Nothing to wait for.
    pub(crate) fn none(&self) -> bool {
        self.success.is_none() && self.failure.is_none()
    }

    /// What an object says: one met requirement of the failure condition is enough, of the success condition all
    /// (as Argo's `matchConditions`). Without a success condition an object that has not failed has succeeded.
    pub(crate) fn judge(&self, object: &Value) -> Verdict {
        let json = object.to_string();
        if let Some(met) = self.failure.iter().flatten().find(|condition| condition.matches(&json)) {
            return Verdict::Failed(format!("failure condition '{met}' evaluated true"));
        }
        let met = self.success.iter().flatten().all(|condition| condition.matches(&json));
        if met { Verdict::Met } else { Verdict::Open }
    }

    /// The failure condition is met.
    pub(crate) fn failed(&self, object: &Value) -> bool {
        matches!(self.judge(object), Verdict::Failed(_))
    }
}

impl Condition {
    /// Reads requirements separated by commas: `a`, `!a`, `a = b`, `a == b`, `a != b`, `a in (b, c)`,
    /// `a notin (b, c)`, `a > 1`, `a < 1`.
    ///
    /// # Errors
    /// A sentence for people.
    pub fn parse(text: &str) -> std::result::Result<Vec<Self>, String> {
        let words = words(text);
        let mut rest = words.iter().map(String::as_str).peekable();
        let mut found = Vec::new();
        while rest.peek().is_some() {
            found.push(requirement(&mut rest)?);
            match rest.next() {
                None => return Ok(found),
                Some(",") if rest.peek().is_some() => {}
                Some(",") => return Err("found ',' at the end".to_owned()),
                Some(other) => return Err(format!("found '{other}', expected: ',' or the end")),
            }
        }
        Ok(found)
    }

    /// Whether the requirement holds for an object, given as JSON.
    pub fn matches(&self, json: &str) -> bool {
        let value = gjson::get(json, &self.key);
        let is = |one: &String| value.str() == one;
        let number = || value.str().parse::<i64>().ok();
        match &self.test {
            Test::Exists => value.exists(),
            Test::Absent => !value.exists(),
            Test::OneOf(_, values) => value.exists() && values.iter().any(is),
            Test::NoneOf(_, values) => !value.exists() || !values.iter().any(is),
            Test::Above(least) => value.exists() && number().is_some_and(|number| number > *least),
            Test::Below(most) => value.exists() && number().is_some_and(|number| number < *most),
        }
    }
}

/// As Kubernetes writes it.
impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = &self.key;
        match &self.test {
            Test::Exists => write!(f, "{key}"),
            Test::Absent => write!(f, "!{key}"),
            Test::OneOf("in", values) => write!(f, "{key} in ({})", values.join(",")),
            Test::NoneOf("notin", values) => write!(f, "{key} notin ({})", values.join(",")),
            Test::OneOf(operator, values) | Test::NoneOf(operator, values) => {
                write!(f, "{key}{operator}{}", values.join(","))
            }
            Test::Above(number) => write!(f, "{key}>{number}"),
            Test::Below(number) => write!(f, "{key}<{number}"),
        }
    }
}

/// Operators and the texts between them.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let operator =
            ["==", "!=", "=", "!", ",", "(", ")", "<", ">"].into_iter().find(|o| rest.starts_with(o));
        let end = match operator {
            Some(operator) => operator.len(),
            None => rest.find(|c: char| c.is_whitespace() || "=!,()<>".contains(c)).unwrap_or(rest.len()),
        };
        let (word, after) = rest.split_at(end.max(first.len_utf8()));
        words.push(word.to_owned());
        rest = after.trim_start();
    }
    words
}

fn requirement<'a>(
    rest: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
) -> std::result::Result<Condition, String> {
    let first = rest.next().unwrap_or_default();
    if first == "!" {
        let key = name(rest.next())?;
        return Ok(Condition { key, test: Test::Absent });
    }
    let key = name(Some(first))?;
    let test = match rest.peek().copied() {
        None | Some(",") => Test::Exists,
        Some("=") => Test::OneOf("=", one(rest)),
        Some("==") => Test::OneOf("==", one(rest)),
        Some("!=") => Test::NoneOf("!=", one(rest)),
        Some("in") => Test::OneOf("in", several(rest)?),
        Some("notin") => Test::NoneOf("notin", several(rest)?),
        Some(">") => Test::Above(number(&one(rest))?),
        Some("<") => Test::Below(number(&one(rest))?),
        Some(other) => return Err(format!("found '{other}', expected: in, notin, =, ==, !=, <, >")),
    };
    Ok(Condition { key, test })
}

fn is_operator(word: &str) -> bool {
    word.starts_with(['=', '!', ',', '(', ')', '<', '>'])
}

fn name(word: Option<&str>) -> std::result::Result<String, String> {
    match word {
        Some(word) if !is_operator(word) => Ok(word.to_owned()),
        Some(other) => Err(format!("found '{other}', expected: a field")),
        None => Err("the field is missing".to_owned()),
    }
}

/// The value after an operator; it may be empty, as in `a=`.
fn one<'a>(rest: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>) -> Vec<String> {
    rest.next();
    vec![rest.next_if(|word| !is_operator(word)).unwrap_or_default().to_owned()]
}

fn several<'a>(
    rest: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>,
) -> std::result::Result<Vec<String>, String> {
    let operator = rest.next().unwrap_or_default();
    if rest.next() != Some("(") {
        return Err(format!("expected: '(' after {operator}"));
    }
    let mut values = Vec::new();
    loop {
        match rest.next() {
            Some(")") => break,
            Some(",") => {}
            Some(word) if !is_operator(word) => values.push(word.to_owned()),
            Some(other) => return Err(format!("found '{other}', expected: ',' or ')'")),
            None => return Err("the ')' is missing".to_owned()),
        }
    }
    // Kubernetes keeps them as a sorted set.
    values.sort();
    values.dedup();
    if values.is_empty() { Err(format!("{operator} needs at least one value")) } else { Ok(values) }
}

fn number(values: &[String]) -> std::result::Result<i64, String> {
    let text = values.first().map(String::as_str).unwrap_or_default();
    text.parse().map_err(|_| format!("for '>' and '<' the value must be an integer, found '{text}'"))
}

#[cfg(test)]
#[path = "condition_tests.rs"]
mod tests;
