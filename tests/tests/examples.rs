//! Runs every file of `examples/` with the built binary and looks at how it ended.
//! A file that is not in the table fails the test.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "tests")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use runner_tests::binary::Home;
use runner_tests::conformance::facts::node_list;
use runner_tests::examples::{EXAMPLES, Example};
use runner_tests::paths::workspace;
use serde_json::Value;

const LIMIT: Duration = Duration::from_secs(60);

/// Runs one example; what is wrong with it.
fn run(example: &Example) -> Vec<String> {
    let home = Home::new("default").unwrap();
    let folder = workspace().join("examples");
    for file in example.needs {
        let applied = home.start(&folder, &["apply", "-f", file]).unwrap().wait(LIMIT);
        assert_eq!(applied.code, Some(0), "{file}: {}", applied.both());
    }
    let Some(phase) = example.phase else {
        let applied = home.start(&folder, &["apply", "-f", example.file]).unwrap().wait(LIMIT);
        return if applied.code == Some(0) { Vec::new() } else { vec![applied.both()] };
    };
    let start = Instant::now();
    let said = home.start(&folder, &["submit", example.file, "-o", "json"]).unwrap().wait(LIMIT);
    println!("{} took {:?}", example.file, start.elapsed());
    let mut wrong = Vec::new();
    let code = i32::from(phase != "Succeeded");
    if said.code != Some(code) {
        wrong.push(format!("exit {:?} instead of {code}: {}", said.code, said.stderr));
    }
    let object: Value = serde_json::from_str(&said.stdout).unwrap_or(Value::Null);
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let ended = object.get("status").map(|status| text(status, "phase")).unwrap_or_default();
    if ended != phase {
        wrong.push(format!("phase {ended} instead of {phase}"));
    }
    let nodes: BTreeSet<(String, String)> =
        node_list(&object).iter().map(|node| (text(node, "displayName"), text(node, "phase"))).collect();
    for (name, phase) in example.nodes {
        if !nodes.contains(&((*name).to_owned(), (*phase).to_owned())) {
            wrong.push(format!("no node {name} {phase} among {nodes:?}"));
        }
    }
    wrong
}

#[test]
fn every_example_ends_as_it_should() {
    runner_tests::binary::binary().unwrap();
    let queue = std::sync::Mutex::new(EXAMPLES.iter());
    let wrong = std::sync::Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                loop {
                    let Some(example) = queue.lock().unwrap().next() else { return };
                    let found = run(example);
                    wrong
                        .lock()
                        .unwrap()
                        .extend(found.into_iter().map(|why| format!("{}: {why}", example.file)));
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_in_examples_is_run() {
    let folder = std::fs::read_dir(workspace().join("examples")).expect("examples");
    // The folders in it have tests of their own.
    let files: BTreeSet<String> = folder
        .map(Result::unwrap)
        .filter(|entry| entry.file_type().unwrap().is_file())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let listed: BTreeSet<String> = EXAMPLES.iter().map(|example| example.file.to_owned()).collect();
    assert_eq!(files, listed, "list every example in tests/src/examples.rs");
}
