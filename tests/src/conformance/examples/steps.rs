//! The steps of end-to-end scripts and of `drive`, as commands of the binary.
//! Does not judge the end of a case: `local` does; facts of a step are judged after it.

use std::time::Duration;

use runner_fake_driver::FakeDriver;
use serde_json::{Value, json};

use super::local::LIMIT;
use super::subject::{Scene, reached};
use crate::conformance::facts::{judge, node_list};
use crate::conformance::index::{Case, Index};
use crate::conformance::outcome::Outcome;
use crate::objects::{BUCKET, FakeS3, KEYS};

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// Follows a script.
///
/// # Errors
/// A step that cannot be carried out.
pub(super) fn script(index: &Index, case: &Case, scene: &mut Scene) -> Result<Outcome, String> {
    let mut wrong = Vec::new();
    for (number, step) in case.list("script").iter().enumerate() {
        let label = format!("step {number} {}", text(step, "do"));
        let facts = step.get("expect").and_then(Value::as_array).cloned().unwrap_or_default();
        match follow(index, case, scene, step, &facts).map_err(|why| format!("{label}: {why}"))? {
            Done::Yes => {}
            Done::Skip(why) => return Ok(Outcome::Skipped(format!("{label}: {why}"))),
            Done::No(why) => wrong.push(format!("{label}: {why}")),
        }
        if text(step, "do") != "wait" {
            scene.look()?;
        }
        wrong.extend(judge(scene, &facts).into_iter().map(|why| format!("{label}: {why}")));
        if scene.passed_by && !wrong.is_empty() {
            let until = text(step, "until");
            return Ok(Outcome::Skipped(format!("{label}: `{until}` passed by between two looks")));
        }
        if !wrong.is_empty() {
            break;
        }
    }
    Ok(Outcome::of(wrong))
}

/// What came of a step.
enum Done {
    Yes,
    No(String),
    Skip(String),
}

fn follow(
    index: &Index,
    case: &Case,
    scene: &mut Scene,
    step: &Value,
    facts: &[Value],
) -> Result<Done, String> {
    match text(step, "do") {
        "create" => {
            // Upstream's tests create objects in the cluster, where nobody knows the rules of Argo.
            let mut words = vec!["apply".to_owned(), "--validate=false".to_owned()];
            for number in step.get("given").and_then(Value::as_array).into_iter().flatten() {
                words.extend(["-f".to_owned(), given(index, case, scene, number)?]);
            }
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            scene.must(&words)?;
            if text(step, "kind") == "CronWorkflow" {
                scene.fire()?;
            }
            Ok(Done::Yes)
        }
        "submit" => {
            let file = given(index, case, scene, step.get("given").unwrap_or(&Value::Null))?;
            if std::fs::read_to_string(&file).is_ok_and(|content| content.contains(PLUGIN_REPOSITORY)) {
                artifact_driver(scene)?;
            }
            submit(case, scene, step, &file)
        }
        "submit-from" => {
            let name = last_created(index, case, text(step, "kind"))?;
            let from = format!("{}/{name}", text(step, "kind").to_lowercase());
            submitted(scene.submit(&["--from", &from])?)
        }
        "wait" => {
            let until = text(step, "until");
            let reached = scene.wait(until, facts, LIMIT)?;
            Ok(if reached { Done::Yes } else { Done::No(format!("never `{until}`: {:?}", scene.sketch())) })
        }
        "shutdown" => {
            let verb = if text(step, "strategy") == "Terminate" { "terminate" } else { "stop" };
            verb_on_newest(scene, verb, &[])
        }
        "cli" => command(index, scene, step),
        "sleep" => {
            let seconds = step.get("seconds").and_then(Value::as_f64).unwrap_or_default();
            std::thread::sleep(Duration::from_secs_f64(seconds.clamp(0.0, 60.0)));
            Ok(Done::Yes)
        }
        "delete" => verb_on_newest(scene, "delete", &[]),
        "create-configmap" | "update-configmap" => {
            let meta = json!({ "name": text(step, "name"), "labels": step.get("labels") });
            config_map(scene, &meta, step.get("data").unwrap_or(&Value::Null)).map(|()| Done::Yes)
        }
        // Nothing after it may depend on the ConfigMap; its absence cannot be seen through the workflow.
        "delete-configmap" => Ok(Done::Yes),
        "database-semaphore" => {
            sync_limit(scene, text(step, "name"), step.get("limit").unwrap_or(&Value::Null))
        }
        other => Ok(Done::Skip(format!("this harness does not know the step `{other}`"))),
    }
}

fn command(index: &Index, scene: &mut Scene, step: &Value) -> Result<Done, String> {
    let args = step.get("args").and_then(Value::as_array).into_iter().flatten();
    let args: Vec<&str> = args.filter_map(Value::as_str).collect();
    if args.first() == Some(&"delete") && !scene.names.is_empty() {
        // Upstream's deletes what runs as well; here that needs --force, so the end is waited for.
        scene.wait("completed", &[], LIMIT)?;
    }
    scene.command(&index.folder, &args)?;
    Ok(Done::Yes)
}

/// Upstream's test rig gives this label to everything that it submits.
const UPSTREAM_LABEL: &str = "workflows.argoproj.io/test=true";

/// A script of the command line that ends the workflow as soon as it is there.
fn next_ends(case: &Case, step: &Value) -> bool {
    let script = case.list("script");
    let next = script.iter().position(|one| one == step).and_then(|at| script.get(at + 1));
    let verb = next.and_then(|next| next.pointer("/args/0")).and_then(Value::as_str);
    matches!(verb, Some("stop" | "terminate"))
}

/// Suspends a workflow from its start: upstream's pods take seconds to start, here it would have ended before the
/// command that is to end it.
fn hold(file: &str) -> Result<(), String> {
    let text = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let held = text.replacen("\nspec:\n", "\nspec:\n  suspend: true\n", 1);
    std::fs::write(file, held).map_err(|error| format!("{file}: {error}"))
}

/// As upstream's rig, which creates the object in the cluster.
fn submit(case: &Case, scene: &mut Scene, step: &Value, file: &str) -> Result<Done, String> {
    if next_ends(case, step) {
        hold(file)?;
    }
    let mut words = vec![file, "--validate=false"];
    if case.class == "cli" {
        words.extend(["--labels", UPSTREAM_LABEL]);
    }
    submitted(scene.submit(&words)?)
}

fn submitted(refusal: Option<crate::binary::Said>) -> Result<Done, String> {
    match refusal {
        None => Ok(Done::Yes),
        Some(said) => Err(format!("refused: {:?}: {}", said.code, said.both())),
    }
}

fn verb_on_newest(scene: &Scene, verb: &str, more: &[&str]) -> Result<Done, String> {
    let name = scene.names.last().ok_or("there is no workflow yet")?.clone();
    let mut words = vec![verb, &name];
    words.extend(more);
    scene.must(&words).map(|_| Done::Yes)
}

/// Writes a given manifest, completed by its kind, and returns its path.
fn given(index: &Index, case: &Case, scene: &Scene, number: &Value) -> Result<String, String> {
    let number = number.as_u64().and_then(|number| usize::try_from(number).ok()).unwrap_or_default();
    let entry = case.list("given").get(number).ok_or_else(|| format!("nothing is given as {number}"))?;
    let mut content = index.read(text(entry, "file"))?;
    let has = |key: &str, content: &str| content.lines().any(|line| line.starts_with(key));
    if !has("kind:", &content) && !content.trim_start().starts_with('{') {
        content = format!("kind: {}\n{content}", text(entry, "kind"));
    }
    if !has("apiVersion:", &content) && !content.trim_start().starts_with('{') {
        content = format!("apiVersion: argoproj.io/v1alpha1\n{content}");
    }
    write(scene, &format!("given-{number}.yaml"), &content)
}

fn write(scene: &Scene, name: &str, content: &str) -> Result<String, String> {
    let path = scene.home.folder().join(name);
    std::fs::write(&path, content).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path.to_string_lossy().into_owned())
}

/// Name of the last given manifest of a kind.
fn last_created(index: &Index, case: &Case, kind: &str) -> Result<String, String> {
    let mut entries = case.list("given").iter().filter(|entry| text(entry, "kind") == kind);
    let entry = entries.next_back().ok_or_else(|| format!("no {kind} is given"))?;
    let content = index.read(text(entry, "file"))?;
    let (manifests, _) = crate::conformance::language::load(text(entry, "file"), &content, Some(kind));
    manifests
        .first()
        .map(|manifest| manifest.name().to_owned())
        .ok_or_else(|| "the manifest has no name".to_owned())
}

fn config_map(scene: &Scene, metadata: &Value, data: &Value) -> Result<(), String> {
    let object = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data });
    let file = write(scene, &format!("configmap-{}.json", text(metadata, "name")), &object.to_string())?;
    scene.must(&["apply", "-f", &file]).map(|_| ())
}

/// A limit of the database locks, `namespace/key`.
fn sync_limit(scene: &Scene, name: &str, limit: &Value) -> Result<Done, String> {
    let (namespace, key) = name.split_once('/').unwrap_or(("argo", name));
    let metadata = json!({ "name": key, "namespace": namespace });
    let object = json!({ "apiVersion": "runner/v1", "kind": "SyncLimit", "metadata": metadata, "spec": { "limit": limit } });
    let file = write(scene, &format!("limit-{}.json", name.replace('/', "-")), &object.to_string())?;
    scene.must(&["apply", "-f", &file]).map(|_| Done::Yes)
}

/// A FAKE object store as the repository of this key, with its ConfigMap and its Secret as upstream's manifests
/// for tests have them; the value says why there is none.
fn object_store(scene: &mut Scene, key: &str) -> Result<Option<String>, String> {
    let store = match FakeS3::start() {
        Ok(store) => store,
        Err(why) => return Ok(Some(format!("needs an object store: {why}"))),
    };
    let keys = |key: &str| json!({ "name": "my-minio-cred", "key": key });
    let repository = json!({ "s3": {
        "endpoint": store.address, "bucket": BUCKET, "insecure": true, "region": "us-east-1",
        "accessKeySecret": keys("accesskey"), "secretKeySecret": keys("secretkey"),
    } });
    let metadata = json!({ "name": "artifact-repositories" });
    config_map(scene, &metadata, &json!({ key: repository.to_string() }))?;
    let secret = json!({ "apiVersion": "v1", "kind": "Secret", "metadata": { "name": "my-minio-cred" },
        "stringData": { "accesskey": KEYS.0, "secretkey": KEYS.1 } });
    let file = write(scene, "secret.json", &secret.to_string())?;
    scene.must(&["apply", "-f", &file])?;
    scene.store = Some(store);
    Ok(None)
}

/// The key of upstream's ConfigMap for tests under which the repository is an artifact plugin.
const PLUGIN_REPOSITORY: &str = "key: plugin-v1";

/// A FAKE artifact driver as the repository that upstream's manifests for tests have under this key, and its place in
/// the configuration.
fn artifact_driver(scene: &mut Scene) -> Result<(), String> {
    let driver = FakeDriver::start(scene.home.folder());
    let settings = json!({ "artifactDrivers": [{ "name": "test", "socket": driver.socket }] });
    write(scene, "runner.yaml", &settings.to_string())?;
    let repository = json!({ "archiveLogs": true, "plugin": { "name": "test", "configuration": "bucket: my-bucket",
        "keyFormat": "{{workflow.name}}/{{pod.name}}" } });
    let metadata = json!({ "name": "artifact-repositories" });
    config_map(scene, &metadata, &json!({ "plugin-v1": repository.to_string() }))?;
    scene.driver = Some(driver);
    Ok(())
}

/// Provides what a case needs; the second value says what cannot be provided.
///
/// # Errors
/// It is refused.
pub(super) fn provide(index: &Index, needs: &[Value], scene: &mut Scene) -> Result<Option<String>, String> {
    for need in needs {
        let (kind, file) = (text(need, "kind"), text(need, "file"));
        if !file.is_empty() {
            scene.must(&["apply", "-f", &index.folder.join(file).to_string_lossy()])?;
            continue;
        }
        match kind {
            "SyncLimit" => {
                let name = format!("argo/{}", text(need, "key"));
                sync_limit(scene, &name, need.get("limit").unwrap_or(&json!(1)))?;
            }
            // There is always a local repository; one with a key is looked for in a ConfigMap.
            "ArtifactRepository" => {
                let key = text(need, "key");
                if !key.is_empty()
                    && let Some(why) = object_store(scene, key)?
                {
                    return Ok(Some(why));
                }
            }
            other => return Ok(Some(format!("needs a {other}, which the test does not make up"))),
        }
    }
    Ok(None)
}

/// Carries out `drive`; the value says why it cannot be.
///
/// # Errors
/// A command that fails.
pub(super) fn drive(steps: &[Value], scene: &mut Scene) -> Result<Option<String>, String> {
    for step in steps {
        match text(step, "do") {
            "submit" => {}
            "wait" => {
                let until = text(step, "until");
                if until == "paused" && paused(scene)?.is_some() {
                    continue;
                }
                if !scene.wait(until, &[], LIMIT)? {
                    return Err(format!("never `{until}`: {:?}", scene.sketch()));
                }
            }
            // Before and after are one step of a script.
            "continue-debug-pause" => {
                while let Some(marker) = paused(scene)? {
                    std::fs::write(&marker, "").map_err(|error| format!("{marker}: {error}"))?;
                }
            }
            "resume" => {
                verb_on_newest(scene, "resume", &[])?;
            }
            "node-set" => {
                let name = scene.names.last().cloned().unwrap_or_default();
                let mut words = vec!["node".to_owned(), "set".to_owned(), name];
                words.extend(["--node-field-selector".to_owned(), text(step, "selector").to_owned()]);
                for (key, value) in
                    step.get("outputParameters").and_then(Value::as_object).into_iter().flatten()
                {
                    words.extend(["-p".to_owned(), format!("{key}={}", value.as_str().unwrap_or_default())]);
                }
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                scene.must(&words)?;
            }
            other => return Ok(Some(format!("this harness does not know the step `{other}`"))),
        }
    }
    Ok(None)
}

/// The file with which a step that is paused goes on, as the message of its node says; none when the workflow ends first.
fn paused(scene: &mut Scene) -> Result<Option<String>, String> {
    let start = std::time::Instant::now();
    while start.elapsed() < LIMIT {
        scene.look()?;
        let said = node_list(scene.newest()).into_iter().map(|node| text(node, "message"));
        let mut marker =
            said.filter_map(|said| said.split_once("to go on: touch ")).map(|(_, marker)| marker.to_owned());
        match marker.next_back() {
            Some(marker) if !std::path::Path::new(&marker).exists() => return Ok(Some(marker)),
            _ if reached(scene.newest(), "completed") => return Ok(None),
            _ => std::thread::sleep(Duration::from_millis(100)),
        }
    }
    Err(format!("never paused: {:?}", scene.sketch()))
}
