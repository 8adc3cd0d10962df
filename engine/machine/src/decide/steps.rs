//! Steps: groups one after the other, the steps of a group side by side.
//! Does not know how a step is run.

use std::collections::BTreeSet;
use std::sync::Arc;

use runner_workflows::expr::Vars;
use serde_json::Value;

use super::calls::{Concrete, Expansion, Target, call_name, expand, item_vars};
use super::start::{Start, Started};
use super::{Runtime, Todo, Turn};
use crate::fact::NewNode;
use crate::node::{NodeIx, NodePhase, NodeType, Owner};
use crate::plan::{Call, Compiled};

/// What is worked out about an open step group.
#[derive(Clone, Debug)]
pub(crate) struct GroupRuntime {
    loops: Vec<LoopRuntime>,
    /// First call that is not started whole.
    cursor: usize,
}

/// Progress of one call: its items, how many are started, which are done.
#[derive(Clone, Debug)]
pub(crate) struct LoopRuntime {
    pub(super) expansion: Expansion,
    pub(super) vars: Arc<Vars>,
    pub(super) next: usize,
    pub(super) done: BTreeSet<NodeIx>,
}

impl LoopRuntime {
    pub(super) fn new(expansion: Expansion, vars: Vars) -> Self {
        Self { expansion, vars: Arc::new(vars), next: 0, done: BTreeSet::new() }
    }

    /// Number of nodes that it makes; an empty loop makes one, skipped.
    pub(super) fn total(&self) -> usize {
        self.expansion.items.as_ref().map_or(1, |items| items.len().max(1))
    }

    pub(super) fn complete(&self) -> bool {
        self.next >= self.total() && self.done.len() >= self.total()
    }

    pub(super) fn item(&self, index: usize) -> Option<(usize, Value)> {
        self.expansion.items.as_ref().and_then(|items| items.get(index).map(|item| (index, item.clone())))
    }

    pub(super) fn is_empty_loop(&self) -> bool {
        self.expansion.items.as_ref().is_some_and(|items| items.is_empty())
    }
}

impl Turn<'_> {
    pub(super) fn advance_steps(&mut self, ix: NodeIx) {
        let Ok(compiled) = self.template_or_fail(ix) else { return };
        let name = self.name_of(ix);
        let mut current = match self.status.index.runtimes.get(&ix) {
            Some(Runtime::Steps(current)) => *current,
            Some(_) | None => {
                let exists = |group: usize| self.status.by_name(&format!("{name}[{group}]")).is_some();
                (0..compiled.steps.len()).take_while(|group| exists(*group)).count().saturating_sub(1)
            }
        };
        loop {
            if current >= compiled.steps.len() {
                self.steps_succeeded(ix, &compiled);
                return;
            }
            let group = match self.status.by_name(&format!("{name}[{current}]")) {
                Some(group) => group,
                None => self.create_group(ix, &compiled, &name, current),
            };
            self.status.index.runtimes.insert(ix, Runtime::Steps(current));
            let Some(node) = self.node(group) else { return };
            match node.phase {
                phase if !phase.fulfilled() => {
                    self.advance_group(group);
                    return;
                }
                phase if phase.failed_or_error() => {
                    let message = node.message.clone();
                    let outbound = self.outbound_now(ix);
                    self.finish_with(ix, NodePhase::Failed, message, None, outbound);
                    return;
                }
                _ => current += 1,
            }
        }
    }

    fn create_group(&mut self, steps: NodeIx, compiled: &Compiled, name: &str, number: usize) -> NodeIx {
        let parents = if number == 0 {
            vec![steps]
        } else {
            let previous = self.status.by_name(&format!("{name}[{}]", number - 1));
            let children =
                previous.and_then(|p| self.node(p)).map(|p| p.children.clone()).unwrap_or_default();
            if children.is_empty() {
                previous.into_iter().collect()
            } else {
                children.into_iter().flat_map(|child| self.outbound(child)).collect()
            }
        };
        let (depth, exit_handler) = self.node(steps).map_or((0, false), |n| (n.depth, n.exit_handler));
        self.create(NewNode {
            name: format!("{name}[{number}]"),
            node_type: NodeType::StepGroup,
            template_scope: compiled.scope.to_string(),
            owner: Owner::Steps(steps, u32::try_from(number).unwrap_or(u32::MAX)),
            boundary: Some(steps),
            parents,
            depth,
            phase: NodePhase::Running,
            flag: Some(Default::default()),
            exit_handler,
            ..NewNode::default()
        })
    }

    fn steps_succeeded(&mut self, ix: NodeIx, compiled: &Compiled) {
        let outbound = self.outbound_now(ix);
        match self.template_outputs(ix, compiled) {
            Ok(outputs) => {
                self.finish_with(ix, NodePhase::Succeeded, String::new(), outputs, outbound);
                self.save_memo(ix);
            }
            Err(message) => self.finish_with(ix, NodePhase::Error, message, None, outbound),
        }
    }

    pub(super) fn advance_group(&mut self, group: NodeIx) {
        let Some(Owner::Steps(steps, number)) = self.node(group).map(|node| node.owner.clone()) else {
            return;
        };
        if !self.is_open(group) || !self.is_open(steps) {
            return;
        }
        let Ok(compiled) = self.template_or_fail(steps) else { return };
        let Some(calls) = compiled.steps.get(number as usize) else { return };
        let mut runtime = match self.status.index.runtimes.remove(&group) {
            Some(Runtime::Group(runtime)) => runtime,
            Some(_) | None => match self.build_group(steps, group, &compiled, calls) {
                Ok(runtime) => runtime,
                Err(message) => {
                    self.fail(group, message);
                    return;
                }
            },
        };
        let finished = self.start_group(steps, group, &compiled, calls, &mut runtime);
        if self.is_open(group) {
            let complete = finished && runtime.loops.iter().all(LoopRuntime::complete);
            self.status.index.runtimes.insert(group, Runtime::Group(runtime));
            if complete {
                self.conclude_group(group, &compiled, calls);
            }
        }
    }

    fn build_group(
        &mut self,
        steps: NodeIx,
        group: NodeIx,
        compiled: &Compiled,
        calls: &[Call],
    ) -> Result<GroupRuntime, String> {
        let mut loops = Vec::with_capacity(calls.len());
        for call in calls {
            let vars = self.boundary_vars(steps, compiled, call.mentions.as_ref())?;
            let expansion = expand(call, &vars).map_err(|e| format!("failed to resolve references: {e}"))?;
            loops.push(LoopRuntime::new(expansion, vars));
        }
        let children = self.node(group).map(|node| node.children.clone()).unwrap_or_default();
        if children.is_empty() && calls.len() > 1 {
            self.check_arguments(steps, compiled, calls, &loops)?;
        }
        for child in children {
            let Some(Owner::Group(_, call, _)) = self.node(child).map(|node| node.owner.clone()) else {
                continue;
            };
            let Some(call_spec) = calls.get(call as usize) else { continue };
            if self.hooks_done(child, call_spec)
                && let Some(found) = loops.get_mut(call as usize)
            {
                found.done.insert(child);
            }
        }
        Ok(GroupRuntime { loops, cursor: 0 })
    }

    /// As Argo's `resolveReferences`: the arguments of all calls of a group resolve before the first is started.
    /// Of a loop the first item speaks for all.
    fn check_arguments(
        &self,
        steps: NodeIx,
        compiled: &Compiled,
        calls: &[Call],
        loops: &[LoopRuntime],
    ) -> Result<(), String> {
        for (call, progress) in calls.iter().zip(loops).filter(|(_, progress)| !progress.is_empty_loop()) {
            let mut vars = Vars::child(&progress.vars);
            if let Some((_, item)) = progress.item(0) {
                item_vars(&mut vars, &item, progress.expansion.tainted);
            }
            self.concrete(steps, compiled, call, &progress.expansion, &vars)?;
        }
        Ok(())
    }

    /// Starts what is not started. True when everything is.
    fn start_group(
        &mut self,
        steps: NodeIx,
        group: NodeIx,
        compiled: &Compiled,
        calls: &[Call],
        runtime: &mut GroupRuntime,
    ) -> bool {
        let group_name = self.name_of(group);
        while let (Some(call), Some(progress)) =
            (calls.get(runtime.cursor), runtime.loops.get_mut(runtime.cursor))
        {
            while progress.next < progress.total() {
                let item = progress.item(progress.next);
                let name = format!("{group_name}.{}", call_name(call, item.as_ref().map(|(i, v)| (*i, v))));
                if self.status.by_name(&name).is_none() {
                    let number = u32::try_from(runtime.cursor).unwrap_or(u32::MAX);
                    let index = item.as_ref().map(|(i, _)| u32::try_from(*i).unwrap_or(u32::MAX));
                    let start = self.call_start(
                        steps,
                        compiled,
                        call,
                        Owner::Group(group, number, index),
                        vec![group],
                        &name,
                    );
                    match self.start_call(steps, compiled, call, progress, item, start) {
                        Started::Node(_) => {}
                        Started::Blocked => return false,
                        Started::Failed(ix, message) => {
                            let message = if self.node(ix).is_some() && ix != group {
                                format!("step group deemed errored due to child {name} error: {message}")
                            } else {
                                message
                            };
                            self.fail(group, message);
                            return false;
                        }
                    }
                }
                progress.next += 1;
            }
            runtime.cursor += 1;
        }
        true
    }

    /// The fixed part of starting a call.
    pub(super) fn call_start(
        &self,
        boundary: NodeIx,
        compiled: &Compiled,
        call: &Call,
        owner: Owner,
        parents: Vec<NodeIx>,
        name: &str,
    ) -> Start {
        let boundary_name = self.name_of(boundary);
        Start {
            name: name.to_owned(),
            template: call.template.clone(),
            template_ref: call.template_ref.clone(),
            inline: call.inline.clone(),
            scope: compiled.scope.clone(),
            passed: Default::default(),
            captured: Default::default(),
            owner,
            boundary: Some(boundary),
            parents,
            exit_handler: self.node(boundary).is_some_and(|node| node.exit_handler),
            hooked: false,
            holder: Some((call.family, crate::names::display_name(name, Some(&boundary_name)))),
        }
    }

    /// Starts one call or one item of its loop. `Failed` with the owner's own number means: no node was made.
    pub(super) fn start_call(
        &mut self,
        boundary: NodeIx,
        compiled: &Compiled,
        call: &Call,
        progress: &LoopRuntime,
        item: Option<(usize, Value)>,
        start: Start,
    ) -> Started {
        if progress.is_empty_loop() {
            let ix = self.create_skipped(start, NodePhase::Skipped, "Skipped, empty params".to_owned());
            return Started::Node(ix);
        }
        let mut vars = Vars::child(&progress.vars);
        if let Some((_, item)) = &item {
            item_vars(&mut vars, item, progress.expansion.tainted);
        }
        match self.concrete(boundary, compiled, call, &progress.expansion, &vars) {
            Err(message) => Started::Failed(start.parents.first().copied().unwrap_or(boundary), message),
            Ok(Concrete::Skip(reason)) => {
                Started::Node(self.create_skipped(start, NodePhase::Skipped, reason))
            }
            Ok(Concrete::Run(target)) => {
                let Target { template, template_ref, passed, captured } = *target;
                self.start(Start { template, template_ref, passed, captured, ..start })
            }
        }
    }

    /// A step of a group changed.
    pub(super) fn group_child(&mut self, group: NodeIx, child: NodeIx, call: u32) {
        if !self.is_open(group) {
            return;
        }
        let Some(Owner::Steps(steps, number)) = self.node(group).map(|node| node.owner.clone()) else {
            return;
        };
        let Ok(compiled) = self.template_or_fail(steps) else { return };
        let Some(calls) = compiled.steps.get(number as usize) else { return };
        let Some(call_spec) = calls.get(call as usize) else { return };
        match self.settle_hooks(steps, &compiled, call_spec, child) {
            Ok(true) => {}
            Ok(false) => return,
            Err(message) => {
                self.fail(group, message);
                return;
            }
        }
        let complete = match self.status.index.runtimes.get_mut(&group) {
            Some(Runtime::Group(runtime)) => {
                if let Some(progress) = runtime.loops.get_mut(call as usize) {
                    progress.done.insert(child);
                }
                runtime.cursor >= calls.len() && runtime.loops.iter().all(LoopRuntime::complete)
            }
            Some(_) | None => {
                self.queue.push_back(Todo::Advance(group));
                false
            }
        };
        if complete {
            self.conclude_group(group, &compiled, calls);
        }
    }

    fn conclude_group(&mut self, group: NodeIx, compiled: &Compiled, calls: &[Call]) {
        let Some(node) = self.node(group) else { return };
        let Owner::Steps(steps, _) = node.owner else { return };
        if self.failed_fast(steps, compiled.template.fail_fast) {
            return;
        }
        let Some(node) = self.node(group) else { return };
        let failed = node.children.iter().find_map(|child| {
            let node = self.node(*child)?;
            let Owner::Group(_, call, _) = node.owner else { return None };
            let covered = calls.get(call as usize).is_some_and(|call| match node.phase {
                NodePhase::Failed => call.continue_on.failed,
                NodePhase::Error => call.continue_on.error,
                _ => true,
            });
            (node.phase.failed_or_error() && !covered).then(|| format!("child '{}' failed", node.id))
        });
        match failed {
            Some(message) => self.finish(group, NodePhase::Failed, message, None),
            None => self.finish(group, NodePhase::Succeeded, "", None),
        }
    }

    /// The node's template; the node becomes an Error when it cannot be had.
    pub(super) fn template_or_fail(&mut self, ix: NodeIx) -> Result<Arc<Compiled>, ()> {
        self.plan.template_of(self.status, ix).map_err(|message| {
            if self.is_open(ix) {
                self.fail(ix, message);
            }
        })
    }
}
