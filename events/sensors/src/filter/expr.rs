//! Expression filters: govaluate's language over named values of the payload.
//! The language itself is `runner_workflows::expr::when`.

use std::collections::BTreeMap;

use runner_workflows::expr::when::Condition;
use runner_workflows::expr::{Fuel, Value};

use super::data::{failed, joined, unfiltered};
use super::{Clause, Join, Outcome, shown};
use crate::path::Payload;
use crate::spec::{EventDependencyFilter, ExprFilter};

/// All expressions of a dependency, joined by `exprLogicalOperator`.
pub(super) fn evaluate(
    filter: &EventDependencyFilter,
    payload: Option<&Result<Payload<'_>, String>>,
) -> Outcome {
    let join = Join::of(&filter.expr_logical_operator);
    let payload = match payload {
        None => return unfiltered("expr"),
        Some(Err(_)) => return failed("expr", "event data not valid JSON"),
        Some(Ok(payload)) => *payload,
    };
    let parts = filter.exprs.iter().map(|filter| one(filter, payload, join)).collect();
    joined("expr", join, parts)
}

fn one(filter: &ExprFilter, payload: Payload<'_>, join: Join) -> Outcome {
    let wanted = filter.expr.trim().to_owned();
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
    let mut values: BTreeMap<&str, Value> = BTreeMap::new();
    for field in &filter.fields {
        match payload.get(&field.path) {
            Some(found) => values.insert(&field.name, found.value()),
            None => return fail(None, format!("path '{}' does not exist", field.path)),
        };
    }
    if values.is_empty() {
        let reason = "it has no fields".to_owned();
        let passed = join == Join::And;
        return Outcome { clause: Clause { wanted, passed, reason, ..Clause::default() }, error: None };
    }
    let actual: Vec<String> =
        values.iter().map(|(name, value)| format!("{name} = {}", shown(&value.to_string()))).collect();
    let actual = Some(actual.join(", "));
    let lookup = |name: &str| values.get(name).cloned();
    let result =
        Condition::compile(&filter.expr).and_then(|condition| condition.eval(&lookup, &mut Fuel::default()));
    match result {
        Ok(value) => {
            let passed = value == Value::Bool(true);
            let reason = match &value {
                Value::Bool(_) => String::new(),
                other => format!("it is {}, not true or false", shown(&other.to_string())),
            };
            Outcome { clause: Clause { wanted, passed, actual, reason, parts: Vec::new() }, error: None }
        }
        Err(error) => fail(actual, error.message),
    }
}
