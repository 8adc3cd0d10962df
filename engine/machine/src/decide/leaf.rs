//! Leaves: what runners report of attempts.
//! Does not talk to runners.

use runner_workflows::spec::Outputs;

use super::{Todo, Turn};
use crate::Timestamp;
use crate::fact::Fact;
use crate::input::Observed;
use crate::node::{AttemptState, NodeIx, NodePhase, NodeType, Work};

impl Turn<'_> {
    /// A runner saw something. Reports about an older attempt, or one that has ended, are ignored.
    pub(super) fn observed(&mut self, ix: NodeIx, attempt: u32, what: Observed) {
        let Some(node) = self.status.node(ix) else { return };
        let Work::Attempt { number, state } = node.work.clone() else { return };
        if number != attempt {
            return;
        }
        match what {
            Observed::Waiting { message } => {
                if !matches!(state, AttemptState::Cancelling { .. }) {
                    self.say(ix, message);
                }
            }
            Observed::Running { at, host } => {
                if state != AttemptState::Intended {
                    return;
                }
                self.say(ix, String::new());
                // A daemon is Pending until it is ready, as in Argo.
                if !self.is_daemon(ix) {
                    self.emit(Fact::AttemptObserved { ix, at, host, daemon_ip: None, progress: None });
                    self.queue.push_back(Todo::Changed(ix));
                }
            }
            Observed::Progress(done, all) => {
                let at = self.now;
                let host = String::new();
                self.emit(Fact::AttemptObserved {
                    ix,
                    at,
                    host,
                    daemon_ip: None,
                    progress: Some((done, all)),
                });
            }
            Observed::Ready { at, ip } => {
                if state == AttemptState::Intended {
                    self.say(ix, String::new());
                }
                self.emit(Fact::AttemptObserved {
                    ix,
                    at,
                    host: String::new(),
                    daemon_ip: Some(ip),
                    progress: None,
                });
                self.queue.push_back(Todo::Changed(ix));
            }
            Observed::Finished { phase, message, outputs, started_at, finished_at } => {
                self.ended(ix, state, (phase, message), outputs, (started_at, finished_at));
            }
            Observed::Lost { reason } => {
                if matches!(state, AttemptState::Cancelling { .. }) {
                    let unknown = (NodePhase::Failed, String::new());
                    self.ended(ix, state, unknown, Outputs::default(), (None, self.now));
                } else {
                    self.emit(Fact::AttemptLost { ix, reason, at: self.now });
                    self.end_containers(ix, NodePhase::Error, "container deleted");
                    self.queue.push_back(Todo::Changed(ix));
                }
            }
        }
    }

    /// What a node that does not run yet, or is paused, waits for; as often as it changes, and no fact without a change.
    fn say(&mut self, ix: NodeIx, message: String) {
        if self.status.node(ix).is_some_and(|node| node.message != message) {
            let message = Some(message);
            self.emit(Fact::NodeChanged { ix, phase: None, message, display_name: None });
        }
    }

    fn ended(
        &mut self,
        ix: NodeIx,
        state: AttemptState,
        (mut phase, mut message): (NodePhase, String),
        outputs: Outputs,
        (started_at, at): (Option<Timestamp>, Timestamp),
    ) {
        let daemon = self.status.node(ix).is_some_and(|node| node.daemoned);
        match state {
            AttemptState::Cancelling { message: reason } => {
                if daemon && reason.is_empty() {
                    phase = NodePhase::Succeeded;
                    message.clear();
                } else if phase != NodePhase::Succeeded {
                    phase = NodePhase::Failed;
                    message = reason;
                }
            }
            AttemptState::Intended | AttemptState::Running => {
                if daemon && phase == NodePhase::Succeeded {
                    phase = NodePhase::Failed;
                    message = "the daemon ended by itself".to_owned();
                }
            }
        }
        let outputs = self.with_declared(ix, outputs);
        let outputs = (!outputs.is_empty()).then(|| Box::new(outputs));
        self.emit(Fact::AttemptFinished { ix, phase, message, outputs, started_at, at });
        let message = match phase {
            NodePhase::Succeeded => "",
            NodePhase::Error => "container deleted",
            _ => "the pod ended before the container did",
        };
        self.end_containers(ix, phase, message);
        if phase == NodePhase::Succeeded {
            self.save_memo(ix);
        }
        self.queue.push_back(Todo::Changed(ix));
    }

    /// Runners report values; what else the template says of an output is added here.
    fn with_declared(&self, ix: NodeIx, mut outputs: Outputs) -> Outputs {
        let Ok(compiled) = self.plan.template_of(self.status, ix) else { return outputs };
        let declared = &compiled.template.outputs;
        for parameter in &mut outputs.parameters {
            if let Some(known) = declared.parameter(&parameter.name)
                && parameter.global_name.is_empty()
                && !known.global_name.contains("{{")
            {
                parameter.global_name.clone_from(&known.global_name);
            }
        }
        for artifact in &mut outputs.artifacts {
            if let Some(known) = declared.artifact(&artifact.name)
                && artifact.global_name.is_empty()
                && !known.global_name.contains("{{")
            {
                artifact.global_name.clone_from(&known.global_name);
            }
        }
        outputs
    }

    /// Containers of a set that were not reported end with their pod.
    fn end_containers(&mut self, ix: NodeIx, phase: NodePhase, message: &str) {
        let children = self.status.node(ix).map(|node| node.children.clone()).unwrap_or_default();
        let mut queue: Vec<NodeIx> = children;
        while let Some(child) = queue.pop() {
            let Some(node) = self.status.node(child) else { continue };
            if node.node_type != NodeType::Container || node.boundary != Some(ix) {
                continue;
            }
            queue.extend(node.children.iter().copied());
            if !node.phase.fulfilled() {
                self.finish(child, phase, message, None);
            }
        }
    }

    fn is_daemon(&self, ix: NodeIx) -> bool {
        let compiled = self.plan.template_of(self.status, ix);
        compiled.is_ok_and(|compiled| compiled.template.daemon == Some(true))
    }

    /// Daemons end with the Steps or DAG that they were started in.
    pub(super) fn kill_daemons(&mut self, boundary: NodeIx) {
        let of_boundary = |ix: &NodeIx| {
            self.status.node(*ix).is_some_and(|node| {
                node.boundary == Some(boundary) && matches!(node.work, Work::Attempt { .. })
            })
        };
        let daemons: Vec<NodeIx> = self.status.index.daemons.iter().copied().filter(of_boundary).collect();
        for ix in daemons {
            self.emit(Fact::AttemptCancelled { ix, message: String::new() });
        }
    }

    /// Whether a daemon still runs, or is on its way down. As in Argo a run has not ended before.
    pub(super) fn daemons_remain(&self) -> bool {
        !self.status.index.daemons.is_empty()
    }
}
