//! The examples of Argo Events: all load and validate, and what is ignored in them is said.
//! Runs none of them.

use std::collections::BTreeMap;

use runner_workflows::diagnostic::Diagnostic;
use serde_json::Value;

use crate::{corpus, manifests};

/// Whether a diagnostic says that a field is ignored.
fn ignores(problem: &Diagnostic, field: &str) -> bool {
    let name = field.rsplit(['.', '/']).next().unwrap_or(field);
    let ignored = matches!(problem.code.as_ref(), "unknown-field" | "field-case" | "no-effect");
    ignored && problem.message.contains(&format!("`{name}`"))
}

fn judged(folder: &std::path::Path, case: &Value) -> Result<(), String> {
    let file = case["file"].as_str().unwrap();
    let text =
        std::fs::read_to_string(folder.join("examples").join(file)).map_err(|error| error.to_string())?;
    let (objects, problems) = manifests::problems(file, &text, None);
    let kinds: Vec<&str> = case["kinds"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let ours = kinds.iter().filter(|kind| matches!(**kind, "EventSource" | "EventBus" | "Sensor")).count();
    let errors: Vec<String> =
        problems.iter().filter(|problem| problem.is_error()).map(Diagnostic::render).collect();
    let good = case["expect"]["validates"].as_bool() != Some(false);
    if good && objects.len() != ours {
        return Err(format!("{} of {ours} objects were read\n{}", objects.len(), errors.join("")));
    }
    if good != errors.is_empty() {
        return Err(format!("validates should be {good}\n{}", errors.join("")));
    }
    for field in case.get("ignored_fields").and_then(Value::as_array).into_iter().flatten() {
        let field = field.as_str().unwrap_or_default();
        if !problems.iter().any(|problem| ignores(problem, field)) {
            let said: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
            return Err(format!("`{field}` is ignored without a word: {said:?}"));
        }
    }
    Ok(())
}

#[test]
fn every_example_loads_validates_and_says_what_it_ignores() {
    let Some(folder) = corpus::folder() else { return };
    let mut results = BTreeMap::new();
    for case in corpus::json(&folder.join("examples/index.json"))["cases"].as_array().unwrap() {
        results.insert(case["id"].as_str().unwrap().to_owned(), judged(&folder, case));
    }
    assert!(results.len() >= 60, "only {} examples", results.len());
    corpus::ratchet("events/examples", &results);
}
