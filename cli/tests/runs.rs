//! Runs from submit to end: killed and resumed, approved, stopped, retried, detached.
//! Runs the built binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::{Place, finish, node};

#[test]
fn kill_9_then_resume_without_a_name_and_with_one() {
    let place = Place::new();
    let mut child = place.start(&["submit", "slow.yaml", "--name", "run"]);
    place.until("the slow step runs", |w| node(w, "second")["phase"] == "Running");
    child.kill().unwrap();
    child.wait().unwrap();

    let list = place.run(&["resume"]).code(0);
    assert!(
        list.out.contains("run")
            && list.out.contains("interrupted")
            && list.out.contains("runner resume run"),
        "{}",
        list.out
    );
    let json = place.run(&["resume", "-o", "json"]).code(0).json();
    assert_eq!((&json[0]["name"], &json[0]["interrupted"]), (&"run".into(), &true.into()));

    let after = place
        .run(&["resume", "run", "-o", "json"])
        .code(0)
        .err_has("continuing run from its checkpoint (1 steps done)");
    assert_eq!(after.json()["status"]["phase"], "Succeeded");
    // finished steps were not run again, the running one was adopted
    assert_eq!(place.run(&["logs", "run", "--no-prefix"]).code(0).out, "quick\nbegan\nended\nquick\n");
    place.run(&["db", "verify"]).code(0).out_has("✔ no problems in 1 workflows");
    assert_eq!(place.run(&["resume", "-o", "name"]).code(0).out, "");
}

#[test]
fn resume_approves_what_waits_with_values() {
    let place = Place::new();
    let child = place.start(&["submit", "approve.yaml", "-o", "json"]);
    place.until("it waits", |w| node(w, "approve")["phase"] == "Running");
    let why = place.run(&["resume", "-o", "json"]).code(0).json();
    assert_eq!((&why[0]["interrupted"], &why[0]["waitingNodes"][0]), (&false.into(), &"approve".into()));
    place.run(&["resume", "approve", "-p", "nothing=1"]).code(7);
    place
        .run(&["resume", "approve", "-p", "decision=yes", "--message", "go"])
        .code(0)
        .out_has("workflow approve resumed");
    finish(child).code(0);
    assert_eq!(place.run(&["logs", "approve", "--no-prefix"]).code(0).out, "decided yes\n");
}

#[test]
fn resume_can_continue_without_approving() {
    let place = Place::new();
    place.run(&["submit", "approve.yaml", "--no-suspend"]).code(5);
    place.run(&["resume", "approve", "--no-approve", "--no-suspend"]).code(5);
    place.run(&["resume", "approve", "--wait"]).code(0).out_has("approve Succeeded at ");
}

#[test]
fn nobody_runs_it_but_commands_reach_it() {
    let place = Place::new();
    place.run(&["submit", "approve.yaml", "--no-suspend"]).code(5);
    place.run(&["suspend", "approve"]).code(0).out_has("workflow approve suspended");
    place
        .run(&[
            "node",
            "set",
            "approve",
            "-p",
            "decision=maybe",
            "--message",
            "wait",
            "--node-field-selector",
            "displayName=approve",
        ])
        .code(0)
        .out_has("workflow values set");
    let json = place.run(&["get", "approve", "-o", "json"]).code(0).json();
    assert_eq!(json["spec"]["suspend"], true);
    place.run(&["stop", "approve", "--dry-run"]).code(0).out_has("workflow approve stopped (dry-run)");
    place.run(&["stop", "approve", "--message", "enough"]).code(0).out_has("workflow approve stopped");
    let json = place.run(&["get", "approve", "-o", "json"]).code(0).json();
    assert_eq!(json["status"]["phase"], "Failed");
    place.run(&["terminate", "approve"]).code(7);
    place.run(&["terminate", "--all"]).code(0).err_has("no workflow matches");
}

#[test]
fn a_command_reaches_another_process_and_ends_its_run() {
    let place = Place::new();
    let child = place.start(&["submit", "slow.yaml", "--name", "run"]);
    place.until("the slow step runs", |w| node(w, "second")["phase"] == "Running");
    place.run(&["terminate", "run"]).code(0).out_has("workflow run terminated");
    finish(child).code(1);
    place.run(&["get", "run"]).code(0).out_has("Terminate");
}

#[test]
fn watch_and_wait_follow_another_process() {
    let place = Place::new();
    let child = place.start(&["submit", "slow.yaml", "--name", "run"]);
    place.until("it runs", |w| w["status"]["phase"] == "Running");
    let watch = place.start(&["watch", "run"]);
    let logs = place.start(&["logs", "run", "-f", "--no-prefix"]);
    place.run(&["wait", "run"]).code(0).out_has("run Succeeded at ");
    finish(watch).code(0).err_has("Succeeded  [2].third");
    // lines of different steps come as they are read
    let logs = finish(logs).code(0).out;
    let mut lines: Vec<&str> = logs.lines().collect();
    lines.sort_unstable();
    assert_eq!(lines, ["began", "ended", "quick", "quick"]);
    finish(child).code(0);
}

#[test]
fn retry_runs_only_what_failed() {
    let place = Place::new();
    let flag = place.path().join("flag");
    let text =
        common::BROKEN.replace("test -e /dev/shm/no-such-file", &format!("test -e {}", flag.display()));
    place.write("flaky.yaml", &text);
    place.run(&["submit", "flaky.yaml", "--share-cwd"]).code(1);
    place.run(&["retry", "broken", "--dry-run"]).code(0).out_has("broken: broken[1].bad would run again");
    place.run(&["retry", "@failed", "-q"]).code(1);
    std::fs::write(&flag, "").unwrap();
    let json = place.run(&["retry", "broken", "-o", "json"]).code(0).json();
    assert_eq!(json["status"]["phase"], "Succeeded");
    assert_eq!(place.run(&["logs", "broken", "good", "--no-prefix"]).code(0).out, "fine\n");
}

#[test]
fn resubmit_makes_a_new_run() {
    let place = Place::new();
    place.run(&["submit", "hello.yaml", "--name", "one"]).code(0);
    let name = place.run(&["resubmit", "one", "-o", "name", "-p", "message=again"]).code(0).out;
    assert_ne!(name.trim(), "one");
    assert_eq!(place.run(&["logs", name.trim(), "--no-prefix"]).code(0).out, "again\n");
    place.run(&["resubmit", "one", "--memoized"]).code(7).err_has("must be Failed or Error");
}

#[test]
fn f60_one_key_makes_one_run() {
    let place = Place::new();
    let submit = ["submit", "hello.yaml", "--idempotency-key", "k", "-o", "name"];
    let first = place.run(&submit).code(0).out;
    assert_eq!(place.run(&submit).code(0).out, first);
    assert_eq!(place.run(&["list", "-o", "name"]).code(0).out, first);
    assert_ne!(
        place.run(&["submit", "hello.yaml", "--idempotency-key", "l", "-o", "name"]).code(0).out,
        first
    );
}

#[test]
fn a_detached_run_is_carried_on_by_a_background_process() {
    let place = Place::new();
    let name = place.run(&["submit", "-d", "slow.yaml", "-o", "name"]).code(0).out;
    place.run(&["wait", name.trim(), "--timeout", "30s"]).code(0);
    // a second engine of the same store ends at once
    place.run(&["engine"]).code(0).err_has("another engine runs this store");
}

#[test]
fn a_detached_run_is_left_to_a_daemon_of_the_same_store() {
    let place = Place::new();
    let mut daemon = place.start(&["events", "daemon", "--port", "0", "--for", "60s"]);
    let up = || place.run(&["engine", "--idle", "1"]).err.contains("another engine runs this store");
    let limit = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !up() && std::time::Instant::now() < limit {
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    let name = place.run(&["submit", "-d", "slow.yaml", "-o", "name"]).code(0).out;
    place.run(&["wait", name.trim(), "--timeout", "30s"]).code(0);
    let log = place.path().join(".runner/engine.log");
    assert!(!log.exists(), "no engine was started beside the daemon: {}", log.display());
    daemon.kill().unwrap();
    daemon.wait().unwrap();
}

#[test]
fn parameters_come_from_flags_files_and_stdin() {
    let place = Place::new();
    place.write("p.yaml", "message: from-file\n");
    let log = |args: &[&str]| {
        let ran = place.run(&[&["submit", "hello.yaml", "--log"], args].concat()).code(0);
        ran.out.rsplit(": ").next().unwrap().trim().to_owned()
    };
    assert_eq!(log(&["-f", "p.yaml"]), "from-file");
    assert_eq!(log(&["-f", "p.yaml", "-p", "message=a=b c"]), "a=b c");
    place.shell("runner submit - --log < hello.yaml").code(0).out_has(": hello");
    place.run(&["submit", "hello.yaml", "-f", "nope.yaml"]).code(4);
    place.write("list.yaml", "- a\n");
    place.run(&["submit", "hello.yaml", "-f", "list.yaml"]).code(3);
}

#[test]
fn templates_are_applied_listed_run_and_deleted() {
    let place = Place::new();
    place.run(&["apply", "-f", "templates.yaml", "--dry-run"]).code(0).out_has("would be stored");
    assert!(!place.has_store());
    let first = place.run(&["apply", "-f", "templates.yaml"]).code(0);
    assert_eq!(first.out, "workflowtemplate/greet created\nclusterworkflowtemplate/everywhere created\n");
    place.run(&["template", "apply", "templates.yaml"]).code(0).out_has("workflowtemplate/greet unchanged");
    place.run(&["template", "list"]).code(0).out_has("greet").out_has("who");
    place.run(&["template", "list", "--cluster", "-o", "name"]).code(0).out_has("everywhere");
    assert_eq!(
        place.run(&["template", "get", "greet"]).code(0).out.trim(),
        common::TEMPLATES.split("---").next().unwrap().trim()
    );
    place.run(&["submit", "--from", "wftmpl/greet", "--log", "-p", "who=you"]).code(0).out_has(": hello you");
    place.run(&["submit", "--from", "cwft/everywhere", "-o", "name"]).code(0).out_has("everywhere-");
    place.run(&["template", "delete", "greet"]).code(0).out_has("WorkflowTemplate 'greet' deleted");
    place.run(&["template", "delete", "greet"]).code(4);
    place.run(&["apply", "-f", "hello.yaml"]).code(3).err_has("runner submit");
}

#[test]
fn templates_in_a_submitted_file_are_stored_first() {
    let place = Place::new();
    let user = "---\napiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {generateName: u-}\nspec:\n  workflowTemplateRef: {name: greet}\n";
    place.write("both.yaml", &format!("{}{user}", common::TEMPLATES));
    place
        .run(&["submit", "both.yaml", "--log"])
        .code(0)
        .out_has(": hello world")
        .err_has("stored WorkflowTemplate greet");
}

#[test]
fn delete_removes_the_run_and_its_logs() {
    let place = Place::new();
    place.run(&["submit", "hello.yaml", "--name", "one"]).code(0);
    place.run(&["submit", "approve.yaml", "--no-suspend"]).code(5);
    place.run(&["delete", "one", "--dry-run"]).code(0).out_has("Workflow 'one' deleted (dry-run)");
    place.run(&["delete", "--older", "1h"]).code(0).err_has("no workflow matches");
    place.run(&["delete", "--completed"]).code(0).out_has("Workflow 'one' deleted");
    place.run(&["delete", "approve", "--force"]).code(0).out_has("Workflow 'approve' deleted");
    assert_eq!(place.run(&["list", "-o", "json"]).code(0).out, "[]\n");
    let left: Vec<_> = std::fs::read_dir(place.path().join(".runner/attempts")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    place.run(&["delete", "one"]).code(0).out_has("Workflow 'one' not found");
    let silent = place.run(&["delete", "one", "--ignore-not-found"]).code(0);
    assert_eq!((silent.out.as_str(), silent.err.as_str()), ("", ""));
}

#[test]
fn delete_takes_all_of_a_selector_and_goes_on_after_a_name_that_is_gone() {
    let place = Place::new();
    place.run(&["delete", "nobody"]).code(0).out_has("Workflow 'nobody' not found");
    for (name, label) in [("one", "a=1"), ("two", "a=2"), ("three", "a=2")] {
        place.run(&["submit", "hello.yaml", "--name", name, "-l", label]).code(0);
    }
    let said = place.run(&["delete", "--all", "-l", "a=1"]).code(0).out;
    assert_eq!(said, "Workflow 'one' deleted\n");
    let said = place.run(&["delete", "nobody", "two", "-o", "json"]).code(0).json();
    assert_eq!((&said[0]["result"], &said[1]["result"]), (&"not found".into(), &"deleted".into()), "{said}");
    assert_eq!(place.run(&["list", "-o", "name"]).code(0).out, "three\n");
}

#[test]
fn a_run_is_submitted_again_in_the_background() {
    let place = Place::new();
    place.run(&["submit", "broken.yaml"]).code(1);
    let again = place.run(&["resubmit", "broken", "--memoized", "-d", "-o", "name"]).code(0);
    let name = again.out.trim();
    assert!(name.starts_with("broken-") && again.err.contains("runner watch"), "{again:?}");
    place.run(&["wait", name]).code(1).out_has("Failed at ");
    place.run(&["resubmit", "broken", "-d", "--wait"]).code(2);
}

#[test]
fn what_is_not_valid_is_stored_and_fails_only_when_it_is_asked_for() {
    let place = Place::new();
    let head = "apiVersion: argoproj.io/v1alpha1\nkind: ";
    let spec = "spec:\n  entrypoint: main\n  onExit: bye\n  templates:\n  - {name: main, suspend: {duration: '0'}}\n  - name: bye\n    \
        steps: [[{name: x, templateRef: {name: nowhere, template: x}}]]\n";
    place.write("t.yaml", &format!("{head}WorkflowTemplate\nmetadata: {{name: t}}\n{spec}"));
    let run = "Workflow\nmetadata: {name: w}\nspec: {workflowTemplateRef: {name: t}}\n";
    place.write("w.yaml", &format!("{head}{run}"));
    place.run(&["apply", "-f", "t.yaml"]).code(3).err_has("nothing was stored");
    assert!(!place.has_store());
    let stored = place.run(&["apply", "--validate=false", "-f", "t.yaml"]).code(0);
    stored.out_has("workflowtemplate/t created").err_has("warning[template-ref-not-found]");
    place.run(&["submit", "w.yaml"]).code(3).err_has("nowhere.x not found");
    place.run(&["submit", "--from", "wftmpl/t"]).code(3).err_has("nowhere.x not found");
    assert_eq!(place.run(&["list", "-o", "json"]).code(0).out, "[]\n");
    place.run(&["submit", "w.yaml", "--validate=false"]).code(1);
    let run = place.run(&["get", "w", "-o", "json"]).code(0).json();
    assert_eq!(
        (&run["status"]["phase"], run["status"]["nodes"].is_null()),
        (&"Failed".into(), true),
        "{run}"
    );
    let message = run["status"]["message"].as_str().unwrap();
    assert!(message.starts_with("invalid spec: ") && message.contains("nowhere.x not found"), "{message}");
    place.run(&["retry", "w"]).code(1);
    place.run(&["db", "verify"]).code(0);
    place.run(&["submit", "w.yaml", "--validate=maybe"]).code(2);
    place.run(&["submit", "hello.yaml", "--validate=false"]).code(0);
}

#[test]
fn a_backup_is_a_store() {
    let place = Place::new();
    place.run(&["submit", "hello.yaml", "--name", "one"]).code(0);
    place.run(&["db", "backup", "copy.db"]).code(0);
    place.run(&["db", "backup", "copy.db"]).code(7);
    assert_eq!(place.run(&["list", "--store", "copy.db", "-o", "name"]).code(0).out, "one\n");
    place.run(&["db", "rebuild"]).code(0).out_has("1 workflows rebuilt");
}

#[test]
fn steps_see_the_current_directory_only_when_asked_to() {
    let place = Place::new();
    place.write("here.txt", "shared");
    let text = common::HELLO.replace(
        "[echo, '{{workflow.parameters.message}}']",
        "[sh, -c, 'cat here.txt && echo made > made.txt']",
    );
    place.write("cwd.yaml", &text);
    place.run(&["submit", "cwd.yaml"]).code(1);
    place.run(&["submit", "cwd.yaml", "--share-cwd", "--log"]).code(0).out_has(": shared");
    assert_eq!(std::fs::read_to_string(place.path().join("made.txt")).unwrap(), "made\n");
}

#[test]
fn what_was_submitted_before_a_conflict_is_named() {
    let place = Place::new();
    place.run(&["submit", "broken.yaml"]).code(1);
    let ran = place.run(&["submit", "slow.yaml", "broken.yaml"]).code(7).err_has("already exists");
    let hint = ran.err.lines().last().unwrap();
    let name = hint.rsplit(' ').next().unwrap();
    assert!(hint.contains("runner resume slow-"), "{hint}");
    place.run(&["resume", name]).code(0);
}

#[test]
fn whoever_waits_for_a_workflow_leaves_after_its_daemons() {
    let place = Place::new();
    let text = "apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: served}
spec:
  entrypoint: main
  templates:
  - name: main
    steps:
    - - {name: server, template: server}
    - - {name: client, template: client}
  - name: server
    daemon: true
    # It needs a second to end.
    script: {image: busybox, command: [sh], source: \"trap 'sleep 1; exit 0' TERM; while :; do sleep 0.1; done\"}
  - name: client
    container: {image: busybox, command: [\"true\"]}
";
    place.write("served.yaml", text);
    let after = place.run(&["submit", "served.yaml", "-o", "json"]).code(0).json();
    assert_eq!(node(&after, "server")["phase"], "Succeeded");
    // Nothing is left for another engine.
    let stored = place.run(&["get", "served", "-o", "json"]).code(0).json();
    assert_eq!(node(&stored, "server")["phase"], "Succeeded");
}
