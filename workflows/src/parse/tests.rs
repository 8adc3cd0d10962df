//! Tests of parsing: budgets, positions, types, kinds.
//! Does not test meaning.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde::Deserialize;

use super::{Limits, Manifest, deny_unknown_fields, parse_file, parse_trees};
use crate::diagnostic::{Diagnostic, Severity};
use crate::spec::k8s;

fn codes(problems: &[Diagnostic]) -> Vec<&str> {
    problems.iter().map(|d| d.code.as_ref()).collect()
}

/// Parses hostile text: one clear error, fast, nothing built.
fn refused(text: &str, code: &str, words: &str) {
    let start = Instant::now();
    let (manifests, problems) = parse_file("hostile.yaml", text, Limits::default());
    let took = start.elapsed();
    assert!(manifests.is_empty());
    let first = problems.first().unwrap();
    assert_eq!(first.code, code, "{problems:?}");
    assert!(first.message.contains(words), "{}", first.message);
    assert!(took < Duration::from_millis(500), "{took:?} in a debug build");
}

#[test]
fn f56_exponential_aliases_are_refused_before_they_are_built() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let of = level - 1;
        text += &format!(
            "a{level}: &a{level} [*a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}, *a{of}]\n"
        );
    }
    refused(&text, "budget", "repeat more than");
}

#[test]
fn f56_quadratic_scalar_aliases_are_refused() {
    let big = "x".repeat(60_000);
    let text = format!("a: &a {big}\nb: [{}]\n", "*a, ".repeat(20_000));
    refused(&text, "budget", "repeat more than");
}

#[test]
fn f56_deep_nesting_is_refused() {
    refused(&"[".repeat(400_000), "budget", "deeper than 64");
    refused(&"{a: ".repeat(400_000), "budget", "deeper than 64");
    let block: String = (0..70).map(|level| format!("{}a:\n", " ".repeat(level))).collect();
    refused(&block, "budget", "deeper than 64");
}

#[test]
fn f56_nesting_through_aliases_is_refused() {
    let deep = format!("{}x{}", "[".repeat(40), "]".repeat(40));
    refused(
        &format!("a: &a {deep}\nb: {}*a{}\n", "[".repeat(30), "]".repeat(30)),
        "budget",
        "through an alias",
    );
}

#[test]
fn f56_an_alias_inside_its_own_anchor_is_refused() {
    refused("a: &a [1, *a]\n", "budget", "inside its own anchor");
}

#[test]
fn f56_too_many_bytes_nodes_and_documents_are_refused() {
    let limits = Limits { bytes: 100, ..Limits::default() };
    let (_, problems) = parse_file("f", &"a: 1\n".repeat(30), limits);
    assert_eq!(codes(&problems), ["budget"]);
    let limits = Limits { nodes: 10, ..Limits::default() };
    let (_, problems) = parse_file("f", "a: [1,2,3,4,5,6,7,8,9,10,11]", limits);
    assert_eq!(codes(&problems), ["budget"]);
    let limits = Limits { documents: 2, ..Limits::default() };
    let (_, problems) = parse_file("f", "a: 1\n---\na: 1\n---\na: 1\n", limits);
    assert_eq!(codes(&problems), ["budget"]);
}

#[test]
fn f56_half_a_megabyte_of_colons_or_quotes_is_answered() {
    for junk in ["\"", ":", "- ", "? ", "&a ", "!!", "{", "|\n"] {
        let start = Instant::now();
        let (manifests, problems) = parse_file("junk", &junk.repeat(200_000), Limits::default());
        assert!(manifests.is_empty() && !problems.is_empty(), "{junk:?}");
        assert!(start.elapsed() < Duration::from_secs(5), "{junk:?} took {:?}", start.elapsed());
    }
}

#[test]
fn v6_duplicate_keys_are_errors_at_the_second_key() {
    let text = "kind: Workflow\nspec:\n  entrypoint: a\n  entrypoint: b\n";
    let (_, problems) = parse_file("w.yaml", text, Limits::default());
    let found = problems.iter().find(|d| d.code == "duplicate-key").unwrap();
    assert_eq!(found.span.as_ref().unwrap().line_column(), (4, 3));
    assert!(found.message.contains("first in line 3"));
}

#[test]
fn v6_merge_keys_fill_in_what_is_absent() {
    let (trees, problems) = parse_trees("f", "a: &a {x: 1, z: 2}\nb:\n  <<: *a\n  z: 3\n", Limits::default());
    assert!(problems.is_empty());
    let b = trees.first().unwrap().root().get("b").unwrap();
    let keys: Vec<&str> = b.entries().unwrap().iter().map(|e| e.key.as_str()).collect();
    assert_eq!(keys, ["z", "x"]);
}

#[test]
fn a_broken_document_does_not_hide_the_others() {
    let text = "kind: [\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n";
    let (manifests, problems) = parse_file("f.yaml", text, Limits::default());
    assert_eq!(codes(&problems), ["yaml-syntax"]);
    let Some(Manifest::ConfigMap(doc)) = manifests.first() else { panic!("{manifests:?}") };
    assert_eq!(doc.object.data.get("k").unwrap(), "v");
}

const WORKFLOW: &str =
    "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata:\n  generateName: a-\nspec:\n";

fn workflow(spec: &str) -> (Vec<Manifest>, Vec<Diagnostic>) {
    parse_file("w.yaml", &format!("{WORKFLOW}{spec}"), Limits::default())
}

#[test]
fn all_type_errors_of_a_document_are_reported_with_their_places() {
    let (manifests, problems) =
        workflow("  entrypoint: [a]\n  parallelism: many\n  templates: {a: b}\n  suspend: 7\n");
    assert!(manifests.is_empty());
    let places: Vec<(usize, usize)> =
        problems.iter().map(|d| d.span.as_ref().unwrap().line_column()).collect();
    assert_eq!(places, [(6, 15), (7, 16), (8, 15), (9, 12)]);
    assert!(problems.iter().all(|d| d.code == "type-mismatch" && d.object.as_deref() == Some("Workflow a-")));
    assert!(problems[1].message.contains("expected a whole number, found text"), "{}", problems[1].message);
}

#[test]
fn unknown_fields_are_warnings_with_a_suggestion_and_errors_when_strict() {
    let (manifests, mut problems) = workflow(
        "  entryPoints: a\n  templates:\n  - name: a\n    container: {image: x, cmd: [y], imagePullPolice: Z}\n",
    );
    assert_eq!(manifests.len(), 1);
    assert_eq!(codes(&problems), ["unknown-field"; 3]);
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `entrypoint`?"));
    assert!(problems[1].message.contains("`cmd` in Container"));
    assert_eq!(problems[2].hint.as_deref(), Some("did you mean `imagePullPolicy`?"));
    deny_unknown_fields(&mut problems);
    assert!(problems.iter().all(Diagnostic::is_error));
}

#[test]
fn unknown_fields_of_kubernetes_types_are_found_too() {
    let (_, problems) =
        workflow("  templates:\n  - name: a\n    container:\n      env: [{name: A, valu: b}]\n");
    assert_eq!(problems[0].message, "unknown field `valu` in EnvVar");
    assert_eq!(problems[0].hint.as_deref(), Some("did you mean `value`?"));
}

#[test]
fn fields_are_read_in_any_case_as_go_does() {
    let (manifests, problems) = workflow("  Entrypoint: a\n");
    assert_eq!(codes(&problems), ["field-case"]);
    let Some(Manifest::Workflow(doc)) = manifests.first() else { panic!() };
    assert_eq!(doc.object.spec.entrypoint, "a");
}

#[test]
fn numbers_in_place_of_text_are_noticed() {
    let spec = "  templates:\n  - name: a\n    container: {image: x, args: [1, true], env: [{name: A, value: 0644}]}\n";
    let (manifests, problems) = workflow(spec);
    assert_eq!(codes(&problems), ["number-as-text"; 3]);
    let Some(Manifest::Workflow(doc)) = manifests.first() else { panic!() };
    let container = doc.object.spec.templates[0].container.as_ref().unwrap();
    assert_eq!(container.args, ["1", "true"]);
    assert_eq!(container.env[0].value.as_deref(), Some("420"));
}

#[test]
fn any_string_takes_every_scalar_and_null_is_absent() {
    let (manifests, problems) = workflow(
        "  onExit: null\n  arguments:\n    parameters:\n    - {name: a, value: 1}\n    - {name: b, value: 1.50}\n    - {name: c, value: yes}\n    - {name: d, value: 2.0}\n    - {name: e, value: ~}\n    - {name: f, value: \"1.50\"}\n",
    );
    assert!(problems.is_empty(), "{problems:?}");
    let Some(Manifest::Workflow(doc)) = manifests.first() else { panic!() };
    let values: Vec<Option<&str>> =
        doc.object.spec.arguments.parameters.iter().map(|p| p.value.as_ref().map(|v| v.as_str())).collect();
    assert_eq!(values, [Some("1"), Some("1.5"), Some("true"), Some("2"), None, Some("1.50")]);
}

#[test]
fn quantities_and_int_or_string_take_numbers() {
    #[derive(Deserialize)]
    struct Probe {
        resources: k8s::ResourceRequirements,
        probe: k8s::TCPSocketAction,
    }
    let text = "resources: {limits: {cpu: 2, memory: 1Gi}}\nprobe: {port: 80}\n";
    let (trees, _) = parse_trees("f", text, Limits::default());
    let origin = trees.first().unwrap();
    let (value, problems) = super::from_node::<Probe>(origin.source(), origin.root());
    assert!(problems.is_empty(), "{problems:?}");
    let limits = value.as_ref().unwrap().resources.limits.clone().unwrap();
    assert_eq!(limits.get("cpu").unwrap().0, "2");
    assert_eq!(serde_json::to_string(&value.unwrap().probe.port).unwrap(), "80");
}

#[test]
fn json_files_are_read_the_same_way() {
    let text = r#"{"apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": "a"},
 "spec": {"entrypoint": "a", "extra": 1}}"#;
    let (manifests, problems) = parse_file("w.json", text, Limits::default());
    assert_eq!(manifests.len(), 1);
    assert_eq!(problems[0].span.as_ref().unwrap().line_column(), (2, 30));
}

#[test]
fn v33_secrets_show_neither_values_nor_their_lines() {
    let text = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData:\n  password: [hunter2]\n";
    let (_, problems) = parse_file("s.yaml", text, Limits::default());
    let shown: String = problems.iter().map(Diagnostic::render).collect();
    assert!(shown.contains("s.yaml:5") && !shown.contains("hunter2"), "{shown}");
    let good = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: aHVudGVyMg==}\nstringData: {b: hunter3}\n";
    let (manifests, problems) = parse_file("s.yaml", good, Limits::default());
    assert!(problems.is_empty(), "{problems:?}");
    assert!(!format!("{manifests:?}").contains("hunter"));
    let Some(Manifest::Secret(doc)) = manifests.first() else { panic!() };
    assert_eq!(doc.object.value("a"), Some(b"hunter2".as_slice()));
}

#[test]
fn a_document_without_kind_is_an_error_and_other_kinds_are_kept() {
    let (manifests, problems) = parse_file(
        "f",
        "a: 1\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n",
        Limits::default(),
    );
    assert_eq!(codes(&problems), ["kind-missing"]);
    assert_eq!(manifests.first().unwrap().label(), "Deployment d");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let text = String::from_utf8_lossy(&bytes);
        let (_, problems) = parse_file("any", &text, Limits::default());
        for problem in problems {
            let _ = problem.render();
        }
    }

    #[test]
    fn yaml_like_text_never_panics(text in "(kind: Workflow\n|spec:\n|  templates:\n|  - name: a\n|    steps: |[\\[\\]{}&*!|>'\"%@`:,#? \n-]|<<: \\*a\n|a|1|~|\\t){0,60}") {
        let (manifests, problems) = parse_file("any", &text, Limits::default());
        for manifest in &manifests {
            let source = crate::resolve::Catalog::default();
            for problem in crate::validate::validate(manifest, crate::validate::Options::default(), &source) {
                let _ = problem.render();
            }
            let _ = crate::effect::without_effect(manifest);
        }
        prop_assert!(problems.iter().all(|d| d.severity <= Severity::Note));
    }
}
