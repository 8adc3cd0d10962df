//! DAG: tasks in the order of their dependencies, and the verdict over all of them.
//! Does not know how a task is run.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use runner_workflows::expr::depends::{Depends, TaskResult};
use runner_workflows::expr::{Fuel, Text};

use super::calls::expand;
use super::start::Started;
use super::steps::LoopRuntime;
use super::{Runtime, Todo, Turn};
use crate::fact::{Fact, NewNode};
use crate::node::{Node, NodeIx, NodePhase, NodeType, Owner};
use crate::plan::{Compiled, Dag, Task};

/// What is worked out about an open DAG.
#[derive(Clone, Debug)]
pub(crate) struct DagRuntime {
    targets: Vec<usize>,
    /// Position of each wanted task in the order of starting; none: not an ancestor of a target.
    rank: Vec<Option<usize>>,
    /// Dependencies that are not done yet.
    waiting_for: Vec<usize>,
    done: Vec<bool>,
    /// Tasks that may start: rank and number.
    ready: BTreeSet<(usize, usize)>,
    /// Tasks whose node exists and is not done.
    open: BTreeSet<usize>,
}

impl Turn<'_> {
    pub(super) fn advance_dag(&mut self, ix: NodeIx) {
        let Ok(compiled) = self.template_or_fail(ix) else { return };
        let Some(dag) = &compiled.dag else { return };
        if !matches!(self.status.index.runtimes.get(&ix), Some(Runtime::Dag(_))) {
            match self.build_dag(ix, &compiled, dag) {
                Ok(runtime) => {
                    self.status.index.runtimes.insert(ix, Runtime::Dag(runtime));
                }
                Err(message) => {
                    self.fail(ix, message);
                    return;
                }
            }
        }
        self.start_ready(ix, &compiled, dag);
        self.assess(ix, &compiled, dag);
    }

    fn build_dag(&mut self, ix: NodeIx, compiled: &Compiled, dag: &Dag) -> Result<DagRuntime, String> {
        let targets = self.targets(ix, compiled, dag)?;
        let mut rank = vec![None; dag.tasks.len()];
        let mut next = 0;
        for target in &targets {
            order(dag, *target, &mut rank, &mut next);
        }
        let mut runtime = DagRuntime {
            targets,
            waiting_for: dag.tasks.iter().map(|task| task.deps.len()).collect(),
            done: vec![false; dag.tasks.len()],
            rank,
            ready: BTreeSet::new(),
            open: BTreeSet::new(),
        };
        let name = self.name_of(ix);
        let mut settled = Vec::new();
        for (number, task) in dag.tasks.iter().enumerate() {
            let Some(node) = self.status.by_name(&format!("{name}.{}", task.call.name)) else { continue };
            if self.hooks_done(node, &task.call) {
                settled.push(number);
            } else {
                runtime.open.insert(number);
            }
        }
        for number in &settled {
            runtime.done[*number] = true;
            for dependent in &dag.tasks[*number].dependents {
                runtime.waiting_for[*dependent] -= 1;
            }
        }
        for (number, rank) in runtime.rank.iter().enumerate() {
            if let Some(rank) = rank
                && runtime.waiting_for[number] == 0
                && !runtime.done[number]
                && !runtime.open.contains(&number)
            {
                runtime.ready.insert((*rank, number));
            }
        }
        Ok(runtime)
    }

    /// The tasks to reach: those named by `target`, or those that nobody depends on, by name.
    fn targets(&mut self, ix: NodeIx, compiled: &Compiled, dag: &Dag) -> Result<Vec<usize>, String> {
        let target = compiled.template.dag.as_ref().map_or("", |dag| dag.target.as_str());
        if target.is_empty() {
            return Ok(dag.leaves.clone());
        }
        let vars = self.boundary_vars(ix, compiled, Some(&BTreeSet::new()))?;
        let text = Text::compile(target).map_err(|e| e.to_string())?;
        let text = text.render(&vars, &mut Fuel::default()).map_err(|e| e.to_string())?.text;
        text.split_whitespace()
            .map(|name| {
                dag.by_name.get(name).copied().ok_or_else(|| format!("target '{name}' is not defined"))
            })
            .collect()
    }

    fn start_ready(&mut self, ix: NodeIx, compiled: &Arc<Compiled>, dag: &Dag) {
        let exit_handler = self.node(ix).is_some_and(|node| node.exit_handler);
        if self.status.shutdown.is_some_and(|shutdown| !shutdown.allows(exit_handler)) {
            return;
        }
        let mut skip = BTreeSet::new();
        loop {
            let Some(Runtime::Dag(runtime)) = self.status.index.runtimes.get_mut(&ix) else { return };
            let Some(next) = runtime.ready.iter().find(|entry| !skip.contains(*entry)).copied() else {
                return;
            };
            let number = next.1;
            if self.start_task(ix, compiled, &dag.tasks[number], number) {
                if let Some(Runtime::Dag(runtime)) = self.status.index.runtimes.get_mut(&ix) {
                    runtime.ready.remove(&next);
                    runtime.open.insert(number);
                }
            } else {
                skip.insert(next);
            }
        }
    }

    /// Starts one task whose dependencies are done. False: there is no room.
    fn start_task(&mut self, ix: NodeIx, compiled: &Arc<Compiled>, task: &Task, number: usize) -> bool {
        let call = &task.call;
        let name = format!("{}.{}", self.name_of(ix), call.name);
        let owner = Owner::Dag(ix, u32::try_from(number).unwrap_or(u32::MAX));
        let parents = self.task_parents(ix, compiled, task);
        let start = self.call_start(ix, compiled, call, owner, parents, &name);
        if let Some(depends) = &task.depends
            && !self.depends_met(ix, compiled, depends)
        {
            self.create_skipped(start, NodePhase::Omitted, "omitted: depends condition not met".to_owned());
            return true;
        }
        let expanded = self.boundary_vars(ix, compiled, call.mentions.as_ref()).and_then(|vars| {
            let expansion = expand(call, &vars)?;
            Ok(LoopRuntime::new(expansion, vars))
        });
        let progress = match expanded {
            Ok(progress) => progress,
            Err(message) => {
                self.create_skipped(start, NodePhase::Error, message);
                return true;
            }
        };
        if progress.expansion.items.is_some() && !progress.is_empty_loop() {
            self.start_loop(start, progress);
            return true;
        }
        match self.start_call(ix, compiled, call, &progress, None, start.clone()) {
            Started::Node(_) => true,
            Started::Blocked => false,
            Started::Failed(node, message) if self.node(node).is_some_and(|n| n.name == name) => {
                let message = Some(format!("task '{name}' errored: {message}"));
                self.emit(Fact::NodeChanged { ix: node, phase: None, message, display_name: None });
                true
            }
            Started::Failed(_, message) => {
                self.create_skipped(start, NodePhase::Error, message);
                true
            }
        }
    }

    fn start_loop(&mut self, start: super::start::Start, progress: LoopRuntime) {
        let depth = start.boundary.and_then(|b| self.node(b)).map_or(0, |node| node.depth);
        let inline = start.inline.is_some();
        let group = self.create(NewNode {
            name: start.name,
            node_type: NodeType::TaskGroup,
            template_name: if inline || start.template_ref.is_some() {
                String::new()
            } else {
                start.template
            },
            template_ref: start.template_ref,
            template_scope: start.scope.to_string(),
            owner: start.owner,
            boundary: start.boundary,
            parents: start.parents,
            depth,
            phase: NodePhase::Running,
            flag: Some(Default::default()),
            exit_handler: start.exit_handler,
            ..NewNode::default()
        });
        self.status.index.runtimes.insert(group, Runtime::TaskGroup(progress));
        self.advance_task_group(group);
        self.queue.push_back(Todo::Changed(group));
    }

    /// A task hangs on whatever its dependencies end with, or on the DAG.
    fn task_parents(&self, ix: NodeIx, compiled: &Compiled, task: &Task) -> Vec<NodeIx> {
        let Some(dag) = &compiled.dag else { return vec![ix] };
        if task.deps.is_empty() {
            return vec![ix];
        }
        let name = self.name_of(ix);
        let dep = |dep: &usize| self.status.by_name(&format!("{name}.{}", dag.tasks[*dep].call.name));
        // A dependency that failed fast may have no outbound nodes: then the task hangs on the dependency itself.
        let after = |node: NodeIx| {
            let outbound = self.outbound(node);
            if outbound.is_empty() { vec![node] } else { outbound }
        };
        task.deps.iter().filter_map(dep).flat_map(after).collect()
    }

    fn depends_met(&self, ix: NodeIx, compiled: &Compiled, depends: &Depends) -> bool {
        let Some(dag) = &compiled.dag else { return true };
        let boundary = self.name_of(ix);
        let node =
            |task: &str| self.status.by_name(&format!("{boundary}.{task}")).and_then(|ix| self.node(ix));
        let has =
            |task: &str, result: TaskResult| node(task).is_some_and(|node| self.has_result(node, result));
        depends.evaluate_with(&has, &|task| {
            let Some(node) = node(task) else { return false };
            let continue_on =
                dag.by_name.get(task).map(|ix| dag.tasks[*ix].call.continue_on).unwrap_or_default();
            TaskResult::BARE.into_iter().any(|result| self.has_result(node, result))
                || (continue_on.error && node.phase == NodePhase::Error)
                || (continue_on.failed && node.phase == NodePhase::Failed)
        })
    }

    fn has_result(&self, node: &Node, result: TaskResult) -> bool {
        let children = || node.children.iter().filter_map(|ix| self.node(*ix));
        let is_group = node.node_type == NodeType::TaskGroup;
        match result {
            TaskResult::Succeeded => node.phase == NodePhase::Succeeded,
            TaskResult::Failed => node.phase == NodePhase::Failed,
            TaskResult::Errored => node.phase == NodePhase::Error,
            TaskResult::Skipped => node.phase == NodePhase::Skipped,
            TaskResult::Omitted => node.phase == NodePhase::Omitted,
            TaskResult::Daemoned => node.daemoned && node.phase != NodePhase::Pending,
            TaskResult::AnySucceeded => {
                is_group && children().any(|child| child.phase == NodePhase::Succeeded)
            }
            TaskResult::AllFailed => {
                is_group
                    && !node.children.is_empty()
                    && children().all(|child| child.phase == NodePhase::Failed)
            }
        }
    }

    /// A task of a DAG changed.
    pub(super) fn dag_child(&mut self, ix: NodeIx, child: NodeIx, number: u32) {
        if !self.is_open(ix) {
            return;
        }
        let Ok(compiled) = self.template_or_fail(ix) else { return };
        let Some(dag) = &compiled.dag else { return };
        let number = number as usize;
        let Some(task) = dag.tasks.get(number) else { return };
        match self.settle_hooks(ix, &compiled, &task.call, child) {
            Ok(true) => {}
            Ok(false) => return,
            Err(message) => {
                self.fail(child, message);
                return;
            }
        }
        if let Some(Runtime::Dag(runtime)) = self.status.index.runtimes.get_mut(&ix) {
            runtime.open.remove(&number);
            if !std::mem::replace(&mut runtime.done[number], true) {
                for dependent in &task.dependents {
                    runtime.waiting_for[*dependent] -= 1;
                    // After a rebuild a task may exist although what is before it is only now seen to be done.
                    if let Some(rank) = runtime.rank[*dependent]
                        && runtime.waiting_for[*dependent] == 0
                        && !runtime.done[*dependent]
                        && !runtime.open.contains(dependent)
                    {
                        runtime.ready.insert((rank, *dependent));
                    }
                }
            }
        }
        self.advance_dag(ix);
    }

    pub(super) fn advance_task_group(&mut self, group: NodeIx) {
        let Some(Owner::Dag(ix, number)) = self.node(group).map(|node| node.owner.clone()) else { return };
        let Ok(compiled) = self.template_or_fail(ix) else { return };
        let Some(task) = compiled.dag.as_ref().and_then(|dag| dag.tasks.get(number as usize)) else { return };
        let mut progress = match self.status.index.runtimes.remove(&group) {
            Some(Runtime::TaskGroup(progress)) => progress,
            Some(_) | None => match self.rebuild_loop(ix, group, &compiled, task) {
                Ok(progress) => progress,
                Err(message) => {
                    self.fail(group, message);
                    return;
                }
            },
        };
        let exit_handler = self.node(ix).is_some_and(|node| node.exit_handler);
        let allowed = self.status.shutdown.is_none_or(|shutdown| shutdown.allows(exit_handler));
        while allowed && progress.next < progress.total() {
            let Some((index, item)) = progress.item(progress.next) else { break };
            let name =
                format!("{}.{}", self.name_of(ix), super::calls::call_name(&task.call, Some((index, &item))));
            if self.status.by_name(&name).is_none() {
                let owner = Owner::TaskGroup(group, u32::try_from(index).unwrap_or(u32::MAX));
                let start = self.call_start(ix, &compiled, &task.call, owner, vec![group], &name);
                match self.start_call(
                    ix,
                    &compiled,
                    &task.call,
                    &progress,
                    Some((index, item)),
                    start.clone(),
                ) {
                    Started::Node(_) => {}
                    Started::Blocked => {
                        self.status.index.blocked.insert(group);
                        break;
                    }
                    Started::Failed(node, message) if self.node(node).is_some_and(|n| n.name == name) => {
                        let message = Some(format!("task '{name}' errored: {message}"));
                        self.emit(Fact::NodeChanged { ix: node, phase: None, message, display_name: None });
                    }
                    Started::Failed(_, message) => {
                        self.create_skipped(start, NodePhase::Error, message);
                    }
                }
            }
            progress.next += 1;
        }
        // After a shutdown the items that have a node are all there will be.
        let started = || {
            let children = self.node(group).map(|node| node.children.clone()).unwrap_or_default();
            children.into_iter().filter(|child| self.is_item(*child)).count()
        };
        let complete = progress.complete() || (!allowed && progress.done.len() >= started());
        self.status.index.runtimes.insert(group, Runtime::TaskGroup(progress));
        if complete {
            self.conclude_loop(group);
        }
    }

    fn rebuild_loop(
        &mut self,
        ix: NodeIx,
        group: NodeIx,
        compiled: &Compiled,
        task: &Task,
    ) -> Result<LoopRuntime, String> {
        let vars = self.boundary_vars(ix, compiled, task.call.mentions.as_ref())?;
        let expansion = expand(&task.call, &vars)?;
        let mut progress = LoopRuntime::new(expansion, vars);
        for child in self.node(group).map(|node| node.children.clone()).unwrap_or_default() {
            if self.is_item(child) && self.hooks_done(child, &task.call) {
                progress.done.insert(child);
            }
        }
        Ok(progress)
    }

    fn is_item(&self, ix: NodeIx) -> bool {
        matches!(self.node(ix).map(|node| &node.owner), Some(Owner::TaskGroup(..)))
    }

    /// A child of a task's loop changed.
    pub(super) fn loop_child(&mut self, group: NodeIx, child: NodeIx) {
        if !self.is_open(group) {
            return;
        }
        let Some(Owner::Dag(ix, number)) = self.node(group).map(|node| node.owner.clone()) else { return };
        let Ok(compiled) = self.template_or_fail(ix) else { return };
        let Some(task) = compiled.dag.as_ref().and_then(|dag| dag.tasks.get(number as usize)) else { return };
        match self.settle_hooks(ix, &compiled, &task.call, child) {
            Ok(true) => {}
            Ok(false) => return,
            Err(message) => {
                self.fail(child, message);
                return;
            }
        }
        match self.status.index.runtimes.get_mut(&group) {
            Some(Runtime::TaskGroup(progress)) => {
                progress.done.insert(child);
                if progress.complete() {
                    self.conclude_loop(group);
                } else if self.status.shutdown.is_some() {
                    // Items that were never started are not started any more.
                    self.queue.push_back(Todo::Advance(group));
                }
            }
            Some(_) | None => self.queue.push_back(Todo::Advance(group)),
        }
    }

    fn conclude_loop(&mut self, group: NodeIx) {
        let children = self.node(group).map(|node| node.children.clone()).unwrap_or_default();
        let phase = children
            .iter()
            .filter_map(|ix| self.node(*ix))
            .filter(|node| matches!(node.owner, Owner::TaskGroup(..)) && node.phase.failed_or_error())
            .map(|node| node.phase)
            .next_back();
        self.finish(group, phase.unwrap_or(NodePhase::Succeeded), "", None);
    }

    /// Ends the DAG when nothing is open and the targets allow a verdict, as Argo's `assessDAGPhase`.
    fn assess(&mut self, ix: NodeIx, compiled: &Compiled, dag: &Dag) {
        let Some(node) = self.node(ix) else { return };
        let exit_handler = node.exit_handler;
        let Some(Runtime::Dag(runtime)) = self.status.index.runtimes.get(&ix) else { return };
        if node.phase.fulfilled() || !runtime.open.is_empty() {
            return;
        }
        let targets = runtime.targets.clone();
        if self.failed_fast(ix, compiled.template.fail_fast) {
            return;
        }
        let verdict = if self.status.shutdown.is_some() && !exit_handler {
            Some(NodePhase::Failed)
        } else {
            self.verdict(ix, compiled, dag, &targets)
        };
        let Some(phase) = verdict else { return };
        let name = self.name_of(ix);
        let target_node =
            |number: &usize| self.status.by_name(&format!("{name}.{}", dag.tasks[*number].call.name));
        let outbound: Vec<NodeIx> =
            targets.iter().filter_map(target_node).flat_map(|n| self.outbound(n)).collect();
        if phase.failed_or_error() {
            self.finish_with(ix, phase, String::new(), None, outbound);
            return;
        }
        match self.template_outputs(ix, compiled) {
            Ok(outputs) => {
                self.finish_with(ix, NodePhase::Succeeded, String::new(), outputs, outbound);
                self.save_memo(ix);
            }
            Err(message) => self.finish_with(ix, NodePhase::Error, message, None, outbound),
        }
    }

    /// Walks the nodes from the DAG down; skipped and omitted targets take the phase of their branch.
    fn verdict(&self, ix: NodeIx, compiled: &Compiled, dag: &Dag, targets: &[usize]) -> Option<NodePhase> {
        let name = self.name_of(ix);
        let mut of_target: std::collections::BTreeMap<NodeIx, Option<NodePhase>> = targets
            .iter()
            .filter_map(|number| self.status.by_name(&format!("{name}.{}", dag.tasks[*number].call.name)))
            .map(|node| (node, None))
            .collect();
        let mut seen = BTreeSet::new();
        let mut queue: VecDeque<(NodeIx, NodePhase)> = VecDeque::new();
        let add = |queue: &mut VecDeque<_>, seen: &mut BTreeSet<_>, nodes: Vec<NodeIx>, phase| {
            for node in nodes {
                if seen.insert((node, phase)) {
                    queue.push_back((node, phase));
                }
            }
        };
        add(&mut queue, &mut seen, self.node(ix)?.children.clone(), NodePhase::Succeeded);
        while let Some((at, mut branch)) = queue.pop_front() {
            let node = self.node(at)?;
            if !node.phase.fulfilled() && !node.daemoned {
                return None;
            }
            if node.phase.completed() {
                branch = node.phase;
            }
            if let Some(known) = of_target.get_mut(&at)
                && !known.is_some_and(NodePhase::failed_or_error)
            {
                *known = Some(branch);
            }
            let next = if node.node_type == NodeType::Retry {
                self.below_retry(node)
            } else {
                node.children.clone()
            };
            add(&mut queue, &mut seen, next, branch);
        }
        let fail_fast = compiled.template.dag.as_ref().and_then(|dag| dag.fail_fast).unwrap_or(true);
        let mut result = Some(NodePhase::Succeeded);
        for number in targets {
            let call = &dag.tasks[*number].call;
            let phase = self
                .status
                .by_name(&format!("{name}.{}", call.name))
                .and_then(|node| of_target.get(&node).copied().flatten());
            match phase {
                None => {
                    result = None;
                    if !fail_fast {
                        break;
                    }
                }
                Some(phase) if phase.failed_or_error() => {
                    let covered = match phase {
                        NodePhase::Failed => call.continue_on.failed,
                        _ => call.continue_on.error,
                    };
                    if covered {
                        continue;
                    }
                    result = Some(phase);
                    if fail_fast {
                        break;
                    }
                }
                Some(_) => {}
            }
        }
        result
    }

    /// Below a Retry node the single attempts do not count: hooks and the attempts' children do.
    fn below_retry(&self, retry: &Node) -> Vec<NodeIx> {
        let mut below = Vec::new();
        for child in retry.children.iter().rev() {
            let Some(node) = self.node(*child) else { continue };
            if node.flag.unwrap_or_default().hooked && !node.flag.unwrap_or_default().retried {
                below.push(*child);
            } else {
                below.extend(node.children.iter().copied());
            }
        }
        below
    }
}

/// Numbers the ancestors of a task before the task itself, iteratively.
fn order(dag: &Dag, target: usize, rank: &mut [Option<usize>], next: &mut usize) {
    let mut stack = vec![(target, 0)];
    let mut entered = BTreeSet::from([target]);
    while let Some((task, at)) = stack.pop() {
        if rank[task].is_some() {
            continue;
        }
        match dag.tasks[task].deps.get(at) {
            Some(dep) => {
                stack.push((task, at + 1));
                if rank[*dep].is_none() && entered.insert(*dep) {
                    stack.push((*dep, 0));
                }
            }
            None => {
                rank[task] = Some(*next);
                *next += 1;
            }
        }
    }
}
