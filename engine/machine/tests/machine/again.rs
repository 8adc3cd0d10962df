//! Running again: retries that keep what was made up for, and resubmits that take over what succeeded.
//! Arguments of a group of steps are resolved before anything of it starts.

use crate::common::{Outcome, Run, fails, prints, with_leaves};
use runner_machine::{
    Command, Input, NodePhase as P, NodeType, Submit, WorkflowPhase as W, WorkflowStatus, reuse,
};

fn retry() -> Command {
    Command::Retry { restart_successful: false, selector: String::new(), parameters: Vec::new() }
}

/// The same spec again under the name `again`, with what the earlier run left.
fn resubmitted(earlier: Run, spec: &str) -> Run {
    let taken = reuse(&earlier.plan, &earlier.status).expect("a failed run");
    let mut run = Run::new(spec);
    run.status = WorkflowStatus::default();
    run.facts.clear();
    let mut workflow = (*run.plan.workflow).clone();
    workflow.metadata.name = "again".into();
    run.plan = runner_machine::Plan::new(std::sync::Arc::new(workflow.clone())).unwrap();
    run.feed(Input::Submit(Box::new(Submit {
        name: "again".into(),
        namespace: "ns".into(),
        uid: "uid-2".into(),
        workflow,
        reuse: Some(taken),
        estimates: None,
    })));
    run
}

const LOOPED: &str = "entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: s, withItems: [1, 2]}
  - - {name: b, template: p, arguments: {parameters: [{name: v, value: '{{steps.a.outputs.result}}'}]}}
  - - {name: d, template: c}";

#[test]
fn a_memoized_resubmit_takes_over_what_succeeded_and_runs_the_rest() {
    let spec = with_leaves(LOOPED);
    let mut first = Run::new(&spec).on("a(0", prints("10")).on("a(1", prints("20")).on("b", fails());
    first.ends(W::Failed);
    let old = first.node("a(0:1)").id.clone();
    let mut run = resubmitted(first, &spec);
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["b", "d"], "what succeeded does not run again");
    let a = run.node("a(0:1)");
    assert_eq!((a.name.as_str(), a.node_type, a.phase), ("again[0].a(0:1)", NodeType::Skipped, P::Skipped));
    assert_eq!(a.message, format!("original pod: {old}"));
    assert_eq!(run.node("b").inputs.parameters[0].value.as_ref().unwrap().as_str(), "[10,20]");
    assert_eq!(run.node("again").display_name, "again");
}

#[test]
fn a_memoized_resubmit_of_a_dag_keeps_finished_branches_and_global_outputs() {
    let spec = with_leaves(
        "entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: g}
    - {name: b, template: c, dependencies: [a]}
    - {name: d, template: p, dependencies: [a], arguments: {parameters: [{name: v, value: '{{workflow.outputs.parameters.all}}'}]}}
- name: g
  outputs: {parameters: [{name: x, globalName: all, valueFrom: {path: /x}}]}
  container: {image: x, command: [run]}",
    );
    let gives = Outcome { parameters: vec![("x", "42".to_owned())], ..prints("") };
    let mut first = Run::new(&spec).on("a", gives).on("d", fails());
    first.ends(W::Failed);
    let mut run = resubmitted(first, &spec);
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["d"]);
    assert_eq!(run.node("d").inputs.parameters[0].value.as_ref().unwrap().as_str(), "42");
}

#[test]
fn only_failed_runs_are_resubmitted_memoized() {
    let mut run = Run::new(&with_leaves("entrypoint: c\ntemplates:"));
    assert!(reuse(&run.plan, &run.status).is_err());
    run.ends(W::Succeeded);
    let why = reuse(&run.plan, &run.status).unwrap_err().to_string();
    assert!(why.contains("must be Failed or Error"), "{why}");
}

#[test]
fn a_retry_keeps_a_failure_that_was_made_up_for() {
    let spec = with_leaves(
        "entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: c, continueOn: {failed: true}}
  - - {name: b, template: c}
  - - {name: d, template: c}",
    );
    let mut run = Run::new(&spec).on("a", fails()).on("d", fails());
    run.ends(W::Failed);
    run.outcomes.clear();
    run.started.clear();
    run.command(retry()).unwrap();
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["d"], "b succeeded after a, so a stays as it is");
    assert_eq!(run.phase("a"), P::Failed);
}

#[test]
fn a_retry_that_would_otherwise_do_nothing_takes_the_failures_all_the_same() {
    let spec = with_leaves(
        "entrypoint: main
templates:
- name: main
  dag:
    tasks:
    - {name: a, template: c}
    - {name: on-failure, template: c, depends: a.Failed}
    - {name: next, template: c, depends: a.Succeeded}",
    );
    let mut run = Run::new(&spec).on("a", fails());
    run.ends(W::Failed);
    run.outcomes.clear();
    run.started.clear();
    run.command(retry()).unwrap();
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["a", "next"]);
}

#[test]
fn nothing_of_a_group_starts_when_an_argument_of_it_does_not_resolve() {
    let spec = with_leaves(
        "entrypoint: main
templates:
- name: main
  steps:
  - - {name: a, template: c}
    - {name: b, template: p, arguments: {parameters: [{name: v, value: '{{steps.nowhere.outputs.result}}'}]}}",
    );
    let mut run = Run::new(&spec);
    run.go();
    assert_eq!(run.status.phase, W::Failed, "{:?}", run.sketch());
    assert!(run.started.is_empty(), "{:?}", run.started);
    assert_eq!(run.phase("[0]"), P::Error);
}
