//! Builds a preview: templates followed from the entrypoint on, loops unrolled where their items are known.
//! Does not evaluate texts itself: `scope` does; nor conditions: `fates` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use runner_workflows::spec::{Arguments, LifecycleHook, Template};

use super::fates::{self, Prospect};
use super::scope::{Given, Scope};
use super::{Fate, Foreseen, MAX_PREVIEW_NODES, Preview, PreviewNode, Requirements, needs};
use crate::error::Error;
use crate::limits::MAX_DEPTH;
use crate::plan::{Compiled, Dag, Plan, With};

/// Works out what a workflow would do in a namespace. What stands in the way of single nodes is said at them.
///
/// # Errors
/// The entrypoint leads nowhere.
pub fn preview(plan: &Plan, namespace: &str) -> Result<Preview, Error> {
    let spec = &plan.workflow.spec;
    let (globals, parameters) = Scope::globals(plan, namespace);
    let root = plan.lookup(&plan.workflow.root_scope(), &spec.entrypoint, None).map_err(Error::Spec)?;
    let metadata = &plan.workflow.metadata;
    let name = if metadata.name.is_empty() {
        Foreseen {
            text: format!("{}⟨…⟩", metadata.generate_name), runtime: vec!["workflow.name".to_owned()]
        }
    } else {
        Foreseen::known(&metadata.name)
    };
    let mut requirements = Requirements::default();
    needs::of_workflow(spec, &globals, &mut requirements);
    let mut builder =
        Builder { plan, globals, nodes: Vec::new(), requirements, path: Vec::new(), cut: false };
    let given = builder.globals.given(plan, &spec.arguments);
    let mut place = Place::new(String::new(), &metadata.name, Fate::Runs, 0);
    if place.display_name.is_empty() {
        place.display_name.clone_from(&metadata.generate_name);
    }
    let mut end = builder.place(place, Ok(root), &given, None);
    for (hook, spec) in spec.hooks.iter().filter(|(hook, _)| *hook != "exit") {
        let fate = Fate::Perhaps { when: spec.expression.clone() };
        let scope = builder.globals.clone();
        let local = plan.workflow.root_scope();
        let place = Place::new(format!(".hooks.{hook}"), hook, fate, 0);
        builder.hook(place, &local, &scope, spec, &Arguments::default());
    }
    if let Some(hook) = exit_hook(plan) {
        let scope = builder.globals.clone();
        let place = Place::new(".onExit".to_owned(), "onExit", Fate::Runs, end);
        end = builder.hook(place, &plan.workflow.root_scope(), &scope, &hook, &spec.arguments);
    }
    let mut waves = vec![Vec::new(); end];
    for (index, node) in builder.nodes.iter().enumerate() {
        if let Some(wave) = node.wave {
            if waves.len() <= wave {
                waves.resize(wave + 1, Vec::new());
            }
            waves[wave].push(index);
        }
    }
    waves.retain(|wave: &Vec<usize>| !wave.is_empty());
    for (number, wave) in waves.iter().enumerate() {
        for index in wave {
            builder.nodes[*index].wave = Some(number);
        }
    }
    Ok(Preview {
        name,
        entrypoint: spec.entrypoint.clone(),
        parameters,
        nodes: builder.nodes,
        waves,
        requirements: builder.requirements,
        cut: builder.cut,
    })
}

/// The exit handler of the run.
fn exit_hook(plan: &Plan) -> Option<LifecycleHook> {
    let spec = &plan.workflow.spec;
    let named = spec.hooks.get("exit").cloned();
    named.or_else(|| {
        let hook = LifecycleHook { template: spec.on_exit.clone(), ..LifecycleHook::default() };
        (!spec.on_exit.is_empty()).then_some(hook)
    })
}

/// Where and as what a node is put.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) path: String,
    pub(super) display_name: String,
    pub(super) parent: Option<usize>,
    pub(super) fate: Fate,
    pub(super) repeats: Option<Foreseen>,
    /// The wave in which it begins.
    pub(super) start: usize,
    /// Something around it depends on what comes at run time.
    pub(super) perhaps: bool,
    /// `steps` or `tasks`, and the name of the step or task.
    pub(super) holder: Option<(&'static str, String)>,
    /// Which template it is comes at run time.
    pub(super) opaque: bool,
}

impl Place {
    pub(super) fn new(path: String, display_name: &str, fate: Fate, start: usize) -> Self {
        Self {
            path,
            display_name: display_name.to_owned(),
            parent: None,
            fate,
            repeats: None,
            start,
            perhaps: false,
            holder: None,
            opaque: false,
        }
    }
}

pub(super) struct Builder<'a> {
    pub(super) plan: &'a Plan,
    pub(super) globals: Scope,
    pub(super) nodes: Vec<PreviewNode>,
    pub(super) requirements: Requirements,
    /// Templates around, against recursion.
    pub(super) path: Vec<*const Compiled>,
    pub(super) cut: bool,
}

/// The Steps or DAG that is being unrolled.
pub(super) struct Around<'c> {
    pub(super) compiled: &'c Compiled,
    pub(super) scope: Scope,
    pub(super) parent: usize,
    pub(super) perhaps: bool,
}

impl Builder<'_> {
    /// Puts a node and all below it; gives the first wave after it.
    pub(super) fn place(
        &mut self,
        place: Place,
        compiled: Result<Arc<Compiled>, String>,
        given: &Given,
        inline_in: Option<&Scope>,
    ) -> usize {
        if self.nodes.len() >= MAX_PREVIEW_NODES {
            self.cut = true;
            return place.start;
        }
        let index = self.nodes.len();
        let template = compiled.as_ref().ok().map(|compiled| Arc::clone(&compiled.template));
        self.nodes.push(PreviewNode {
            path: place.path.clone(),
            display_name: place.display_name.clone(),
            template: template.as_ref().map(|template| template.name.clone()).unwrap_or_default(),
            kind: compiled
                .as_ref()
                .ok()
                .and_then(|c| c.kind)
                .map(|kind| kind.to_string())
                .unwrap_or_default(),
            parent: place.parent,
            fate: place.fate.clone(),
            wave: None,
            repeats: place.repeats.clone(),
            inputs: Vec::new(),
            images: Vec::new(),
            notes: template.as_deref().map(notes).unwrap_or_default(),
            problem: compiled.as_ref().err().cloned(),
        });
        let Ok(compiled) = compiled else {
            let node = &mut self.nodes[index];
            if !place.opaque || node.problem.is_none() {
                return place.start;
            }
            node.notes.extend(node.problem.take());
            node.wave = Some(place.start);
            return place.start + 1;
        };
        if matches!(place.fate, Fate::Skipped { .. } | Fate::Omitted { .. }) {
            return place.start;
        }
        self.fill(place, index, &compiled, given, inline_in)
    }

    /// The inputs of a node that may run, and all below it.
    fn fill(
        &mut self,
        place: Place,
        index: usize,
        compiled: &Arc<Compiled>,
        given: &Given,
        inline_in: Option<&Scope>,
    ) -> usize {
        let base = inline_in.unwrap_or(&self.globals);
        let (inputs, problem) = base.inputs(self.plan, compiled, given);
        let mut scope = base.inside(&inputs);
        if let Some((family, name)) = &place.holder {
            scope = scope.with(&format!("{family}.name"), &Foreseen::known(name));
        }
        self.nodes[index].inputs = inputs;
        self.nodes[index].problem = problem;
        let perhaps = place.perhaps || matches!(place.fate, Fate::Perhaps { .. });
        needs::locks(compiled.template.synchronization.as_ref(), &scope, &mut self.requirements);
        if compiled.template.steps.is_none() && compiled.template.dag.is_none() {
            let spec = &self.plan.workflow.spec;
            let images =
                needs::of_leaf(&place.path, &compiled.template, spec, &scope, &mut self.requirements);
            self.nodes[index].images = images;
            self.nodes[index].wave = Some(place.start);
            return place.start + 1;
        }
        let known = Arc::as_ptr(compiled);
        let again = self.path.iter().any(|around| std::ptr::eq(*around, known));
        if (again && perhaps) || self.path.len() >= MAX_DEPTH as usize {
            self.nodes[index].notes.push("itself again, not followed further".to_owned());
            self.nodes[index].wave = Some(place.start);
            return place.start + 1;
        }
        self.path.push(known);
        let around = Around { compiled, scope, parent: index, perhaps };
        let end = match (&compiled.template.dag, &compiled.dag) {
            (Some(_), Some(dag)) => self.dag(&around, dag, &place.path, place.start),
            _steps => self.steps(around, &place.path, place.start),
        };
        self.path.pop();
        end
    }

    fn steps(&mut self, mut around: Around<'_>, path: &str, start: usize) -> usize {
        let compiled = around.compiled;
        let specs = compiled.template.steps.as_deref().unwrap_or_default();
        let mut at = start;
        for (number, (group, calls)) in specs.iter().zip(&compiled.steps).enumerate() {
            let mut end = at;
            for (step, call) in group.iter().zip(calls) {
                let name = format!("{path}[{number}].");
                end = end.max(self.call(&around, call, &step.arguments, &name, at, Fate::Runs).0);
            }
            calls.iter().for_each(|call| around.scope.runtime.add(format!("steps.{}", call.name)));
            at = end;
        }
        at
    }

    fn dag(&mut self, around: &Around<'_>, dag: &Dag, path: &str, start: usize) -> usize {
        let mut scope = around.scope.clone();
        dag.tasks.iter().for_each(|task| scope.runtime.add(format!("tasks.{}", task.call.name)));
        let specs = around.compiled.template.dag.as_ref().map(|dag| dag.tasks.as_slice()).unwrap_or_default();
        let target = around.compiled.template.dag.as_ref().map_or("", |dag| dag.target.as_str());
        let wanted = wanted(dag, &scope.text(target).text);
        let around =
            Around { scope, compiled: around.compiled, parent: around.parent, perhaps: around.perhaps };
        let mut ends = vec![start; dag.tasks.len()];
        let mut prospects = vec![Prospect::default(); dag.tasks.len()];
        let mut end = start;
        for number in ordered(dag, &wanted) {
            let (task, Some(spec)) = (&dag.tasks[number], specs.get(number)) else { continue };
            let at = task.deps.iter().map(|dep| ends[*dep]).max().unwrap_or(start);
            let written =
                if spec.depends.is_empty() { spec.dependencies.join(" && ") } else { spec.depends.clone() };
            let fate = fates::of_task(dag, task, &written, &prospects);
            let name = format!("{path}.");
            let (after, fate) = self.call(&around, &task.call, &spec.arguments, &name, at, fate);
            let looped = !matches!(task.call.with, With::None);
            prospects[number] = Prospect::of(&fate, looped, self.is_daemon(&around, &task.call));
            ends[number] = after;
            end = end.max(after);
        }
        end
    }
}

/// Tasks that are targets, or that one of them waits for; all without a target.
fn wanted(dag: &Dag, target: &str) -> BTreeSet<usize> {
    let mut open: Vec<usize> = match target.trim() {
        "" => dag.leaves.clone(),
        names => names.split_whitespace().filter_map(|name| dag.by_name.get(name).copied()).collect(),
    };
    let mut found = BTreeSet::new();
    while let Some(number) = open.pop() {
        if found.insert(number) {
            open.extend(dag.tasks[number].deps.iter().copied());
        }
    }
    found
}

/// Those tasks, each behind what it waits for, otherwise as they are written.
fn ordered(dag: &Dag, wanted: &BTreeSet<usize>) -> Vec<usize> {
    let mut out: Vec<usize> = Vec::new();
    let mut done = BTreeSet::new();
    while out.len() < wanted.len() {
        let before = out.len();
        for number in wanted {
            if !done.contains(number) && dag.tasks[*number].deps.iter().all(|dep| done.contains(dep)) {
                done.insert(*number);
                out.push(*number);
            }
        }
        if out.len() == before {
            return out; // a cycle; lint refuses it
        }
    }
    out
}

/// What is to be said about a template beyond its values.
fn notes(template: &Template) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(retry) = &template.retry_strategy {
        let limit = retry.limit.as_ref().map_or_else(|| "any number of".to_owned(), |limit| limit.to_text());
        notes.push(format!("{limit} retries"));
    }
    if template.daemon == Some(true) {
        notes.push("goes on in the background".to_owned());
    }
    if let Some(suspend) = &template.suspend {
        notes.push(match &suspend.duration {
            Some(duration) => format!("waits {}", duration.as_str()),
            None => "waits for a person".to_owned(),
        });
    }
    if !template.timeout.is_empty() {
        notes.push(format!("timeout {}", template.timeout));
    }
    if let Some(parallelism) = template.parallelism {
        notes.push(format!("at most {parallelism} at once"));
    }
    notes
}
