//! The lint corpus: what upstream's validation tests accept and refuse, we accept and refuse, for the same reason.
//! Does not compare wording where ours differs on purpose: `SAME_MEANING` says why it is the same.
#![expect(clippy::unwrap_used, reason = "tests")]

mod corpus;

use corpus::{Corpus, strings};
use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::parse::{Limits, Manifest, parse_file_as};
use runner_workflows::resolve::Catalog;
use runner_workflows::validate::{Options, validate};
use serde_json::Value;

/// Cases whose wording differs: case, our words, why they mean the same.
const SAME_MEANING: [(&str, &str, &str); 0] = [];

fn run(corpus: &Corpus, case: &Value) -> Vec<Diagnostic> {
    let mut catalog = Catalog::default();
    for file in strings(&case["registered"]) {
        let kind = Some("WorkflowTemplate");
        for manifest in parse_file_as(file, &corpus.text(file), Limits::default(), kind).0 {
            catalog.add(&manifest);
        }
    }
    catalog.workflow_defaults = Some(case["workflow_defaults"].clone()).filter(|value| !value.is_null());
    let flag = |name: &str| case["options"][name].as_bool().unwrap_or(false);
    let options = Options { lint: flag("lint"), submit: flag("submit"), strict: false };
    let file = case["file"].as_str().unwrap();
    let (manifests, mut problems) =
        parse_file_as(file, &corpus.text(file), Limits::default(), case["kind"].as_str());
    problems.extend(manifests.iter().flat_map(|manifest: &Manifest| validate(manifest, options, &catalog)));
    problems
}

/// Lower case without quotes and punctuation at word ends, so that `x: y` and `x y` compare equal.
fn plain(text: &str) -> String {
    let words = text.split_whitespace().map(|word| word.trim_matches(|c: char| ":;,.'\"`".contains(c)));
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ").to_lowercase()
}

fn verdict(case: &Value, problems: &[Diagnostic]) -> Result<(), String> {
    let errors: Vec<&Diagnostic> = problems.iter().filter(|d| d.is_error()).collect();
    let id = case["id"].as_str().unwrap();
    let all = errors.iter().map(|d| d.render()).collect::<String>();
    if case["expect"] == "valid" {
        return if errors.is_empty() { Ok(()) } else { Err(format!("{id}: should be valid, has\n{all}")) };
    }
    if errors.is_empty() {
        return Err(format!("{id}: should be invalid: {:?}", strings(&case["error_contains"])));
    }
    let ours: Vec<String> = errors.iter().map(|d| plain(&d.message)).collect();
    let same = SAME_MEANING.iter().find(|(case, ..)| *case == id);
    let wanted = same.map_or_else(|| strings(&case["error_contains"]), |(_, words, _)| vec![*words]);
    let missing: Vec<&str> =
        wanted.into_iter().filter(|text| !ours.iter().any(|error| error.contains(&plain(text)))).collect();
    if missing.is_empty() {
        Ok(())
    } else {
        Err(format!("{id}: wrong reason, want {missing:?}, have\n{all}"))
    }
}

#[test]
fn every_lint_case_is_judged_as_upstream_does() {
    let Some(corpus) = corpus::open("workflows/lint") else { return };
    let failures: Vec<String> =
        corpus.cases.iter().filter_map(|case| verdict(case, &run(&corpus, case)).err()).collect();
    assert!(corpus.cases.len() >= 50, "the index has cases");
    assert!(
        failures.is_empty(),
        "{} of {} cases:\n{}",
        failures.len(),
        corpus.cases.len(),
        failures.join("\n")
    );
}

#[test]
fn problems_of_lint_cases_have_places() {
    let Some(corpus) = corpus::open("workflows/lint") else { return };
    for case in &corpus.cases {
        for problem in run(&corpus, case) {
            assert!(problem.span.is_some(), "{}: {}", case["id"], problem.render());
        }
    }
}
