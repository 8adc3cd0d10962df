//! Every example manifest of the corpus parses, lints as its index says, and reports exactly its ignored fields.
//! Does not run the examples.
#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;

use corpus::{Corpus, strings};
use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::parse::{Limits, Manifest, deny_unknown_fields, parse_file_as};
use runner_workflows::resolve::Catalog;
use runner_workflows::validate::{Options, validate};
use serde_json::Value;

/// All templates and ConfigMaps that any example offers, as `apply` would have stored them.
fn catalog(corpus: &Corpus) -> Catalog {
    let mut catalog = Catalog::default();
    for case in &corpus.cases {
        let given = case["given"].as_array().into_iter().flatten();
        let needs = case["needs"].as_array().into_iter().flatten();
        let all = given.chain(needs).chain(std::iter::once(case));
        for entry in all {
            let Some(file) = entry["file"].as_str() else { continue };
            for manifest in
                parse_file_as(file, &corpus.text(file), Limits::default(), entry["kind"].as_str()).0
            {
                catalog.add(&manifest);
            }
        }
    }
    catalog
}

fn unknown(problems: &[Diagnostic]) -> Vec<&str> {
    problems.iter().filter(|d| d.code == "unknown-field").map(|d| d.message.as_str()).collect()
}

#[test]
fn every_example_parses_and_reports_its_ignored_fields() {
    let Some(corpus) = corpus::open("workflows/examples") else { return };
    let mut wrong = Vec::new();
    for case in corpus.cases.iter().filter(|case| case["expect"]["lint"] != "invalid") {
        let Some(file) = case["file"].as_str() else { continue };
        let kind = strings(&case["kinds"]).first().copied();
        let (manifests, problems) = parse_file_as(file, &corpus.text(file), Limits::default(), kind);
        let ignored = strings(&case["ignored_fields"]);
        let unknown = unknown(&problems);
        let complete = ignored.iter().all(|field| unknown.iter().any(|m| m.contains(&format!("`{field}`"))));
        let errors: Vec<String> = problems.iter().filter(|d| d.is_error()).map(Diagnostic::render).collect();
        if !errors.is_empty() || manifests.is_empty() || !complete || unknown.len() != ignored.len() {
            wrong.push(format!("{file}: {errors:?} unknown {unknown:?} want {ignored:?}"));
        }
    }
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

/// Lints strictly, as `argo lint` does by default.
fn lint(file: &str, text: &str, kind: Option<&str>, catalog: &Catalog) -> Vec<Diagnostic> {
    let (manifests, mut problems) = parse_file_as(file, text, Limits::default(), kind);
    deny_unknown_fields(&mut problems);
    let options = Options { lint: true, ..Options::default() };
    problems.extend(manifests.iter().flat_map(|manifest| validate(manifest, options, catalog)));
    problems
}

#[test]
fn every_example_lints_as_its_index_says() {
    let Some(corpus) = corpus::open("workflows/examples") else { return };
    let catalog = catalog(&corpus);
    let (mut wrong, mut judged) = (Vec::new(), 0);
    for case in &corpus.cases {
        let (Some(file), Some(expect)) = (case["file"].as_str(), case["expect"]["lint"].as_str()) else {
            continue;
        };
        judged += 1;
        let kind = strings(&case["kinds"]).first().copied();
        let problems = lint(file, &corpus.text(file), kind, &catalog);
        let errors: Vec<String> = problems.iter().filter(|d| d.is_error()).map(Diagnostic::render).collect();
        let wanted = case["expect"]["message_contains"].as_str().unwrap_or_default();
        let fits = match expect {
            "valid" => errors.is_empty(),
            _ => errors.iter().any(|error| error.contains(wanted)),
        };
        if !fits {
            wrong.push(format!("{file}: want {expect} {wanted:?}, have\n{}", errors.join("")));
        }
    }
    assert!(judged > 100, "the index has lint verdicts");
    assert!(wrong.is_empty(), "{} of {judged} files:\n{}", wrong.len(), wrong.join("\n"));
}

/// Manifests of end-to-end scripts whose point is that the workflow fails with `invalid spec`.
const BROKEN_ON_PURPOSE: [&str; 2] = [
    "files/embedded/functional-TestWorkflowTemplateRefWithExitHandlerError-1.yaml",
    "files/embedded/functional-TestWorkflowTemplateRefWithExitHandlerError-2.yaml",
];

#[test]
fn manifests_of_end_to_end_scripts_validate() {
    let Some(corpus) = corpus::open("workflows/examples") else { return };
    let catalog = catalog(&corpus);
    let mut wrong = Vec::new();
    let given = corpus.cases.iter().flat_map(|case| case["given"].as_array().into_iter().flatten());
    for entry in given {
        let Some(file) = entry["file"].as_str() else { continue };
        let (manifests, mut problems) =
            parse_file_as(file, &corpus.text(file), Limits::default(), entry["kind"].as_str());
        problems.retain(|d| d.code != "unknown-field");
        let options = Options { lint: true, ..Options::default() };
        problems
            .extend(manifests.iter().flat_map(|manifest: &Manifest| validate(manifest, options, &catalog)));
        let errors: Vec<String> = problems.iter().filter(|d| d.is_error()).map(Diagnostic::render).collect();
        if !errors.is_empty() && !BROKEN_ON_PURPOSE.contains(&file) {
            wrong.push(errors.join(""));
        }
    }
    assert!(wrong.is_empty(), "{} files:\n{}", wrong.len(), wrong.join("\n"));
}

/// The index is data of the corpus; this only keeps the harness honest about what it reads.
#[test]
fn the_index_has_the_expected_shape() {
    let Some(corpus) = corpus::open("workflows/examples") else { return };
    assert!(corpus.cases.iter().all(|case: &Value| case["id"].is_string()));
}
