//! Exit codes, one test each, and that nothing is stored when a file is bad.
//! Runs the built binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Place, finish, signal};

#[test]
fn code_0_and_1_are_the_phase_of_the_workflow() {
    let place = Place::new();
    place.run(&["submit", "hello.yaml"]).code(0).err_has("Succeeded");
    place.run(&["submit", "broken.yaml"]).code(1).err_has("exit code 3");
    place.run(&["wait", "hello", "broken"]).code(1).out_has("broken Failed at ");
}

#[test]
fn code_2_is_wrong_use() {
    let place = Place::new();
    for args in [
        &["frobnicate"][..],
        &["submit"],
        &["submit", "hello.yaml", "-p", "novalue"],
        &["submit", "hello.yaml", "--timeout", "soon"],
        &["submit", "hello.yaml", "--idempotency-key", ""],
        &["submit", "--from", "nokind"],
        &["list", "-o", "xml"],
        &["list", "--store", "postgres://host/db"],
        &["stop"],
    ] {
        let ran = place.run(args);
        if args == ["stop"] {
            continue; // without a store there is nothing to name
        }
        let ran = ran.code(2);
        assert!(ran.out.is_empty(), "{args:?} wrote to stdout: {}", ran.out);
    }
    assert!(!place.has_store());
    place.run(&["submit", "hello.yaml", "--name", "one"]).code(0);
    place.run(&["submit", "hello.yaml", "--name", "only"]).code(0);
    place.run(&["get", "on"]).code(2).err_has("fits 2 workflows: only, one");
    place.run(&["stop"]).code(2);
}

#[test]
fn an_executor_that_can_start_no_step_is_refused_before_anything_is_stored() {
    let place = Place::new();
    let refused = place.run(&["submit", "hello.yaml", "--executor", "kubernetes"]).code(2);
    refused.err_has("runners.kubernetes.executorImage").err_has("docs/kubernetes-runner.md");
    assert!(!place.has_store());
}

#[test]
fn code_3_is_a_bad_file_and_nothing_is_stored() {
    let place = Place::new();
    let unknown = common::HELLO.replace("container:", "contaner:");
    place.write("typo.yaml", &unknown);
    place.write("no-entrypoint.yaml", &common::HELLO.replace("entrypoint: main", "entrypoint: mian"));
    place.write(
        "variable.yaml",
        &common::HELLO.replace("workflow.parameters.message", "workflow.parameters.mesage"),
    );
    place.write("not-yaml.yaml", "a: [1, 2\nb: }");
    place.write("bomb.yaml", "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\ne: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e]\ng: [*f,*f,*f,*f,*f,*f,*f,*f,*f]\n");
    place.write("deep.yaml", &"[".repeat(400_000));
    place.write("empty.yaml", "");
    place.write("binary.yaml", "x");
    std::fs::write(place.path().join("binary.yaml"), [0xff, 0xfe, 0x00]).unwrap();
    for file in ["typo", "no-entrypoint", "variable", "not-yaml", "bomb", "deep", "empty", "binary"] {
        let file = format!("{file}.yaml");
        for verb in ["submit", "lint"] {
            let ran = place.run(&[verb, &file]).code(3);
            let said = format!("{}{}", ran.out, ran.err);
            assert!(
                said.contains(&file) || said.contains("nothing to lint") || said.contains("no Workflow"),
                "{said}"
            );
            assert!(said.lines().count() < 40, "{verb} {file}: one clear message, not {said}");
            assert!(!place.has_store(), "{verb} {file} stored something");
        }
    }
}

#[test]
fn code_3_names_line_column_and_hint() {
    let place = Place::new();
    place.write("typo.yaml", &common::HELLO.replace("entrypoint: main", "entrypoint: main\n  entypoint: x"));
    place.run(&["submit", "typo.yaml", "--dry-run"]).code(0).err_has("typo.yaml:7:3: warning[unknown-field]");
    let linted = place.run(&["lint", "typo.yaml"]).code(3);
    linted.out_has("typo.yaml:7:3: error[unknown-field]").out_has("1 linting errors found!");
    place.run(&["lint", "typo.yaml", "--strict=false"]).code(0).out_has("warning[unknown-field]");
    let number =
        place.write("number.yaml", &common::HELLO.replace("message, value: hello", "7, value: hello"));
    assert!(number.exists());
    let numbers = std::fs::read_to_string(&number).unwrap().replace("parameters.message", "parameters.7");
    place.write("number.yaml", &numbers);
    place.run(&["lint", "number.yaml"]).code(0).out_has("warning[number-as-text]");
    place.run(&["lint", "number.yaml", "--strict"]).code(3).out_has("error[number-as-text]");
    let ran = place.run(&["submit", "typo.yaml", "--strict"]).code(3);
    ran.err_has("typo.yaml:7:3: error[unknown-field]").err_has("^^^^^^^^^").err_has("entrypoint");
    assert!(!place.has_store());
}

#[test]
fn code_4_is_not_found() {
    let place = Place::new();
    place.run(&["get", "nope"]).code(4).err_has("no store at ./.runner/runner.db");
    place.run(&["submit", "nope.yaml"]).code(4).err_has("nope.yaml: no such file");
    place.run(&["submit", "--from", "wftmpl/nope"]).code(4);
    assert!(!place.has_store());
    place.run(&["submit", "hello.yaml"]).code(0);
    place.run(&["get", "nope"]).code(4);
    place.run(&["logs", "@latest", "nope"]).code(4).err_has("its steps: hello-");
    place.run(&["template", "get", "nope"]).code(4);
    place.run(&["wait", "nope", "--ignore-not-found"]).code(0);
}

#[test]
fn what_changes_nothing_here_is_noted_with_its_place_and_the_reason() {
    let place = Place::new();
    let spec = "spec:\n  hostNetwork: true\n  podSpecPatch: '{}'\n";
    place.write("fields.yaml", &common::HELLO.replace("spec:\n", spec));
    let wanted = "`hostNetwork` has no effect here because steps share the network of this machine";
    let place_of = "fields.yaml:6:3: note[no-effect]: ";
    let linted = place.run(&["lint", "fields.yaml"]).code(0);
    linted.out_has(place_of).out_has(wanted).out_has("no linting errors found! (2 notes in 1 file)");
    let json = place.run(&["lint", "fields.yaml", "--format", "json"]).code(0).json();
    assert_eq!(json["diagnostics"].as_array().unwrap().len(), 2, "{json}");
    let ran = place.run(&["submit", "fields.yaml", "--wait"]).code(0);
    ran.err_has(place_of).err_has(wanted).err_has("`podSpecPatch` has no effect");
    assert_eq!(place.run(&["submit", "fields.yaml", "-q", "-o", "name"]).code(0).err, "");
    let elsewhere = place.run(&["lint", "fields.yaml", "--executor", "kubernetes"]).code(0).out;
    assert!(elsewhere.contains("no linting errors found! (1 file)"), "{elsewhere}");
    place.write(
        "t.yaml",
        &format!("apiVersion: argoproj.io/v1alpha1\nkind: WorkflowTemplate\nmetadata: {{name: t}}\n{spec}"),
    );
    place.run(&["apply", "-f", "t.yaml"]).code(0).err_has("`hostNetwork` has no effect");
}

#[test]
fn more_is_said_with_the_flags_of_both_command_lines() {
    let place = Place::new();
    for flag in ["-v", "--loglevel=debug"] {
        place.run(&[flag, "list"]).code(0).err_has("CLI version ");
    }
    assert_eq!(place.run(&["--loglevel", "warn", "list"]).code(0).err, "no workflows\n");
    place.run(&["--loglevel", "loud", "list"]).code(2);
}

#[test]
fn code_5_is_waiting_for_a_person() {
    let place = Place::new();
    let ran = place.run(&["submit", "approve.yaml", "--wait", "--no-suspend"]).code(5);
    assert_eq!(ran.err.lines().last().unwrap(), "resume with: runner resume approve");
    place.run(&["wait", "approve", "--no-suspend"]).code(5);
}

#[test]
fn code_6_is_a_store_that_cannot_be_used() {
    let place = Place::new();
    place.write(
        "not-a.db",
        "this is no database, it is a text that is long enough to be looked at as a header of one\n",
    );
    place.run(&["list", "--store", "not-a.db"]).code(6).err_has("store: ");
    place.run(&["submit", "hello.yaml", "--store", "/proc/no/where.db"]).code(6);
}

#[test]
fn code_7_is_a_conflict() {
    let place = Place::new();
    place.run(&["submit", "hello.yaml", "--name", "one"]).code(0);
    place.run(&["submit", "hello.yaml", "--name", "one"]).code(7).err_has("already exists");
    place.run(&["resume", "one"]).code(7).err_has("ended already: Succeeded");
    place.run(&["submit", "approve.yaml", "--no-suspend"]).code(5);
    place.run(&["delete", "approve"]).code(7).err_has("has not ended");
    place.run(&["retry", "approve"]).code(7);
    place.run(&["resume", "approve", "-p", "nothing=1"]).code(7);
}

#[test]
fn code_124_is_the_timeout_and_the_run_can_be_resumed() {
    let place = Place::new();
    let ran = place.run(&["submit", "slow.yaml", "--timeout", "1s", "--name", "late"]).code(124);
    assert_eq!(ran.err.lines().last().unwrap(), "resume with: runner resume late");
    place.run(&["wait", "late", "--timeout", "100ms"]).code(124);
    place.run(&["resume", "late"]).code(0);
}

#[test]
fn f72_code_130_is_ctrl_c_and_143_is_sigterm() {
    for (name, code) in [("INT", 130), ("TERM", 143)] {
        let place = Place::new();
        let child = place.start(&["submit", "slow.yaml", "--name", "run"]);
        place.until("the slow step runs", |w| common::node(w, "second")["phase"] == "Running");
        signal(&child, name);
        let began = std::time::Instant::now();
        let ran = finish(child).code(code);
        assert!(began.elapsed().as_secs() < 6, "took {:?}", began.elapsed());
        assert_eq!(ran.err.lines().last().unwrap(), "resume with: runner resume run", "{}", ran.err);
        let after = place.run(&["resume", "run", "-o", "json"]).code(0).json();
        assert_eq!(after["status"]["phase"], "Succeeded");
        // the step that ran went on under its supervisor: it began once
        let logs = place.run(&["logs", "run", "second", "--no-prefix"]).code(0);
        assert_eq!(logs.out, "began\nended\n");
    }
}

#[test]
fn a_second_ctrl_c_leaves_at_once_and_the_run_is_safe() {
    let place = Place::new();
    let child = place.start(&["submit", "slow.yaml", "--name", "run"]);
    place.until("the slow step runs", |w| common::node(w, "second")["phase"] == "Running");
    signal(&child, "INT");
    signal(&child, "INT");
    finish(child).code(130);
    place.run(&["resume", "run", "-o", "name"]).code(0);
    place.run(&["db", "verify"]).code(0);
}

#[test]
fn the_exit_code_of_a_step_can_be_that_of_the_command() {
    let place = Place::new();
    place.run(&["submit", "broken.yaml", "--exit-code-from", "bad"]).code(3);
    place.run(&["submit", "hello.yaml", "--name", "x", "--exit-code-from", "x"]).code(0);
}

#[test]
fn exit_codes_are_documented() {
    let ran = Place::new().run(&["--help"]).code(0);
    for code in ["0 ", "1 ", "2 ", "3 ", "4 ", "5 ", "6 ", "7 ", "124", "130", "143"] {
        assert!(ran.out.lines().any(|line| line.trim_start().starts_with(code)), "{code} in {}", ran.out);
    }
}
