//! Follows the script of a case and judges its facts.
//! Does not know how a pass works: `drive` does.

use runner_machine::Command;
use serde_json::Value;

use super::pods::{Pod, PodPhase};
use super::world::World;
use super::{drive, given, poke};
use crate::conformance::facts::judge;
use crate::conformance::index::{Case, Index};
use crate::conformance::outcome::Outcome;

/// Runs one case; the second value tells what happened.
pub fn run_case(index: &Index, case: &Case) -> (Outcome, Vec<String>) {
    let mut world = match given::world(index, case) {
        Ok(world) => world,
        Err(why) => return (Outcome::Failed(vec![why]), Vec::new()),
    };
    let mut failures = Vec::new();
    for (number, step) in case.list("script").iter().enumerate() {
        let label = format!("step {number} {}", text(step, "do"));
        world.log.push(label.clone());
        if let Err(why) = follow(index, &mut world, step) {
            failures.push(format!("{label}: {why}"));
            break;
        }
        for object in world.runs.iter().map(super::run::Run::object).collect::<Vec<_>>() {
            world.log.extend(drive::sketch(&object));
        }
        let facts = step.get("expect").and_then(Value::as_array).cloned().unwrap_or_default();
        failures.extend(judge(&world, &facts).into_iter().map(|why| format!("{label}: {why}")));
    }
    (Outcome::of(failures), world.log)
}

fn text<'v>(step: &'v Value, key: &str) -> &'v str {
    step.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn follow(index: &Index, world: &mut World, step: &Value) -> Result<(), String> {
    let given = step.get("workflow").and_then(Value::as_u64);
    let number = usize::try_from(given.unwrap_or_default()).map_err(|error| error.to_string())?;
    if number >= world.runs.len() {
        return Err(format!("there is no workflow {number}"));
    }
    match text(step, "do") {
        "reconcile" => drive::reconcile(world, number),
        "observe-pods" => drive::observe(world, number),
        "pods" => {
            let all = given.is_none();
            pods(world, step, |run, _| all || run == number)
        }
        "pod" => {
            let wanted = text(step, "pod").to_owned();
            let ids = ids_of(world, number, &wanted);
            pods(world, step, |run, pod| run == number && (pod.name == wanted || ids.contains(&pod.node)))
        }
        "running-pods" => running_pods(world, number),
        "delete-pods" => {
            world.runs.iter_mut().for_each(|run| run.pods.clear());
            Ok(())
        }
        "sleep" => {
            let seconds = step.get("seconds").and_then(Value::as_f64).unwrap_or_default();
            world.sleep_millis(format!("{:.0}", seconds * 1000.0).parse().unwrap_or_default());
            Ok(())
        }
        "resume" => poke::command(world, number, poke::resume(text(step, "selector"))),
        "suspend" => poke::command(world, number, Command::Suspend),
        "stop" => {
            let (selector, message) = (text(step, "selector").to_owned(), text(step, "message").to_owned());
            poke::command(world, number, Command::Stop { selector, message })
        }
        "terminate" => poke::command(world, number, Command::Terminate),
        "patch" => {
            let patch = step.get("patch").cloned().unwrap_or(Value::Null);
            poke::patch(world, number, &patch, &mut Vec::new())
        }
        "set" => {
            let path: Vec<&str> = text(step, "path").split(['.', '/']).collect();
            poke::set(world, number, &path, step.get("value").unwrap_or(&Value::Null))
        }
        "set-node" => {
            let select = step.get("select").unwrap_or(&Value::Null);
            poke::set_node(
                world,
                number,
                select,
                text(step, "path"),
                step.get("value").unwrap_or(&Value::Null),
            )
        }
        "apply" => apply(index, world, number, step),
        "hold-lock" | "release-lock" => outside_lock(world, number, step),
        "set-config" => {
            let config = step.get("config").or_else(|| step.get("value"));
            world.config = config.cloned().unwrap_or(Value::Null);
            Ok(())
        }
        "set-env" => {
            for (key, value) in step.get("env").and_then(Value::as_object).into_iter().flatten() {
                world.env.insert(key.clone(), value.as_str().unwrap_or_default().to_owned());
            }
            Ok(())
        }
        other => Err(format!("this harness does not know the step `{other}`")),
    }
}

/// Moves pods to a phase, with what they report.
fn pods(world: &mut World, step: &Value, chosen: impl Fn(usize, &Pod) -> bool) -> Result<(), String> {
    let phase = PodPhase::parse(text(step, "phase")).ok_or_else(|| format!("no phase of a pod: {step}"))?;
    for (number, run) in world.runs.iter_mut().enumerate() {
        for pod in run.pods.iter_mut().filter(|pod| chosen(number, pod) && pod.phase != phase) {
            pod.phase = phase;
            if let Some(outputs) = step.get("outputs") {
                pod.outputs = Some(outputs.clone());
            }
            if let Some(code) = step.get("exitCode").and_then(Value::as_i64) {
                pod.exit_code = Some(code);
            }
        }
    }
    Ok(())
}

/// Ids of the nodes with this name or display name.
fn ids_of(world: &World, number: usize, wanted: &str) -> Vec<String> {
    let nodes = world.runs[number].status.nodes();
    let named =
        nodes.filter(|(_, node)| node.display_name == wanted || node.name == wanted || node.id == wanted);
    named.map(|(_, node)| node.id.clone()).collect()
}

/// Pods for the nodes of a snapshot that are Running.
fn running_pods(world: &mut World, number: usize) -> Result<(), String> {
    let run = &mut world.runs[number];
    let nodes = run.manifest.pointer("/status/nodes").and_then(Value::as_object).cloned().unwrap_or_default();
    for (id, node) in nodes {
        let is = |key: &str, value: &str| node.get(key).and_then(Value::as_str) == Some(value);
        if is("type", "Pod") && is("phase", "Running") {
            run.pods.push(Pod {
                node: id.clone(),
                attempt: 0,
                name: id,
                phase: PodPhase::Running,
                reported: None,
                outputs: None,
                exit_code: None,
                progress: None,
                daemon: false,
                main: Value::Null,
            });
        }
    }
    Ok(())
}

/// Applies another manifest: a new version of the workflow, or any other object.
fn apply(index: &Index, world: &mut World, number: usize, step: &Value) -> Result<(), String> {
    let file = ["file", "manifest", "object", "template"].into_iter().map(|key| text(step, key));
    let file = file.into_iter().find(|file| !file.is_empty()).ok_or("apply names no file")?;
    let content = index.read(file)?;
    match given::workflow(number, file, &content, false) {
        Ok(run) => {
            world.runs[number].manifest = run.manifest;
            world.runs[number].workflow = run.workflow;
            Ok(())
        }
        Err(_) => given::object(world, file, &content),
    }
}

/// Somebody else holds a lock, or lets go of it.
fn outside_lock(world: &mut World, number: usize, step: &Value) -> Result<(), String> {
    let holder = format!("outside/{}", text(step, "holder"));
    if text(step, "do") == "release-lock" {
        world.locks.release(&holder);
        return Ok(());
    }
    let own = world.runs[number].namespace().to_owned();
    let synchronization = step.get("synchronization").cloned().unwrap_or(Value::Null);
    let list = |many: &str, one: &str| -> Vec<Value> {
        let many = synchronization.get(many).and_then(Value::as_array).cloned().unwrap_or_default();
        many.into_iter().chain(synchronization.get(one).cloned()).collect()
    };
    let space = |item: &Value| item.get("namespace").and_then(Value::as_str).unwrap_or(&own).to_owned();
    for item in list("mutexes", "mutex") {
        world.locks.hold(&format!("{}/Mutex/{}", space(&item), text(&item, "name")), &holder);
    }
    for item in list("semaphores", "semaphore") {
        if let Some(map) = item.get("configMapKeyRef") {
            let lock = format!("{}/ConfigMap/{}/{}", space(&item), text(map, "name"), text(map, "key"));
            world.locks.hold(&lock, &holder);
        }
    }
    Ok(())
}
