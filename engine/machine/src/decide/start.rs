//! start: a template becomes a node, in Argo's order: resolve, inputs, room, locks, cache, retry, kind.
//! Does not look at what comes after the node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use runner_workflows::expr::Vars;
use runner_workflows::resolve::TemplateScope;
use runner_workflows::spec::{Inputs, Outputs, Template, TemplateKind, TemplateRef};
use serde_json::Value;

use super::admit::Room;
use super::deadline::DEADLINE;
use super::inputs::Passed;
use super::scope::{input_vars, own_vars, render_template};
use super::{Todo, Turn};
use crate::duration::parse_duration;
use crate::fact::{Fact, NewNode};
use crate::limits::{MAX_DEPTH, MAX_NODES};
use crate::node::{NodeFlag, NodeIx, NodePhase, NodeType, Owner};
use crate::plan::Compiled;
use crate::{Timestamp, globals, taint};

/// What to start, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Start {
    pub(super) name: String,
    pub(super) template: String,
    pub(super) template_ref: Option<TemplateRef>,
    pub(super) inline: Option<Arc<Compiled>>,
    pub(super) scope: TemplateScope,
    pub(super) passed: Passed,
    pub(super) captured: BTreeMap<String, Value>,
    pub(super) owner: Owner,
    pub(super) boundary: Option<NodeIx>,
    pub(super) parents: Vec<NodeIx>,
    pub(super) exit_handler: bool,
    pub(super) hooked: bool,
    /// `steps` or `tasks`, and the name within.
    pub(super) holder: Option<(&'static str, String)>,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Started {
    /// A node exists.
    Node(NodeIx),
    /// There is no room now; the boundary will be asked again.
    Blocked,
    /// A node exists, and it is an Error with this message: the caller's caller fails too.
    Failed(NodeIx, String),
}

/// A template with everything that its node needs.
struct Ready {
    compiled: Arc<Compiled>,
    inputs: Inputs,
    template: Template,
    tainted: BTreeSet<String>,
}

impl Turn<'_> {
    /// Starts a template under a new node.
    pub(super) fn start(&mut self, start: Start) -> Started {
        let depth = 1 + start.boundary.and_then(|ix| self.status.node(ix)).map_or(0, |node| node.depth);
        if depth >= MAX_DEPTH {
            let message = format!("Maximum recursion depth of {MAX_DEPTH} exceeded");
            let ix = self.create_error(&start, depth, &message);
            return Started::Node(ix);
        }
        if self.status.node_count() >= MAX_NODES {
            let message = format!("the workflow has more than {MAX_NODES} nodes");
            let ix = self.create_error(&start, depth, &message);
            return Started::Failed(ix, message);
        }
        let ready = match self.ready(&start) {
            Ok(ready) => ready,
            Err(message) => {
                let ix = self.create_error(&start, depth, &message);
                return Started::Failed(ix, message);
            }
        };
        match self.room(&ready.template, start.boundary) {
            Room::Free => {}
            Room::Full => return Started::Blocked,
        }
        let ix = self.create_ready(start, depth, &ready);
        self.enter(ix, &ready.compiled, &ready.template);
        Started::Node(ix)
    }

    fn ready(&mut self, start: &Start) -> Result<Ready, String> {
        let compiled = match &start.inline {
            Some(inline) => Arc::clone(inline),
            None => self.plan.lookup(&start.scope, &start.template, start.template_ref.as_ref())?,
        };
        if compiled.kind.is_none() {
            return Err(format!("Template '{}' missing specification", compiled.template.name));
        }
        let globals = globals::globals(self.plan, self.status);
        let mut vars = Vars::child(&globals);
        globals::running(self.status, &mut vars, self.now);
        if start.exit_handler || matches!(start.owner, Owner::WorkflowHook(_)) {
            globals::outcome(self.status, &mut vars);
        }
        let holder = start.holder.as_ref().map(|(family, name)| (*family, name.as_str()));
        own_vars(&mut vars, &self.status.name, &start.name, &compiled, holder);
        for (name, value) in &start.captured {
            vars.set_value(name, value.clone());
            if start.passed.tainted.contains(name) {
                vars.taint(name);
            }
        }
        let (inputs, mut tainted) = self.inputs(&compiled, &start.passed, &vars)?;
        tainted.extend(start.captured.keys().filter(|name| start.passed.tainted.contains(*name)).cloned());
        input_vars(&mut vars, &inputs, &compiled.template);
        for (name, value) in &start.captured {
            vars.set_value(name, value.clone());
        }
        taint::mark(&mut vars, &tainted);
        let template = render_template(&compiled, &vars, &inputs)?;
        Ok(Ready { compiled, inputs, template, tainted })
    }

    fn create_ready(&mut self, start: Start, depth: u32, ready: &Ready) -> NodeIx {
        let template = &ready.template;
        let node_type = node_type(ready.compiled.kind, template.retry_strategy.is_some());
        let waits = template.synchronization.is_some() || template.memoize.is_some();
        let composite =
            matches!(node_type, NodeType::Retry | NodeType::Steps | NodeType::DAG | NodeType::Suspend);
        let phase = if composite && !waits { NodePhase::Running } else { NodePhase::Pending };
        let outputs = (node_type == NodeType::Suspend).then(|| supplied_outputs(template)).flatten();
        let flag = (start.hooked).then_some(NodeFlag { hooked: true, retried: false });
        self.create(NewNode {
            node_type,
            phase,
            depth,
            outputs: outputs.map(Box::new),
            flag,
            display_name: template.annotations.get("workflows.argoproj.io/display-name").cloned(),
            deadline: pending_deadline(template, node_type, self.now),
            inputs: ready.inputs.clone(),
            tainted: ready.tainted.clone(),
            ..new_node(start)
        })
    }

    /// A node that only says why nothing was run.
    fn create_error(&mut self, start: &Start, depth: u32, message: &str) -> NodeIx {
        let flag = start.hooked.then_some(NodeFlag { hooked: true, retried: false });
        let ix = self.create(NewNode {
            node_type: NodeType::Skipped,
            phase: NodePhase::Error,
            message: message.to_owned(),
            depth,
            flag,
            ..new_node(start.clone())
        });
        self.queue.push_back(Todo::Changed(ix));
        ix
    }

    /// A node that was skipped or omitted.
    pub(super) fn create_skipped(&mut self, start: Start, phase: NodePhase, message: String) -> NodeIx {
        let depth = 1 + start.boundary.and_then(|ix| self.status.node(ix)).map_or(0, |node| node.depth);
        let flag = Some(NodeFlag::default());
        let ix = self.create(NewNode {
            node_type: NodeType::Skipped,
            phase,
            message,
            depth,
            flag,
            ..new_node(start)
        });
        self.queue.push_back(Todo::Changed(ix));
        ix
    }

    /// First moments of a node: locks, then the cache, then the work.
    pub(super) fn enter(&mut self, ix: NodeIx, compiled: &Arc<Compiled>, template: &Template) {
        if self.stopped_before_start(ix) {
            return;
        }
        if template
            .synchronization
            .as_ref()
            .is_some_and(|sync| !super::locks::needs(self.status, sync).is_empty())
        {
            self.emit(Fact::LockRequested { ix: Some(ix), at: self.now });
            return;
        }
        self.enter_unlocked(ix, compiled, template);
    }

    /// As Argo when a pod would have to be made after a shutdown or the run's deadline: the node exists, but
    /// nothing runs any more.
    fn stopped_before_start(&mut self, ix: NodeIx) -> bool {
        let Some(node) = self.status.node(ix) else { return true };
        let starts = node.node_type.is_attempt() || node.node_type == NodeType::Suspend;
        let shutdown = self.status.shutdown.filter(|shutdown| !shutdown.allows(node.exit_handler));
        let message = match shutdown {
            Some(shutdown) => format!("workflow shutdown with strategy: {}", shutdown.as_str()),
            None if self.status.deadline_passed && !node.exit_handler => DEADLINE.to_owned(),
            None => return false,
        };
        if starts {
            self.finish(ix, NodePhase::Failed, message, None);
        }
        starts
    }

    /// After the locks: the cache, then the work.
    pub(super) fn enter_unlocked(&mut self, ix: NodeIx, compiled: &Arc<Compiled>, template: &Template) {
        if template.memoize.is_some() {
            self.ask_memo(ix, template);
            return;
        }
        self.work(ix, compiled, template);
    }

    /// The work itself.
    pub(super) fn work(&mut self, ix: NodeIx, compiled: &Arc<Compiled>, template: &Template) {
        if self.stopped_before_start(ix) {
            return;
        }
        let Some(node_type) = self.status.node(ix).map(|node| node.node_type) else { return };
        match node_type {
            NodeType::Retry => {
                self.run_now(ix);
                self.queue.push_back(Todo::Advance(ix));
            }
            NodeType::Steps | NodeType::DAG => {
                self.run_now(ix);
                self.queue.push_back(Todo::Advance(ix));
                self.queue.push_back(Todo::Changed(ix));
            }
            NodeType::Suspend => self.suspend_node(ix, template),
            NodeType::Pod | NodeType::HTTP | NodeType::Plugin => {
                let name = self.name_of(ix);
                let number = self.status.generation(&name);
                self.emit(Fact::AttemptStarted { ix, number });
                self.start_containers(ix, compiled);
                self.queue.push_back(Todo::Changed(ix));
            }
            NodeType::Container | NodeType::StepGroup | NodeType::TaskGroup | NodeType::Skipped => {}
        }
    }

    pub(super) fn run_now(&mut self, ix: NodeIx) {
        if self.status.node(ix).is_some_and(|node| node.phase == NodePhase::Pending) {
            self.emit(Fact::NodeChanged {
                ix,
                phase: Some(NodePhase::Running),
                message: Some(String::new()),
                display_name: None,
            });
        }
    }

    fn suspend_node(&mut self, ix: NodeIx, template: &Template) {
        let duration = template.suspend.as_ref().and_then(|suspend| suspend.duration.as_ref());
        let until = match duration.map(|text| parse_duration(text.as_str())) {
            None => None,
            Some(Ok(duration)) => {
                let from = self.status.node(ix).and_then(|node| node.started_at).unwrap_or(self.now);
                Some(from.checked_add(duration).unwrap_or(Timestamp::MAX))
            }
            Some(Err(error)) => {
                self.fail(ix, format!("suspend.duration: {error}"));
                return;
            }
        };
        self.emit(Fact::NodeSuspended { ix, until });
        self.queue.push_back(Todo::Changed(ix));
    }

    /// Containers of a set are nodes of their own, below their pod.
    fn start_containers(&mut self, ix: NodeIx, compiled: &Compiled) {
        let Some(set) = compiled.template.container_set.clone() else { return };
        let Some(pod) = self.status.node(ix).cloned() else { return };
        for container in &set.containers {
            let parents = if container.dependencies.is_empty() {
                vec![ix]
            } else {
                let of = |name: &String| self.status.by_name(&format!("{}.{name}", pod.name));
                container.dependencies.iter().filter_map(of).collect()
            };
            let name = format!("{}.{}", pod.name, container.name);
            if self.status.by_name(&name).is_some() {
                continue;
            }
            self.create(NewNode {
                name,
                node_type: NodeType::Container,
                template_name: pod.template_name.clone(),
                template_ref: pod.template_ref.clone(),
                template_scope: pod.template_scope.clone(),
                owner: Owner::ContainerSet(ix),
                boundary: Some(ix),
                parents,
                depth: pod.depth,
                phase: NodePhase::Pending,
                exit_handler: pod.exit_handler,
                ..NewNode::default()
            });
        }
    }
}

fn new_node(start: Start) -> NewNode {
    let inline = start.inline.is_some();
    NewNode {
        name: start.name,
        template_name: if inline || start.template_ref.is_some() { String::new() } else { start.template },
        template_ref: if inline { None } else { start.template_ref },
        template_scope: start.scope.to_string(),
        owner: start.owner,
        boundary: start.boundary,
        parents: start.parents,
        exit_handler: start.exit_handler,
        captured: start.captured,
        ..NewNode::default()
    }
}

/// Type of the node of a template, as Argo's `GetNodeType`.
pub(super) fn node_type(kind: Option<TemplateKind>, retried: bool) -> NodeType {
    if retried {
        return NodeType::Retry;
    }
    match kind {
        Some(TemplateKind::Steps) => NodeType::Steps,
        Some(TemplateKind::Dag) => NodeType::DAG,
        Some(TemplateKind::Suspend) => NodeType::Suspend,
        Some(TemplateKind::Http) => NodeType::HTTP,
        Some(TemplateKind::Plugin) => NodeType::Plugin,
        Some(
            TemplateKind::Container
            | TemplateKind::ContainerSet
            | TemplateKind::Script
            | TemplateKind::Resource
            | TemplateKind::Data,
        ) => NodeType::Pod,
        None => NodeType::Skipped,
    }
}

/// `timeout` counts from creation and also while pending; `pendingTimeout` only while pending.
fn pending_deadline(template: &Template, node_type: NodeType, now: Timestamp) -> Option<Timestamp> {
    if matches!(node_type, NodeType::Steps | NodeType::DAG) {
        return None;
    }
    let due = |text: &str| parse_duration(text).ok().and_then(|duration| now.checked_add(duration).ok());
    match (due(&template.timeout), due(&template.pending_timeout)) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
    .filter(|_| !template.timeout.is_empty() || !template.pending_timeout.is_empty())
}

/// Outputs of a suspend template that somebody must supply; an input's default stands in for a missing one.
fn supplied_outputs(template: &Template) -> Option<Outputs> {
    let mut outputs = Outputs::default();
    for parameter in &template.outputs.parameters {
        let mut parameter = parameter.clone();
        let Some(from) = parameter.value_from.as_mut().filter(|from| from.supplied.is_some()) else {
            continue;
        };
        if from.default.is_none() {
            let input = template.inputs.parameters.iter().find(|input| input.name == parameter.name);
            from.default = input.and_then(|input| input.default.clone());
        }
        outputs.parameters.push(parameter);
    }
    (!outputs.is_empty()).then_some(outputs)
}
