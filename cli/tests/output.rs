//! What is written where: data on stdout, the rest on stderr, in every format.
//! Runs the built binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Place;

#[test]
fn the_json_of_nothing_is_an_empty_list() {
    let place = Place::new();
    assert_eq!(place.run(&["list", "-o", "json"]).code(0).out, "[]\n");
    assert_eq!(place.run(&["resume", "-o", "json"]).code(0).out, "[]\n");
    assert_eq!(place.run(&["template", "list", "--cluster", "-o", "json"]).code(0).out, "[]\n");
    place.run(&["template", "list"]).code(0).out_has("promote-environment").out_has("shipped");
    assert_eq!(place.run(&["list", "-o", "jsonl"]).code(0).out, "");
    let table = place.run(&["list"]).code(0);
    assert_eq!((table.out.as_str(), table.err.as_str()), ("", "no workflows\n"));
    assert!(!place.has_store(), "reading makes no store");
}

#[test]
fn submit_writes_data_alone_to_stdout() {
    let place = Place::new();
    let name = place.run(&["submit", "hello.yaml", "-o", "name"]).code(0);
    assert!(name.out.starts_with("hello-") && name.out.lines().count() == 1, "{}", name.out);

    let json = place.run(&["submit", "hello.yaml", "-o", "json", "-p", "message=hi"]).code(0).json();
    assert_eq!(json["kind"], "Workflow");
    assert_eq!(json["status"]["phase"], "Succeeded");
    assert!(json["metadata"]["name"].as_str().unwrap().starts_with("hello-"));
    assert!(json["metadata"]["uid"].as_str().is_some_and(|uid| uid.len() == 36));

    let several = place.run(&["submit", "hello.yaml", "hello.yaml", "-o", "json"]).code(0).json();
    assert_eq!(several.as_array().unwrap().len(), 2);

    let lines = place.run(&["submit", "hello.yaml", "-o", "jsonl"]).code(0);
    let events: Vec<serde_json::Value> =
        lines.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(events.last().unwrap()["phase"], "Succeeded");

    let yaml = place.run(&["submit", "hello.yaml", "-o", "yaml"]).code(0);
    assert!(yaml.out.contains("kind: Workflow\n"), "{}", yaml.out);

    let plain = place.run(&["submit", "hello.yaml"]).code(0);
    assert!(plain.out.starts_with("Name:                hello-"), "{}", plain.out);
    assert!(plain.err.starts_with("submitted hello-"), "{}", plain.err);

    let wait = place.run(&["submit", "hello.yaml", "--wait", "-q"]).code(0);
    assert!(wait.out.contains(" Succeeded at 20") && wait.out.lines().count() == 1, "{}", wait.out);
    assert_eq!(wait.err, "");

    let log = place.run(&["submit", "hello.yaml", "--log", "-p", "message=logged"]).code(0);
    assert!(log.out.ends_with(": logged\n") && log.out.lines().count() == 1, "{}", log.out);
}

#[test]
fn a_filter_prints_its_part_of_the_json() {
    let place = Place::new();
    let phase = place.run(&["submit", "hello.yaml", "--jq", ".status.phase, .metadata.uid | length"]).code(0);
    assert_eq!(phase.out, "9\n36\n");
    assert_eq!(place.run(&["get", "@latest", "--jq", ".status.phase"]).code(0).out, "Succeeded\n");
    let list = place.run(&["list", "--jq", ".[] | {phase: .status.phase}", "-o", "json"]).code(0);
    assert_eq!(list.out, "{\"phase\":\"Succeeded\"}\n");
    let lines = place.run(&["submit", "hello.yaml", "-o", "jsonl", "--jq", ".phase"]).code(0);
    assert!(lines.out.ends_with("Succeeded\n"), "{}", lines.out);
    place.run(&["list", "--jq", ".[] | error(\"no\")"]).code(1).err_has("--jq");
    let bad = place.run(&["submit", "hello.yaml", "--jq", ".["]).code(2).err_has("--jq");
    assert_eq!(bad.out, "", "nothing was run");
    place.run(&["list", "--jq", ".", "-o", "yaml"]).code(2).err_has("--jq reads JSON");
    assert_eq!(place.run(&["list", "--jq", "length"]).code(0).out, "2\n");
}

#[test]
fn nothing_is_coloured_or_redrawn_when_piped() {
    let place = Place::new();
    for args in [
        &["submit", "broken.yaml"][..],
        &["get", "broken"],
        &["list"],
        &["logs", "broken"],
        &["lint", "hello.yaml"],
    ] {
        let ran = place.run(args);
        assert!(
            !ran.out.contains('\u{1b}') && !ran.err.contains('\u{1b}'),
            "{args:?}: {}{}",
            ran.out,
            ran.err
        );
    }
    let forced = place.command(&["get", "broken"]).env("FORCE_COLOR", "1").output().unwrap();
    assert!(String::from_utf8(forced.stdout).unwrap().contains("\u{1b}[31m✖"));
    let both =
        place.command(&["get", "broken"]).env("FORCE_COLOR", "1").env("NO_COLOR", "1").output().unwrap();
    assert!(!String::from_utf8(both.stdout).unwrap().contains('\u{1b}'));
}

#[test]
fn list_shows_status_as_a_word_and_filters() {
    let place = Place::new();
    place.run(&["submit", "hello.yaml", "--name", "one", "-l", "app=web"]).code(0);
    place.run(&["submit", "broken.yaml", "-l", "app=db"]).code(1);
    let table = place.run(&["list"]).code(0);
    let lines: Vec<&str> = table.out.lines().collect();
    assert_eq!(
        lines[0].split_whitespace().collect::<Vec<_>>(),
        ["NAME", "STATUS", "AGE", "DURATION", "PRIORITY", "MESSAGE"]
    );
    assert!(lines[1].starts_with("broken") && lines[1].contains("Failed"), "newest first: {}", table.out);
    assert!(lines[2].starts_with("one") && lines[2].contains("Succeeded"));
    let names = |args: &[&str]| place.run(&[&["list", "-o", "name"], args].concat()).code(0).out;
    assert_eq!(names(&["--status", "Failed"]), "broken\n");
    assert_eq!(names(&["--status", "failed,succeeded"]), "broken\none\n");
    assert_eq!(names(&["-l", "app=web"]), "one\n");
    assert_eq!(names(&["-l", "app in (web, db),app!=web"]), "broken\n");
    assert_eq!(names(&["--prefix", "o"]), "one\n");
    assert_eq!(names(&["--running"]), "");
    assert_eq!(names(&["--limit", "1"]), "broken\n");
    assert_eq!(names(&["-n", "other"]), "");
    assert_eq!(names(&["-A"]), "broken\none\n");
    assert!(!place.run(&["list", "--no-headers"]).code(0).out.contains("NAME"));
    let json = place.run(&["list", "-o", "json"]).code(0).json();
    assert_eq!(json[0]["status"]["phase"], "Failed");
}

#[test]
fn get_prints_the_object_in_argos_shape() {
    let place = Place::new();
    place.run(&["submit", "broken.yaml"]).code(1);
    let json = place.run(&["get", "@failed", "-o", "json"]).code(0).json();
    let good = common::node(&json, "good");
    assert_eq!((&good["type"], &good["phase"]), (&"Pod".into(), &"Succeeded".into()));
    assert_eq!(common::node(&json, "bad")["outputs"]["exitCode"], "3");
    let text = place.run(&["get", "bro"]).code(0);
    assert!(
        text.out.contains("STEP") && text.out.contains(" ├───✔ good") && text.out.contains(" └───✖ bad"),
        "{}",
        text.out
    );
    let failed = place.run(&["get", "broken", "--failed"]).code(0);
    assert!(!failed.out.contains("✔ good"), "{}", failed.out);
    let ascii = place.run(&["get", "broken", "--no-utf8"]).code(0);
    assert!(ascii.out.is_ascii(), "{}", ascii.out);
}

#[test]
fn v12_logs_are_harmless_unless_raw() {
    let place = Place::new();
    let evil = common::HELLO.replace(
        "[echo, '{{workflow.parameters.message}}']",
        "[printf, '\\033[2J\\033]0;owned\\007clean\\r100%%\\n']",
    );
    place.write("evil.yaml", &evil);
    place.run(&["submit", "evil.yaml", "--name", "evil"]).code(0);
    assert_eq!(place.run(&["logs", "evil"]).code(0).out, "evil: clean␍100%\n");
    assert_eq!(
        place.run(&["logs", "evil", "--raw", "--no-prefix"]).code(0).out,
        "\u{1b}[2J\u{1b}]0;owned\u{7}clean\r100%\n"
    );
    let json: serde_json::Value = place.run(&["logs", "evil", "-o", "jsonl"]).code(0).json();
    assert_eq!((&json["pod"], &json["stream"]), (&"evil".into(), &"stdout".into()));
}

#[test]
fn logs_by_node_tail_and_pattern() {
    let place = Place::new();
    let many =
        common::BROKEN.replace("[echo, fine]", "[sh, -c, 'for i in 1 2 3 4 5; do echo line $i; done']");
    place.write("many.yaml", &many);
    place.run(&["submit", "many.yaml"]).code(1);
    let logs = |args: &[&str]| place.run(&[&["logs", "broken", "--no-prefix"], args].concat()).code(0).out;
    assert_eq!(logs(&["good", "--tail", "2"]), "line 4\nline 5\n");
    assert_eq!(logs(&["--grep", "[13]$"]), "line 1\nline 3\n");
    assert_eq!(logs(&["--failed"]), "oops\n");
    assert_eq!(logs(&["broken"]), "line 1\nline 2\nline 3\nline 4\nline 5\noops\n");
    let stamped = logs(&["--failed", "--timestamps"]);
    assert!(stamped.starts_with("20") && stamped.ends_with("Z oops\n"), "{stamped}");
    place.run(&["logs", "broken", "--grep", "("]).code(2);
}

#[test]
fn a_dry_run_stores_nothing() {
    let place = Place::new();
    let yaml = place
        .run(&["submit", "hello.yaml", "--dry-run", "-p", "message=dry", "--entrypoint", "main"])
        .code(0);
    assert!(yaml.out.contains("kind: Workflow") && yaml.out.contains("dry"), "{}", yaml.out);
    let json =
        place.run(&["submit", "hello.yaml", "--dry-run", "-o", "json", "-p", "message=dry"]).code(0).json();
    assert_eq!(json["spec"]["arguments"]["parameters"][0]["value"], "dry");
    assert!(!place.has_store());
}

#[test]
fn lint_reports_in_four_forms() {
    let place = Place::new();
    place.write("bad.yaml", &common::HELLO.replace("entrypoint: main", "entrypoint: mian"));
    let pretty = place.run(&["lint", "hello.yaml"]).code(0);
    assert_eq!(pretty.out, "✔ no linting errors found! (1 file)\n");
    let bad = place.run(&["lint", "bad.yaml"]).code(3);
    assert!(bad.out.contains("bad.yaml:6:3: error["), "{}", bad.out);
    assert!(bad.out.contains("✖ 1 linting errors found! (1 error in 1 file)"), "{}", bad.out);
    let json = place.run(&["lint", "bad.yaml", "--format", "json"]).code(3).json();
    assert_eq!((&json["valid"], &json["errors"]), (&false.into(), &1.into()));
    assert_eq!(json["diagnostics"][0]["line"], 6);
    let github = place.run(&["lint", "bad.yaml", "--format", "github"]).code(3);
    assert!(github.out.starts_with("::error file=bad.yaml,line=6,col=3::"), "{}", github.out);
    let junit = place.run(&["lint", "bad.yaml", "hello.yaml", "--format", "junit"]).code(3);
    assert!(junit.out.contains(r#"<testsuite name="runner lint" tests="2" failures="1">"#), "{}", junit.out);
    // templates of the given files are known to all of them
    let user = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: u-}\nspec:\n  workflowTemplateRef: {name: greet}\n";
    place.write("dir/user.yaml", user);
    place.run(&["lint", "dir"]).code(3);
    place.run(&["lint", "dir", "templates.yaml"]).code(0);
    assert!(!place.has_store());
}

#[test]
fn a_reader_that_goes_away_does_not_end_the_run() {
    let place = Place::new();
    place.shell("runner submit slow.yaml --name gone --log | head -1").code(0).out_has("quick");
    place.until("it ended all the same", |w| w["status"]["phase"] == "Succeeded");
    place.shell("runner list | head -1").code(0);
}

#[test]
fn wait_and_log_write_one_thing_only() {
    let place = Place::new();
    let json = place.run(&["submit", "hello.yaml", "--wait", "-o", "json"]).code(0).json();
    assert_eq!(json["status"]["phase"], "Succeeded");
    place.run(&["submit", "hello.yaml", "--log", "-o", "json"]).code(2).err_has("--log");
}

#[test]
fn the_namespace_is_that_of_the_command_line_or_of_the_file() {
    let place = Place::new();
    let text = common::APPROVE.replace("  name: approve\n", "  name: approve\n  namespace: team\n");
    place.write("team.yaml", &text);
    let ran = place.run(&["submit", "team.yaml", "--no-suspend"]).code(5);
    assert_eq!(ran.err.lines().last().unwrap(), "resume with: runner resume approve -n team");
    place.run(&["get", "approve"]).code(4);
    assert_eq!(
        place.run(&["get", "approve", "-n", "team", "-o", "json"]).code(0).json()["metadata"]["namespace"],
        "team"
    );
    place.run(&["submit", "team.yaml", "-n", "other"]).code(2).err_has("the file says namespace `team`");
    let ran = place.run(&["submit", "approve.yaml", "--no-suspend", "--store", "x.db"]).code(5);
    assert_eq!(ran.err.lines().last().unwrap(), "resume with: runner resume approve --store x.db");
    place.shell("runner resume approve --store x.db").code(0);
}

#[test]
fn commands_that_change_something_answer_in_json_too() {
    let place = Place::new();
    let applied = place.run(&["apply", "-f", "templates.yaml", "-o", "json"]).code(0).json();
    assert_eq!(
        applied[0],
        serde_json::json!({"kind": "WorkflowTemplate", "name": "greet", "result": "created"})
    );
    place.run(&["submit", "approve.yaml", "--no-suspend"]).code(5);
    assert_eq!(place.run(&["suspend", "approve", "-o", "name"]).code(0).out, "approve\n");
    assert_eq!(place.run(&["stop", "approve", "-o", "json"]).code(0).json()[0]["result"], "stopped");
    assert_eq!(place.run(&["wait", "approve", "-o", "json"]).code(1).json()["status"]["phase"], "Failed");
    assert_eq!(place.run(&["delete", "approve", "-o", "json"]).code(0).json()[0]["result"], "deleted");
}

#[test]
fn v12_errors_do_not_carry_control_sequences_to_the_terminal() {
    let place = Place::new();
    let ran = place.run(&["submit", "\u{1b}[2Jevil.yaml"]).code(4);
    assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
    place.write("\u{1b}[2Jevil.yaml", "a: [");
    let ran = place.run(&["submit", "\u{1b}[2Jevil.yaml"]).code(3);
    assert!(!ran.err.contains('\u{1b}'), "{:?}", ran.err);
}
