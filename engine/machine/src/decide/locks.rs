//! Locks: which ones a node or the run needs, and what follows when they are granted.
//! Does not hold them: the store does, in the same transaction as these facts.

use runner_workflows::spec::{Synchronization, Template};

use super::scope::{leaf_vars, render_template};
use super::{Todo, Turn};
use crate::action::{LockKind, LockNeed};
use crate::fact::Fact;
use crate::node::{NodeIx, NodePhase, Work, WorkflowPhase};
use crate::plan::Compiled;
use crate::status::WorkflowStatus;
use std::sync::Arc;

/// The locks of a synchronization block, in v3 and v4 spelling, named as Argo prints them.
pub(crate) fn needs(status: &WorkflowStatus, sync: &Synchronization) -> Vec<LockNeed> {
    let namespace = |own: &str| if own.is_empty() { status.namespace.clone() } else { own.to_owned() };
    let mut needs = Vec::new();
    for mutex in sync.mutexes.iter().chain(&sync.mutex) {
        let namespace = namespace(&mutex.namespace);
        let family = if mutex.database { "Database" } else { "Mutex" };
        needs.push(LockNeed { name: format!("{namespace}/{family}/{}", mutex.name), kind: LockKind::Mutex });
    }
    for semaphore in sync.semaphores.iter().chain(&sync.semaphore) {
        let namespace = namespace(&semaphore.namespace);
        if let Some(key) = &semaphore.config_map_key_ref {
            needs.push(LockNeed {
                name: format!("{namespace}/ConfigMap/{}/{}", key.name, key.key),
                kind: LockKind::ConfigMap { namespace, name: key.name.clone(), key: key.key.clone() },
            });
        } else if let Some(row) = &semaphore.database {
            needs.push(LockNeed {
                name: format!("{namespace}/Database/{}", row.key),
                kind: LockKind::Database { namespace, key: row.key.clone() },
            });
        }
    }
    needs.sort();
    needs.dedup();
    needs
}

impl Turn<'_> {
    /// The template of a node as it stands, for the stages after its creation.
    pub(super) fn rendered(&mut self, ix: NodeIx) -> Result<(Arc<Compiled>, Template), String> {
        let _ = crate::globals::globals(self.plan, self.status);
        let compiled = self.plan.template_of(self.status, ix)?;
        let vars = leaf_vars(self.plan, self.status, &compiled, ix)?;
        let inputs = self.status.node(ix).map(|node| node.inputs.clone()).unwrap_or_default();
        let template = render_template(&compiled, &vars, &inputs)?;
        Ok((compiled, template))
    }

    pub(super) fn lock_granted(&mut self, ix: Option<NodeIx>) {
        let Some(ix) = ix else {
            if matches!(self.status.work, Work::Lock { .. }) {
                self.emit(Fact::LockGranted { ix: None });
                self.queue.push_back(Todo::Workflow);
            }
            return;
        };
        if !self.status.node(ix).is_some_and(|node| matches!(node.work, Work::Lock { .. }))
            || self.holds_back()
        {
            return;
        }
        self.emit(Fact::LockGranted { ix: Some(ix) });
        match self.rendered(ix) {
            Ok((compiled, template)) => self.enter_unlocked(ix, &compiled, &template),
            Err(message) => self.fail(ix, message),
        }
    }

    pub(super) fn lock_busy(&mut self, ix: Option<NodeIx>, lock: String, message: String) {
        let known = match ix {
            Some(ix) => self
                .status
                .node(ix)
                .is_some_and(|node| node.message == message || !matches!(node.work, Work::Lock { .. })),
            None => self.status.message == message || !matches!(self.status.work, Work::Lock { .. }),
        };
        if known {
            return;
        }
        self.emit(Fact::LockWaited { ix, lock, message: message.clone() });
        if ix.is_none() && self.status.phase == WorkflowPhase::Unknown {
            self.emit(Fact::WorkflowStarted { phase: WorkflowPhase::Pending, message, at: self.now });
        }
    }

    pub(super) fn lock_failed(&mut self, ix: Option<NodeIx>, message: String) {
        match ix {
            Some(ix) if self.is_open(ix) => {
                self.emit(Fact::LockReleased { ix: Some(ix) });
                self.finish(ix, NodePhase::Error, message, None);
            }
            Some(_) => {}
            None => {
                self.emit(Fact::LockReleased { ix: None });
                let message = format!("Failed to acquire the synchronization lock. {message}");
                self.emit(Fact::WorkflowFinished { phase: WorkflowPhase::Failed, message, at: self.now });
            }
        }
    }
}
