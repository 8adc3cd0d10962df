//! What is left of a workflow after its end: artifactGC, ttlStrategy, the archive, by the built binary.
//! The S3 store is a FAKE (moto); the local repository is real.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::{Duration, Instant};

use runner_tests::binary::Home;
use runner_tests::objects::{BUCKET, FakeS3, KEYS};

const LIMIT: Duration = Duration::from_secs(120);

/// The workflow's strategy is `OnWorkflowDeletion`; one artifact goes at its end, one stays for ever.
const COLLECTED: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: leaves}\nspec:\n  entrypoint: main\n  \
    artifactGC: {strategy: OnWorkflowDeletion}\n  templates:\n  - name: main\n    container:\n      image: busybox\n      \
    command: [sh, -c, 'for f in usual soon never; do echo $f > /tmp/$f; done']\n    outputs:\n      artifacts:\n      \
    - {name: usual, path: /tmp/usual, archive: {none: {}}}\n      \
    - {name: soon, path: /tmp/soon, archive: {none: {}}, artifactGC: {strategy: OnWorkflowCompletion}}\n      \
    - {name: never, path: /tmp/never, archive: {none: {}}, artifactGC: {strategy: Never}}\n";

/// The same the other way round.
const AT_THE_END: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: leaves}\nspec:\n  entrypoint: main\n  \
    artifactGC: {strategy: OnWorkflowCompletion}\n  templates:\n  - name: main\n    container:\n      image: busybox\n      \
    command: [sh, -c, 'for f in usual later; do echo $f > /tmp/$f; done']\n    outputs:\n      artifacts:\n      \
    - {name: usual, path: /tmp/usual, archive: {none: {}}}\n      \
    - {name: later, path: /tmp/later, archive: {none: {}}, artifactGC: {strategy: OnWorkflowDeletion}}\n";

const SHORT: &str = "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {name: short}\nspec:\n  entrypoint: main\n  \
    ttlStrategy: {secondsAfterCompletion: 0}\n  templates:\n  - name: main\n    container: {image: busybox, command: [echo, 'kept in the log']}\n";

fn must(home: &Home, args: &[&str]) -> String {
    let said = home.run(args, LIMIT).unwrap();
    assert_eq!(said.code, Some(0), "{args:?}: {}", said.both());
    said.stdout
}

fn home(settings: &str) -> Home {
    let home = Home::new("default").unwrap();
    home.prepare().unwrap();
    std::fs::write(home.folder().join("runner.yaml"), settings).unwrap();
    home
}

fn submit(home: &Home, workflow: &str) {
    std::fs::write(home.folder().join("workflow.yaml"), workflow).unwrap();
    must(home, &["submit", "workflow.yaml"]);
}

/// Last parts of the names of all files below a folder.
fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.path().is_dir() {
            files(&entry.path(), found);
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    found.sort();
}

fn artifacts(home: &Home) -> Vec<String> {
    let mut found = Vec::new();
    files(&home.folder().join("store/artifacts"), &mut found);
    found
}

fn names(home: &Home, more: &[&str]) -> Vec<String> {
    let listed = must(home, &[&["list", "-o", "name"], more].concat());
    listed.lines().map(str::to_owned).collect()
}

/// An engine that looks for what is over, until something holds.
fn engine_until(home: &Home, holds: impl Fn() -> bool) {
    let mut engine = home.start(home.folder(), &["engine", "--idle", "60"]).unwrap();
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LIMIT, "it never happens");
        assert!(!engine.ended(), "the engine has ended");
        std::thread::sleep(Duration::from_millis(100));
    }
    engine.kill();
}

#[test]
fn artifacts_of_the_local_repository_go_when_their_strategy_says() {
    let home = home("");
    submit(&home, COLLECTED);
    assert_eq!(artifacts(&home), ["never", "usual"], "soon went with the end");
    must(&home, &["delete", "leaves"]);
    assert_eq!(artifacts(&home), ["never"]);
    submit(&home, AT_THE_END);
    assert_eq!(artifacts(&home), ["later", "never"]);
    must(&home, &["delete", "leaves"]);
    assert_eq!(artifacts(&home), ["never"]);
}

#[test]
fn artifacts_of_an_object_store_go_when_their_strategy_says() {
    let store = match FakeS3::start() {
        Ok(store) => store,
        Err(why) => return eprintln!("SKIPPED: {why}"),
    };
    let secret = |key: &str| serde_json::json!({"name": "keys", "key": key});
    let settings = serde_json::json!({"artifactRepository": {"s3": {
        "endpoint": store.address, "bucket": BUCKET, "insecure": true, "region": "us-east-1",
        "accessKeySecret": secret("access"), "secretKeySecret": secret("secret"),
    }}});
    let home = home(&settings.to_string());
    let keys = serde_json::json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"},
        "stringData": {"access": KEYS.0, "secret": KEYS.1}});
    std::fs::write(home.folder().join("keys.json"), keys.to_string()).unwrap();
    must(&home, &["apply", "-f", "keys.json"]);
    let last = || {
        let keys = store.keys().unwrap().into_iter();
        let mut last: Vec<String> = keys.filter_map(|key| Some(key.rsplit('/').next()?.to_owned())).collect();
        last.sort();
        last
    };
    submit(&home, COLLECTED);
    assert_eq!(last(), ["never", "usual"]);
    must(&home, &["delete", "leaves"]);
    assert_eq!(last(), ["never"]);
    submit(&home, AT_THE_END);
    assert_eq!(last(), ["later", "never"]);
    must(&home, &["delete", "leaves"]);
    assert_eq!(last(), ["never"]);
}

#[test]
fn a_time_to_live_deletes_a_workflow() {
    let home = home("");
    submit(&home, SHORT);
    engine_until(&home, || names(&home, &[]).is_empty());
    assert!(home.get("short").unwrap().is_none());
}

#[test]
fn with_an_archive_a_workflow_stays_readable_and_leaves_the_list() {
    let home = home("archive: true\n");
    submit(&home, SHORT);
    engine_until(&home, || names(&home, &[]).is_empty());
    assert_eq!(names(&home, &["--archived"]), ["short"]);
    assert_eq!(names(&home, &["--archived", "--status", "Failed"]), Vec::<String>::new());
    assert_eq!(home.get("short").unwrap().unwrap()["status"]["phase"], "Succeeded");
    assert!(must(&home, &["logs", "short"]).contains("kept in the log"));
    must(&home, &["db", "verify"]);
    must(&home, &["delete", "short"]);
    assert!(names(&home, &["--archived"]).is_empty());
}
