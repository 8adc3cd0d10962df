//! Changes from outside that upstream's tests write straight into objects.
//! Where a user command or a pod can bring the same about, that is used instead: a status has one writer.

use runner_machine::{Command, Input};
use serde_json::{Value, json};

use super::drive;
use super::pods::PodPhase;
use super::run::take_over;
use super::world::World;
use crate::conformance::select::select;

/// `set` and `patch`: one value at a path of the whole object.
///
/// # Errors
/// A path that this harness cannot write.
pub(super) fn set(world: &mut World, number: usize, path: &[&str], value: &Value) -> Result<(), String> {
    match (path, value.as_str()) {
        (["spec", "shutdown"], Some("Stop")) => {
            command(world, number, Command::Stop { selector: String::new(), message: String::new() })
        }
        (["spec", "shutdown"], Some("Terminate")) => command(world, number, Command::Terminate),
        (["spec", "suspend"], _) if value == &json!(true) => command(world, number, Command::Suspend),
        (["spec", "suspend"], _) => command(world, number, resume("")),
        (["status", "phase"], Some("Succeeded" | "Failed" | "Error")) => {
            // The test writes the end that its pods would have brought.
            let succeeded = value == &json!("Succeeded");
            world.runs[number].ended = Some(if succeeded { PodPhase::Succeeded } else { PodPhase::Failed });
            Ok(())
        }
        (["spec" | "metadata", ..], _) => {
            let run = &mut world.runs[number];
            write(&mut run.manifest, path, value.clone());
            run.workflow = serde_json::from_value(run.manifest.clone()).map_err(|error| error.to_string())?;
            Ok(())
        }
        _ => status(world, number, path, value),
    }
}

/// A merge patch, leaf by leaf.
///
/// # Errors
/// As [`set`].
pub(super) fn patch(
    world: &mut World,
    number: usize,
    patch: &Value,
    path: &mut Vec<String>,
) -> Result<(), String> {
    let Some(map) = patch.as_object() else {
        let words: Vec<&str> = path.iter().map(String::as_str).collect();
        return set(world, number, &words, patch);
    };
    for (key, value) in map {
        path.push(key.clone());
        self::patch(world, number, value, path)?;
        path.pop();
    }
    Ok(())
}

/// `set-node`: phase and outputs of a node come from its pod where it has one.
///
/// # Errors
/// A selection or a path that cannot be used.
pub(super) fn set_node(
    world: &mut World,
    number: usize,
    chosen: &Value,
    path: &str,
    value: &Value,
) -> Result<(), String> {
    let object = world.runs[number].object();
    let selected = select(&object, chosen)?;
    let ids: Vec<String> =
        selected.nodes.iter().filter_map(|node| node.get("id")?.as_str().map(str::to_owned)).collect();
    for id in ids {
        let pods = &mut world.runs[number].pods;
        match (pods.iter_mut().rev().find(|pod| pod.node == id), path) {
            (Some(pod), "phase") => {
                let phase = value.as_str().and_then(PodPhase::parse);
                pod.phase = phase.ok_or_else(|| format!("no phase of a pod: {value}"))?;
            }
            (Some(pod), "outputs") => pod.outputs = Some(value.clone()),
            _ => {
                let words: Vec<&str> = ["status", "nodes", &id].into_iter().chain(path.split('/')).collect();
                status(world, number, &words, value)?;
            }
        }
    }
    Ok(())
}

/// Writes into the status itself: as if it had been taken over from Argo with this value.
fn status(world: &mut World, number: usize, path: &[&str], value: &Value) -> Result<(), String> {
    let run = &mut world.runs[number];
    let mut object = run.object();
    write(&mut object, path, value.clone());
    match &run.plan {
        Some(plan) => {
            run.status = take_over(plan, &object)?;
            run.taken_over = true;
        }
        None => run.manifest = object,
    }
    Ok(())
}

fn write(object: &mut Value, path: &[&str], value: Value) {
    let mut at = object;
    for key in path {
        if !at.is_object() {
            *at = json!({});
        }
        at = &mut at[*key];
    }
    *at = value;
}

/// The command to resume.
pub(super) fn resume(selector: &str) -> Command {
    Command::Resume { selector: selector.to_owned(), parameters: Default::default(), message: String::new() }
}

/// Gives a user's command; a refusal is an answer, not a failure of the case.
///
/// # Errors
/// Never so far.
pub(super) fn command(world: &mut World, number: usize, command: Command) -> Result<(), String> {
    let name = command.name();
    if let Err(error) = drive::turn(world, number, Input::Command { by: "user".to_owned(), command }) {
        world.log.push(format!("  {name} is refused: {error}"));
    }
    Ok(())
}
