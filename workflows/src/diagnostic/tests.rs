//! Snapshots of rendered diagnostics: place, source line, caret, hint.
//! Does not test who reports what.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Diagnostic, Span};
use crate::parse::{Limits, Source, parse_file};
use crate::resolve::Catalog;
use crate::validate::{Options, validate};
use std::sync::Arc;

fn lint(text: &str) -> String {
    let (manifests, mut problems) = parse_file("w.yaml", text, Limits::default());
    let options = Options { lint: true, ..Options::default() };
    problems.extend(manifests.iter().flat_map(|m| validate(m, options, &Catalog::default())));
    problems.iter().map(Diagnostic::render).collect::<Vec<_>>().join("\n")
}

#[test]
fn an_unresolved_variable_points_at_its_tag() {
    let text = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: hello-
spec:
  entrypoint: hello
  arguments: {parameters: [{name: message, value: hi}]}
  templates:
  - name: hello
    container:
      image: busybox
      args: [echo, \"{{workflow.parameters.mesage}}\"]
";
    let want = "w.yaml:12:21: error[variable-unresolved]: Workflow hello-: templates.hello: failed to resolve {{workflow.parameters.mesage}}
12 |       args: [echo, \"{{workflow.parameters.mesage}}\"]
   |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  hint: did you mean {{workflow.parameters.message}}?
";
    assert_eq!(lint(text), want);
}

#[test]
fn all_problems_are_reported_at_once() {
    let text = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata:
  generateName: dag-
spec:
  entrypoint: main
  tempaltes: []
  templates:
  - name: main
    dag:
      tasks:
      - {name: A, template: ehco}
      - {name: B, template: echo, dependencies: [C]}
  - name: echo
    inputs: {parameters: [{name: message}]}
    container: {image: x}
";
    let want = "w.yaml:7:3: warning[unknown-field]: Workflow dag-: unknown field `tempaltes` in WorkflowSpec
7 |   tempaltes: []
  |   ^^^^^^^^^
  hint: did you mean `templates`?

w.yaml:12:29: error[template-undefined]: Workflow dag-: templates.main.tasks.A template name 'ehco' undefined
12 |       - {name: A, template: ehco}
   |                             ^^^^
  hint: did you mean `echo`?

w.yaml:13:35: error[dependency-undefined]: Workflow dag-: templates.main.tasks.B dependency 'C' not defined
13 |       - {name: B, template: echo, dependencies: [C]}
   |                                   ^^^^^^^^^^^^
  hint: did you mean `A`?
";
    assert_eq!(lint(text), want);
}

#[test]
fn v12_control_characters_do_not_reach_the_terminal() {
    let source = Arc::new(Source::new("f", "a\u{1b}[2Jb\u{202e}c\n"));
    let shown = Diagnostic::error("x", "bad \u{7}").at(Some(Span::new(&source, 1..2))).render();
    assert!(
        !shown.contains('\u{1b}') && !shown.contains('\u{202e}') && !shown.contains('\u{7}'),
        "{shown:?}"
    );
}

#[test]
fn long_lines_are_cut_around_the_caret() {
    let text = format!("{}X{}", "a".repeat(5_000), "b".repeat(5_000));
    let source = Arc::new(Source::new("f", text));
    let shown = Diagnostic::error("x", "here").at(Some(Span::new(&source, 5_000..5_001))).render();
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[1].len() < 140);
    let caret = lines[2].find('^').unwrap();
    assert_eq!(lines[1].as_bytes()[caret], b'X');
}

#[test]
fn the_json_form_has_place_and_hint() {
    let source = Arc::new(Source::new("f", "ab\ncd\n"));
    let value = serde_json::to_value(
        Diagnostic::warning("c", "m").at(Some(Span::new(&source, 4..5))).hint("h").object("o"),
    )
    .unwrap();
    let want = serde_json::json!({"severity": "warning", "code": "c", "message": "m", "file": "f", "line": 2,
        "column": 2, "start": 4, "end": 5, "hint": "h", "object": "o"});
    assert_eq!(value, want);
}
