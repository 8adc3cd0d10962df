//! Laws that hold in every run, whatever goes wrong: starts are intended, rooms and locks are not overfilled,
//! nothing is left behind. Does not know what a workflow should come to: the oracle does.

use std::collections::BTreeSet;

use runner_runners::AttemptSpec;

use super::clock::plus;
use super::model::{Case, Flow, Lock, Template};
use super::world::{State, World};

/// What is wrong with starting this attempt now.
pub fn at_start(world: &World, spec: &AttemptSpec) -> Vec<String> {
    let mut wrong = Vec::new();
    let state = world.state();
    match state.shadows.get(&spec.id.workflow_uid) {
        None => wrong.push(format!("started {} of a workflow that is not in the journal", spec.node_name)),
        Some(shadow) => {
            if let Err(why) = shadow.intends(&spec.id.node_id, spec.id.attempt) {
                wrong.push(format!("started {why}"));
            }
        }
    }
    let Some(flow) = world.case.flows.iter().find(|flow| flow.name == spec.workflow) else { return wrong };
    let locks = flow.lock.is_some() || flow.templates.iter().any(|template| template.lock.is_some());
    // A pod that waits for a lock does not count, as in Argo: with locks the room may be overfilled.
    if let Some(limit) = flow.parallelism.filter(|_| !locks) {
        let running = state.processes.values().filter(|p| p.flow == flow.name && p.runs()).count();
        if running >= limit as usize {
            wrong.push(format!("started {} beside {running} others, parallelism is {limit}", spec.node_name));
        }
    }
    wrong.extend(locks_at_start(&state, &world.case, flow, spec));
    wrong
}

fn template<'f>(flow: &'f Flow, name: &str) -> Option<&'f Template> {
    flow.templates.iter().find(|template| template.name == name)
}

/// Locks of a process, and who holds them: the Retry node over all its attempts.
fn held(flow: &Flow, name: &str, node: &str) -> Vec<(Lock, String)> {
    let mut held = Vec::new();
    if let Some(lock) = &flow.lock {
        held.push((lock.clone(), flow.name.clone()));
    }
    if let Some(template) = template(flow, name)
        && let Some(lock) = &template.lock
    {
        let holder = match node.rfind('(').filter(|_| template.retry.is_some()) {
            Some(end) => &node[..end],
            None => node,
        };
        held.push((lock.clone(), format!("{}/{holder}", flow.name)));
    }
    held
}

fn locks_at_start(state: &State, case: &Case, flow: &Flow, spec: &AttemptSpec) -> Vec<String> {
    let mut wrong = Vec::new();
    for (lock, holder) in held(flow, &spec.template.name, &spec.node_name) {
        let capacity = match lock {
            Lock::Mutex(_) => 1,
            Lock::Semaphore => case.capacity as usize,
        };
        let mut holders = BTreeSet::from([holder]);
        for process in state.processes.values().filter(|process| process.runs()) {
            let Some(flow) = case.flows.iter().find(|flow| flow.name == process.flow) else { continue };
            let others = held(flow, &process.template, &process.node).into_iter();
            holders.extend(others.filter(|(other, _)| *other == lock).map(|(_, holder)| holder));
        }
        if holders.len() > capacity {
            wrong.push(format!("{lock:?} with capacity {capacity} is held by {holders:?}"));
        }
    }
    wrong
}

/// The longest that a process takes to die, with some time for the engine.
const DYING_NS: u64 = 3_000_000_000;

/// What is wrong when everything should be over.
pub fn at_end(world: &World) -> Vec<String> {
    let mut wrong = Vec::new();
    let undisturbed = world.is_undisturbed();
    let state = world.state();
    for process in state.processes.values().filter(|process| process.runs()) {
        wrong.push(format!("the process of {} {} still runs", process.flow, process.node));
    }
    for (id, process) in &state.processes {
        let finished = state.shadows.get(&id.workflow_uid).and_then(|shadow| shadow.finished_at);
        if finished.is_some_and(|at| process.started_at > at) {
            wrong.push(format!("{} {} started after the end of the run", process.flow, process.node));
        }
        let shadow = state.shadows.get(&id.workflow_uid);
        let cancelled = shadow.and_then(|s| s.cancelled.get(&(id.node_id.clone(), id.attempt)));
        // Where engines come and go it may take as long as they do.
        if undisturbed && cancelled.is_some_and(|at| process.ends_at > plus(*at, DYING_NS)) {
            wrong.push(format!("{} {} went on after it was to end", process.flow, process.node));
        }
    }
    for shadow in state.shadows.values() {
        let flow = world.case.flows.iter().find(|flow| flow.name == shadow.status.name);
        let leaves = flow.is_some_and(|flow| flow.templates.iter().any(|template| template.fail_fast));
        shadow.at_end(leaves, &mut wrong);
    }
    if state.shadows.len() != world.case.flows.len() {
        wrong.push(format!(
            "{} workflows were submitted, {} exist",
            world.case.flows.len(),
            state.shadows.len()
        ));
    }
    wrong
}
