//! What the journal says of one workflow, followed commit by commit, and the laws that each commit must keep.
//! Does not see what the engine believes: it is fed by the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runner_machine::{Fact, NodePhase, NodeType, Plan, Timestamp, Work, WorkflowPhase, WorkflowStatus, fold};
use runner_store::{Append, NewRecord, NodeRow, Wakeup};
use runner_workflows::resolve::ResolvedWorkflow;
use serde::Deserialize;

/// When something happened, as the number of a fact in the journal.
type Moment = usize;

/// One workflow as committed.
#[derive(Default)]
pub struct Shadow {
    /// The status that replaying gives.
    pub status: WorkflowStatus,
    /// Epoch of the last append.
    pub epoch: u64,
    /// When each node was created, by name.
    pub created: BTreeMap<String, Moment>,
    /// When each node ended, by name.
    pub ended: BTreeMap<String, Moment>,
    /// When attempts were told to end, by node id and number.
    pub cancelled: BTreeMap<(String, u32), Timestamp>,
    /// When the workflow ended.
    pub finished_at: Option<Timestamp>,
    intents: BTreeSet<(String, u32)>,
    scheduled: BTreeSet<(u32, usize)>,
    facts: Moment,
    wakeup: Option<Timestamp>,
}

/// The submission without its workflow, which is known and large.
#[derive(Deserialize)]
struct Submission {
    version: u32,
    name: String,
    namespace: String,
    uid: String,
    at: Timestamp,
}

/// Reads a fact as the controller writes it; answers to commands are no facts.
///
/// # Errors
/// It is no fact.
pub fn read(record: &NewRecord, plans: &[Arc<Plan>]) -> Result<Option<Fact>, String> {
    if record.kind == "commandAnswered" {
        return Ok(None);
    }
    if record.kind == "workflowSubmitted" {
        let Submission { version, name, namespace, uid, at } =
            serde_json::from_slice(&record.body).map_err(|e| e.to_string())?;
        let plan = plans.iter().find(|plan| plan.workflow.metadata.name == name);
        let plan = plan.ok_or_else(|| format!("nobody submitted {name}"))?;
        let workflow = Box::new(ResolvedWorkflow::clone(&plan.workflow));
        let (reuse, estimates) = (None, None);
        return Ok(Some(Fact::WorkflowSubmitted {
            version,
            name,
            namespace,
            uid,
            at,
            workflow,
            reuse,
            estimates,
        }));
    }
    let body = std::str::from_utf8(&record.body).map_err(|e| e.to_string())?;
    let text = format!("{{\"{}\":{body}}}", record.kind);
    serde_json::from_str(&text).map(Some).map_err(|e| format!("{}: {e}", record.kind))
}

impl Shadow {
    /// Takes notice of a committed append. Answers the pauses that somebody has to resume, and what is wrong.
    pub fn commit(&mut self, append: &Append, facts: &[Fact]) -> (Vec<String>, Vec<String>) {
        let (mut pauses, mut wrong) = (Vec::new(), Vec::new());
        if append.epoch.0 < self.epoch {
            wrong.push(format!("epoch {} after epoch {}", append.epoch.0, self.epoch));
        }
        self.epoch = self.epoch.max(append.epoch.0);
        let suspended = self.status.suspended && self.status.shutdown.is_none();
        for fact in facts {
            self.law(fact, suspended, &mut wrong);
            if let Err(error) = fold(&mut self.status, fact) {
                wrong.push(format!("journal: {error}"));
                continue;
            }
            self.facts += 1;
            self.note(fact, append.at, &mut pauses);
        }
        self.status.take_touched();
        append.nodes.iter().for_each(|row| self.compare_row(row, &mut wrong));
        match append.wakeup {
            Wakeup::Keep => {}
            Wakeup::Clear => self.wakeup = None,
            Wakeup::At(at) => self.wakeup = Some(at),
        }
        (pauses, wrong)
    }

    /// What may not be in a journal, whatever the workflow.
    fn law(&mut self, fact: &Fact, suspended: bool, wrong: &mut Vec<String>) {
        let ended = |ix| self.status.node(ix).filter(|node| node.phase.fulfilled()).map(|n| n.name.clone());
        match fact {
            Fact::AttemptStarted { ix, number } => {
                let Some(node) = self.status.node(*ix) else { return };
                if !self.intents.insert((node.id.clone(), *number)) {
                    wrong.push(format!("attempt {number} of {} is intended twice", node.name));
                }
                if suspended && self.status.suspended {
                    wrong.push(format!("{} is intended while the run is suspended", node.name));
                }
                if self.status.shutdown.is_some_and(|shutdown| !shutdown.allows(node.exit_handler)) {
                    wrong.push(format!("{} is intended after the run was told to end", node.name));
                }
                if self.status.phase.completed() {
                    wrong.push(format!("{} is intended after the end of the run", node.name));
                }
            }
            Fact::AttemptFinished { ix, .. }
            | Fact::AttemptLost { ix, .. }
            | Fact::NodeFinished { ix, .. } => {
                if let Some(name) = ended(*ix) {
                    wrong.push(format!("{name} ends twice ({})", fact.kind()));
                }
            }
            Fact::RetryScheduled { ix, .. } => {
                let attempts = self.status.node(*ix).map_or(0, |node| node.children.len());
                if !self.scheduled.insert((ix.0, attempts)) {
                    wrong.push(format!("the retry of node {} is scheduled twice", ix.0));
                }
            }
            Fact::NodeCreated { node, .. } if self.status.phase.completed() => {
                wrong.push(format!("{} is created after the end of the run", node.name));
            }
            Fact::WorkflowFinished { .. } if self.status.phase.completed() => {
                wrong.push("the run ends twice".to_owned());
            }
            _ => {}
        }
    }

    fn note(&mut self, fact: &Fact, now: Timestamp, pauses: &mut Vec<String>) {
        match fact {
            Fact::AttemptCancelled { ix, .. } => {
                if let Some(node) = self.status.node(*ix)
                    && let Work::Attempt { number, .. } = node.work
                {
                    self.cancelled.insert((node.id.clone(), number), now);
                }
            }
            Fact::NodeCreated { ix, node, .. } => {
                self.created.insert(node.name.clone(), self.facts);
                if self.status.node(*ix).is_some_and(|node| node.phase.fulfilled()) {
                    self.ended.insert(node.name.clone(), self.facts);
                }
            }
            Fact::NodeSuspended { ix, until: None } => {
                pauses.extend(self.status.node(*ix).map(|node| node.name.clone()));
            }
            Fact::WorkflowFinished { at, .. } => self.finished_at = Some(*at),
            Fact::NodesRemoved { .. } => {
                // A retry: what was undone begins anew.
                self.finished_at = None;
                self.scheduled.clear();
            }
            _ => {
                if let Some(node) = fact.node().and_then(|ix| self.status.node(ix))
                    && node.phase.fulfilled()
                {
                    self.ended.entry(node.name.clone()).or_insert(self.facts);
                }
            }
        }
    }

    /// A row comes from the status in memory: it must say what the journal says.
    fn compare_row(&self, row: &NodeRow, wrong: &mut Vec<String>) {
        let ix = runner_machine::NodeIx(row.ordinal);
        let Some(node) = self.status.node(ix) else { return };
        let same = node.name == row.name
            && node.phase.as_str() == row.phase
            && node.started_at == row.started_at
            && node.finished_at == row.finished_at
            && row.message == node.message;
        if !same {
            wrong.push(format!(
                "the engine believes {} is {} `{}`, the journal {} `{}`",
                row.name,
                row.phase,
                row.message,
                node.phase.as_str(),
                node.message
            ));
        }
    }

    /// Whether a start of this attempt is covered by a durable intent.
    pub fn intends(&self, node_id: &str, attempt: u32) -> Result<String, String> {
        let node = self.status.by_id(node_id).and_then(|ix| self.status.node(ix));
        let Some(node) = node else { return Err(format!("{node_id}, of which the journal knows nothing")) };
        match &node.work {
            Work::Attempt { number, .. } if *number == attempt => {}
            other => return Err(format!("{}, while the journal says {other:?}", node.name)),
        }
        if self.status.phase.completed() {
            return Err(format!("{} after the end of the run", node.name));
        }
        Ok(node.name.clone())
    }

    /// Laws at the end of a run. `leaves`: a template with `failFast` may leave nodes open
    /// below it, and so may a group with an error, as in Argo.
    pub fn at_end(&self, leaves: bool, wrong: &mut Vec<String>) {
        if !self.status.phase.completed() {
            wrong.push(format!("{} has not ended: {:?}", self.status.name, self.status.phase));
            return;
        }
        // Terminated runs may leave nodes behind that never started: Argo does so too.
        let broken = |(_, node): (_, &runner_machine::Node)| {
            node.node_type == NodeType::StepGroup && node.phase == NodePhase::Error
        };
        let leaves = leaves || self.status.nodes().any(broken);
        let cut_short = leaves || self.status.shutdown.is_some() || self.status.deadline_passed;
        for (_, node) in self.status.nodes() {
            let open = !node.phase.fulfilled();
            if open && !(cut_short && node.node_type != NodeType::Pod) {
                let name = &node.name;
                wrong.push(format!("{name} is still {} after the end of the run", node.phase.as_str()));
            }
        }
    }

    /// The wakeup in the store must be the earliest timer whenever the run sleeps.
    pub fn check_wakeup(&self, wrong: &mut Vec<String>) {
        if self.status.phase != WorkflowPhase::Unknown && self.wakeup != self.status.next_timer() {
            wrong.push(format!(
                "the wakeup of {} is {:?}, its earliest timer {:?}",
                self.status.name,
                self.wakeup,
                self.status.next_timer()
            ));
        }
    }

    /// Phase of a node by name.
    pub fn phase_of(&self, name: &str) -> Option<NodePhase> {
        self.status.by_name(name).and_then(|ix| self.status.node(ix)).map(|node| node.phase)
    }
}
