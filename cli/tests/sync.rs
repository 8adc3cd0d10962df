//! `runner sync`, `--field-selector`, dry runs and other words that scripts for Argo's command line use.
//! Runs the built binary.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Place;

const LOCKED: &str = "\
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: locked}
spec:
  entrypoint: main
  synchronization:
    semaphores:
    - configMapKeyRef: {name: sizes, key: width}
    - database: {key: capacity}
  templates:
  - name: main
    container: {image: busybox, command: [echo, x]}
";

#[test]
fn limits_are_set_shown_changed_and_removed_and_the_engine_reads_them() {
    let place = Place::new();
    let database = ["--type", "database"];
    let config = ["--type", "configmap", "--cm-name", "sizes"];
    for (key, kind) in [("capacity", &database[..]), ("width", &config[..])] {
        let sync = |verb: &str, more: &[&str]| place.run(&[&["sync", verb, key], kind, more].concat());
        sync("get", &[]).code(4);
        sync("update", &["--limit", "2"]).code(4);
        let made = sync("create", &["--limit", "2"]).code(0).out;
        assert!(
            made.starts_with("Sync limit created\n") && made.ends_with("Namespace: default\nLimit: 2\n"),
            "{made}"
        );
        sync("create", &["--limit", "3"]).code(7);
        sync("update", &["--limit", "1"]).code(0).out_has("Sync limit updated\n");
        assert_eq!(sync("get", &["-o", "json"]).code(0).json()["limit"], 1);
    }
    place
        .run(&["sync", "create", "height", "--type", "configmap", "--cm-name", "sizes", "--limit", "9"])
        .code(0);
    place.run(&["sync", "create", "x", "--type", "configmap", "--limit", "9"]).code(2);
    // both limits are there, so the workflow gets its locks
    place.write("locked.yaml", LOCKED);
    place.run(&["submit", "locked.yaml", "--wait", "--timeout", "60s"]).code(0);
    place
        .run(&["sync", "delete", "width", "--type", "configmap", "--cm-name", "sizes"])
        .code(0)
        .out_has("Sync limit deleted");
    place.run(&["sync", "get", "width", "--type", "configmap", "--cm-name", "sizes"]).code(4);
    place
        .run(&["sync", "get", "height", "--type", "configmap", "--cm-name", "sizes"])
        .code(0)
        .out_has("Limit: 9");
    place.run(&["sync", "delete", "capacity", "--type", "database"]).code(0);
    place.run(&["sync", "get", "capacity", "--type", "database"]).code(4);
}

#[test]
fn fields_select_workflows() {
    let place = Place::new();
    place.write("hello.yaml", common::HELLO);
    for name in ["one", "two"] {
        place.run(&["submit", "hello.yaml", "--name", name]).code(0);
    }
    place.run(&["submit", "approve.yaml", "--no-suspend"]).code(5);
    let dry = |field: &str| {
        place.run(&["delete", "--completed", "--field-selector", field, "--dry-run", "-o", "name"])
    };
    assert_eq!(dry("metadata.name=one").code(0).out, "one\n");
    assert_eq!(dry("metadata.name!=one,metadata.namespace=default").code(0).out, "two\n");
    assert_eq!(dry("metadata.namespace=other").code(0).out, "");
    dry("status.phase=Failed").code(2);
    let listed = |args: &[&str]| place.run(&[&["list", "-o", "name", "--field-selector"], args].concat());
    assert_eq!(listed(&["metadata.name=one"]).code(0).out, "one\n");
    assert_eq!(listed(&["metadata.name!=one", "--where", "phase == \"Succeeded\""]).code(0).out, "two\n");
    assert_eq!(listed(&["metadata.namespace=other"]).code(0).out, "");
    listed(&["status.phase=Failed"]).code(2);
    let stopped = place.run(&["stop", "--field-selector", "metadata.namespace=default"]).code(0).out;
    assert_eq!(stopped, "workflow approve stopped\n");
    place.run(&["resubmit", "one"]).code(0);
    let deleted = place.run(&["delete", "--resubmitted", "-o", "name"]).code(0).out;
    assert!(deleted.starts_with("hello-") && deleted.lines().count() == 1, "{deleted}");
}

#[test]
fn a_dry_run_of_the_server_has_an_id_and_a_scheduled_time_is_kept() {
    let place = Place::new();
    place.write("hello.yaml", common::HELLO);
    let plain = place.run(&["submit", "hello.yaml", "--dry-run", "-o", "json"]).code(0).json();
    assert!(plain["metadata"]["uid"].is_null());
    let server = place.run(&["submit", "hello.yaml", "--server-dry-run", "-o", "json"]).code(0).json();
    assert!(server["metadata"]["uid"].as_str().unwrap().len() > 30, "{server}");
    assert!(server["metadata"]["name"].as_str().unwrap().starts_with("hello-"), "{server}");
    assert!(!place.has_store());
    let at = "2006-01-02T15:04:05-07:00";
    place.run(&["submit", "hello.yaml", "--name", "late", "--scheduled-time", at]).code(0);
    let late = place.run(&["get", "late", "-o", "json"]).code(0).json();
    assert_eq!(late["metadata"]["annotations"]["workflows.argoproj.io/scheduled-time"], at);
    place.run(&["submit", "hello.yaml", "--scheduled-time", "noon"]).code(2);
}

#[test]
fn cluster_templates_have_a_command_and_lint_takes_short_kinds() {
    let place = Place::new();
    place.write(
        "cluster.yaml",
        "apiVersion: argoproj.io/v1alpha1\nkind: ClusterWorkflowTemplate\nmetadata: {name: shared}\nspec:\n  templates:\n  - {name: main, container: {image: busybox, command: [echo]}}\n",
    );
    place.run(&["cluster-template", "lint", "cluster.yaml"]).code(0).out_has("no linting errors found!");
    place.run(&["template", "lint", "cluster.yaml"]).code(3).err_has("found nothing to lint");
    place.run(&["cluster-template", "create", "cluster.yaml"]).code(0);
    assert_eq!(place.run(&["cluster-template", "list", "-o", "name"]).code(0).out, "shared\n");
    place.run(&["cluster-template", "get", "shared"]).code(0).out_has("kind: ClusterWorkflowTemplate");
    place.run(&["lint", "--kinds", "cwft", "cluster.yaml"]).code(0);
    place.run(&["lint", "--kinds", "wf", "cluster.yaml"]).code(3);
    place.run(&["cluster-template", "delete", "shared"]).code(0);
}
