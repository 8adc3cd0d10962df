//! Lint of an example: valid or invalid as the index says, `ignored_fields` reported; and what its workflows would do.
//! Does not run it.

use std::sync::Arc;

use runner_machine::Plan;
use runner_machine::preview::preview;
use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::parse::{Manifest, deny_unknown_fields};
use runner_workflows::resolve::{Catalog, Submission, resolve};
use runner_workflows::validate::{Options, validate};
use serde_json::Value;

use crate::conformance::index::{Case, Index};
use crate::conformance::language::{errors, load, register};
use crate::conformance::outcome::Outcome;

/// Lints the file of a case, or the files given to its script.
pub(super) fn run_case(index: &Index, case: &Case) -> (Outcome, Vec<String>) {
    let checked = if case.text("file").is_empty() { scripted(index, case) } else { filed(index, case) };
    checked.unwrap_or_else(|why| (Outcome::Failed(vec![why]), Vec::new()))
}

/// What others must provide before the file makes sense.
fn catalog(index: &Index, case: &Case) -> Result<Catalog, String> {
    let mut catalog = Catalog::default();
    for need in case.list("needs") {
        if let Some(file) = need.get("file").and_then(Value::as_str) {
            let kind = need.get("kind").and_then(Value::as_str);
            register(&mut catalog, file, &index.read(file)?, kind)?;
        }
    }
    Ok(catalog)
}

fn filed(index: &Index, case: &Case) -> Result<(Outcome, Vec<String>), String> {
    let file = case.text("file");
    let wanted = case.body.pointer("/expect/lint").and_then(Value::as_str);
    let mut catalog = catalog(index, case)?;
    let kind = case.list("kinds").first().and_then(Value::as_str);
    let (manifests, mut problems) = load(file, &index.read(file)?, kind);
    // Upstream's lint is strict unless told otherwise; fields that the case says are ignored are only reported.
    if case.list("ignored_fields").is_empty() {
        deny_unknown_fields(&mut problems);
    }
    manifests.iter().for_each(|manifest| {
        catalog.add(manifest);
    });
    let mut found = errors(&problems);
    found.extend(validated(&manifests, &catalog));
    let mut wrong = Vec::new();
    match (wanted, found.is_empty()) {
        (Some("valid"), false) => wrong.push(format!("should be valid, but: {}", found.join("; "))),
        (Some("invalid"), true) => wrong.push("should be invalid".to_owned()),
        _ => {}
    }
    if found.is_empty() {
        wrong.extend(unplanned(&manifests, &catalog));
    }
    for field in case.list("ignored_fields").iter().filter_map(Value::as_str) {
        if !reported(&problems, field) {
            wrong.push(format!("the ignored field {field} is not reported"));
        }
    }
    Ok((Outcome::of(wrong), found))
}

/// Manifests given to a script must at least parse: what the script makes of them is checked when it runs.
fn scripted(index: &Index, case: &Case) -> Result<(Outcome, Vec<String>), String> {
    let given = case.list("given");
    let mut wrong = Vec::new();
    for entry in given {
        let file = entry.get("file").and_then(Value::as_str).unwrap_or_default();
        let kind = entry.get("kind").and_then(Value::as_str);
        let (_, problems) = load(file, &index.read(file)?, kind);
        wrong.extend(errors(&problems).into_iter().map(|why| format!("{file}: {why}")));
    }
    Ok((Outcome::of(wrong), Vec::new()))
}

fn validated(manifests: &[Manifest], catalog: &Catalog) -> Vec<String> {
    let options = Options { lint: true, ..Options::default() };
    let known = manifests.iter().filter(|manifest| !matches!(manifest, Manifest::Other(_)));
    known.flat_map(|manifest| errors(&validate(manifest, options, catalog))).collect()
}

/// The workflows that have no plan, and the steps that could not run, each with the reason.
fn unplanned(manifests: &[Manifest], catalog: &Catalog) -> Vec<String> {
    let mut wrong = Vec::new();
    for manifest in manifests {
        let Manifest::Workflow(workflow) = manifest else { continue };
        let planned = resolve(&workflow.object, &Submission::default(), catalog)
            .map_err(|problems| errors(&problems).join("; "))
            .and_then(|resolved| Plan::new(Arc::new(resolved)).map_err(|error| error.to_string()))
            .and_then(|plan| preview(&plan, "default").map_err(|error| error.to_string()));
        match planned {
            Ok(preview) => {
                wrong.extend(
                    preview.problems().iter().map(|(path, why)| format!("no plan for {path}: {why}")),
                );
            }
            Err(why) => wrong.push(format!("no plan: {why}")),
        }
    }
    wrong
}

fn reported(problems: &[Diagnostic], field: &str) -> bool {
    let name = field.rsplit(['.', '/']).next().unwrap_or(field);
    problems.iter().any(|problem| problem.code == "unknown-field" && problem.message.contains(name))
}
