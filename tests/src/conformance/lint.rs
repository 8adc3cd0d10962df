//! The corpus `workflows/lint`: manifests that validation must accept or refuse.
//! The corpus's texts are hints: a refusal counts by its cause, which the report shows, not by its wording.

use runner_workflows::parse::Manifest;
use runner_workflows::resolve::Catalog;
use runner_workflows::validate::{Options, validate};
use serde_json::Value;

use super::index::{Case, Index};
use super::language::{errors, load, register};
use super::outcome::Outcome;

/// Runs one case; the second value tells what was found.
pub fn run_case(index: &Index, case: &Case) -> (Outcome, Vec<String>) {
    match check(index, case) {
        Ok(answer) => answer,
        Err(why) => (Outcome::Failed(vec![why]), Vec::new()),
    }
}

fn check(index: &Index, case: &Case) -> Result<(Outcome, Vec<String>), String> {
    let mut catalog = Catalog::default();
    for file in case.list("registered").iter().filter_map(Value::as_str) {
        register(&mut catalog, file, &index.read(file)?, Some("WorkflowTemplate"))?;
    }
    catalog.workflow_defaults = case.body.get("workflow_defaults").filter(|value| !value.is_null()).cloned();
    let option =
        |key: &str| case.body.pointer(&format!("/options/{key}")).and_then(Value::as_bool) == Some(true);
    let options = Options { lint: option("lint"), submit: option("submit"), ..Options::default() };
    let file = case.text("file");
    let kind = Some(case.text("kind")).filter(|kind| !kind.is_empty());
    let (manifests, problems) = load(file, &index.read(file)?, kind);
    let mut found = errors(&problems);
    for manifest in &manifests {
        if !matches!(manifest, Manifest::Other(_)) {
            found.extend(errors(&validate(manifest, options, &catalog)));
        }
    }
    Ok((judge(case, &found), found))
}

fn judge(case: &Case, found: &[String]) -> Outcome {
    match (case.text("expect"), found.is_empty()) {
        ("valid", true) | ("invalid", false) => Outcome::Passed,
        ("valid", false) => Outcome::Failed(vec![format!("should be valid, but: {}", found.join("; "))]),
        ("invalid", true) => {
            let hints: Vec<&str> = case.list("error_contains").iter().filter_map(Value::as_str).collect();
            Outcome::Failed(vec![format!("should be invalid: {}", hints.join("; "))])
        }
        (other, _) => Outcome::Failed(vec![format!("the case expects `{other}`, which is unknown")]),
    }
}
