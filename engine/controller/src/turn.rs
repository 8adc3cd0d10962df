//! One turn: inputs become facts, facts become one append.
//! Deliberately without effects of its own; they follow in `worker`, after the append returned.

use std::sync::Arc;

use jiff::Timestamp;
use runner_machine::{Action, Fact, NodeIx, Plan, WorkflowStatus, decide, outstanding, outstanding_of};
use runner_store::{
    Append, Appended, CommandId, Epoch, Journal, LockChange, NewRecord, Seq, Store, StreamId, Wakeup,
    WorkflowRow, limits,
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
pub(crate) async fn commit(store: &dyn Store, append: Append) -> runner_store::Result<Appended> {
    commit_in_parts(store, append, limits::RECORDS_PER_APPEND_MAX).await
}

async fn commit_in_parts(
    store: &dyn Store,
    mut append: Append,
    max: usize,
) -> runner_store::Result<Appended> {
    while append.records.len() > max {
        let rest = append.records.split_off(cut(&append.records, max));
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

/// Where to end a part: not behind the creation of a node, because what the node then does is the next record, and
/// without it nobody would take the node up again.
fn cut(records: &[NewRecord], max: usize) -> usize {
    let whole = |end: &usize| records.get(end - 1).is_some_and(|record| record.kind != NODE_CREATED);
    (1..=max).rev().find(whole).unwrap_or(max)
}

/// Kind of [`Fact::NodeCreated`].
const NODE_CREATED: &str = "nodeCreated";

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use runner_machine::{NewNode, NodeIx};
    use runner_store::{Create, FirstLease, Locks, MemoryStore};

    #[tokio::test]
    async fn f8_a_large_turn_goes_in_parts_and_what_belongs_to_its_end_comes_last() {
        let store = MemoryStore::new();
        let stream = StreamId::workflow("u").unwrap();
        let at = Timestamp::UNIX_EPOCH;
        let kind = |n| if n == 5 { NODE_CREATED } else { "attemptStarted" };
        let record = |n: u8| NewRecord { kind: kind(n).to_owned(), body: vec![b'0' + n] };
        let mut append =
            Append::new(stream.clone(), Epoch::FIRST, Seq::ZERO, at, (0..8).map(record).collect());
        append.create = Some(Create {
            namespace: "ns".to_owned(),
            name: "w".to_owned(),
            idempotency_key: None,
            lease: Some(FirstLease { owner: "me".to_owned(), until: crate::clock::after(at, HOUR) }),
        });
        let (holder, locks) = ("u".to_owned(), vec!["m".to_owned()]);
        append.locks = vec![LockChange::Request { holder, locks, priority: 0, at }];
        let before = store.commits();
        assert_eq!(commit_in_parts(&store, append, 3).await.unwrap(), Appended::Done(Seq(8)));
        assert_eq!(store.commits() - before, 3, "0-2, 3-4, 5-7: no part ends with the creation of a node");
        let records = Journal::read(&store, &stream, Seq::ZERO, 0).await.unwrap();
        let bodies: Vec<u8> = records.iter().flat_map(|r| r.body.clone()).collect();
        assert_eq!(bodies, b"01234567");
        assert_eq!(store.waiting().await.unwrap().len(), 1);
    }

    #[test]
    fn parts_end_behind_any_fact_but_the_creation_of_a_node() {
        let created = Fact::NodeCreated {
            ix: NodeIx(0),
            node: Box::new(NewNode::default()),
            at: Timestamp::UNIX_EPOCH,
        };
        assert_eq!(created.kind(), NODE_CREATED);
        let record = |kind: &str| NewRecord { kind: kind.to_owned(), body: Vec::new() };
        let records = ["a", NODE_CREATED, NODE_CREATED, "b"].map(record);
        assert_eq!((cut(&records, 1), cut(&records, 2), cut(&records, 3)), (1, 1, 1));
        assert_eq!(cut(&records[1..], 2), 2, "there is no better place");
    }

    const HOUR: std::time::Duration = std::time::Duration::from_secs(3600);
}
