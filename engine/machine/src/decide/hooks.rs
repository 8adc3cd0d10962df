//! Hooks and exit handlers of steps, tasks and of the run.
//! A failed hook of a step does not change the step's parent; only the run's exit handler changes its phase.

use std::sync::Arc;

use runner_workflows::expr::{Fuel, Tree, Var, Vars};
use runner_workflows::spec::{Arguments, LifecycleHook, Parameter};

use super::Turn;
use super::calls::condition;
use super::inputs::Passed;
use super::scope::node_vars;
use super::start::{Start, Started};
use crate::names::{hook_name, on_exit_name};
use crate::node::{NodeIx, NodePhase, NodeType, Owner};
use crate::plan::{Call, Compiled, typed};
use crate::{globals, taint};

impl Turn<'_> {
    /// Whether a step's node and all hooks that it needs have surely ended; starts nothing. A hook whose
    /// expression has to be looked at counts as not done: [`Self::settle_hooks`] looks.
    pub(super) fn hooks_done(&self, ix: NodeIx, call: &Call) -> bool {
        let Some(node) = self.node(ix) else { return false };
        if !node.phase.fulfilled() && !node.daemoned {
            return false;
        }
        if node.node_type != NodeType::TaskGroup {
            let exits = node.phase.completed()
                && call.exit_hook.is_some()
                && self.status.shutdown.is_none_or(|shutdown| shutdown.allows(true));
            let missing = |hook: &String| self.status.by_name(&hook_name(&node.name, hook)).is_none();
            if (exits && self.status.by_name(&on_exit_name(&node.name)).is_none())
                || call.hooks.keys().any(missing)
            {
                return false;
            }
        }
        self.hook_nodes_fulfilled(ix)
    }

    fn hook_nodes_fulfilled(&self, ix: NodeIx) -> bool {
        let Some(node) = self.node(ix) else { return false };
        node.children
            .iter()
            .filter_map(|child| self.node(*child))
            .all(|child| !matches!(&child.owner, Owner::Hook(of, _) if *of == ix) || child.phase.fulfilled())
    }

    /// Starts the hooks of a step's node that are due. True when the node and its hooks have ended; a hook for
    /// which there is no room is tried again when there is.
    ///
    /// # Errors
    /// When an expression is wrong, or a hook has none.
    pub(super) fn settle_hooks(
        &mut self,
        boundary: NodeIx,
        compiled: &Arc<Compiled>,
        call: &Call,
        ix: NodeIx,
    ) -> Result<bool, String> {
        let Some(node) = self.node(ix) else { return Ok(false) };
        let (phase, name, daemoned) = (node.phase, node.name.clone(), node.daemoned);
        let is_loop = node.node_type == NodeType::TaskGroup;
        let mut room = true;
        let has_hooks = !call.hooks.is_empty() || call.exit_hook.is_some();
        if has_hooks
            && !is_loop
            && matches!(node.owner, Owner::Group(..) | Owner::Dag(..) | Owner::TaskGroup(..))
        {
            let mut vars = self.boundary_vars(boundary, compiled, None)?;
            node_vars(self.status, &mut vars, call.family, &call.name, ix);
            let display = node_display(self, ix);
            if display != call.name {
                node_vars(self.status, &mut vars, call.family, &display, ix);
            }
            for (hook, spec) in call.hooks.clone() {
                room &= self.expression_hook(boundary, compiled, ix, &hook, &spec, &vars)?;
            }
            let exits =
                phase.completed() && self.status.shutdown.is_none_or(|shutdown| shutdown.allows(true));
            if let Some(hook) = call.exit_hook.clone().filter(|_| exits)
                && self.status.by_name(&on_exit_name(&name)).is_none()
                && (hook.expression.is_empty() || condition(&hook.expression, &vars)?)
            {
                room &= self.start_hook(boundary, compiled, ix, "exit", &hook, &vars)?;
            }
        }
        if !room {
            self.status.index.held_hooks.insert(ix);
        }
        Ok(room && (phase.fulfilled() || daemoned) && self.hook_nodes_fulfilled(ix))
    }

    fn expression_hook(
        &mut self,
        boundary: NodeIx,
        compiled: &Arc<Compiled>,
        ix: NodeIx,
        hook: &str,
        spec: &LifecycleHook,
        vars: &Vars,
    ) -> Result<bool, String> {
        let name = hook_name(&self.name_of(ix), hook);
        if self.status.by_name(&name).is_some() {
            return Ok(true);
        }
        if spec.expression.is_empty() {
            return Err(format!("Expression required for hook {name}"));
        }
        if condition(&spec.expression, vars)? {
            return self.start_hook(boundary, compiled, ix, hook, spec, vars);
        }
        Ok(true)
    }

    /// Starts a hook. False: there is no room now.
    fn start_hook(
        &mut self,
        boundary: NodeIx,
        compiled: &Arc<Compiled>,
        ix: NodeIx,
        hook: &str,
        spec: &LifecycleHook,
        vars: &Vars,
    ) -> Result<bool, String> {
        let passed = self.hook_arguments(Some((boundary, compiled)), &spec.arguments, vars)?;
        let of = self.name_of(ix);
        let is_exit = hook == "exit";
        let inherited = self.node(ix).is_some_and(|node| node.exit_handler);
        let started = self.start(Start {
            name: if is_exit { on_exit_name(&of) } else { hook_name(&of, hook) },
            template: spec.template.clone(),
            template_ref: spec.template_ref.clone(),
            inline: None,
            scope: compiled.scope.clone(),
            passed,
            captured: Default::default(),
            owner: Owner::Hook(ix, hook.to_owned()),
            boundary: Some(boundary),
            parents: vec![ix],
            exit_handler: is_exit || inherited,
            hooked: true,
            holder: None,
        });
        match started {
            Started::Node(_) => Ok(true),
            Started::Blocked => Ok(false),
            Started::Failed(_, message) => Err(message),
        }
    }

    /// Renders a hook's arguments; references to absent outputs count as not passed.
    fn hook_arguments(
        &self,
        boundary: Option<(NodeIx, &Arc<Compiled>)>,
        arguments: &Arguments,
        vars: &Vars,
    ) -> Result<Passed, String> {
        if arguments.is_empty() {
            return Ok(Passed::default());
        }
        let mut arguments = arguments.clone();
        let mut absent = Vec::new();
        arguments.parameters.retain(|parameter| {
            let pure = parameter.value.as_ref().and_then(|value| {
                Some(value.as_str().strip_prefix("{{")?.strip_suffix("}}")?.trim().to_owned())
            });
            let is_absent = pure.is_some_and(|tag| matches!(vars.get(&tag), Some(Var::Absent)));
            if is_absent {
                absent.push(parameter.name.clone());
            }
            !is_absent
        });
        let own = self.own_words(&mut arguments, vars);
        let value = serde_json::to_value(&arguments).map_err(|e| e.to_string())?;
        let tree = Tree::compile(&value).map_err(|(at, e)| format!("{at}: {e}"))?;
        let rendered = tree.render(vars, &mut Fuel::default()).map_err(|e| e.to_string())?;
        if let Some(name) = rendered.absent.first() {
            return Err(format!(
                "unable to substitute {{{{{name}}}}}: output is an absent optional (skipped/omitted node with no default)"
            ));
        }
        let mut tainted = taint::arguments(&tree, &rendered.value, vars)?;
        let mut arguments: Arguments = typed(rendered.value)?;
        tainted.extend(own.iter().map(|parameter| format!("inputs.parameters.{}", parameter.name)));
        arguments.parameters.extend(own);
        if let Some((boundary, compiled)) = boundary {
            let artifacts = std::mem::take(&mut arguments.artifacts);
            for artifact in artifacts {
                if let Some(found) = self.resolve_artifact(boundary, compiled, artifact, vars)? {
                    arguments.artifacts.push(found);
                }
            }
        } else {
            for artifact in &mut arguments.artifacts {
                let name =
                    artifact.from.trim().trim_start_matches("{{").trim_end_matches("}}").trim().to_owned();
                if let Some(name) = name.strip_prefix("workflow.outputs.artifacts.")
                    && let Some(found) = self.status.outputs.artifact(name)
                {
                    *artifact =
                        runner_workflows::spec::Artifact { name: artifact.name.clone(), ..found.clone() };
                }
            }
        }
        Ok(Passed { arguments, absent, tainted })
    }

    /// Takes those out of a hook's arguments that are the run's own and hold values of events: such a value is never
    /// read as a template.
    fn own_words(&self, arguments: &mut Arguments, vars: &Vars) -> Vec<Parameter> {
        let run = &self.plan.workflow.spec.arguments;
        let mut own = Vec::new();
        arguments.parameters.retain(|parameter| {
            let is_own = vars.is_tainted(&format!("workflow.parameters.{}", parameter.name))
                && run.parameter(&parameter.name).is_some_and(|one| one.value == parameter.value);
            if is_own {
                own.push(parameter.clone());
            }
            !is_own
        });
        own
    }

    /// Starts the run's hooks that are due. True when none is still open.
    ///
    /// # Errors
    /// When an expression is wrong, or a hook has none.
    pub(super) fn workflow_hooks(&mut self) -> Result<bool, String> {
        let hooks = self.plan.workflow.spec.hooks.clone();
        let mut all_done = true;
        for (hook, spec) in hooks.iter().filter(|(hook, _)| *hook != "exit") {
            let name = hook_name(&self.status.name, hook);
            if let Some(ix) = self.status.by_name(&name) {
                all_done &= !self.is_open(ix);
                continue;
            }
            if spec.expression.is_empty() {
                return Err(format!("Expression required for hook {name}"));
            }
            let vars = self.outcome_vars();
            if condition(&spec.expression, &vars)? {
                all_done = false;
                self.start_workflow_hook(name, spec, Owner::WorkflowHook(hook.clone()), false, &vars)?;
            }
        }
        Ok(all_done)
    }

    /// Starts a hook or the exit handler of the run.
    pub(super) fn start_workflow_hook(
        &mut self,
        name: String,
        spec: &LifecycleHook,
        owner: Owner,
        exit_handler: bool,
        vars: &Vars,
    ) -> Result<(), String> {
        let passed = self.hook_arguments(None, &spec.arguments, vars)?;
        let parents = match owner {
            Owner::WorkflowHook(_) => self.status.root().into_iter().collect(),
            _ => Vec::new(),
        };
        let started = self.start(Start {
            name,
            template: spec.template.clone(),
            template_ref: spec.template_ref.clone(),
            inline: None,
            scope: self.plan.workflow.root_scope(),
            passed,
            captured: Default::default(),
            owner,
            boundary: None,
            parents,
            exit_handler,
            hooked: true,
            holder: None,
        });
        match started {
            Started::Node(_) | Started::Blocked => Ok(()),
            Started::Failed(_, message) => Err(message),
        }
    }

    /// Globals with the outcome so far.
    pub(super) fn outcome_vars(&mut self) -> Vars {
        let globals = globals::globals(self.plan, self.status);
        let mut vars = Vars::child(&globals);
        globals::outcome(self.status, &mut vars);
        globals::duration(self.status, &mut vars, self.now);
        vars
    }

    /// Tells whoever waits for a node that it changed.
    pub(super) fn tell_owner(&mut self, ix: NodeIx) {
        let Some(node) = self.node(ix) else { return };
        let (fulfilled, owned_by) = (node.phase.fulfilled(), node.owner.clone());
        if let Some(owner) = self.owner_of(ix).filter(|owner| fulfilled && !self.is_open(*owner)) {
            // The owner ended first (failFast): somebody above may wait for all that is below.
            self.queue.push_back(super::Todo::Changed(owner));
        }
        match owned_by {
            Owner::Workflow | Owner::WorkflowExit => self.queue.push_back(super::Todo::Workflow),
            Owner::WorkflowHook(_) => {
                self.queue.push_back(super::Todo::Workflow);
                // The hook hangs below the root: a DAG waits for it.
                if let Some(root) = self.status.root().filter(|_| fulfilled) {
                    self.queue.push_back(super::Todo::Advance(root));
                }
            }
            Owner::Steps(steps, _) => {
                if fulfilled {
                    self.queue.push_back(super::Todo::Advance(steps));
                }
            }
            Owner::Group(group, call, _) => self.group_child(group, ix, call),
            Owner::Dag(dag, task) => self.dag_child(dag, ix, task),
            Owner::TaskGroup(group, _) => self.loop_child(group, ix),
            Owner::Retry(of) => {
                self.queue.push_back(super::Todo::Advance(of));
                // Hooks of the step look at the attempt's phase too.
                if !fulfilled {
                    self.queue.push_back(super::Todo::Changed(of));
                }
            }
            Owner::Hook(of, _) => {
                if fulfilled {
                    // The hook hangs below its node: a DAG waits for it.
                    self.queue.push_back(super::Todo::Advance(of));
                    self.queue.push_back(super::Todo::Changed(of));
                }
            }
            Owner::ContainerSet(_) => {}
        }
        if !self.plan.workflow.spec.hooks.is_empty() {
            self.queue.push_back(super::Todo::Workflow);
        }
    }

    /// The node that waits for this one, if a node does.
    pub(super) fn owner_of(&self, ix: NodeIx) -> Option<NodeIx> {
        self.node(ix)?.owner.node()
    }
}

fn node_display(turn: &Turn<'_>, ix: NodeIx) -> String {
    turn.node(ix).map(|node| node.display_name.clone()).unwrap_or_default()
}

/// The exit handler of the run: `onExit`, or the hook named `exit`.
pub(super) fn exit_hook(turn: &Turn<'_>) -> Option<LifecycleHook> {
    let spec = &turn.plan.workflow.spec;
    if let Some(hook) = spec.hooks.get("exit") {
        let arguments =
            if hook.arguments.is_empty() { spec.arguments.clone() } else { hook.arguments.clone() };
        return Some(LifecycleHook { arguments, ..hook.clone() });
    }
    (!spec.on_exit.is_empty()).then(|| LifecycleHook {
        template: spec.on_exit.clone(),
        arguments: spec.arguments.clone(),
        ..LifecycleHook::default()
    })
}

/// Phases of a node that hooks call completed but that end a run well.
pub(super) fn succeeded(phase: NodePhase) -> bool {
    matches!(phase, NodePhase::Succeeded | NodePhase::Skipped | NodePhase::Omitted)
}
