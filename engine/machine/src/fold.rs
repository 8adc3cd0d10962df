//! fold: the meaning of each fact for the status. Total over legal facts, `IllegalFact` otherwise.
//! Decides nothing: what should happen next is `decide`.

use crate::claims::Claims;
use crate::error::IllegalFact;
use crate::fact::{Fact, NewNode, OutputsChange, Settings};
use crate::names::{display_name, fnv32a, node_id};
use crate::node::{AttemptState, LockStand, Node, NodeIx, NodePhase, NodeType, Work, WorkflowPhase};
use crate::status::{Timer, WorkflowStatus};
use crate::{Shutdown, Timestamp};
use std::sync::Arc;

use runner_workflows::spec::{AnyString, Outputs, Parameter};

/// Replays facts from the beginning.
///
/// # Errors
/// The first fact that does not fit.
pub fn replay<'a>(facts: impl IntoIterator<Item = &'a Fact>) -> Result<WorkflowStatus, IllegalFact> {
    let mut status = WorkflowStatus::default();
    for fact in facts {
        fold(&mut status, fact)?;
    }
    Ok(status)
}

/// Applies one fact.
///
/// # Errors
/// `IllegalFact` when the fact does not fit the status; the status is then unchanged.
pub fn fold(status: &mut WorkflowStatus, fact: &Fact) -> Result<(), IllegalFact> {
    let illegal = |reason: String| IllegalFact { fact: fact.kind(), reason };
    if status.uid.is_empty() != matches!(fact, Fact::WorkflowSubmitted { .. }) {
        return Err(illegal("a run begins with exactly one submission".to_owned()));
    }
    if let Some(ix) = fact.node()
        && !matches!(fact, Fact::NodeCreated { .. })
        && status.node(ix).is_none()
    {
        return Err(illegal(format!("there is no node {}", ix.0)));
    }
    match fact {
        Fact::WorkflowSubmitted { .. }
        | Fact::WorkflowStarted { .. }
        | Fact::WorkflowFinished { .. }
        | Fact::DeadlinePassed { .. }
        | Fact::CommandAccepted { .. } => fold_workflow(status, fact),
        Fact::NodeCreated { ix, node, at } => return create(status, *ix, node, *at).map_err(illegal),
        Fact::NodeChanged { ix, phase, message, display_name } => {
            status.change(*ix, |node| {
                if let Some(phase) = phase {
                    node.phase = *phase;
                    if *phase == NodePhase::Running && matches!(node.work, Work::Backoff { .. }) {
                        node.work = Work::None;
                    }
                }
                if let Some(message) = message {
                    node.message.clone_from(message);
                }
                if let Some(name) = display_name {
                    node.display_name.clone_from(name);
                }
            });
        }
        Fact::NodeFinished { ix, phase, message, outputs, outbound, at } => {
            finish(status, *ix, *phase, Some(message), outputs.as_deref(), *at);
            if !outbound.is_empty() {
                status.change(*ix, |node| node.outbound.clone_from(outbound));
            }
        }
        Fact::NodeSuspended { ix, until } => {
            status.change(*ix, |node| {
                node.phase = NodePhase::Running;
                node.work = Work::Suspended { until: *until };
            });
        }
        Fact::AttemptStarted { .. }
        | Fact::AttemptObserved { .. }
        | Fact::AttemptCancelled { .. }
        | Fact::AttemptFinished { .. }
        | Fact::AttemptLost { .. }
        | Fact::RetryScheduled { .. } => fold_attempt(status, fact),
        Fact::LockRequested { .. }
        | Fact::LockWaited { .. }
        | Fact::LockGranted { .. }
        | Fact::LockReleased { .. } => {
            fold_lock(status, fact);
        }
        Fact::MemoAsked { .. } | Fact::MemoHit { .. } | Fact::MemoMissed { .. } | Fact::MemoSaved { .. } => {
            fold_memo(status, fact);
        }
        Fact::OutputsSet { ix, change } => set_outputs(status, *ix, change),
        Fact::NodesRemoved { nodes, reopened, .. } => undo(status, nodes, reopened),
    }
    Ok(())
}

fn fold_workflow(status: &mut WorkflowStatus, fact: &Fact) {
    status.index.touched_workflow = true;
    match fact {
        Fact::WorkflowSubmitted { name, namespace, uid, at, workflow, estimates, reuse, .. } => {
            status.reuse = reuse.as_deref().cloned().map(Arc::new);
            status.claims = Claims::of(&workflow.spec);
            status.estimates = estimates.as_deref().cloned();
            status.name.clone_from(name);
            status.namespace.clone_from(namespace);
            status.uid.clone_from(uid);
            status.created_at = Some(*at);
            status.active_deadline_seconds = workflow.spec.active_deadline_seconds;
            status.suspended = workflow.spec.suspend.unwrap_or(false);
            status.shutdown = match workflow.spec.shutdown.as_str() {
                "Stop" => Some(Shutdown::Stop),
                "Terminate" => Some(Shutdown::Terminate),
                _ => None,
            };
        }
        Fact::WorkflowStarted { phase, message, at } => {
            status.phase = *phase;
            status.message.clone_from(message);
            if *phase == WorkflowPhase::Running && status.started_at.is_none() {
                status.started_at = Some(*at);
            }
            status.finished_at = None;
            if *phase == WorkflowPhase::Running {
                let name = status.name.clone();
                status.claims.bind(&name);
            }
            status.arm_deadline();
        }
        Fact::WorkflowFinished { phase, message, at } => {
            status.phase = *phase;
            status.message.clone_from(message);
            status.started_at.get_or_insert(*at);
            status.finished_at = Some(*at);
            status.claims.release(*phase);
            status.work = Work::None;
            status.index.runtimes.clear();
            status.index.blocked.clear();
            status.index.held_hooks.clear();
        }
        Fact::DeadlinePassed { .. } => {
            status.deadline_passed = true;
            let due: Vec<Timestamp> = status
                .index
                .timers
                .iter()
                .filter(|(_, timer)| *timer == Timer::Deadline)
                .map(|(at, _)| *at)
                .collect();
            for at in due {
                status.set_timer(Timer::Deadline, None, Some(at));
            }
        }
        Fact::CommandAccepted { settings, .. } => apply_settings(status, settings),
        _ => {}
    }
}

fn apply_settings(status: &mut WorkflowStatus, settings: &Settings) {
    if let Some(suspend) = settings.suspend {
        status.suspended = suspend;
    }
    if let Some(shutdown) = settings.shutdown {
        status.shutdown = Some(shutdown);
        status.shutdown_message.clone_from(&settings.message);
    }
    if let Some(archived) = settings.archived {
        status.archived = archived;
    }
    for parameter in &settings.parameters {
        status.parameters.retain(|p| p.name != parameter.name);
        status.parameters.push(parameter.clone());
    }
    status.index.globals = None;
}

fn create(status: &mut WorkflowStatus, ix: NodeIx, new: &NewNode, at: Timestamp) -> Result<(), String> {
    if ix.0 as usize != status.nodes.len() {
        return Err(format!("node {} is not the next one", ix.0));
    }
    if status.by_name(&new.name).is_some() {
        return Err(format!("node `{}` exists already", new.name));
    }
    if let Some(missing) = new.parents.iter().find(|parent| status.node(**parent).is_none()) {
        return Err(format!("there is no parent node {}", missing.0));
    }
    let boundary = new.boundary.and_then(|ix| status.node(ix)).map(|node| node.name.clone());
    let mut id = node_id(&status.name, &new.name);
    if status.index.by_id.contains_key(&id) {
        id = format!("{}-{}-{}", status.name, fnv32a(&new.name), ix.0);
    }
    let node = Node {
        id,
        display_name: new
            .display_name
            .clone()
            .unwrap_or_else(|| display_name(&new.name, boundary.as_deref())),
        name: new.name.clone(),
        node_type: new.node_type,
        template_name: new.template_name.clone(),
        template_ref: new.template_ref.clone(),
        template_scope: new.template_scope.clone(),
        owner: new.owner.clone(),
        boundary: new.boundary,
        depth: new.depth,
        phase: new.phase,
        message: new.message.clone(),
        started_at: Some(at),
        finished_at: new.phase.fulfilled().then_some(at),
        inputs: new.inputs.clone(),
        outputs: new.outputs.as_deref().cloned(),
        children: Vec::new(),
        outbound: Vec::new(),
        flag: new.flag,
        work: Work::None,
        exit_handler: new.exit_handler,
        daemoned: false,
        memo: new.memo.clone(),
        locks: LockStand::None,
        host: String::new(),
        pod_ip: String::new(),
        progress: None,
        deadline: new.deadline,
        captured: new.captured.clone(),
        tainted: new.tainted.clone(),
    };
    let ix = status.push(node);
    for parent in &new.parents {
        status.change(*parent, |node| node.children.push(ix));
    }
    if new.outputs.is_some() && new.phase.fulfilled() {
        export_globals(status, ix);
    }
    if status.reuse.as_ref().is_some_and(|reuse| reuse.nodes.len() <= status.nodes.len()) {
        status.reuse = None;
    }
    Ok(())
}

fn finish(
    status: &mut WorkflowStatus,
    ix: NodeIx,
    phase: NodePhase,
    message: Option<&String>,
    outputs: Option<&Outputs>,
    at: Timestamp,
) {
    status.index.freed = true;
    status.change(ix, |node| {
        node.phase = phase;
        node.work = Work::None;
        node.daemoned = false;
        node.finished_at = Some(at);
        if let Some(message) = message {
            node.message.clone_from(message);
        }
        if let Some(outputs) = outputs {
            node.outputs = Some(outputs.clone());
        }
    });
    status.index.runtimes.remove(&ix);
    status.index.blocked.remove(&ix);
    if phase == NodePhase::Succeeded || outputs.is_some() {
        export_globals(status, ix);
    }
}

/// Copies outputs with a `globalName` to the run's outputs; the last write wins.
fn export_globals(status: &mut WorkflowStatus, ix: NodeIx) {
    let Some(outputs) = status.node(ix).and_then(|node| node.outputs.clone()) else { return };
    for parameter in outputs.parameters {
        if parameter.global_name.is_empty() || parameter.value.is_none() {
            continue;
        }
        let global =
            Parameter { name: parameter.global_name, value: parameter.value, ..Parameter::default() };
        status.index.globals = None;
        status.index.touched_workflow = true;
        match status.outputs.parameters.iter_mut().find(|p| p.name == global.name) {
            Some(known) => *known = global,
            None => status.outputs.parameters.push(global),
        }
    }
    for mut artifact in outputs.artifacts {
        if artifact.global_name.is_empty() {
            continue;
        }
        artifact.name = std::mem::take(&mut artifact.global_name);
        artifact.path.clear();
        status.index.globals = None;
        match status.outputs.artifacts.iter_mut().find(|a| a.name == artifact.name) {
            Some(known) => *known = artifact,
            None => status.outputs.artifacts.push(artifact),
        }
    }
}

fn fold_attempt(status: &mut WorkflowStatus, fact: &Fact) {
    match fact {
        Fact::AttemptStarted { ix, number } => {
            status.change(*ix, |node| {
                node.work = Work::Attempt { number: *number, state: AttemptState::Intended };
            });
        }
        Fact::AttemptObserved { ix, at, host, daemon_ip, progress } => {
            status.change(*ix, |node| {
                if node.phase == NodePhase::Pending {
                    node.started_at = Some(*at);
                }
                node.phase = NodePhase::Running;
                if !host.is_empty() {
                    node.host.clone_from(host);
                }
                if let Some(ip) = daemon_ip {
                    node.daemoned = true;
                    node.pod_ip.clone_from(ip);
                }
                if progress.is_some() {
                    node.progress = *progress;
                }
                if let Work::Attempt { state, .. } = &mut node.work
                    && *state == AttemptState::Intended
                {
                    *state = AttemptState::Running;
                }
            });
        }
        Fact::AttemptCancelled { ix, message } => {
            status.change(*ix, |node| {
                if let Work::Attempt { state, .. } = &mut node.work {
                    *state = AttemptState::Cancelling { message: message.clone() };
                }
            });
        }
        Fact::AttemptFinished { ix, phase, message, outputs, started_at, at } => {
            finish(status, *ix, *phase, Some(message), outputs.as_deref(), *at);
            if let Some(started_at) = started_at {
                status.change(*ix, |node| node.started_at = Some(*started_at));
            }
        }
        Fact::AttemptLost { ix, reason, at } => {
            finish(status, *ix, NodePhase::Error, Some(reason), None, *at);
        }
        Fact::RetryScheduled { ix, due, message } => {
            status.change(*ix, |node| {
                node.work = Work::Backoff { until: *due };
                node.message.clone_from(message);
            });
        }
        _ => {}
    }
}

fn fold_lock(status: &mut WorkflowStatus, fact: &Fact) {
    match fact {
        Fact::LockRequested { ix: Some(ix), at } => {
            status.change(*ix, |node| {
                node.work = Work::Lock { since: *at };
                node.locks = LockStand::Asked;
            });
        }
        Fact::LockRequested { ix: None, at } => {
            status.work = Work::Lock { since: *at };
            status.locks = LockStand::Asked;
        }
        Fact::LockWaited { ix: Some(ix), lock, message } => {
            status.change(*ix, |node| {
                node.locks = LockStand::Waits(lock.clone());
                node.message.clone_from(message);
            });
        }
        Fact::LockWaited { ix: None, lock, message } => {
            status.locks = LockStand::Waits(lock.clone());
            status.message.clone_from(message);
        }
        Fact::LockGranted { ix: Some(ix) } => {
            status.change(*ix, |node| {
                node.work = Work::None;
                node.message.clear();
                node.locks = LockStand::Holds;
            });
        }
        Fact::LockGranted { ix: None } => {
            status.work = Work::None;
            status.message.clear();
            status.locks = LockStand::Holds;
        }
        Fact::LockReleased { ix: Some(ix) } => {
            status.change(*ix, |node| node.locks = LockStand::None);
        }
        Fact::LockReleased { ix: None } => {
            status.locks = LockStand::None;
        }
        _ => {}
    }
    status.index.touched_workflow = true;
}

fn fold_memo(status: &mut WorkflowStatus, fact: &Fact) {
    match fact {
        Fact::MemoAsked { ix, memo } => {
            status.change(*ix, |node| {
                node.work = Work::Memo;
                node.memo = Some(memo.clone());
            });
        }
        Fact::MemoHit { ix, outputs, at } => {
            finish(status, *ix, NodePhase::Succeeded, None, outputs.as_deref(), *at);
            status.change(*ix, |node| {
                if let Some(memo) = &mut node.memo {
                    memo.hit = true;
                }
            });
        }
        Fact::MemoMissed { ix } => {
            status.change(*ix, |node| node.work = Work::None);
        }
        _ => {}
    }
}

fn set_outputs(status: &mut WorkflowStatus, ix: NodeIx, change: &OutputsChange) {
    status.change(ix, |node| {
        let outputs = node.outputs.get_or_insert_default();
        for (name, value) in &change.parameters {
            match outputs.parameters.iter_mut().find(|p| p.name == *name) {
                Some(parameter) => {
                    parameter.value = Some(AnyString(value.clone()));
                    parameter.value_from = None;
                }
                None => outputs.parameters.push(Parameter::literal(name, value)),
            }
        }
        if let Some(message) = &change.message {
            if node.message.is_empty() {
                node.message.clone_from(message);
            } else {
                node.message = format!("{}; {message}", node.message);
            }
        }
        if outputs_is_noise(node) {
            node.outputs = None;
        }
    });
}

fn outputs_is_noise(node: &Node) -> bool {
    node.outputs.as_ref().is_some_and(Outputs::is_empty)
}

/// Undoes nodes: they are gone, their names get a new attempt number, ancestors run again.
fn undo(status: &mut WorkflowStatus, nodes: &[NodeIx], reopened: &[NodeIx]) {
    for ix in nodes {
        if let Some(node) = status.remove(*ix)
            && node.node_type.is_attempt()
        {
            let next = status.generation(&node.name) + 1;
            status.generations.insert(node.name, next);
        }
    }
    let all: Vec<NodeIx> = status.nodes().map(|(ix, _)| ix).collect();
    for ix in all {
        let gone = |ix: &NodeIx| nodes.contains(ix);
        if status
            .node(ix)
            .is_some_and(|node| node.children.iter().any(gone) || node.outbound.iter().any(gone))
        {
            status.change(ix, |node| {
                node.children.retain(|child| !nodes.contains(child));
                node.outbound.retain(|child| !nodes.contains(child));
            });
        }
    }
    for ix in reopened {
        status.change(*ix, |node| {
            node.phase = NodePhase::Running;
            node.finished_at = None;
            node.message.clear();
            if node.node_type != NodeType::Retry {
                node.outputs = None;
            }
            node.outbound.clear();
        });
    }
    status.suspended = false;
    status.shutdown = None;
    status.shutdown_message.clear();
    status.deadline_passed = false;
    status.index.runtimes.clear();
    status.index.blocked.clear();
    status.index.held_hooks.clear();
    status.index.globals = None;
}
