//! The conformance corpora as a test: only reviewed cases may fail, and a reviewed one that passes must go.
#![expect(clippy::unwrap_used, reason = "tests")]

use runner_tests::conformance::known::Known;
use runner_tests::conformance::suite::{Options, run};
use runner_tests::paths;

fn corpus(name: &str) {
    let known = std::fs::read_to_string(paths::workspace().join("tests/conformance-known.txt")).unwrap();
    let known = Known::parse(&known).unwrap();
    let options = Options { dir: paths::conformance(), corpora: vec![name.to_owned()], ..Options::default() };
    let report = run(&options).unwrap();
    let text = report.text(&known);
    print!("{text}");
    // Kept for the summary of a CI run: the output of a test that passes is not shown.
    let file = format!("{}/conformance-{}.txt", env!("CARGO_TARGET_TMPDIR"), name.replace('/', "-"));
    std::fs::write(file, &text).unwrap();
    let wrong = known.review(&report.results);
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn corpus_workflows_lint() {
    corpus("workflows/lint");
}

#[test]
fn corpus_workflows_controller() {
    corpus("workflows/controller");
}

#[test]
fn corpus_workflows_examples() {
    corpus("workflows/examples");
}
