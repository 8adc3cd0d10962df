//! Builds a preview: templates followed from the entrypoint on, loops unrolled where their items are known.
//! Does not evaluate texts itself: `scope` does; nor conditions: `fates` does.

use std::collections::BTreeSet;
use std::sync::Arc;

use runner_workflows::spec::{Arguments, LifecycleHook, Template, TemplateRef};

use super::fates::{self, Prospect};
use super::scope::{Given, Scope};
use super::{Fate, Foreseen, MAX_PREVIEW_NODES, Preview, PreviewNode, Requirements, needs};
use crate::decide as machine;
use crate::error::Error;
use crate::limits::MAX_DEPTH;
use crate::plan::{Call, Compiled, Dag, Plan, With};

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
struct Place {
    path: String,
    display_name: String,
    parent: Option<usize>,
    fate: Fate,
    repeats: Option<Foreseen>,
    /// The wave in which it begins.
    start: usize,
    /// Something around it depends on what comes at run time.
    perhaps: bool,
    /// `steps` or `tasks`, and the name of the step or task.
    holder: Option<(&'static str, String)>,
}

impl Place {
    fn new(path: String, display_name: &str, fate: Fate, start: usize) -> Self {
        Self {
            path,
            display_name: display_name.to_owned(),
            parent: None,
            fate,
            repeats: None,
            start,
            perhaps: false,
            holder: None,
        }
    }
}

struct Builder<'a> {
    plan: &'a Plan,
    globals: Scope,
    nodes: Vec<PreviewNode>,
    requirements: Requirements,
    /// Templates around, against recursion.
    path: Vec<*const Compiled>,
    cut: bool,
}

/// The Steps or DAG that is being unrolled.
struct Around<'c> {
    compiled: &'c Compiled,
    scope: Scope,
    parent: usize,
    perhaps: bool,
}

impl Builder<'_> {
    /// Puts a node and all below it; gives the first wave after it.
    fn place(
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
        let Ok(compiled) = compiled else { return place.start };
        if matches!(place.fate, Fate::Skipped { .. } | Fate::Omitted { .. }) {
            return place.start;
        }
        let base = inline_in.unwrap_or(&self.globals);
        let (inputs, problem) = base.inputs(self.plan, &compiled, given);
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
        let known = Arc::as_ptr(&compiled);
        let again = self.path.iter().any(|around| std::ptr::eq(*around, known));
        if (again && perhaps) || self.path.len() >= MAX_DEPTH as usize {
            self.nodes[index].notes.push("itself again, not followed further".to_owned());
            self.nodes[index].wave = Some(place.start);
            return place.start + 1;
        }
        self.path.push(known);
        let around = Around { compiled: &compiled, scope, parent: index, perhaps };
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

    fn is_daemon(&self, around: &Around<'_>, call: &Call) -> bool {
        let found = match &call.inline {
            Some(inline) => Ok(Arc::clone(inline)),
            None => self.target(&around.scope, around.compiled, call),
        };
        found.is_ok_and(|compiled| compiled.template.daemon == Some(true))
    }

    /// Puts a step or task with all items of its loop and its hooks: the first wave after it, and what became of it.
    fn call(
        &mut self,
        around: &Around<'_>,
        call: &Call,
        arguments: &Arguments,
        prefix: &str,
        start: usize,
        fate: Fate,
    ) -> (usize, Fate) {
        let looped = !matches!(call.with, With::None);
        let mut place = Place::new(format!("{prefix}{}", call.name), &call.name, fate, start);
        place.parent = Some(around.parent);
        place.perhaps = around.perhaps;
        place.holder = Some((call.family, call.name.clone()));
        if matches!(place.fate, Fate::Omitted { .. }) {
            return self.one(around, call, arguments, place, &around.scope, None);
        }
        let condition = match fates::of_when(call.when.as_ref(), &around.scope, looped) {
            Ok(condition) => condition,
            Err(why) => return self.broken(place, why),
        };
        place.fate = both(place.fate, condition.clone());
        if !looped || matches!(place.fate, Fate::Skipped { .. }) {
            return self.one(around, call, arguments, place, &around.scope, None);
        }
        let (tags, source) = loop_tags(&call.with);
        let unknown = around.scope.unknown(&tags);
        if !unknown.is_empty() {
            place.repeats = Some(Foreseen { text: around.scope.text(&source).text, runtime: unknown });
            let mut scope = around.scope.clone();
            scope.runtime.add("item");
            place.path.push_str("(⟨item⟩)");
            let own = if condition.is_none() {
                fates::of_when(call.when.as_ref(), &scope, false).ok().flatten()
            } else {
                None
            };
            place.fate = both(place.fate, own);
            return self.one(around, call, arguments, place, &scope, None);
        }
        let items = match machine::items(&call.with, &around.scope.vars) {
            Ok(items) => items.unwrap_or_default(),
            Err(why) => return self.broken(place, why),
        };
        if items.is_empty() {
            place.fate = Fate::Skipped { reason: "the loop has no items".to_owned() };
            return self.one(around, call, arguments, place, &around.scope, None);
        }
        let (mut end, fate) = (start, place.fate.clone());
        for (number, item) in items.iter().enumerate() {
            if self.nodes.len() >= MAX_PREVIEW_NODES {
                self.cut = true;
                break;
            }
            let scope = around.scope.with_item(item);
            let mut place = place.clone();
            place.display_name = machine::call_name(call, Some((number, item)));
            place.path = format!("{prefix}{}", place.display_name);
            let own = if condition.is_none() { call.when.as_ref() } else { None };
            end = end.max(match fates::of_when(own, &scope, false) {
                Ok(own) => {
                    place.fate = both(place.fate, own);
                    self.one(around, call, arguments, place, &scope, Some(number)).0
                }
                Err(why) => self.broken(place, why).0,
            });
        }
        (end, fate)
    }

    /// Puts one node of a call, and its hooks.
    fn one(
        &mut self,
        around: &Around<'_>,
        call: &Call,
        arguments: &Arguments,
        place: Place,
        scope: &Scope,
        _item: Option<usize>,
    ) -> (usize, Fate) {
        let compiled = match &call.inline {
            Some(inline) => Ok(Arc::clone(inline)),
            None => self.target(scope, around.compiled, call),
        };
        let (path, fate, start) = (place.path.clone(), place.fate.clone(), place.start);
        let given = scope.given(self.plan, arguments);
        let parent = place.parent;
        let mut end = self.place(place, compiled, &given, call.inline.as_ref().map(|_| scope));
        if matches!(fate, Fate::Skipped { .. } | Fate::Omitted { .. }) {
            return (end, fate);
        }
        for (name, hook) in &call.hooks {
            let when = Fate::Perhaps { when: hook.expression.clone() };
            let mut place = Place::new(format!("{path}.hooks.{name}"), name, when, start);
            place.parent = parent;
            end = end.max(self.hook(place, &around.compiled.scope, scope, hook, &Arguments::default()));
        }
        if let Some(hook) = &call.exit_hook {
            let mut place = Place::new(format!("{path}.onExit"), "onExit", fate.clone(), end);
            place.parent = parent;
            end = self.hook(place, &around.compiled.scope, scope, hook, arguments);
        }
        (end, fate)
    }

    fn hook(
        &mut self,
        place: Place,
        local: &runner_workflows::resolve::TemplateScope,
        scope: &Scope,
        hook: &LifecycleHook,
        otherwise: &Arguments,
    ) -> usize {
        let arguments = if hook.arguments.is_empty() { otherwise } else { &hook.arguments };
        let given = scope.given(self.plan, arguments);
        let compiled = self.plan.lookup(local, &hook.template, hook.template_ref.as_ref());
        self.place(place, compiled, &given, None)
    }

    /// The template that a call names, when that is known.
    fn target(&self, scope: &Scope, around: &Compiled, call: &Call) -> Result<Arc<Compiled>, String> {
        let name = scope.text(&call.template);
        let reference = call.template_ref.as_ref().map(|reference| {
            let (resource, template) = (scope.text(&reference.name), scope.text(&reference.template));
            let known = resource.is_known() && template.is_known();
            (known, TemplateRef { name: resource.text, template: template.text, ..reference.clone() })
        });
        let known = name.is_known() && reference.as_ref().is_none_or(|(known, _)| *known);
        if !known {
            return Err(format!("which template it is comes at run time: {}", name.text));
        }
        self.plan.lookup(&around.scope, &name.text, reference.as_ref().map(|(_, reference)| reference))
    }

    /// Puts a node of which nothing can be said but why.
    fn broken(&mut self, place: Place, why: String) -> (usize, Fate) {
        let fate = place.fate.clone();
        let end = self.place(place, Err(why), &Given::new(), None);
        (end, fate)
    }
}

/// The stronger of two fates: what is left out stays so, and what depends on something does.
fn both(first: Fate, second: Option<Fate>) -> Fate {
    match (first, second) {
        (first, None | Some(Fate::Runs)) => first,
        (Fate::Perhaps { when }, Some(Fate::Perhaps { when: other })) => {
            Fate::Perhaps { when: format!("{when}, {other}") }
        }
        (Fate::Runs | Fate::Perhaps { .. }, Some(second)) => second,
        (first @ (Fate::Skipped { .. } | Fate::Omitted { .. }), Some(_)) => first,
    }
}

/// The tags of a loop's list, and the list as it is written.
fn loop_tags(with: &With) -> (Vec<runner_workflows::expr::TagRef>, String) {
    match with {
        With::None => (Vec::new(), String::new()),
        With::Param(text) => (text.tags(), text.source().to_owned()),
        With::Items(tree) | With::Sequence(tree) => {
            let tags = tree.tags();
            let written = tags.iter().map(|tag| format!("{{{{{}}}}}", tag.name));
            let written = written.collect::<Vec<_>>().join(", ");
            (tags, written)
        }
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
