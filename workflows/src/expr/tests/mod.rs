//! Tests of the expression layer: tables per part.
//! Nothing here touches engines or files other than the conformance corpus.
#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;
mod depends;
mod hostile;
mod language;
mod properties;
mod sprig;
mod sprig_values;
mod templates;
mod when;

use super::{Fuel, Program, Value, Vars};

/// Evaluates an expression over variables, as `Ok(JSON)` or `Err(message)`.
fn eval_with(source: &str, vars: &Vars) -> Result<Value, String> {
    let program = Program::compile(source).map_err(|e| e.message)?;
    program.eval(vars, &mut Fuel::default()).map_err(|e| e.message)
}

fn eval(source: &str) -> Result<Value, String> {
    eval_with(source, &Vars::new())
}

/// Checks a table of expressions against the JSON they give.
fn check(table: &[(&str, &str)]) {
    for (source, expected) in table {
        let expected: Value = serde_json::from_str(expected).unwrap();
        assert_eq!(eval(source), Ok(expected), "{source}");
    }
}
