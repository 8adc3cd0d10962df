//! One pass of the scripted controller: deliver what pods did, advance the machine, do what is due.
//! Level-triggered as the real one: it asks for what is outstanding until nothing more comes of it.

use runner_machine::{
    Action, Fact, Input, LockNeed, MemoEntry, NodeIx, NodePhase, Observed, attempt_plan, outstanding,
};
use runner_workflows::resolve::{Submission, resolve};
use runner_workflows::validate::{Options, validate_workflow};
use serde_json::{Value, json};

use super::locks::Answer;
use super::pods::{Pod, PodPhase};
use super::world::World;
use crate::conformance::language;

/// More rounds than any case needs: beyond it the machine goes in circles.
const MOST_ROUNDS: usize = 500;

/// One pass over a workflow.
///
/// # Errors
/// The machine goes in circles, or breaks its own rules.
pub(super) fn reconcile(world: &mut World, number: usize) -> Result<(), String> {
    world.tick();
    if world.runs[number].refused.is_some() {
        return Ok(());
    }
    let first = world.runs[number].plan.is_none();
    if first && !admit(world, number)? {
        return Ok(());
    }
    observe(world, number)?;
    if first {
        report_missing(world, number)?;
    }
    let begins = std::mem::take(&mut world.runs[number].taken_over) || first;
    turn(world, number, if begins { Input::Begin } else { Input::Tick })?;
    advance(world, number)?;
    let Some(phase) = world.runs[number].ended else { return Ok(()) };
    while world.runs[number].pods.iter().any(|pod| pod.reported != Some(phase)) {
        world.runs[number].pods.iter_mut().for_each(|pod| pod.phase = phase);
        observe(world, number)?;
        advance(world, number)?;
    }
    Ok(())
}

/// Takes over the state of pods.
///
/// # Errors
/// The machine's.
pub(super) fn observe(world: &mut World, number: usize) -> Result<(), String> {
    let now = world.now;
    let mut inputs = Vec::new();
    let run = &mut world.runs[number];
    for pod in run.pods.iter_mut().filter(|pod| pod.reported != Some(pod.phase)) {
        pod.reported = Some(pod.phase);
        let Some(ix) = run.status.by_id(&pod.node) else { continue };
        let over = run.status.node(ix).is_none_or(|node| node.phase.fulfilled());
        if let (false, Some(what)) = (over, pod.observation(now)?) {
            let (node, attempt) = (ix, pod.attempt);
            inputs.push(Input::Observed { node, attempt, what });
            if let (PodPhase::Running, Some((done, all))) = (pod.phase, pod.progress) {
                inputs.push(Input::Observed { node, attempt, what: Observed::Progress(done, all) });
            }
        }
    }
    inputs.into_iter().try_for_each(|input| turn(world, number, input))
}

/// Resolves, validates and starts a workflow; false when it is refused, with Argo's status for that.
fn admit(world: &mut World, number: usize) -> Result<bool, String> {
    let now = world.now;
    let run = &world.runs[number];
    let mut workflow = run.workflow.clone();
    let stored = run.manifest.pointer("/status/storedWorkflowTemplateSpec").filter(|_| run.snapshot);
    if let Some(spec) = stored.and_then(|spec| serde_json::from_value(spec.clone()).ok()) {
        workflow.spec = spec;
        workflow.spec.workflow_template_ref = None;
    }
    let refused = |phase: &str, message: String| json!({ "phase": phase, "message": message });
    let problems = if run.snapshot {
        Vec::new()
    } else {
        let mut problems = validate_workflow(&workflow, None, Options::default(), &world.catalog);
        // The controller sees only objects whose names an API server has accepted.
        problems.retain(|problem| !matches!(problem.code.as_ref(), "name-invalid" | "name-too-long"));
        language::errors(&problems)
    };
    let status = match resolve(&workflow, &Submission::default(), &world.catalog) {
        Err(problems) => Some(refused("Error", language::errors(&problems).join("; "))),
        Ok(_) if !problems.is_empty() => {
            Some(refused("Failed", format!("invalid spec: {}", problems.join("; "))))
        }
        Ok(resolved) => {
            world.runs[number].begin(resolved, now)?;
            None
        }
    };
    let admitted = status.is_none();
    if let Some(status) = &status {
        world.log.push(format!("workflow {number} is refused: {status}"));
    }
    world.runs[number].refused = status;
    Ok(admitted)
}

/// One turn of the machine, and what its facts mean for locks and caches.
///
/// # Errors
/// The machine's.
pub(super) fn turn(world: &mut World, number: usize, input: Input) -> Result<(), String> {
    let label = format!("{input:?}").chars().take(160).collect::<String>();
    let now = world.now;
    let facts = world.runs[number].turn(input, now).map_err(|error| format!("{label}: {error}"))?;
    world.log.push(format!("  > {label}"));
    for fact in &facts {
        let text = format!("{fact:?}").chars().take(240).collect::<String>();
        world.log.push(format!("      {text}"));
        match fact {
            Fact::LockReleased { ix } => {
                let holder = holder(world, number, *ix);
                world.locks.release(&holder);
            }
            Fact::MemoSaved { ix } => save(world, number, *ix),
            _ => {}
        }
    }
    Ok(())
}

fn save(world: &mut World, number: usize, ix: NodeIx) {
    let Some(node) = world.runs[number].status.node(ix) else { return };
    let Some(memo) = node.memo.clone() else { return };
    let entry = MemoEntry { outputs: node.outputs.clone(), created_at: Some(world.now) };
    if let Ok(entries) = world.caches.entry(memo.cache_name).or_insert_with(|| Ok(Default::default())) {
        entries.insert(memo.key, entry);
    }
}

/// Argo's key of a holder.
fn holder(world: &World, number: usize, ix: Option<NodeIx>) -> String {
    let run = &world.runs[number];
    let workflow = format!("{}/{}", run.namespace(), run.name());
    match ix.and_then(|ix| run.status.node(ix)) {
        Some(node) => format!("{workflow}/{}", node.id),
        None => workflow,
    }
}

/// Does what is due until nothing changes any more.
///
/// # Errors
/// The machine's, or that there is no end.
pub(super) fn advance(world: &mut World, number: usize) -> Result<(), String> {
    for _ in 0..MOST_ROUNDS {
        let run = &world.runs[number];
        let Some(plan) = &run.plan else { return Ok(()) };
        let actions = outstanding(plan, &run.status);
        let mut progress = false;
        for action in actions {
            progress |= perform(world, number, action)?;
        }
        if !progress {
            return Ok(());
        }
    }
    let left = world.runs[number].plan.as_ref().map(|plan| outstanding(plan, &world.runs[number].status));
    Err(format!("no end after {MOST_ROUNDS} rounds; still due: {left:?}"))
}

/// Does one thing; true when something changed.
fn perform(world: &mut World, number: usize, action: Action) -> Result<bool, String> {
    match action {
        Action::Ensure { node, attempt } => ensure(world, number, node, attempt),
        Action::Cancel { node, attempt } => cancel(world, number, node, attempt),
        Action::Acquire { node, locks, priority, since } => {
            let since = since.as_nanosecond();
            acquire(world, number, node, &locks, priority, since)
        }
        Action::Recall { node, cache, key } => {
            let input = match world.caches.get(&cache) {
                None => Input::Memo { node, entry: None },
                Some(Ok(entries)) => Input::Memo { node, entry: entries.get(&key).cloned() },
                Some(Err(why)) => Input::MemoFailed { node, message: why.clone() },
            };
            turn(world, number, input).map(|()| true)
        }
        // Ticks come with passes.
        Action::Wake { .. } => Ok(false),
    }
}

/// Pods that a taken-over status says run, but that are not there, are lost before anything else is looked at.
fn report_missing(world: &mut World, number: usize) -> Result<(), String> {
    let run = &world.runs[number];
    let Some(plan) = run.plan.as_ref().filter(|_| run.snapshot) else { return Ok(()) };
    for action in outstanding(plan, &run.status) {
        if let Action::Ensure { node, attempt } = action
            && world.runs[number].status.node(node).is_some_and(|node| node.phase == NodePhase::Running)
        {
            ensure(world, number, node, attempt)?;
        }
    }
    Ok(())
}

fn ensure(world: &mut World, number: usize, ix: NodeIx, attempt: u32) -> Result<bool, String> {
    let (now, grace) = (world.now, world.grace_seconds());
    let run = &mut world.runs[number];
    let Some(node) = run.status.node(ix) else { return Err(format!("Ensure of no node: {ix:?}")) };
    let id = node.id.clone();
    if run.pods.iter().any(|pod| pod.node == id && pod.attempt == attempt) {
        return Ok(false);
    }
    if node.phase == NodePhase::Running {
        let age = node.started_at.map_or(i64::MAX, |at| now.as_second() - at.as_second());
        if age < grace {
            return Ok(false);
        }
        let what = Observed::Lost { reason: "pod deleted".to_owned() };
        return turn(world, number, Input::Observed { node: ix, attempt, what }).map(|()| true);
    }
    let Some(plan) = &run.plan else { return Ok(false) };
    match attempt_plan(plan, &run.status, ix, now) {
        Ok(attempt_plan) => {
            let pod = Pod::new(&id, attempt, &attempt_plan);
            run.made.insert((id, attempt));
            world.log.push(format!("  pod {}", pod.name));
            run.pods.push(pod);
            // Pending is what the machine knows already: nothing new is due because of it.
            Ok(false)
        }
        Err(message) => {
            let what = Observed::Finished {
                phase: NodePhase::Error,
                message,
                outputs: Default::default(),
                started_at: None,
                finished_at: now,
            };
            turn(world, number, Input::Observed { node: ix, attempt, what }).map(|()| true)
        }
    }
}

/// A pod that has not started goes at once; one that runs ends when the script says so.
fn cancel(world: &mut World, number: usize, ix: NodeIx, attempt: u32) -> Result<bool, String> {
    let now = world.now;
    let run = &mut world.runs[number];
    let Some(id) = run.status.node(ix).map(|node| node.id.clone()) else { return Ok(false) };
    let pod = run.pods.iter().position(|pod| pod.node == id && pod.attempt == attempt);
    if pod.is_some_and(|at| run.pods[at].phase != PodPhase::Pending) {
        return Ok(false);
    }
    if let Some(at) = pod {
        run.pods.remove(at);
    }
    let what = Observed::Finished {
        phase: NodePhase::Failed,
        message: String::new(),
        outputs: Default::default(),
        started_at: None,
        finished_at: now,
    };
    turn(world, number, Input::Observed { node: ix, attempt, what }).map(|()| true)
}

fn acquire(
    world: &mut World,
    number: usize,
    node: Option<NodeIx>,
    needs: &[LockNeed],
    priority: i32,
    since: i128,
) -> Result<bool, String> {
    let limits: Result<Vec<(String, usize)>, String> =
        needs.iter().map(|need| world.limit(need).map(|limit| (need.name.clone(), limit))).collect();
    let holder = holder(world, number, node);
    match limits {
        Err(message) if world.is_transient(&message) => {
            let lock = needs.first().map(|need| need.name.clone()).unwrap_or_default();
            busy(world, number, node, lock, message)
        }
        Err(message) => turn(world, number, Input::LockFailed { node, message }).map(|()| true),
        Ok(limits) => match world.locks.request(&holder, &limits, priority, since) {
            Answer::Granted => turn(world, number, Input::LockAvailable(node)).map(|()| true),
            Answer::Busy { lock, message } => busy(world, number, node, lock, message),
        },
    }
}

/// Says that a lock is busy; progress only when that was news.
fn busy(
    world: &mut World,
    number: usize,
    node: Option<NodeIx>,
    lock: String,
    message: String,
) -> Result<bool, String> {
    let before = world.runs[number].facts.len();
    turn(world, number, Input::LockBusy { node, lock, message })?;
    Ok(world.runs[number].facts.len() > before)
}

/// The status of a workflow, short, for people.
pub(super) fn sketch(object: &Value) -> Vec<String> {
    let text =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let status = object.get("status").cloned().unwrap_or(Value::Null);
    let mut out = vec![format!("  status: {} {}", text(&status, "phase"), text(&status, "message"))];
    for node in status.get("nodes").and_then(Value::as_object).into_iter().flatten().map(|(_, node)| node) {
        out.push(format!(
            "    {:<40} {:<10} {:<10} {}",
            text(node, "name"),
            text(node, "type"),
            text(node, "phase"),
            text(node, "message")
        ));
    }
    out
}
