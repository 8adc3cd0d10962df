//! `filter.expression` of event sources: which events reach the bus at all.
//! The language is `runner_workflows::expr`; the variables are the top level keys of the payload.

use runner_workflows::expr::{Fuel, Program, Value, Vars};

/// Whether an event is kept. Upstream drops events whose expression fails, without a word; here the error is returned
/// and who calls says so.
///
/// # Errors
/// A sentence for people: the expression is wrong, or its value no boolean.
pub fn keeps(expression: &str, data: &Value) -> Result<bool, String> {
    let program = Program::compile(expression).map_err(|error| error.message)?;
    let mut vars = Vars::new();
    if let Value::Object(map) = data {
        for (key, value) in map {
            vars.set_value(key.replace('-', "_"), value.clone());
        }
    }
    program.eval_bool(&vars, &mut Fuel::default()).map_err(|error| error.message)
}

/// Whether an expression can be compiled.
///
/// # Errors
/// A sentence for people.
pub fn check(expression: &str) -> Result<(), String> {
    Program::compile(expression).map(|_| ()).map_err(|error| error.message)
}
