//! Loading: the status of a workflow by replaying its journal.
//! Deliberately the only way to a status besides deciding; there is no repair.

use std::sync::Arc;

use runner_machine::{Fact, Plan, WorkflowStatus, fold};
use runner_runners::AttemptId;
use runner_store::{Journal, Record, Seq, Store, StreamId};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::record::{self, Answer, Entry};

/// A workflow as the journal has it: its frozen spec, its status, and how far was read.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// The last record folded into the status.
    pub seq: Seq,
    /// The frozen spec, with compiled templates.
    pub plan: Arc<Plan>,
    /// The status.
    pub status: WorkflowStatus,
}

impl Snapshot {
    /// The status as Argo prints it.
    #[must_use]
    pub fn to_argo(&self) -> Value {
        self.status.to_argo(&self.plan)
    }
}

/// A replay that can be continued.
#[derive(Debug)]
pub(crate) struct Replay {
    pub(crate) stream: StreamId,
    pub(crate) seq: Seq,
    plan: Option<Arc<Plan>>,
    pub(crate) status: WorkflowStatus,
}

impl Replay {
    pub(crate) fn new(stream: StreamId) -> Self {
        Self { stream, seq: Seq::ZERO, plan: None, status: WorkflowStatus::default() }
    }

    /// Reads on to the end of the journal and tells `see` each fact after it was folded. Answers whether there
    /// was anything new.
    pub(crate) async fn advance(
        &mut self,
        store: &dyn Store,
        see: &mut (dyn FnMut(&WorkflowStatus, &Fact) + Send),
    ) -> Result<bool> {
        let before = self.seq;
        loop {
            let records = Journal::read(store, &self.stream, self.seq, 0).await?;
            if records.is_empty() {
                return Ok(self.seq != before);
            }
            for record in &records {
                self.add(record, see)?;
            }
        }
    }

    fn add(&mut self, record: &Record, see: &mut (dyn FnMut(&WorkflowStatus, &Fact) + Send)) -> Result<()> {
        let stream = &self.stream;
        let corrupt = |reason: String| Error::Corrupt { stream: stream.clone(), reason };
        if record.seq.0 != self.seq.0 + 1 {
            return Err(corrupt(format!("record {} follows record {}", record.seq.0, self.seq.0)));
        }
        match record::read(record).map_err(corrupt)? {
            Entry::Answer(_) => {}
            Entry::Fact(mut fact) => {
                fold(&mut self.status, &fact)
                    .map_err(|e| corrupt(format!("record {}: {e}", record.seq.0)))?;
                see(&self.status, &fact);
                if let Fact::WorkflowSubmitted { workflow, .. } = fact.as_mut() {
                    let workflow = std::mem::take(workflow.as_mut());
                    let plan = Plan::new(Arc::new(workflow)).map_err(|e| corrupt(e.to_string()))?;
                    self.plan = Some(Arc::new(plan));
                }
            }
        }
        self.seq = record.seq;
        Ok(())
    }

    /// The plan, once the first record was read.
    pub(crate) fn plan(&self) -> Result<&Arc<Plan>> {
        self.plan.as_ref().ok_or_else(|| Error::NotFound(self.stream.key().to_owned()))
    }

    /// A copy for somebody else.
    pub(crate) fn snapshot(&self) -> Result<Snapshot> {
        Ok(Snapshot { seq: self.seq, plan: Arc::clone(self.plan()?), status: self.status.clone() })
    }
}

/// A workflow by replaying its whole journal; needs no engine.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Corrupt`], or what the store says.
pub async fn load(store: &dyn Store, stream: &StreamId) -> Result<Snapshot> {
    let mut replay = Replay::new(stream.clone());
    replay.advance(store, &mut |_, _| {}).await?;
    let plan = Arc::clone(replay.plan()?);
    replay.status.take_touched();
    Ok(Snapshot { seq: replay.seq, plan, status: replay.status })
}

/// Every attempt of a workflow that was ever started, undone ones included; needs no engine.
///
/// # Errors
/// As [`load`].
pub async fn attempts(store: &dyn Store, stream: &StreamId) -> Result<Vec<AttemptId>> {
    let mut found = Vec::new();
    let mut replay = Replay::new(stream.clone());
    let mut see = |status: &WorkflowStatus, fact: &Fact| {
        if let Fact::AttemptStarted { ix, number } = fact
            && let Some(node) = status.node(*ix)
        {
            let workflow_uid = status.uid.clone();
            found.push(AttemptId { workflow_uid, node_id: node.id.clone(), attempt: *number });
        }
    };
    replay.advance(store, &mut see).await?;
    replay.plan()?;
    found.sort();
    found.dedup();
    Ok(found)
}

/// The answer to a command among the records after `after`, and how far was read.
pub(crate) async fn find_answer(
    store: &dyn Store,
    stream: &StreamId,
    mut after: Seq,
    command: u64,
) -> Result<(Option<Answer>, Seq)> {
    loop {
        let records = Journal::read(store, stream, after, 0).await?;
        let Some(last) = records.last() else { return Ok((None, after)) };
        after = last.seq;
        for record in &records {
            if record::is_answer(record)
                && let Ok(Entry::Answer(answer)) = record::read(record)
                && answer.command == command
            {
                return Ok((Some(answer), after));
            }
        }
    }
}
