//! Argo's semantics as sentences: one workflow, how its leaves end, what becomes of it.
//! Parsing and rendering are tested in the language crate.

use crate::common::{Run, errs, fails, prints, with_leaves};
use runner_machine::{Command, Fact, NodePhase as P, NodeType, WorkflowPhase as W};

fn steps(body: &str) -> Run {
    Run::new(&with_leaves(&format!("entrypoint: main\ntemplates:\n- name: main\n  steps:\n{}", indent(body))))
}

fn dag(body: &str) -> Run {
    Run::new(&with_leaves(&format!(
        "entrypoint: main\ntemplates:\n- name: main\n  dag:\n    tasks:\n{}",
        indent(body)
    )))
}

fn indent(body: &str) -> String {
    body.lines().map(|line| format!("    {line}")).collect::<Vec<_>>().join("\n")
}

#[test]
fn groups_run_one_after_the_other_and_their_steps_side_by_side() {
    let mut run =
        steps("- - {name: a, template: c}\n- - {name: b1, template: c}\n  - {name: b2, template: c}");
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["a", "b1", "b2"]);
    assert_eq!(run.names(), ["wf", "[0]", "a", "[1]", "b1", "b2"]);
    assert_eq!(run.node("b1").name, "wf[1].b1");
    assert_eq!(run.node("[0]").node_type, NodeType::StepGroup);
}

#[test]
fn a_failed_step_lets_its_group_end_and_fails_the_rest() {
    let mut run = steps("- - {name: a, template: c}\n  - {name: b, template: c}\n- - {name: d, template: c}")
        .on("a", fails());
    run.ends(W::Failed);
    assert_eq!(run.phase("b"), P::Succeeded);
    assert_eq!(run.status.message, format!("child '{}' failed", run.node("a").id));
    assert!(!run.names().contains(&"d".to_owned()));
}

#[test]
fn an_errored_step_still_fails_its_parent_but_errors_a_dag() {
    let mut run = steps("- - {name: a, template: c}").on("a", errs());
    run.ends(W::Failed);
    let mut run = dag("- {name: a, template: c}").on("a", errs());
    run.ends(W::Error);
}

#[test]
fn continue_on_keeps_the_phase_and_goes_on() {
    let mut run = steps("- - {name: a, template: c, continueOn: {failed: true}}\n- - {name: b, template: c}")
        .on("a", fails());
    run.ends(W::Succeeded);
    assert_eq!((run.phase("a"), run.phase("b")), (P::Failed, P::Succeeded));
    let mut run = dag(
        "- {name: a, template: c, continueOn: {failed: true}}\n- {name: b, template: c, dependencies: [a]}",
    )
    .on("a", fails());
    run.ends(W::Succeeded);
    assert_eq!(run.phase("b"), P::Succeeded);
}

#[test]
fn tasks_wait_for_all_dependencies() {
    let mut run = dag(
        "- {name: a, template: c}\n- {name: b, template: c, dependencies: [a]}\n- {name: d, template: c, dependencies: [a]}\n- {name: e, template: c, dependencies: [b, d]}",
    );
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["a", "b", "d", "e"]);
    assert_eq!(run.node("b").children.len() + run.node("d").children.len(), 2, "e hangs on both");
}

#[test]
fn depends_omits_and_an_omitted_target_takes_the_phase_of_its_branch() {
    let mut run = dag(
        "- {name: a, template: c}\n- {name: good, template: c, depends: a.Succeeded}\n- {name: bad, template: c, depends: a.Failed}",
    )
    .on("a", fails());
    run.ends(W::Failed);
    assert_eq!((run.phase("good"), run.phase("bad")), (P::Omitted, P::Succeeded));
    assert_eq!(run.node("good").message, "omitted: depends condition not met");
}

#[test]
fn when_false_skips_and_a_skipped_task_satisfies_a_bare_dependency() {
    let mut run = dag("- {name: a, template: c, when: '1 == 2'}\n- {name: b, template: c, depends: a}");
    run.ends(W::Succeeded);
    assert_eq!((run.phase("a"), run.phase("b")), (P::Skipped, P::Succeeded));
    assert_eq!(run.node("a").message, "when '1 == 2' evaluated false");
}

#[test]
fn a_wrong_when_is_an_error_that_names_the_way_out() {
    let mut run = steps("- - {name: a, template: c, when: 'a-b == c.d &'}");
    run.ends(W::Failed);
    assert_eq!(run.phase("[0]"), P::Error);
}

#[test]
fn results_flow_into_conditions_and_arguments() {
    let mut run = steps(
        "- - {name: a, template: s}\n- - name: b\n    template: p\n    when: '{{steps.a.outputs.result}} == go'\n    arguments: {parameters: [{name: v, value: 'x-{{steps.a.outputs.result}}'}]}",
    )
    .on("a", prints("go"))
    .hold("b");
    run.go();
    assert_eq!(run.attempt("b").template.container.unwrap().args, ["x-go"]);
}

#[test]
fn v2_values_are_never_read_as_templates() {
    let mut run = steps(
        "- - {name: a, template: s}\n- - name: b\n    template: p\n    arguments: {parameters: [{name: v, value: '{{steps.a.outputs.result}}'}]}",
    )
    .on("a", prints("{{workflow.name}} {{=1+1}}"))
    .hold("b");
    run.go();
    assert_eq!(run.attempt("b").template.container.unwrap().args, ["{{workflow.name}} {{=1+1}}"]);
}

#[test]
fn loops_expand_in_order_and_aggregate_in_order() {
    let mut run = steps(
        "- - {name: a, template: s, withItems: [x, z]}\n- - name: b\n    template: p\n    arguments: {parameters: [{name: v, value: '{{steps.a.outputs.result}}'}]}",
    )
    .on("a(0:x)", prints("1"))
    .on("a(1:z)", prints("\"two\""))
    .hold("b");
    run.go();
    assert_eq!(run.attempt("b").template.container.unwrap().args, ["[1,\"two\"]"]);
    assert_eq!(run.node("a(0:x)").name, "wf[0].a(0:x)");
}

#[test]
fn f09_a_loop_of_a_dag_has_a_group_that_ends_with_its_children() {
    let mut run = dag("- {name: a, template: c, withSequence: {count: 3}}\n- {name: b, template: c, depends: a.AnySucceeded}")
        .on("a(1:1)", fails());
    // Only what nobody depends on decides: b ran, and it went well.
    run.ends(W::Succeeded);
    assert_eq!(run.node("a").node_type, NodeType::TaskGroup);
    assert_eq!((run.phase("a"), run.phase("b")), (P::Failed, P::Succeeded));
}

#[test]
fn an_empty_loop_is_skipped() {
    let mut run = steps("- - {name: a, template: c, withParam: '[]'}\n- - {name: b, template: c}");
    run.ends(W::Succeeded);
    assert_eq!((run.phase("a"), run.node("a").message.as_str()), (P::Skipped, "Skipped, empty params"));
}

#[test]
fn an_absent_output_takes_the_consumers_default() {
    let source = "entrypoint: main\ntemplates:\n- name: main\n  steps:\n  - - {name: a, template: o, when: 'no == yes'}\n  - - name: b\n      template: p\n      arguments: {parameters: [{name: v, value: '{{steps.a.outputs.parameters.x}}'}]}\n- name: o\n  container: {image: x, command: [run]}\n  outputs: {parameters: [{name: x, valueFrom: {path: /x}}]}";
    let mut run = Run::new(&with_leaves(source)).hold("b");
    run.go();
    assert_eq!(run.attempt("b").template.container.unwrap().args, ["none"]);
}

fn retrying(strategy: &str) -> Run {
    Run::new(&format!(
        "entrypoint: main\ntemplates:\n- name: main\n  retryStrategy: {strategy}\n  container: {{image: x, command: [run], args: ['{{{{retries}}}}']}}\n"
    ))
}

#[test]
fn attempts_are_children_and_the_last_one_decides() {
    let mut run = retrying("{limit: 2}").on("wf(0)", fails()).on("wf(1)", fails());
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["wf(0)", "wf(1)", "wf(2)"]);
    assert_eq!(run.node("wf").node_type, NodeType::Retry);
    // P4: one key for all tries, and a number that tells them apart.
    assert_eq!(run.attempt("wf(0)").step_key, run.attempt("wf(2)").step_key);
    assert_eq!([0, 1, 2].map(|n| run.attempt(&format!("wf({n})")).execution), [0, 1, 2]);
    let mut run = retrying("{limit: 1}").on("wf", fails());
    run.ends(W::Failed);
    assert_eq!(run.status.message, "No more retries left");
}

#[test]
fn errors_are_retried_only_by_a_policy_that_covers_them() {
    let mut run = retrying("{limit: 5}").on("wf", errs());
    run.ends(W::Error);
    assert_eq!(run.started.len(), 1);
    let mut run = retrying("{limit: 1, retryPolicy: Always}").on("wf(0)", errs());
    run.ends(W::Succeeded);
}

#[test]
fn f12_back_off_waits_until_a_moment_that_is_in_the_journal() {
    let mut run =
        retrying("{limit: 3, backoff: {duration: 10s, factor: 2}}").on("wf(0)", fails()).on("wf(1)", fails());
    let began = run.now;
    run.ends(W::Succeeded);
    assert_eq!(run.now.duration_since(began).as_secs(), 30, "10 s and 20 s");
    assert!(run.facts.iter().any(|fact| matches!(fact, Fact::RetryScheduled { .. })));
}

#[test]
fn a_retry_expression_sees_the_last_attempt() {
    let mut run = retrying("{limit: 9, expression: 'asInt(lastRetry.exitCode) == 2'}").on("wf", fails());
    run.ends(W::Failed);
    assert_eq!(run.status.message, "retryStrategy.expression evaluated to false");
}

#[test]
fn suspend_waits_for_a_resume_with_the_values_it_needs() {
    let source = "entrypoint: main\ntemplates:\n- name: main\n  steps:\n  - - {name: ask, template: ask}\n  - - name: b\n      template: p\n      arguments: {parameters: [{name: v, value: '{{steps.ask.outputs.parameters.answer}}'}]}\n- name: ask\n  suspend: {}\n  outputs: {parameters: [{name: answer, valueFrom: {supplied: {}}}]}";
    let mut run = Run::new(&with_leaves(source)).hold("b");
    run.go();
    assert_eq!(run.phase("ask"), P::Running);
    let resume = |value: Option<&str>| Command::Resume {
        selector: String::new(),
        parameters: value.map(|v| ("answer".to_owned(), v.to_owned())).into_iter().collect(),
        message: "fine".into(),
    };
    assert!(run.command(resume(None)).unwrap_err().contains("answer"));
    run.command(resume(Some("YES"))).unwrap();
    run.go();
    assert_eq!(run.attempt("b").template.container.unwrap().args, ["YES"]);
}

#[test]
fn suspend_with_a_duration_goes_on_by_itself_with_defaults() {
    let mut run = Run::new(
        "entrypoint: ask\ntemplates:\n- name: ask\n  suspend: {duration: '20'}\n  outputs: {parameters: [{name: a, valueFrom: {supplied: {}, default: d}}]}",
    );
    run.ends(W::Succeeded);
    assert_eq!(run.node("wf").outputs.as_ref().unwrap().parameters[0].value.as_ref().unwrap().0, "d");
}

#[test]
fn a_suspended_run_starts_nothing_and_goes_on_where_it_was() {
    let mut run = steps("- - {name: a, template: c}\n- - {name: b, template: c}").hold("none");
    run.feed(runner_machine::Input::Begin);
    run.command(Command::Suspend).unwrap();
    run.go();
    assert_eq!(run.names(), ["wf", "[0]", "a"]);
    let resume =
        Command::Resume { selector: String::new(), parameters: Default::default(), message: String::new() };
    run.command(resume).unwrap();
    run.ends(W::Succeeded);
    assert_eq!(run.phase("b"), P::Succeeded);
}

#[test]
fn p9_stop_ends_what_runs_and_still_runs_the_exit_handler() {
    let mut run = Run::new(&with_leaves("entrypoint: c\nonExit: s\ntemplates:")).hold("wf");
    run.step();
    run.command(Command::Stop { selector: String::new(), message: String::new() }).unwrap();
    run.held_nothing();
    run.ends(W::Failed);
    assert_eq!(run.status.message, "Stopped with strategy 'Stop'");
    assert_eq!(run.phase("wf.onExit"), P::Succeeded);
}

#[test]
fn p9_terminate_runs_nothing_more() {
    let mut run = Run::new(&with_leaves("entrypoint: c\nonExit: s\ntemplates:")).hold("wf");
    run.step();
    run.command(Command::Terminate).unwrap();
    run.ends(W::Failed);
    assert!(run.status.by_name("wf.onExit").is_none());
}

#[test]
fn f10_a_failed_exit_handler_fails_a_run_that_succeeded() {
    let mut run = Run::new(&with_leaves("entrypoint: c\nonExit: s\ntemplates:")).on("wf.onExit", fails());
    run.ends(W::Failed);
    assert_eq!(run.phase("wf"), P::Succeeded);
}

#[test]
fn the_parent_waits_for_a_step_hook_but_does_not_fail_with_it() {
    let mut run =
        steps("- - {name: a, template: c, hooks: {exit: {template: c}}}\n- - {name: b, template: c}")
            .on("a.onExit", fails());
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["a", "a.onExit", "b"]);
}

#[test]
fn template_parallelism_counts_direct_children() {
    let mut run = Run::new(&with_leaves(
        "entrypoint: main\ntemplates:\n- name: main\n  parallelism: 2\n  steps:\n  - - {name: a, template: c, withSequence: {count: 5}}",
    ))
    .hold("a");
    run.go();
    assert_eq!(run.names().iter().filter(|name| name.starts_with("a(")).count(), 2);
    run.held_nothing();
    run.ends(W::Succeeded);
    assert_eq!(run.started.len(), 5);
}

#[test]
fn workflow_parallelism_counts_pods_everywhere() {
    let mut run = Run::new(&with_leaves(
        "entrypoint: main\nparallelism: 1\ntemplates:\n- name: main\n  dag:\n    tasks:\n    - {name: a, template: c}\n    - {name: b, template: c}\n    - {name: d, template: c, depends: a}",
    ))
    .hold("b");
    run.go();
    assert_eq!(run.names(), ["wf", "b"]);
    run.held_nothing();
    run.ends(W::Succeeded);
}

#[test]
fn f58_endless_recursion_ends_in_an_error() {
    let mut run =
        Run::new("entrypoint: main\ntemplates:\n- name: main\n  steps:\n  - - {name: again, template: main}");
    run.ends(W::Failed);
    assert!(run.sketch().iter().any(|line| line.contains("Maximum recursion depth")));
}

#[test]
fn the_deadline_of_the_run_fails_what_runs_and_lets_the_exit_handler_run() {
    let mut run = Run::new(&with_leaves(
        "entrypoint: main\nactiveDeadlineSeconds: 5\nonExit: c\ntemplates:\n- name: main\n  suspend: {}",
    ));
    run.ends(W::Failed);
    assert_eq!(run.status.message, "Step exceeded its deadline");
    assert_eq!(run.phase("wf.onExit"), P::Succeeded);
}

#[test]
fn retry_undoes_what_failed_and_keeps_what_succeeded() {
    let mut run = dag("- {name: a, template: c}\n- {name: b, template: c, depends: a}\n- {name: d, template: c, depends: b}").on("b", fails());
    run.ends(W::Failed);
    run.outcomes.clear();
    run.command(Command::Retry {
        restart_successful: false,
        selector: String::new(),
        parameters: Vec::new(),
    })
    .unwrap();
    run.ends(W::Succeeded);
    assert_eq!(run.started, ["a", "b", "b", "d"]);
    let numbers: Vec<u32> = run
        .facts
        .iter()
        .filter_map(|fact| match fact {
            Fact::AttemptStarted { number, .. } => Some(*number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [0, 0, 1, 0], "the second try of b has a name of its own");
    assert_eq!((run.attempt("a").execution, run.attempt("b").execution), (0, 1));
}

#[test]
fn locks_come_before_the_work_and_go_with_its_end() {
    let mut run = Run::new(
        "entrypoint: main\ntemplates:\n- name: main\n  synchronization: {mutexes: [{name: m}]}\n  container: {image: x, command: [run]}",
    );
    run.ends(W::Succeeded);
    let order: Vec<&str> = run.facts.iter().map(Fact::kind).collect();
    let at = |kind| order.iter().position(|k| *k == kind).unwrap();
    assert!(at("lockRequested") < at("lockGranted") && at("lockGranted") < at("attemptStarted"));
    assert!(at("attemptFinished") < at("lockReleased"));
}

#[test]
fn f61_a_run_that_ends_above_a_waiting_node_gives_its_place_in_the_queue_back() {
    let mut run = Run::new(&with_leaves(
        "entrypoint: main\ntemplates:\n- name: main\n  failFast: true\n  parallelism: 2\n  steps:\n  - - {name: bad, template: c}\n    - {name: deep, template: inner}\n    - {name: third, template: c}\n- name: inner\n  steps:\n  - - {name: waits, template: locked}\n- name: locked\n  synchronization: {mutexes: [{name: m}]}\n  container: {image: x, command: [run]}",
    ))
    .on("bad", fails())
    .never_locks();
    run.ends(W::Failed);
    assert_eq!(run.phase("waits"), P::Failed, "{:#?}", run.sketch());
    let order: Vec<&str> = run.facts.iter().map(Fact::kind).collect();
    let at = |kind| order.iter().position(|k| *k == kind).unwrap();
    assert!(at("lockRequested") < at("lockReleased") && at("lockReleased") < at("workflowFinished"));
}

#[test]
fn a_step_knows_when_its_run_was_made_its_status_and_how_long_it_takes() {
    let text = "{{workflow.creationTimestamp}} {{workflow.creationTimestamp.L}} {{workflow.creationTimestamp.b}} \
                {{workflow.creationTimestamp.c}} {{workflow.status}} {{workflow.duration}} {{inputs.parameters.d}}";
    let mut run = Run::new(&format!(
        "entrypoint: main\ntemplates:\n- name: main\n  steps:\n  - - {{name: a, template: w}}\n  - - name: b\n      template: e\n      \
         arguments: {{parameters: [{{name: d, value: '{{{{workflow.duration}}}}'}}]}}\n- name: w\n  suspend: {{duration: '90'}}\n\
         - name: e\n  inputs: {{parameters: [{{name: d}}]}}\n  container: {{image: x, command: [run], args: ['{text}']}}"
    ));
    run.ends(W::Succeeded);
    let wanted = "2026-01-01T00:00:00Z .000 Jan {{workflow.creationTimestamp.c}} Running 90.000000 90.000000";
    assert_eq!(run.attempt("b").template.container.unwrap().args, [wanted]);
}

#[test]
fn a_run_whose_spec_is_invalid_fails_before_anything_else() {
    let mut run = steps("- - {name: a, template: c}");
    let mut invalid = (*run.plan.workflow).clone();
    invalid.spec.suspend = Some(true);
    invalid.invalid = Some("there is no c".to_owned());
    run.plan = runner_machine::Plan::new(std::sync::Arc::new(invalid)).unwrap();
    run.ends(W::Failed);
    assert_eq!(run.status.message, "invalid spec: there is no c");
    assert_eq!(run.status.node_count(), 0);
    run.replays();
}

#[test]
fn an_ended_run_is_archived_once_and_a_retry_brings_it_back() {
    let mut run = steps("- - {name: a, template: c}").on("a", fails());
    run.feed(runner_machine::Input::Begin);
    assert!(run.command(Command::Archive).unwrap_err().contains("has not ended"));
    run.ends(W::Failed);
    run.command(Command::Archive).unwrap();
    assert!(run.status.archived);
    run.replays();
    assert!(run.command(Command::Archive).unwrap_err().contains("already"));
    run.outcomes.clear();
    let retry = Command::Retry { restart_successful: false, selector: String::new(), parameters: vec![] };
    run.command(retry).unwrap();
    assert!(!run.status.archived);
    run.ends(W::Succeeded);
}

#[test]
fn commands_that_do_not_apply_change_nothing() {
    let mut run = steps("- - {name: a, template: c}");
    run.ends(W::Succeeded);
    let facts = run.facts.len();
    assert!(run.command(Command::Suspend).unwrap_err().contains("has ended"));
    assert!(
        run.command(Command::Retry {
            restart_successful: false,
            selector: String::new(),
            parameters: vec![]
        })
        .is_err()
    );
    assert_eq!(run.facts.len(), facts);
}
