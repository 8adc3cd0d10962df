//! One turn: inputs become facts, facts become one append.
//! Deliberately without effects of its own; they follow in `worker`, after the append returned.

use std::sync::Arc;

use jiff::Timestamp;
use runner_machine::{Action, Fact, NodeIx, Plan, WorkflowStatus, decide, outstanding, outstanding_of};
use runner_store::{
    Append, Appended, CommandId, Epoch, Journal, LockChange, Seq, Store, StreamId, Wakeup, WorkflowRow,
    limits,
};

use crate::inbox::Incoming;
use crate::load::Snapshot;
use crate::projection;
use crate::record::{self, Answer};

/// The in-memory status of one workflow and its place in the journal. Dropped, never repaired, when an append
/// fails.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) stream: StreamId,
    pub(crate) epoch: Epoch,
    pub(crate) seq: Seq,
    pub(crate) plan: Arc<Plan>,
    pub(crate) status: WorkflowStatus,
    /// As last written; unknown after loading.
    row: Option<WorkflowRow>,
    wakeup: Option<Wakeup>,
}

/// What a turn came to. Already folded into the status.
#[derive(Debug, Default)]
pub(crate) struct Decision {
    pub(crate) facts: Vec<Fact>,
    pub(crate) answers: Vec<Answer>,
    pub(crate) touched: Vec<NodeIx>,
    pub(crate) actions: Vec<Action>,
}

impl Decision {
    pub(crate) fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.answers.is_empty()
    }
}

/// The machine found the status or the spec unusable.
#[derive(Debug)]
pub(crate) struct Unusable(pub(crate) String);

impl Run {
    /// A workflow that is not in the journal yet.
    pub(crate) fn fresh(stream: StreamId, epoch: Epoch, plan: Arc<Plan>) -> Self {
        let status = WorkflowStatus::default();
        Self { stream, epoch, seq: Seq::ZERO, plan, status, row: None, wakeup: None }
    }

    /// A workflow as loaded.
    pub(crate) fn loaded(stream: StreamId, epoch: Epoch, snapshot: Snapshot) -> Self {
        let Snapshot { seq, plan, status } = snapshot;
        Self { stream, epoch, seq, plan, status, row: None, wakeup: None }
    }

    /// Decides the inputs in order.
    ///
    /// # Errors
    /// When the machine cannot go on; the status must be dropped.
    pub(crate) fn decide(&mut self, inputs: Vec<Incoming>, now: Timestamp) -> Result<Decision, Unusable> {
        let mut decision = Decision::default();
        for incoming in inputs {
            match incoming {
                Incoming::Input(input) => match decide(&self.plan, &mut self.status, input, now) {
                    Ok(facts) => decision.facts.extend(facts),
                    Err(runner_machine::Error::Refused(why)) => {
                        tracing::warn!(stream = %self.stream, why, "input refused");
                    }
                    Err(error) => return Err(Unusable(error.to_string())),
                },
                Incoming::Command(id, read) => self.decide_command(id, read, now, &mut decision)?,
            }
        }
        decision.touched = self.status.take_touched();
        if !decision.facts.is_empty() {
            decision.actions = outstanding_of(&self.plan, &self.status, &decision.touched);
        }
        Ok(decision)
    }

    fn decide_command(
        &mut self,
        id: CommandId,
        read: Result<crate::inbox::Envelope, String>,
        now: Timestamp,
        decision: &mut Decision,
    ) -> Result<(), Unusable> {
        let envelope = match read {
            Ok(envelope) => envelope,
            Err(why) => {
                decision.answers.push(Answer::new(id, None, Some(why)));
                return Ok(());
            }
        };
        let input =
            runner_machine::Input::Command { by: envelope.by.clone(), command: envelope.command.clone() };
        let refused = match decide(&self.plan, &mut self.status, input, now) {
            Ok(facts) => {
                decision.facts.extend(facts);
                None
            }
            Err(runner_machine::Error::Refused(why)) => Some(why),
            Err(error) => return Err(Unusable(error.to_string())),
        };
        decision.answers.push(Answer::new(id, Some(&envelope), refused));
        Ok(())
    }

    /// Everything the workflow is owed.
    pub(crate) fn outstanding(&self) -> Vec<Action> {
        outstanding(&self.plan, &self.status)
    }

    /// The append that makes a decision durable, with the rows of everything it touched.
    ///
    /// # Errors
    /// When a fact cannot be written as JSON.
    pub(crate) fn append(
        &mut self,
        decision: &Decision,
        locks: Vec<LockChange>,
        now: Timestamp,
    ) -> Result<Append, Unusable> {
        let facts = decision.facts.iter().map(record::fact);
        let answers = decision.answers.iter().map(record::answer);
        let records = facts.chain(answers).collect::<Result<Vec<_>, _>>().map_err(Unusable)?;
        let mut append = Append::new(self.stream.clone(), self.epoch, self.seq, now, records);
        let row = projection::workflow_row(&self.plan, &self.status);
        if self.row.as_ref() != Some(&row) {
            self.row = Some(row.clone());
            append.workflow = Some(row);
        }
        append.nodes = decision.touched.iter().map(|ix| projection::node_row(&self.status, *ix)).collect();
        let wakeup = match self.status.next_timer() {
            Some(at) => Wakeup::At(at),
            None => Wakeup::Clear,
        };
        if self.wakeup != Some(wakeup) {
            self.wakeup = Some(wakeup);
            append.wakeup = wakeup;
        }
        append.locks = locks;
        append.consumed = decision.answers.iter().map(Answer::id).collect();
        Ok(append)
    }
}

/// Writes an append. One that is larger than the store takes goes in several; each part is a legal beginning of
/// the turn, and `Input::Begin` after loading continues a turn that was cut off (F8). Everything that must come
/// with the last fact (rows, locks, answers) is in the last part.
pub(crate) async fn commit(store: &dyn Store, mut append: Append) -> runner_store::Result<Appended> {
    let max = limits::RECORDS_PER_APPEND_MAX;
    while append.records.len() > max {
        let rest = append.records.split_off(max);
        let records = std::mem::replace(&mut append.records, rest);
        let mut part = Append::new(append.stream.clone(), append.epoch, append.expected, append.at, records);
        part.create = append.create.take();
        match Journal::append(store, part).await? {
            Appended::Done(seq) => append.expected = seq,
            exists @ Appended::Exists { .. } => return Ok(exists),
        }
    }
    Journal::append(store, append).await
}
