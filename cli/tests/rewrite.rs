//! `runner fmt`, `convert`, `graph` and `list --where`, from outside.
//! What they do to texts is tested in the crate of the language.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use common::Place;

const CRON: &str = "apiVersion: argoproj.io/v1alpha1\nkind: CronWorkflow\nmetadata:\n    name: nightly # every night\nspec:\n    \
    schedule: '0 0 * * *'\n    workflowSpec:\n        entrypoint: main\n        templates:\n        -   name: main\n            \
    container: {image: busybox, command: [echo]}\n";

#[test]
fn fmt_writes_names_and_checks() {
    let place = Place::new();
    let path = place.write("dir/cron.yaml", CRON);
    assert_eq!(place.run(&["fmt", "--check", "dir"]).code(1).out, "dir/cron.yaml\n");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), CRON);
    assert!(place.run(&["fmt", "--stdout", "dir"]).code(0).out.contains("\n  name: nightly # every night\n"));
    assert_eq!(place.run(&["fmt", "dir"]).code(0).out, "dir/cron.yaml\n");
    let new = std::fs::read_to_string(&path).unwrap();
    assert!(new.contains("\n    templates:\n      - name: main\n        container:"), "{new}");
    assert_eq!(place.run(&["fmt", "dir"]).code(0).out, "");
    place.run(&["fmt", "--check", "dir"]).code(0);
    assert_eq!(place.run(&["lint", "dir"]).code(0).err, "");
    let broken = place.write("broken.yaml", "a: [\n");
    place.run(&["fmt", "broken.yaml"]).code(3);
    assert_eq!(std::fs::read_to_string(broken).unwrap(), "a: [\n");
}

#[test]
fn convert_prints_checks_and_writes() {
    let place = Place::new();
    let path = place.write("cron.yaml", CRON);
    let done = place.run(&["convert", "cron.yaml"]).code(0);
    assert!(
        done.out.contains("    schedules:\n    - 0 0 * * *\n") && done.err.contains("cron.yaml:6"),
        "{done:?}"
    );
    place.run(&["convert", "cron.yaml", "--check"]).code(1);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), CRON);
    place.run(&["convert", "cron.yaml", "--write"]).code(0);
    assert!(std::fs::read_to_string(&path).unwrap().contains("name: nightly # every night"));
    place.run(&["convert", "cron.yaml", "--check"]).code(0);
    let json = place.run(&["convert", "cron.yaml", "-o", "json"]).code(0).json();
    assert_eq!(json[0]["changes"].as_array().unwrap().len(), 0);
}

#[test]
fn graph_draws_files_and_runs() {
    let place = Place::new();
    place.write("broken.yaml", common::BROKEN);
    let tree = place.run(&["graph", "broken.yaml"]).code(0).out;
    assert!(tree.starts_with("broken  main (steps)\n├─ good"), "{tree}");
    assert!(place.run(&["graph", "broken.yaml", "-o", "mermaid"]).code(0).out.starts_with("flowchart TD\n"));
    assert!(place.run(&["graph", "broken.yaml", "-o", "dot"]).code(0).out.starts_with("digraph"));
    place.run(&["submit", "broken.yaml"]).code(1);
    let tree = place.run(&["graph", "@latest"]).code(0).out;
    assert!(tree.contains("✔ good") && tree.contains("✖ bad"), "{tree}");
    let svg = place.run(&["graph", "broken", "-o", "svg"]).code(0).out;
    assert!(svg.starts_with("<svg ") && svg.contains("step Failed"), "{svg}");
    place.run(&["graph", "broken", "-o", "json"]).code(2);
    place.run(&["list", "-o", "svg"]).code(2);
    place.run(&["graph", "nobody"]).code(4);
}

#[test]
fn list_takes_conditions_and_goes_in_pages() {
    let place = Place::new();
    place.write("hello.yaml", common::HELLO);
    place.write("broken.yaml", common::BROKEN);
    for (name, message) in [("one", "prod"), ("two", "test"), ("three", "prod")] {
        let message = format!("message={message}");
        place.run(&["submit", "hello.yaml", "--name", name, "-p", &message]).code(0);
    }
    place.run(&["submit", "broken.yaml"]).code(1);
    let names = |condition: &str| place.run(&["list", "-o", "name", "--where", condition]).code(0).out;
    assert_eq!(names("params.message == \"prod\""), "three\none\n");
    assert_eq!(names("phase == \"Failed\" || name == \"two\""), "broken\ntwo\n");
    assert_eq!(names("priority >= 7"), "");
    place.run(&["submit", "hello.yaml", "--name", "urgent", "--priority", "7"]).code(0);
    assert_eq!(names("priority >= 7"), "urgent\n");
    let listed = place.run(&["list", "--prefix", "urgent", "--no-headers"]).code(0).out;
    assert_eq!(listed.split_whitespace().nth(4), Some("7"), "{listed}");
    place.run(&["delete", "urgent"]).code(0);
    assert_eq!(names("duration > 10m"), "");
    assert_eq!(
        names("duration < 10m && phase == \"Succeeded\" && params.message != \"test\""),
        "three\none\n"
    );
    assert_eq!(names("age < 1h && labels.app == nil").lines().count(), 4);
    let page = place.run(&["list", "-o", "name", "--where", "params.message != nil", "--limit", "2"]).code(0);
    assert_eq!(page.out, "three\ntwo\n");
    let cursor = page.err.split('\'').nth(1).unwrap_or_default().to_owned();
    let args =
        ["list", "-o", "name", "--where", "params.message != nil", "--limit", "2", "--cursor", &cursor];
    assert_eq!(place.run(&args).code(0).out, "one\n");
    place.run(&["list", "--where", "nobody > 1"]).code(2).err_has("--where");
}
