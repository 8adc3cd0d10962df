//! References and conditions as the oracle understands them.
//! Knows nothing of nodes but what they left behind.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::super::model::{Call, Cond, Kind, Of, Piece, Template, With};
use super::{Given, Oracle, Outs, Past, Phase};

/// What a reference comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// A text.
    Text(String),
    /// Its producer was skipped.
    Absent,
    /// There is no such thing.
    Unresolved(String),
    /// It exists, but makes no sense.
    Wrong,
}

/// What can be referred to.
#[derive(Clone)]
pub(super) struct Scope<'s> {
    pub(super) inputs: &'s BTreeMap<String, String>,
    pub(super) past: &'s BTreeMap<String, Past>,
    pub(super) item: Option<&'s Json>,
    pub(super) status: Option<&'s str>,
    pub(super) attempt: Option<u32>,
    pub(super) templates: &'s [Template],
    pub(super) globals: &'s [(String, String)],
    pub(super) outputs: BTreeMap<String, String>,
}

static NOTHING: BTreeMap<String, String> = BTreeMap::new();
static NO_PAST: BTreeMap<String, Past> = BTreeMap::new();

/// Why a step cannot be made concrete: an error of its group, or of its task.
pub(super) struct Bad;

impl<'s> Scope<'s> {
    /// What is known everywhere in a workflow.
    pub(super) fn of<'c: 's>(oracle: &Oracle<'c>) -> Self {
        Self {
            inputs: &NOTHING,
            past: &NO_PAST,
            item: None,
            status: None,
            attempt: None,
            templates: &oracle.flow.templates,
            globals: &oracle.flow.parameters,
            outputs: oracle.told.outputs.clone(),
        }
    }

    /// The value of a reference.
    pub(super) fn piece(&self, piece: &Piece) -> Value {
        let known = |value: Option<&String>, name: &str| match value {
            Some(text) => Value::Text(text.clone()),
            None => Value::Unresolved(name.to_owned()),
        };
        match piece {
            Piece::Lit(text) => Value::Text(text.clone()),
            Piece::Input(name) => known(self.inputs.get(name), name),
            Piece::Item => {
                self.item.map_or(Value::Unresolved("item".to_owned()), |item| Value::Text(plain(item)))
            }
            Piece::ItemKey(key) => match self.item.and_then(|item| item.get(key)) {
                Some(value) => Value::Text(plain(value)),
                None => Value::Unresolved(key.clone()),
            },
            Piece::Global(name) => known(self.globals.iter().find(|(n, _)| n == name).map(|(_, v)| v), name),
            Piece::GlobalOutput(name) => known(self.outputs.get(name), name),
            Piece::WorkflowStatus => match self.status {
                Some(status) => Value::Text(status.to_owned()),
                None => Value::Unresolved("workflow.status".to_owned()),
            },
            Piece::Retries => match self.attempt {
                Some(attempt) => Value::Text(attempt.to_string()),
                None => Value::Unresolved("retries".to_owned()),
            },
            Piece::Step(name, of) => match self.past.get(name) {
                Some(past) => self.step(past, *of),
                None => Value::Unresolved(name.clone()),
            },
        }
    }

    fn step(&self, past: &Past, of: Of) -> Value {
        if let Some(children) = &past.children {
            return aggregate(children, of, past.phase);
        }
        let missing = || Value::Unresolved(past.name.clone());
        if !past.phase.completed() {
            return match of {
                Of::Status => Value::Text(past.phase.text().to_owned()),
                Of::ExitCode => missing(),
                Of::Out | Of::Result => self.skipped(past, of),
            };
        }
        let text = |value: Option<&String>| value.map_or_else(missing, |text| Value::Text(text.clone()));
        match of {
            Of::Status => Value::Text(past.phase.text().to_owned()),
            Of::ExitCode => text(past.outs.code.as_ref()),
            Of::Result => text(past.outs.result.as_ref()),
            Of::Out => text(past.outs.parameters.get("out")),
        }
    }

    /// A skipped producer gives its defaults, otherwise nothing.
    fn skipped(&self, past: &Past, of: Of) -> Value {
        let template = &self.templates[past.template];
        let missing = Value::Unresolved(past.name.clone());
        match (&template.kind, of) {
            (Kind::Leaf(leaf), Of::Result) if leaf.script => Value::Absent,
            (_, Of::Result) => missing,
            (Kind::Leaf(leaf), _) if leaf.out.is_some() => optional(leaf.out_default.as_ref()),
            (Kind::Suspend(pause), _) => match &pause.supplied {
                Some(default) => optional(default.as_ref()),
                None => missing,
            },
            (Kind::Steps(_) | Kind::Dag(_), _) => {
                match template.outputs.iter().find(|output| output.name == "out") {
                    Some(output) => optional(output.default.as_ref()),
                    None => missing,
                }
            }
            _ => missing,
        }
    }

    /// Whether a condition holds.
    pub(super) fn holds(&self, cond: &Cond) -> Result<bool, Bad> {
        let Value::Text(left) = self.piece(&cond.left) else { return Err(Bad) };
        if left.is_empty() {
            return Err(Bad);
        }
        let right = &cond.right;
        Ok(match (left.parse::<f64>(), right.parse::<f64>()) {
            (Ok(a), Ok(b)) => match cond.op {
                "==" => a == b,
                "!=" => a != b,
                "<" => a < b,
                _ => a > b,
            },
            _ => match cond.op {
                "==" => left == *right,
                "!=" => left != *right,
                _ => return Err(Bad),
            },
        })
    }

    /// Arguments of a call.
    pub(super) fn arguments(&self, call: &Call) -> Result<Given, Bad> {
        let mut given = Given::default();
        for (name, text) in &call.args {
            let mut value = String::new();
            let mut dropped = false;
            for piece in text {
                match self.piece(piece) {
                    Value::Text(text) => value.push_str(&text),
                    Value::Absent if text.len() == 1 => dropped = true,
                    Value::Unresolved(_) if !matches!(piece, Piece::Step(..)) => {
                        value.push_str(&super::super::yaml::render(std::slice::from_ref(piece), "steps"));
                    }
                    Value::Absent | Value::Unresolved(_) | Value::Wrong => return Err(Bad),
                }
            }
            if !dropped {
                given.values.insert(name.clone(), value);
            }
        }
        Ok(given)
    }

    /// Items of a loop; none when it is no loop.
    pub(super) fn items(&self, with: &With) -> Result<Option<Vec<Json>>, Bad> {
        let texts = |numbers: Vec<i64>, print: &dyn Fn(i64) -> String| {
            Some(numbers.into_iter().map(|n| Json::String(print(n))).collect())
        };
        Ok(match with {
            With::None => None,
            With::Items(items) => Some(items.clone()),
            With::Param(piece) => {
                let Value::Text(text) = self.piece(piece) else { return Err(Bad) };
                match serde_json::from_str(&text) {
                    Ok(Json::Array(items)) => Some(items),
                    _ => return Err(Bad),
                }
            }
            With::Range(start, end) if start <= end => texts((*start..=*end).collect(), &|n| n.to_string()),
            With::Range(start, end) => texts((*end..=*start).rev().collect(), &|n| n.to_string()),
            With::Count(count, format) => texts((0..*count).collect(), &|n| match format {
                Some(format) => format.replace("%02d", &format!("{n:02}")),
                None => n.to_string(),
            }),
        })
    }
}

fn optional(default: Option<&String>) -> Value {
    default.map_or(Value::Absent, |text| Value::Text(text.clone()))
}

/// Text of an item.
pub(super) fn plain(item: &Json) -> String {
    match item {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Name of a child of a loop.
pub(super) fn child_name(base: &str, index: usize, item: &Json) -> String {
    let text = match item {
        Json::Object(map) => {
            map.iter().map(|(key, value)| format!("{key}:{}", printed(value))).collect::<Vec<_>>().join(",")
        }
        other => printed(other),
    };
    format!("{base}({index}:{text})")
}

/// Text of an item in a name: lists as Go prints them.
fn printed(item: &Json) -> String {
    match item {
        Json::Array(list) => format!("[{}]", list.iter().map(printed).collect::<Vec<_>>().join(" ")),
        other => plain(other),
    }
}

/// What a loop leaves: lists over the children that succeeded.
fn aggregate(children: &[Past], of: Of, phase: Phase) -> Value {
    let done: Vec<&Outs> =
        children.iter().filter(|child| child.phase == Phase::Succeeded).map(|child| &child.outs).collect();
    match of {
        Of::Status => Value::Text(phase.text().to_owned()),
        Of::ExitCode => Value::Unresolved("exitCode".to_owned()),
        Of::Result => {
            let results: Option<Vec<Json>> =
                done.iter().filter_map(|o| o.result.as_ref()).map(|r| serde_json::from_str(r).ok()).collect();
            results.map_or(Value::Wrong, |list| Value::Text(Json::Array(list).to_string()))
        }
        Of::Out => {
            let values: Vec<&String> = done.iter().filter_map(|o| o.parameters.get("out")).collect();
            if values.is_empty() {
                return Value::Unresolved("out".to_owned());
            }
            let nested: Option<Vec<Json>> = values
                .iter()
                .map(|text| serde_json::from_str(text).ok().filter(|v: &Json| v.is_array() || v.is_object()))
                .collect();
            let list = nested.unwrap_or_else(|| values.into_iter().cloned().map(Json::String).collect());
            Value::Text(Json::Array(list).to_string())
        }
    }
}

/// Whether a condition looks at the item of a loop.
pub(super) fn about_item(cond: &Cond) -> bool {
    matches!(cond.left, Piece::Item | Piece::ItemKey(_))
}
