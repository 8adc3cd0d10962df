//! Cases of class `local`, and others on demand: really run, with the built binary and real processes.
//! Does not know the single steps of scripts: `steps` does.

use std::time::Duration;

use serde_json::Value;

use super::late::{LateImages, is_late};
use super::steps;
use super::subject::{Scene, phase};
use crate::conformance::facts::judge;
use crate::conformance::index::{Case, Index};
use crate::conformance::outcome::Outcome;

/// How long a workflow may take.
pub(super) const LIMIT: Duration = Duration::from_secs(90);
/// Namespace of upstream's tests.
const NAMESPACE: &str = "argo";
/// Set to run the cases that take minutes.
const LONG: &str = "CONFORMANCE_LONG";
/// How long those may take.
const LONG_LIMIT: Duration = Duration::from_secs(1500);
/// Cases that take minutes and do not say so: five sleeps of 50 s, one after the other under a mutex.
const ALSO_LONG: [&str; 2] =
    ["examples/synchronization-mutex-tmpl-level", "examples/synchronization-db-mutex-tmpl-level"];

/// Runs one case; the second value tells what happened.
pub(super) fn run_case(index: &Index, case: &Case) -> (Outcome, Vec<String>) {
    if is_long(case) && std::env::var_os(LONG).is_none() {
        return (Outcome::Skipped(format!("takes minutes; set {LONG}=1 to run it")), Vec::new());
    }
    let mut scene = match Scene::new(NAMESPACE) {
        Ok(scene) => scene,
        Err(why) => return (Outcome::Failed(vec![why]), Vec::new()),
    };
    if let Some(settings) = super::settings(&case.class)
        && let Err(error) = std::fs::copy(&settings, scene.home.folder().join("runner.yaml"))
    {
        return (Outcome::Failed(vec![format!("{}: {error}", settings.display())]), Vec::new());
    }
    // Dropped before the scene, in whose home they are.
    let late = match is_late(case).then(|| LateImages::start(scene.home.folder())) {
        Some(Ok(None)) => {
            let why = "needs podman and docker-registry: its image has to arrive late";
            return (Outcome::Skipped(why.to_owned()), Vec::new());
        }
        Some(Ok(Some(late))) => Some(late),
        Some(Err(why)) => return (Outcome::Failed(vec![why]), Vec::new()),
        None => None,
    };
    let result = if case.list("script").is_empty() {
        filed(index, case, &mut scene)
    } else {
        steps::script(index, case, &mut scene)
    };
    scene.end();
    drop(late);
    let outcome = result.unwrap_or_else(|why| Outcome::Failed(vec![why]));
    (outcome, scene.sketch())
}

fn is_long(case: &Case) -> bool {
    case.body.get("long").and_then(Value::as_bool) == Some(true) || ALSO_LONG.contains(&case.id.as_str())
}

fn filed(index: &Index, case: &Case, scene: &mut Scene) -> Result<Outcome, String> {
    let kinds: Vec<&str> = case.list("kinds").iter().filter_map(Value::as_str).collect();
    if kinds.contains(&"CronWorkflow") {
        return scheduled(index, case, scene);
    }
    if !kinds.contains(&"Workflow") {
        return Ok(Outcome::Skipped(format!("nothing to submit: {}", kinds.join(", "))));
    }
    let wanted = case.body.pointer("/expect/phase").and_then(Value::as_str);
    if wanted == Some("Interactive") {
        return Ok(Outcome::Skipped("see the scripted cases that use this file".to_owned()));
    }
    if let Some(why) = steps::provide(index, case.list("needs"), scene)? {
        return Ok(Outcome::Skipped(why));
    }
    let file = index.folder.join(case.text("file"));
    let invalid = case.body.pointer("/expect/lint").and_then(Value::as_str) == Some("invalid");
    if let Some(said) = scene.submit(&[&file.to_string_lossy()])? {
        let fine = invalid && said.code == Some(3);
        return Ok(Outcome::of(if fine {
            Vec::new()
        } else {
            vec![format!("{:?}: {}", said.code, said.both())]
        }));
    }
    if invalid {
        return Ok(Outcome::Failed(vec!["was submitted though it is invalid".to_owned()]));
    }
    let drive = case.list("drive");
    if let Some(why) = steps::drive(drive, scene)? {
        return Ok(Outcome::Skipped(why));
    }
    let limit = if is_long(case) { LONG_LIMIT } else { LIMIT };
    let ended = scene.wait("completed", &[], limit)?;
    let mut wrong = Vec::new();
    if !ended {
        wrong.push(format!("does not end within {} s", limit.as_secs()));
    }
    wrong.extend(judged(case, scene, wanted));
    Ok(Outcome::of(wrong))
}

/// A CronWorkflow, fired by its schedule.
fn scheduled(index: &Index, case: &Case, scene: &mut Scene) -> Result<Outcome, String> {
    if let Some(why) = steps::provide(index, case.list("needs"), scene)? {
        return Ok(Outcome::Skipped(why));
    }
    let file = index.folder.join(case.text("file"));
    let text = index.read(case.text("file"))?;
    super::cron::child(case, &file.to_string_lossy(), &text, scene).map(Outcome::of)
}

fn judged(case: &Case, scene: &Scene, wanted: Option<&str>) -> Vec<String> {
    let mut wrong = Vec::new();
    let got = phase(scene.newest());
    let message = scene.newest().pointer("/status/message").and_then(Value::as_str).unwrap_or_default();
    if let Some(wanted) = wanted.filter(|wanted| *wanted != "Random" && *wanted != got) {
        wrong.push(format!("phase {got} instead of {wanted}: {message}"));
    }
    let parts = match case.body.pointer("/expect/message_contains") {
        Some(Value::String(part)) => vec![part.as_str()],
        Some(Value::Array(list)) => list.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    for part in parts.into_iter().filter(|part| !message.contains(part)) {
        wrong.push(format!("message `{message}` does not contain `{part}`"));
    }
    let facts = case.body.pointer("/expect/nodes").and_then(Value::as_array).cloned().unwrap_or_default();
    wrong.extend(judge(scene, &facts));
    wrong
}
