//! Data templates: the paths of an artifact location, filtered and transformed by expressions.
//! Does not list them: the supervisor did, which has the keys of the store (as Argo's `ProcessData`).

use runner_workflows::expr::{Fuel, Program, Value, Vars};

use crate::order::{Done, Failure, Step};

/// Transforms the list of paths; the outcome is `outputs.result` as JSON.
///
/// # Errors
/// Error with Argo's words for whatever cannot be listed or transformed.
pub fn run(step: &Step) -> Result<Done, Failure> {
    let data = step.order().template.data.as_ref();
    let data = data.ok_or_else(|| Failure::error("the template has no data"))?;
    if data.source.artifact_paths.is_none() {
        return Err(problem("unable to process data source: no valid source is used for data template"));
    }
    let path = step.input_path("data").ok_or_else(|| Failure::error("the paths were not listed"))?;
    let text =
        std::fs::read(path).map_err(|error| problem(format!("unable to process data source: {error}")))?;
    let paths: Value = serde_json::from_slice(&text)
        .map_err(|error| problem(format!("unable to process data source: {error}")))?;
    let expressions = data.transformation.iter().map(|step| step.expression.as_str());
    let value = transform(paths, expressions)
        .map_err(|why| problem(format!("unable to process data transformation: {why}")))?;
    Ok(Done::result(value.to_string()))
}

fn problem(why: impl std::fmt::Display) -> Failure {
    Failure::error(format!("unable to process data template: {why}"))
}

/// Applies expressions one after the other to the variable `data`. Empty ones change nothing.
fn transform<'a>(mut data: Value, expressions: impl Iterator<Item = &'a str>) -> Result<Value, String> {
    for (number, expression) in expressions.enumerate() {
        if expression.is_empty() {
            continue;
        }
        let failed = |error: runner_workflows::expr::ExprError| {
            format!("error processing data step {number}: {error}")
        };
        let program = Program::compile(expression).map_err(failed)?;
        let mut vars = Vars::new();
        vars.set_value("data", data);
        data = program.eval(&vars, &mut Fuel::default()).map_err(failed)?;
    }
    Ok(data)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn steps_are_applied_in_order() {
        let paths = serde_json::json!(["a/x.csv", "a/y.txt", "b/z.csv"]);
        let steps = ["filter(data, {# endsWith '.csv'})", "map(data, {# + '.done'})"];
        let out = transform(paths, steps.into_iter()).unwrap();
        assert_eq!(out, serde_json::json!(["a/x.csv.done", "b/z.csv.done"]));
    }

    #[test]
    fn a_bad_step_is_named_by_its_number() {
        let steps = ["data", "data +"];
        let error = transform(serde_json::json!([]), steps.into_iter()).unwrap_err();
        assert!(error.starts_with("error processing data step 1: "), "{error}");
    }
}
