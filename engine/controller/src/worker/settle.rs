//! The middle of a turn: what was decided becomes durable, and then is acted upon.
//! Deliberately in this order only; when the append fails, nothing of the turn is left in memory.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_machine::{Action, Fact, Input, NodeIx};
use runner_store::{Append, Appended, LockChange};

use super::{End, FIRST_PAUSE, Worker, reload, unusable};
use crate::inbox::{Incoming, Letter};
use crate::locks::Locks;
use crate::memo;
use crate::options::LONGEST_PAUSE;
use crate::turn::{Decision, commit};

impl Worker {
    /// The first turn after loading: waiting commands, then whatever is due (a turn that was cut off, places in
    /// queues), then everything outstanding is dispatched. This is all there is to recovery.
    pub(super) async fn begin(&mut self) -> Result<(), End> {
        loop {
            self.batch.clear();
            self.collect_commands().await?;
            if !self.run.status.phase.completed() {
                self.batch.push(Incoming::Input(Input::Begin));
            }
            let now = self.core.clock.now();
            let batch = std::mem::take(&mut self.batch);
            let decision = self.run.decide(batch, now).map_err(unusable)?;
            let outstanding = self.run.outstanding();
            self.locks.note(&outstanding, &[]);
            let mut changes = self.locks.requests();
            changes.extend(self.locks.changes(&decision.facts));
            if decision.is_empty() && changes.is_empty() {
                self.publish();
                self.act(&outstanding, None);
                return Ok(());
            }
            let append = self.run.append(&decision, changes, now).map_err(unusable)?;
            if self.append(append).await? {
                self.done(&decision, now).await;
                self.act(&outstanding, None);
                return Ok(());
            }
        }
    }

    /// One turn: everything that is in the batch, in one append.
    pub(super) async fn turn(&mut self) -> Result<(), End> {
        let now = self.core.clock.now();
        let batch = std::mem::take(&mut self.batch);
        let ticked = batch.iter().any(|incoming| matches!(incoming, Incoming::Input(Input::Tick)));
        (self.urgent, self.lazy_since) = (false, None);
        let decision = self.run.decide(batch, now).map_err(unusable)?;
        if !decision.facts.is_empty() {
            self.timers.fruitful();
        } else if ticked {
            self.timers.fruitless(now);
        }
        self.settle(decision, None, now).await.map(|_| ())
    }

    /// Makes a decision durable, then acts on it. False when it was lost and everything was loaded again.
    pub(super) async fn settle(
        &mut self,
        decision: Decision,
        grant: Option<LockChange>,
        now: Timestamp,
    ) -> Result<bool, End> {
        if decision.is_empty() {
            self.dispatch.settled();
            return Ok(true);
        }
        self.locks.note(&decision.actions, &decision.touched);
        // The grant first: who is granted may end in the same turn, and gives back what it has by then.
        let mut changes: Vec<LockChange> = grant.into_iter().collect();
        changes.extend(self.locks.changes(&decision.facts));
        let append = self.run.append(&decision, changes, now).map_err(unusable)?;
        if !self.append(append).await? {
            self.begin().await?;
            return Ok(false);
        }
        self.done(&decision, now).await;
        self.act(&decision.actions, Some(&decision.touched));
        Ok(true)
    }

    /// Appends. False when the status was dropped and loaded again.
    pub(super) async fn append(&mut self, append: Append) -> Result<bool, End> {
        match commit(self.core.store.as_ref(), append).await {
            Ok(Appended::Done(seq)) => {
                self.run.seq = seq;
                self.pause = FIRST_PAUSE;
                self.core.well();
                return Ok(true);
            }
            Ok(Appended::Exists { .. }) | Err(runner_store::Error::StaleEpoch { .. }) => {
                return Err(End::Fenced);
            }
            Err(runner_store::Error::Closed) => return Err(End::StoreClosed),
            Err(runner_store::Error::LockBusy { lock, holder }) => {
                tracing::debug!(lock, holder, "somebody else was faster");
                self.look_at_locks = true;
                self.run = reload(&self.core, &self.lease, Duration::ZERO).await?;
            }
            Err(error) => {
                tracing::warn!(stream = %self.lease.stream, %error, "append failed, loading the workflow again");
                self.core.trouble(&error);
                let pause = self.pause;
                self.pause = (pause * 2).min(LONGEST_PAUSE);
                self.run = reload(&self.core, &self.lease, pause).await?;
            }
        }
        // Nothing observed since the last append is known any more; all of it is asked for again.
        self.dispatch.reloaded();
        self.locks = Locks::new(self.lease.stream.key());
        self.recalling.clear();
        self.batch.clear();
        (self.urgent, self.lazy_since) = (false, None);
        Ok(false)
    }

    /// What follows from facts that are durable now.
    pub(super) async fn done(&mut self, decision: &Decision, now: Timestamp) {
        self.idle_since = now;
        self.dispatch.settled();
        self.core.emit(&self.lease.stream, &self.run.plan, &self.run.status, &decision.facts);
        memo::keep(self.core.store.as_ref(), &self.run.status, &decision.facts, now).await;
        self.publish();
        let locks = |fact: &Fact| {
            matches!(fact, Fact::LockReleased { .. } | Fact::LockGranted { .. } | Fact::LockRequested { .. })
        };
        if decision.facts.iter().any(locks) {
            let moved = self.locks.moved(&decision.facts);
            self.core.waits_for(&self.lease.stream, self.locks.wanted());
            self.core.locks_moved(moved).await;
        }
    }

    /// Does what is owed. `touched` says which nodes the list is about; without it, it is complete.
    pub(super) fn act(&mut self, actions: &[Action], touched: Option<&[NodeIx]>) {
        let mut due = Vec::new();
        let ended = self.run.status.phase.completed();
        for action in actions {
            match action {
                // What still runs after the workflow's end is ended too.
                Action::Ensure { node, attempt } if ended => {
                    self.dispatch.cancel(&self.run, (*node, *attempt));
                }
                Action::Ensure { node, attempt } => {
                    due.push((*node, *attempt));
                    self.dispatch.ensure(&self.run, (*node, *attempt));
                }
                Action::Cancel { node, attempt } => self.dispatch.cancel(&self.run, (*node, *attempt)),
                Action::Acquire { .. } => self.look_at_locks = true,
                Action::Recall { node, cache, key } => self.recall(*node, cache, key),
                Action::Wake { .. } => {}
            }
        }
        match touched {
            Some(touched) => touched.iter().for_each(|ix| self.dispatch.forget_queued(*ix, &due)),
            None => {
                self.dispatch.sweep();
                self.core.waits_for(&self.lease.stream, self.locks.wanted());
            }
        }
    }

    pub(super) fn recall(&mut self, node: NodeIx, cache: &str, key: &str) {
        if !self.recalling.insert(node) {
            return;
        }
        let cache = memo::cache_name(&self.run.status.namespace, cache);
        let (core, key) = (Arc::clone(&self.core), key.to_owned());
        let task = async move { Letter::Memo(node, memo::recall(core.store.as_ref(), &cache, &key).await) };
        self.dispatch.tasks.spawn(task);
    }

    /// Takes the locks that can be had, one holder per append, and tells the others that they cannot.
    pub(super) async fn turn_locks(&mut self) -> Result<(), End> {
        self.look_at_locks = false;
        let survey = self.locks.survey(self.core.store.as_ref()).await;
        if !survey.inputs.is_empty() {
            let now = self.core.clock.now();
            let inputs = survey.inputs.into_iter().map(Incoming::Input).collect();
            let decision = self.run.decide(inputs, now).map_err(unusable)?;
            if !self.settle(decision, None, now).await? {
                return Ok(());
            }
        }
        if let Some((holder, grant)) = survey.available {
            let now = self.core.clock.now();
            let inputs = vec![Incoming::Input(Input::LockAvailable(holder))];
            let decision = self.run.decide(inputs, now).map_err(unusable)?;
            let granted =
                decision.facts.iter().any(|f| matches!(f, Fact::LockGranted { ix } if *ix == holder));
            self.settle(decision, granted.then_some(grant), now).await?;
            // Somebody else of this workflow may be next in the same queue.
            self.look_at_locks |= granted && !self.locks.wanted().is_empty();
        }
        Ok(())
    }
}
