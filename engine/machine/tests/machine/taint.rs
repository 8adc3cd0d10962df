//! V1: values of events do not become code: refused before a step starts, let through as data, as plain words, or on request.
//! Runs no shell: whether a step was started is what counts.

use crate::common::{Run, prints};
use runner_machine::{NodePhase as P, WorkflowPhase as W};

const EVIL: &str = "x'; touch /tmp/owned; '";

/// A run with the parameter `title` of an event, and one template.
fn run(value: &str, template: &str) -> Run {
    let value = serde_json::to_string(value).unwrap();
    let spec = format!(
        "entrypoint: main\narguments: {{parameters: [{{name: title, value: {value}}}, {{name: own, value: 'a b;c'}}]}}\ntemplates:\n{template}"
    );
    Run::of_event(&spec, "workflow.parameters.title")
}

#[track_caller]
fn refused(mut run: Run, place: &str) {
    run.go();
    assert!(run.started.is_empty(), "{:?} was started", run.started);
    let all: Vec<String> = run
        .status
        .nodes()
        .map(|(_, node)| node.message.clone())
        .chain([run.status.message.clone()])
        .collect();
    let said = all.iter().find(|text| text.contains("refused before it was started"));
    let said = said.unwrap_or_else(|| panic!("nothing was refused: {all:?}"));
    assert!(said.contains(place) && said.contains("runner/allow-unsafe-splice"), "{said}");
    // the name of a loop's item has its value, as in Argo
    let said = &said[said.find("refused before").unwrap()..];
    assert!(!said.contains("owned"), "the value itself is not repeated: {said}");
    run.replays();
}

#[track_caller]
fn runs(mut run: Run) -> Run {
    run.ends(W::Succeeded);
    run
}

const SCRIPT: &str =
    "- name: main\n  script: {image: x, command: [sh], source: \"echo '{{workflow.parameters.title}}'\"}\n";

#[test]
fn v1_a_script_takes_plain_words_of_an_event_and_nothing_else() {
    for plain in ["shop", "https://example.com/a_b@1.2,c=%20+", "", "2026-01-01T00:00:00Z"] {
        runs(run(plain, SCRIPT));
    }
    for evil in [
        EVIL,
        "a b",
        "$(id)",
        "`id`",
        "-rf",
        "~root",
        "a\nb",
        "\u{202e}x",
        "a|b",
        "a&b",
        "a\"b",
        "a\\b",
        "*",
        "{{workflow.uid}}",
    ] {
        refused(run(evil, SCRIPT), "script.source");
    }
    // the author's own parameter is the author's word
    let own = SCRIPT.replace("parameters.title", "parameters.own");
    runs(run(EVIL, &own));
}

#[test]
fn v1_the_template_may_ask_for_it() {
    let asks = format!("{SCRIPT}  metadata: {{annotations: {{runner/allow-unsafe-splice: 'true'}}}}\n");
    runs(run(EVIL, &asks));
    let asks = format!("{SCRIPT}  annotations: {{runner/allow-unsafe-splice: 'yes'}}\n");
    refused(run(EVIL, &asks), "script.source");
}

#[test]
fn v1_command_lines_are_code_up_to_their_program_and_data_after_it() {
    let container = |command: &str, args: &str| {
        format!("- name: main\n  container: {{image: x, command: {command}, args: {args}}}\n")
    };
    let title = "{{workflow.parameters.title}}";
    for (command, args, place) in [
        ("[sh, -c]", format!("[\"echo {title}\"]"), "container.args.0"),
        ("[/bin/bash, -eu, -o, x, -c, 'echo']", format!("[\"{title}\"]"), ""),
        ("[python3.11]", format!("[-c, \"print('{title}')\"]"), "container.args.1"),
        ("[node, --eval]", format!("[\"{title}\"]"), "container.args.0"),
        ("[env, A=b, sh]", format!("[-ec, \"{title}\"]"), "container.args.1"),
        ("[]", format!("[-c, \"{title}\"]"), "container.args.1"),
        ("[]", format!("[sh, -c, \"{title}\"]"), "container.args.2"),
        ("[ssh, host]", format!("[\"rm {title}\"]"), "container.args.0"),
        ("[awk]", format!("[\"{title}\", file]"), "container.args.0"),
        ("[python]", format!("[\"{title}\"]"), "container.args.0"),
        ("[python, script.py]", format!("[\"{title}\"]"), ""),
        ("[sh, -c, 'echo \"$1\"', sh]", format!("[\"{title}\"]"), ""),
        ("[echo]", format!("[\"{title}\"]"), ""),
        (&format!("[\"{title}\"]"), "[a]".to_owned(), "container.command.0"),
    ] {
        let run = run(EVIL, &container(command, &args));
        if place.is_empty() { drop(runs(run)) } else { refused(run, place) }
    }
    let env = "- name: main\n  script: {image: x, command: [sh], source: 'echo \"$T\"', env: [{name: T, value: '{{workflow.parameters.title}}'}]}\n";
    runs(run(EVIL, env));
}

#[test]
fn v1_taint_goes_along_with_the_value() {
    let leaf = "- name: leaf\n  inputs: {parameters: [{name: v, value: ''}, {name: w, value: 'pre {{inputs.parameters.v}}'}]}\n  \
                script: {image: x, command: [sh], source: 'echo {{inputs.parameters.v}}'}\n";
    let call = |arguments: &str, more: &str| {
        format!(
            "- name: main\n  steps:\n  - - {{name: s, template: leaf, arguments: {{parameters: [{arguments}]}}{more}}}\n{leaf}"
        )
    };
    let title = "{{workflow.parameters.title}}";
    for (arguments, more) in [
        (format!("{{name: v, value: \"{title}\"}}"), ""),
        (format!("{{name: v, value: \"see {title}\"}}"), ""),
        ("{name: v, value: \"{{=sprig.upper(workflow.parameters.title)}}\"}".to_owned(), ""),
        ("{name: v, value: \"{{=workflow.parameters['title']}}\"}".to_owned(), ""),
        ("{name: v, value: \"{{=toJson(workflow.parameters)}}\"}".to_owned(), ""),
        ("{name: v, value: \"{{workflow.parameters.json}}\"}".to_owned(), ""),
        ("{name: v, valueFrom: {expression: 'workflow.parameters.title'}}".to_owned(), ""),
        ("{name: v, value: '{{item}}'}".to_owned(), ", withItems: [\"{{workflow.parameters.title}}\"]"),
        (
            "{name: v, value: '{{item.a}}'}".to_owned(),
            ", withItems: [{a: \"{{workflow.parameters.title}}\"}]",
        ),
    ] {
        refused(run(EVIL, &call(&arguments, more)), "script.source");
    }
    let default = call(&format!("{{name: v, value: \"{title}\"}}"), "")
        .replace("echo {{inputs.parameters.v}}", "echo {{inputs.parameters.w}}");
    refused(run(EVIL, &default), "script.source");
    let dag = format!(
        "- name: main\n  dag:\n    tasks: [{{name: s, template: mid, arguments: {{parameters: [{{name: v, value: \"{title}\"}}]}}}}]\n\
         - name: mid\n  inputs: {{parameters: [{{name: v}}]}}\n  steps:\n  - - {{name: t, template: leaf, arguments: {{parameters: [{{name: v, value: '{{{{inputs.parameters.v}}}}'}}]}}}}\n{leaf}"
    );
    refused(run(EVIL, &dag), "script.source");
    let inline = format!(
        "- name: main\n  inputs: {{parameters: [{{name: title}}]}}\n  steps:\n  - - {{name: s, inline: {{script: {{image: x, command: [sh], source: 'echo {{{{inputs.parameters.title}}}}'}}}}}}\n{leaf}"
    );
    refused(run(EVIL, &inline), "script.source");
    let retried = leaf.replace("- name: leaf", "- name: leaf\n  retryStrategy: {limit: 2}");
    let retried = call(&format!("{{name: v, value: \"{title}\"}}"), "").replace(leaf, &retried);
    refused(run(EVIL, &retried), "script.source");
}

#[test]
fn v1_a_condition_is_code_and_an_expression_is_not() {
    let with = |when: &str| {
        format!(
            "- name: main\n  steps:\n  - - {{name: s, template: leaf, when: \"{when}\"}}\n- name: leaf\n  container: {{image: x, command: ['true']}}\n"
        )
    };
    refused(run("x' == 'x' || '1", &with("'{{workflow.parameters.title}}' == 'no'")), "when");
    let mut plain = runs(run("yes", &with("'{{workflow.parameters.title}}' == 'yes'")));
    assert_eq!(plain.go().started, ["s"]);
    let by_value = runs(run("x' == 'x", &with("{{= workflow.parameters.title == 'no' }}")));
    assert_eq!(by_value.node("s").phase, P::Skipped);
}

#[test]
fn v2_an_event_is_never_read_as_a_template() {
    let echo = "- name: main\n  inputs: {parameters: [{name: title}]}\n  container: {image: x, command: [echo, '{{inputs.parameters.title}}']}\n";
    let run = runs(run("{{workflow.uid}} {{=1+1}}", echo).on("wf", prints("ok")));
    let node = run.node("wf");
    assert_eq!(node.inputs.parameters[0].value.as_ref().unwrap().as_str(), "{{workflow.uid}} {{=1+1}}");
}
