//! The run as a whole: its start, its hooks, its exit handler, its end.
//! Does not look into nodes.

use runner_workflows::spec::{Arguments, Parameter};

use super::Turn;
use super::hooks::{exit_hook, succeeded};
use super::inputs::Passed;
use super::start::{Start, Started};
use crate::fact::Fact;
use crate::globals;
use crate::names::on_exit_name;
use crate::node::{NodeIx, NodePhase, Owner, Work, WorkflowPhase};
use crate::status::Shutdown;

impl Turn<'_> {
    pub(super) fn advance_workflow(&mut self) {
        if self.status.phase.completed() {
            return;
        }
        if let Some((phase, message)) = self.cannot_run() {
            self.end(phase, message);
            return;
        }
        if !self.locked() {
            return;
        }
        if !self.started() {
            self.emit(Fact::WorkflowStarted {
                phase: WorkflowPhase::Running,
                message: String::new(),
                at: self.now,
            });
        }
        if self.holds_back() {
            return;
        }
        if self.takes_over() {
            self.take_over();
            return;
        }
        let Some(root) = self.status.root() else {
            self.start_root();
            return;
        };
        match self.workflow_hooks() {
            Ok(true) => {}
            Ok(false) => return,
            Err(message) => {
                if self.is_open(root) {
                    self.fail(root, message);
                } else {
                    self.end(WorkflowPhase::Error, message);
                }
                return;
            }
        }
        if self.is_open(root) {
            return;
        }
        if let Some(hook) = exit_hook(self) {
            let name = on_exit_name(&self.status.name);
            match self.status.by_name(&name) {
                Some(ix) if self.is_open(ix) => return,
                Some(_) => {}
                None if self.status.shutdown.is_none_or(|shutdown| shutdown.allows(true)) => {
                    let vars = self.outcome_vars();
                    let run = hook.expression.is_empty()
                        || super::calls::condition(&hook.expression, &vars) == Ok(true);
                    if run {
                        if let Err(message) =
                            self.start_workflow_hook(name, &hook, Owner::WorkflowExit, true, &vars)
                        {
                            self.end(
                                WorkflowPhase::Error,
                                format!("error in exit template execution : {message}"),
                            );
                        }
                        return;
                    }
                }
                None => {}
            }
        }
        self.conclude();
    }

    /// The end of a run that never was one: its status is of no use, or its spec is.
    fn cannot_run(&self) -> Option<(WorkflowPhase, String)> {
        if let Some(message) = &self.status.unusable {
            return Some((WorkflowPhase::Error, message.clone()));
        }
        let invalid = self.plan.workflow.invalid.as_ref();
        invalid.map(|why| (WorkflowPhase::Failed, format!("invalid spec: {why}")))
    }

    /// True when the run holds its locks or needs none; otherwise it queues for them.
    fn locked(&mut self) -> bool {
        let Some(sync) = self.plan.workflow.spec.synchronization.clone() else { return true };
        if self.status.locks.is_held() || super::locks::needs(self.status, &sync).is_empty() {
            return true;
        }
        // A stop still owes the exit handler, for which the run goes on waiting.
        let over = |shutdown: &Shutdown| *shutdown == Shutdown::Terminate || exit_hook(self).is_none();
        if let Some(shutdown) = self.status.shutdown.filter(over) {
            let message = format!("Stopped with strategy '{}'", shutdown.as_str());
            self.end(WorkflowPhase::Failed, message);
            return false;
        }
        if !matches!(self.status.work, Work::Lock { .. }) {
            self.emit(Fact::LockRequested { ix: None, at: self.now });
        }
        false
    }

    fn start_root(&mut self) {
        let globals = globals::globals(self.plan, self.status);
        let spec = &self.plan.workflow.spec;
        let mut arguments = Arguments { artifacts: spec.arguments.artifacts.clone(), ..Arguments::default() };
        let mut tainted = std::collections::BTreeSet::new();
        let replaced = self.status.parameters.iter().map(|p| &p.name);
        let names = spec.arguments.parameters.iter().map(|p| &p.name).chain(replaced);
        for name in names {
            if let Some(value) =
                globals.get(&format!("workflow.parameters.{name}")).and_then(globals::text_of)
                && arguments.parameter(name).is_none()
            {
                arguments.parameters.push(Parameter::literal(name, value));
                if globals.is_tainted(&format!("workflow.parameters.{name}")) {
                    tainted.insert(format!("inputs.parameters.{name}"));
                }
            }
        }
        let started = self.start(Start {
            name: self.status.name.clone(),
            template: spec.entrypoint.clone(),
            template_ref: None,
            inline: None,
            scope: self.plan.workflow.root_scope(),
            passed: Passed { arguments, absent: Vec::new(), tainted },
            captured: Default::default(),
            owner: Owner::Workflow,
            boundary: None,
            parents: Vec::new(),
            exit_handler: false,
            hooked: false,
            holder: Some(("steps", String::new())),
        });
        if let Started::Failed(_, message) = started {
            self.end(WorkflowPhase::Error, format!("error in entry template execution: {message}"));
        }
    }

    /// The run's phase follows from its root and its exit handler.
    fn conclude(&mut self) {
        if self.daemons_remain() {
            return;
        }
        let Some(root) = self.status.root().and_then(|ix| self.node(ix)) else { return };
        let (root_phase, root_message) = (root.phase, root.message.clone());
        let exit = self.status.by_name(&on_exit_name(&self.status.name)).and_then(|ix| self.node(ix));
        let exit = exit.map(|node| (node.phase, node.message.clone()));
        if succeeded(root_phase) {
            match exit {
                Some((NodePhase::Failed, message)) => self.end(WorkflowPhase::Failed, message),
                Some((NodePhase::Error, message)) => self.end(WorkflowPhase::Error, message),
                Some(_) | None => self.end(WorkflowPhase::Succeeded, String::new()),
            }
            return;
        }
        let message = match self.status.shutdown {
            Some(_) if !self.status.shutdown_message.is_empty() => self.status.shutdown_message.clone(),
            Some(shutdown) => format!("Stopped with strategy '{}'", shutdown.as_str()),
            None => root_message,
        };
        let phase = if root_phase == NodePhase::Error { WorkflowPhase::Error } else { WorkflowPhase::Failed };
        self.end(phase, message);
    }

    fn end(&mut self, phase: WorkflowPhase, message: String) {
        if self.status.locks.owes_release() {
            self.emit(Fact::LockReleased { ix: None });
        }
        self.leave_queues();
        self.emit(Fact::WorkflowFinished { phase, message, at: self.now });
    }

    /// Nobody of a run that ended keeps a lock or a place in a queue, as Argo's `ReleaseAll`: `failFast` may end
    /// a run above nodes that still wait. They are Failed instead of Pending for ever.
    fn leave_queues(&mut self) {
        let owing = self.status.nodes().filter(|(_, node)| {
            node.locks.owes_release() || (!node.phase.fulfilled() && node.work == Work::Memo)
        });
        let owing: Vec<NodeIx> = owing.map(|(ix, _)| ix).collect();
        for ix in owing {
            let Some(node) = self.status.node(ix) else { continue };
            let waits = matches!(node.work, Work::Lock { .. } | Work::Memo) && !node.phase.fulfilled();
            if node.locks.owes_release() {
                self.emit(Fact::LockReleased { ix: Some(ix) });
            }
            if waits {
                self.finish(ix, NodePhase::Failed, "the run ended before this could start", None);
            }
        }
    }
}
