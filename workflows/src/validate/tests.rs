//! Tests of validation: one small workflow per rule, with the words that its error must have.
//! Does not repeat the corpora: `tests/lint_corpus.rs` runs those.
#![expect(clippy::unwrap_used, reason = "tests")]

use super::{Options, validate};
use crate::diagnostic::Diagnostic;
use crate::parse::{Limits, parse_file};
use crate::resolve::Catalog;

const HEAD: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: t-}\nspec:\n";
const LEAF: &str = "  - {name: leaf, inputs: {parameters: [{name: p, default: x}]}, container: {image: i}}\n";

fn check(text: &str, options: Options) -> Vec<Diagnostic> {
    let (manifests, mut problems) = parse_file("t.yaml", text, Limits::default());
    let mut catalog = Catalog::default();
    for manifest in &manifests {
        catalog.add(manifest);
    }
    problems.extend(manifests.iter().flat_map(|manifest| validate(manifest, options, &catalog)));
    problems
}

fn errors(text: &str) -> Vec<String> {
    check(text, Options::default()).iter().filter(|d| d.is_error()).map(|d| d.message.clone()).collect()
}

/// A workflow whose entrypoint is `main`, with this body under `templates`.
fn main(body: &str) -> String {
    format!("{HEAD}  entrypoint: main\n  templates:\n{body}{LEAF}")
}

fn dag(tasks: &str) -> String {
    main(&format!("  - {{name: main, dag: {{tasks: [{tasks}]}}}}\n"))
}

fn steps(groups: &str) -> String {
    main(&format!("  - {{name: main, steps: [{groups}]}}\n"))
}

fn valid(text: &str) {
    assert_eq!(errors(text), Vec::<String>::new(), "{text}");
}

fn invalid(text: &str, words: &str) {
    let errors = errors(text);
    assert!(errors.iter().any(|error| error.contains(words)), "want {words:?}, have {errors:?}\n{text}");
}

#[test]
fn rules_of_dags() {
    valid(&dag("{name: a, template: leaf}, {name: b, template: leaf, depends: 'a.Succeeded || a.Failed'}"));
    let cases = [
        ("", "must have at least one task"),
        (
            "{name: a, template: leaf, dependencies: [b]}, {name: b, template: leaf, dependencies: [a]}",
            "cycle detected: a->b->a",
        ),
        ("{name: a, template: leaf, depends: a}", "cycle detected: a->a"),
        ("{name: a, template: leaf, depends: b}", "dependency 'b' not defined"),
        (
            "{name: a, template: leaf}, {name: b, template: leaf, depends: a.Done}",
            "task result 'Done' for task 'a' is invalid",
        ),
        (
            "{name: a, template: leaf}, {name: b, template: leaf, depends: a.AnySucceeded}",
            "does not contain any items",
        ),
        (
            "{name: 1a, template: leaf, depends: b}, {name: b, template: leaf}",
            "name cannot begin with a digit",
        ),
        (
            "{name: a, template: leaf}, {name: b, template: leaf, depends: a}, {name: c, template: leaf, dependencies: [a]}",
            "cannot use both 'depends' and 'dependencies'",
        ),
        (
            "{name: a, template: leaf, continueOn: {failed: true}}, {name: b, template: leaf, depends: a}",
            "cannot use 'continueOn' when using 'depends'",
        ),
        ("{name: a, template: leaf}, {name: a, template: leaf}", "'a' is not unique"),
        ("{name: a_b, template: leaf}", "'a_b' is invalid"),
        ("{name: a, template: nope}", "template name 'nope' undefined"),
        ("{name: a}", "names no template"),
        ("{name: a, template: leaf, depends: 'b &&'}, {name: b, template: leaf}", "expression"),
        (
            "{name: a, template: leaf}, {name: b, template: leaf, arguments: {parameters: [{name: p, value: '{{tasks.a.outputs.result}}'}]}}",
            "missing dependency 'a' for parameter 'p'",
        ),
        (
            "{name: a, template: leaf, when: '{{tasks.b.status}} == Succeeded'}, {name: b, template: leaf}",
            "failed to resolve {{tasks.b.status}}",
        ),
        ("{name: a, template: leaf, when: '{{item.x}} == y'}", "failed to resolve {{item.x}}"),
    ];
    for (tasks, words) in cases {
        invalid(&dag(tasks), words);
    }
    invalid(
        &main("  - {name: main, dag: {target: 'a c', tasks: [{name: a, template: leaf}]}}\n"),
        "target 'c' is not defined",
    );
    invalid(
        &main("  - {name: main, activeDeadlineSeconds: 1, dag: {tasks: [{name: a, template: leaf}]}}\n"),
        "only valid for leaf templates",
    );
    invalid(
        &main("  - {name: main, timeout: 1m, dag: {tasks: [{name: a, template: leaf}]}}\n"),
        "doesn't support timeout field",
    );
}

#[test]
fn the_status_of_ancestors_only_is_in_scope() {
    let chain = "{name: a, template: leaf}, {name: b, template: leaf, depends: a}, {name: c, template: leaf, depends: b, when: '{{tasks.a.status}} == Succeeded'}";
    valid(&dag(chain));
}

#[test]
fn rules_of_steps() {
    valid(&steps(
        "[{name: a, template: leaf}], [{name: b, template: leaf, when: '{{steps.a.status}} == Succeeded'}]",
    ));
    let cases = [
        ("[{template: leaf}]", "name is required"),
        ("[{name: a, template: leaf}], [{name: a, template: leaf}]", "'a' is not unique"),
        ("[{name: a.b, template: leaf}]", "'a.b' is invalid"),
        (
            "[{name: a, template: leaf, when: '{{steps.b.status}} == x'}], [{name: b, template: leaf}]",
            "failed to resolve {{steps.b.status}}",
        ),
        (
            "[{name: a, template: leaf, withItems: [1], withParam: '[1]'}]",
            "only one of withItems, withParam, withSequence",
        ),
        (
            "[{name: a, template: leaf, withSequence: {count: 2, end: 3}}]",
            "only one of count or end can be defined",
        ),
        ("[{name: a, template: leaf, withSequence: {count: many}}]", "withSequence.count 'many'"),
        (
            "[{name: a, template: leaf, withItems: [{x: 1}], arguments: {parameters: [{name: p, value: '{{item.y}}'}]}}]",
            "failed to resolve {{item.y}}",
        ),
        ("[{name: a, template: leaf, arguments: {parameters: [{name: p}]}}]", "arguments.p.value or"),
        (
            "[{name: a, template: leaf, arguments: {parameters: [{name: p, valueFrom: {path: /x}}]}}]",
            "valueFrom only allows: default, configMapKeyRef and supplied",
        ),
        (
            "[{name: a, template: leaf, arguments: {artifacts: [{name: x}]}}]",
            "artifact location, or key is required",
        ),
        (
            "[{name: a, template: leaf, hooks: {done: {template: leaf}}}]",
            "steps[0].a.done Expression required",
        ),
        ("[{name: a, template: leaf, hooks: {exit: {template: nope}}}]", "'nope' undefined"),
        ("[{name: a, template: leaf, onExit: nope}]", "'nope' undefined"),
        (
            "[{name: a, template: leaf, templateRef: {name: r, template: t}}]",
            "template name cannot be specified with templateRef",
        ),
        ("[{name: a, templateRef: {template: t}}]", "resource name is required"),
        ("[{name: a, templateRef: {name: r}}]", "template name is required"),
        ("[{name: a, templateRef: {name: r, template: t}}]", "template reference r.t not found"),
    ];
    for (groups, words) in cases {
        invalid(&steps(groups), words);
    }
}

#[test]
fn rules_of_leaves() {
    let cases = [
        ("{name: main}", "template type unspecified"),
        (
            "{name: main, container: {image: i}, script: {image: i, source: x}}",
            "multiple template types specified",
        ),
        ("{name: main, container: {command: [x]}}", "container.image may not be empty"),
        ("{name: main, script: {source: x}}", "script.image may not be empty"),
        (
            "{name: main, parallelism: 2, container: {image: i}}",
            "parallelism is only valid for steps and dag templates",
        ),
        (
            "{name: main, activeDeadlineSeconds: -1, container: {image: i}}",
            "activeDeadlineSeconds must be a positive integer > 0",
        ),
        (
            "{name: main, activeDeadlineSeconds: soon, container: {image: i}}",
            "activeDeadlineSeconds must be a positive integer > 0",
        ),
        ("{name: main, timeout: '10', container: {image: i}}", "invalid duration format in timeout"),
        (
            "{name: main, retryStrategy: {retryPolicy: Never}, container: {image: i}}",
            "Never is not a valid RetryPolicy",
        ),
        ("{name: main, retryStrategy: {limit: few}, container: {image: i}}", "limit 'few'"),
        (
            "{name: main, retryStrategy: {backoff: {duration: soon}}, container: {image: i}}",
            "duration 'soon' is not a duration",
        ),
        ("{name: main, memoize: {key: 'a b'}, container: {image: i}}", "memoize.key 'a b'"),
        (
            "{name: main, sidecars: [{name: wait, image: i}], container: {image: i}}",
            "\"wait\" is a reserved Argo container name",
        ),
        (
            "{name: main, initContainers: [{image: i}], container: {image: i}}",
            "initContainers must all have container name",
        ),
        (
            "{name: main, container: {image: i, args: ['{{inputs.parameters.x}}']}}",
            "failed to resolve {{inputs.parameters.x}}",
        ),
        ("{name: main, container: {image: i, args: ['{{=1 +}}']}}", "expression `1 +`"),
        ("{name: main, suspend: {duration: soon}}", "suspend.duration 'soon'"),
        ("{name: main, plugin: {a: 1, b: 2}}", "exactly one key"),
        (
            "{name: main, container: {image: i, volumeMounts: [{name: a, mountPath: /x}, {name: b, mountPath: /x}]}}",
            "already mounted in container.volumeMounts.a",
        ),
        ("{name: main, resource: {action: make, manifest: 'a: 1'}}", "resource.action must be one of"),
        ("{name: main, resource: {action: create}}", "manifest or manifestFrom must be specified"),
        ("{name: main, resource: {action: create, manifest: 'a: [}'}}", "must be a valid yaml"),
        (
            "{name: main, metrics: {prometheus: [{name: a-b, help: h, counter: {value: '1'}}]}, container: {image: i}}",
            "metric name 'a-b' is invalid",
        ),
        (
            "{name: main, metrics: {prometheus: [{name: a, counter: {value: '1'}}]}, container: {image: i}}",
            "must contain a help string",
        ),
        (
            "{name: main, metrics: {prometheus: [{name: a, help: h, histogram: {buckets: [1]}}]}, container: {image: i}}",
            "missing histogram.value",
        ),
        ("{name: main, synchronization: {mutexes: [{}]}, container: {image: i}}", "a mutex needs a name"),
    ];
    for (template, words) in cases {
        invalid(&main(&format!("  - {template}\n")), words);
    }
}

#[test]
fn rules_of_inputs_and_outputs() {
    let container = |rest: &str| main(&format!("  - {{name: main, container: {{image: i}}, {rest}}}\n"));
    let cases = [
        ("inputs: {parameters: [{name: p}]}", "inputs.parameters.p was not supplied"),
        ("inputs: {artifacts: [{name: a, path: /a}]}", "inputs.artifacts.a was not supplied"),
        ("inputs: {artifacts: [{name: a, raw: {data: x}}]}", "did not specify a path"),
        ("inputs: {artifacts: [{name: a, path: /a/../../b, raw: {data: x}}]}", "containing '..'"),
        ("inputs: {artifacts: [{name: a, path: /a, from: x, raw: {data: x}}]}", "from not valid in inputs"),
        (
            "inputs: {artifacts: [{name: a, path: /a, raw: {data: x}, http: {url: u}}]}",
            "more than one location",
        ),
        ("inputs: {artifacts: [{name: a, path: /a, git: {revision: x}}]}", "git.repo is required"),
        ("inputs: {parameters: [{name: p, value: a}, {name: p, value: b}]}", "'p' is not unique"),
        ("outputs: {parameters: [{name: 'a b', valueFrom: {path: /x}}]}", "'a b' is invalid"),
        ("outputs: {parameters: [{name: a}]}", "does not have valueFrom or value specified"),
        (
            "outputs: {parameters: [{name: a, value: x, valueFrom: {path: /x}}]}",
            "has both valueFrom and value specified",
        ),
        ("outputs: {parameters: [{name: a, valueFrom: {default: x}}]}", "valueFrom type unspecified"),
        (
            "outputs: {parameters: [{name: a, valueFrom: {path: /x, expression: '1'}}]}",
            "multiple valueFrom types specified",
        ),
        (
            "outputs: {parameters: [{name: a, valueFrom: {expression: '1'}}]}",
            "path must be specified for Container templates",
        ),
        (
            "outputs: {parameters: [{name: a, globalName: 'x y', valueFrom: {path: /x}}]}",
            "globalName: 'x y' is invalid",
        ),
        ("outputs: {artifacts: [{name: a}]}", "did not specify a path"),
    ];
    for (rest, words) in cases {
        invalid(&container(rest), words);
    }
    let inner =
        "{name: main, steps: [[{name: a, template: leaf}]], outputs: {artifacts: [{name: a, path: /x}]}}";
    invalid(&main(&format!("  - {inner}\n")), "path only valid in container/script templates");
    let inner = "{name: main, steps: [[{name: a, template: leaf}]], outputs: {parameters: [{name: a, valueFrom: {path: /x}}]}}";
    invalid(
        &main(&format!("  - {inner}\n")),
        "parameter or expression must be specified for Steps templates",
    );
}

#[test]
fn rules_of_container_sets() {
    let set = |rest: &str| main(&format!("  - {{name: main, containerSet: {rest}}}\n"));
    valid(&set("{containers: [{name: a, image: i}, {name: b, image: i, dependencies: [a]}]}"));
    invalid(&set("{containers: []}"), "must have at least one container");
    invalid(&set("{containers: [{name: a, image: i, dependencies: [b]}]}"), "dependency 'b' not defined");
    invalid(
        &set(
            "{containers: [{name: a, image: i, dependencies: [b]}, {name: b, image: i, dependencies: [a]}]}",
        ),
        "cycle detected",
    );
    invalid(&set("{containers: [{name: supervisor, image: i}]}"), "reserved Argo container name");
    let main_needed = "{containers: [{name: a, image: i}]}, outputs: {artifacts: [{name: o, path: /o}]}";
    invalid(&set(main_needed), "must have a container named \"main\"");
}

#[test]
fn rules_of_the_whole_workflow() {
    let spec = |rest: &str| format!("{HEAD}  entrypoint: leaf\n{rest}  templates:\n{LEAF}");
    valid(&spec(""));
    invalid(&format!("{HEAD}  templates:\n{LEAF}"), "spec.entrypoint is required");
    invalid(&format!("{HEAD}  entrypoint: nope\n  templates:\n{LEAF}"), "template name 'nope' undefined");
    invalid(&spec("  onExit: nope\n"), "template name 'nope' undefined");
    invalid(&spec("  hooks: {done: {template: leaf}}\n"), "hooks.done Expression required");
    invalid(&spec("  podGC: {strategy: Sometimes}\n"), "podGC.strategy unknown strategy 'Sometimes'");
    invalid(&spec("  arguments: {parameters: [{name: a}]}\n"), "spec.arguments.a.value or");
    invalid(
        &spec("  arguments: {parameters: [{name: a, value: x, enum: []}]}\n"),
        "enum should contain at least one value",
    );
    invalid(
        &spec("  arguments: {parameters: [{name: a, value: x, enum: [b]}]}\n"),
        "value should be present in",
    );
    invalid(&spec("  activeDeadlineSeconds: -5\n"), "activeDeadlineSeconds must be a positive integer");
    invalid(&spec("  podResources: {limits: {gpu: 1}}\n"), "is not a valid pod-level resource");
    let long = format!(
        "{}    name: {}\nspec:\n  entrypoint: leaf\n  templates:\n{LEAF}",
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata:\n",
        "a".repeat(64)
    );
    invalid(&long, "must not be more than 63 characters");
    invalid(
        &format!("{HEAD}  entrypoint: a\n  workflowTemplateRef: {{name: gone}}\n"),
        "WorkflowTemplate `gone` not found",
    );
}

#[test]
fn linting_lets_arguments_be_empty_and_strict_turns_warnings_into_errors() {
    let text = format!(
        "{HEAD}  entrypoint: leaf\n  parallelism: 0\n  arguments: {{parameters: [{{name: a}}]}}\n  templates:\n{LEAF}"
    );
    let lint = Options { lint: true, ..Options::default() };
    assert!(check(&text, lint).iter().all(|d| !d.is_error()));
    let strict = Options { strict: true, ..lint };
    assert!(check(&text, strict).iter().any(|d| d.is_error() && d.message.contains("parallelism")));
}

#[test]
fn global_outputs_are_in_scope_after_their_producer() {
    let text = main(
        "  - name: main
    steps:
    - - {name: a, template: make}
    - - {name: b, template: leaf, arguments: {parameters: [{name: p, value: '{{workflow.outputs.parameters.g}}'}]}}
  - name: make
    container: {image: i}
    outputs: {parameters: [{name: o, globalName: g, valueFrom: {path: /o}}]}
",
    );
    valid(&text);
    invalid(
        &text.replace("parameters.g}}", "parameters.h}}"),
        "failed to resolve {{workflow.outputs.parameters.h}}",
    );
}

#[test]
fn inline_templates_see_the_variables_of_their_step() {
    valid(&main(
        "  - name: main
    steps:
    - - {name: a, inline: {script: {image: i, source: 'echo {{workflow.name}}'}}}
    - - {name: b, inline: {script: {image: i, source: 'echo {{steps.a.outputs.result}}'}}}
",
    ));
}

#[test]
fn unknown_prefixes_are_left_alone() {
    valid(&main(
        "  - {name: main, container: {image: i, args: ['{{user.name}} {{ .Values.x }} {{item}}']}}\n",
    ));
}

#[test]
fn f58_recursive_templates_are_allowed_and_long_chains_are_refused_without_overflow() {
    valid(&steps("[{name: again, template: main, when: '{{workflow.name}} == x'}]"));
    let mut body = String::from("  - {name: main, steps: [[{name: s, template: x0}]]}\n");
    for index in 0..400 {
        body += &format!("  - {{name: x{index}, steps: [[{{name: s, template: x{}}}]]}}\n", index + 1);
    }
    body += "  - {name: x400, container: {image: i}}\n";
    invalid(&main(&body), "deeper than 100 levels");
}

#[test]
fn templates_of_other_resources_are_checked_at_the_step_that_calls_them() {
    let text = main("  - {name: main, steps: [[{name: a, templateRef: {name: lib, template: t}}]]}\n")
        + "---\napiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {name: lib}\nspec:\n  templates:\n  - {name: t, inputs: {parameters: [{name: q}]}, steps: [[{name: s, template: u}]]}\n  - {name: u, container: {image: i, args: ['{{inputs.parameters.z}}']}}\n";
    let found = check(&text, Options::default());
    let message = "templates.main.steps[0].a templates.t.steps[0].s templates.u: failed to resolve {{inputs.parameters.z}}";
    let first = found.iter().find(|d| d.message == message).unwrap();
    assert_eq!(first.span.as_ref().unwrap().line_column().0, 7);
    assert!(
        found.iter().any(
            |d| d.message == "templates.main.steps[0].a templates.t inputs.parameters.q was not supplied"
        )
    );
}

#[test]
fn cron_workflows_are_checked_with_their_spec() {
    let cron = |rest: &str| {
        format!(
            "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata: {{name: c}}\nspec:\n{rest}  workflowSpec:\n    entrypoint: a\n    templates: [{{name: a, container: {{image: i}}}}]\n"
        )
    };
    valid(&cron("  schedules: ['*/5 * * * *']\n  timezone: Europe/Berlin\n"));
    valid(&cron("  schedule: '@daily'\n"));
    invalid(&cron(""), "at least one schedule");
    invalid(&cron("  schedules: ['* * *']\n"), "cron schedule * * * is malformed");
    invalid(&cron("  schedules: ['* * * * *']\n  timezone: Mars/Base\n"), "invalid timezone");
    invalid(
        &cron("  schedules: ['* * * * *']\n  concurrencyPolicy: Maybe\n"),
        "'Maybe' is not a valid concurrencyPolicy",
    );
    invalid(
        &cron("  schedules: ['* * * * *']\n  startingDeadlineSeconds: -1\n"),
        "startingDeadlineSeconds must be positive",
    );
    let broken = cron("  schedules: ['* * * * *']\n").replace("entrypoint: a", "entrypoint: b");
    invalid(&broken, "template name 'b' undefined");
}

#[test]
fn f56_short_tags_do_not_make_large_texts() {
    let value = "v".repeat(500_000);
    let args = "'{{workflow.parameters.big}}', ".repeat(20_000);
    let text = format!(
        "{HEAD}  entrypoint: leaf\n  arguments: {{parameters: [{{name: big, value: {value}}}]}}\n  templates:\n  - name: leaf\n    container: {{image: i, args: [{args}]}}\n"
    );
    let start = std::time::Instant::now();
    valid(&text);
    assert!(start.elapsed().as_secs() < 10, "{:?}", start.elapsed());
}

fn unknown_names(text: &str) -> Vec<String> {
    let found = check(text, Options::default());
    found.into_iter().filter(|d| d.code == "expression-variable").map(|d| d.message).collect()
}

#[test]
fn names_in_expressions_are_looked_up_in_scope() {
    let leaf = |args: &str| {
        main(&format!(
            "  - {{name: main, inputs: {{parameters: [{{name: who, default: x}}]}}, container: {{image: i, args: [\"{args}\"]}}}}\n"
        ))
    };
    for fine in [
        "{{=inputs.parameters.who}}",
        "{{=inputs.parameters['who'] + workflow.name}}",
        "{{=toJson(inputs.parameters)}}",
        "{{=inputs.parameters.nobody ?? 'x'}}",
        "{{=sprig.upper(workflow.namespace)}}",
        "{{=map(1..3, # + 1)}}",
    ] {
        assert_eq!(unknown_names(&leaf(fine)), Vec::<String>::new(), "{fine}");
    }
    let found = unknown_names(&leaf("{{=inputs.parameters.whom}}"));
    assert!(found.len() == 1 && found[0].contains("`inputs.parameters.whom`"), "{found:?}");
    let looped = |when: &str| {
        steps(&format!(
            "[{{name: a, template: leaf}}], [{{name: b, template: leaf, when: \"{when}\", withItems: [{{k: 1}}]}}]"
        ))
    };
    assert_eq!(
        unknown_names(&looped("{{=steps.a.status == 'Succeeded' && item.k == '1'}}")),
        Vec::<String>::new()
    );
    let found = unknown_names(&looped("{{=steps.z.outputs.result == '1'}}"));
    assert!(found.len() == 1 && found[0].contains("`steps.z.outputs.result`"), "{found:?}");
    let task = "{name: a, template: leaf}, {name: b, template: leaf, depends: a, arguments: {parameters: [{name: p, value: \"{{=tasks.a.exitCode + tasks.c.exitCode}}\"}]}}";
    let found = unknown_names(&dag(task));
    assert!(found.len() == 1 && found[0].contains("`tasks.c.exitCode`"), "{found:?}");
}
