//! The graph of a file: templates followed from the entrypoint.
//! Values are not known: loops are one node, conditions are notes.

use super::{Edge, Graph, MAX_NODES, Node, Shape};
use crate::expr::depends;
use crate::resolve::Catalog;
use crate::spec::{DagTask, Template, TemplateKind, TemplateRef, WorkflowSpec, WorkflowStep};

/// Deepest nesting of templates that is followed.
const MAX_DEPTH: usize = 24;

/// The graph of a spec. Templates of other objects are followed where the catalog has them.
pub fn from_spec(title: &str, spec: &WorkflowSpec, catalog: &Catalog) -> Graph {
    let mut builder =
        Builder { catalog, graph: Graph { title: title.to_owned(), ..Graph::default() }, path: Vec::new() };
    let (spec, entrypoint, on_exit) = effective(spec, catalog);
    let scope = Scope { spec };
    let root = builder.call(scope, Call::named(title, entrypoint), None);
    if let (Some(root), false) = (root, on_exit.is_empty()) {
        let call = Call { notes: vec!["onExit".to_owned()], ..Call::named("onExit", on_exit) };
        if let Some(exit) = builder.call(scope, call, None) {
            builder.graph.nodes[exit].shape = Shape::Exit;
            builder.edge(root, exit, String::new());
        }
    }
    builder.graph
}

/// The spec that has the templates: that of `workflowTemplateRef` where there is one.
fn effective<'a>(spec: &'a WorkflowSpec, catalog: &'a Catalog) -> (&'a WorkflowSpec, &'a str, &'a str) {
    let referred = spec.workflow_template_ref.as_ref().and_then(|reference| {
        let all = if reference.cluster_scope {
            &catalog.cluster_workflow_templates
        } else {
            &catalog.workflow_templates
        };
        all.get(&reference.name).map(|template| &template.spec)
    });
    let base = referred.unwrap_or(spec);
    let first = |own: &'a str, other: &'a str| if own.is_empty() { other } else { own };
    (base, first(&spec.entrypoint, &base.entrypoint), first(&spec.on_exit, &base.on_exit))
}

/// Where names of templates are looked up.
#[derive(Clone, Copy)]
struct Scope<'a> {
    spec: &'a WorkflowSpec,
}

/// A use of a template.
struct Call<'a> {
    label: String,
    template: &'a str,
    reference: Option<&'a TemplateRef>,
    inline: Option<&'a Template>,
    notes: Vec<String>,
}

impl<'a> Call<'a> {
    fn named(label: &str, template: &'a str) -> Self {
        Self { label: label.to_owned(), template, reference: None, inline: None, notes: Vec::new() }
    }

    fn step(step: &'a WorkflowStep) -> Self {
        let looped = step.with_items.is_some() || !step.with_param.is_empty() || step.with_sequence.is_some();
        let items = step.with_items.as_ref().map(Vec::len);
        Self {
            label: step.name.clone(),
            template: &step.template,
            reference: step.template_ref.as_ref(),
            inline: step.inline.as_deref(),
            notes: notes(&step.when, looped, items),
        }
    }

    fn task(task: &'a DagTask) -> Self {
        let looped = task.with_items.is_some() || !task.with_param.is_empty() || task.with_sequence.is_some();
        let items = task.with_items.as_ref().map(Vec::len);
        Self {
            label: task.name.clone(),
            template: &task.template,
            reference: task.template_ref.as_ref(),
            inline: task.inline.as_deref(),
            notes: notes(&task.when, looped, items),
        }
    }
}

fn notes(when: &str, looped: bool, items: Option<usize>) -> Vec<String> {
    let mut notes = Vec::new();
    match items {
        Some(count) => notes.push(format!("× {count}")),
        None if looped => notes.push("loop".to_owned()),
        None => {}
    }
    if !when.is_empty() {
        notes.push(format!("when {when}"));
    }
    notes
}

struct Builder<'a> {
    catalog: &'a Catalog,
    graph: Graph,
    /// Names of the templates around, against recursion.
    path: Vec<*const Template>,
}

impl<'a> Builder<'a> {
    fn call(&mut self, scope: Scope<'a>, call: Call<'a>, parent: Option<usize>) -> Option<usize> {
        if self.graph.nodes.len() >= MAX_NODES {
            self.graph.cut = true;
            return None;
        }
        let found = self.find(scope, &call);
        let name = match (call.reference, call.template) {
            (Some(reference), _) => format!("{}/{}", reference.name, reference.template),
            (None, "") => "inline".to_owned(),
            (None, name) => name.to_owned(),
        };
        let kind = found.and_then(|(_, template)| template.kind());
        let mut node = Node {
            label: if call.label.is_empty() { name.clone() } else { call.label },
            detail: kind.map_or(name.clone(), |kind| format!("{name} ({})", word(kind))),
            shape: if kind == Some(TemplateKind::Suspend) { Shape::Suspend } else { Shape::Step },
            phase: None,
            parent,
            notes: call.notes,
        };
        let Some((scope, template)) = found else {
            node.notes.push("not found here".to_owned());
            return Some(self.add(node));
        };
        if template.retry_strategy.is_some() {
            node.notes.push("retries".to_owned());
        }
        let again = self.path.iter().any(|known| std::ptr::eq(*known, template));
        if again || self.path.len() >= MAX_DEPTH {
            if template.steps.is_some() || template.dag.is_some() {
                node.notes.push("again, not repeated here".to_owned());
            }
            return Some(self.add(node));
        }
        let index = self.add(node);
        self.path.push(std::ptr::from_ref(template));
        self.inside(scope, template, index);
        self.path.pop();
        if self.graph.is_group(index) {
            self.graph.nodes[index].shape = Shape::Group;
        }
        Some(index)
    }

    fn inside(&mut self, scope: Scope<'a>, template: &'a Template, index: usize) {
        if let Some(groups) = &template.steps {
            let mut before: Vec<usize> = Vec::new();
            for group in groups {
                let calls = group.iter().map(|step| self.call(scope, Call::step(step), Some(index)));
                let now: Vec<usize> = calls.flatten().collect();
                for (from, to) in before.iter().flat_map(|from| now.iter().map(move |to| (*from, *to))) {
                    self.edge(from, to, String::new());
                }
                if !now.is_empty() {
                    before = now;
                }
            }
        }
        if let Some(dag) = &template.dag {
            let calls: Vec<(&DagTask, Option<usize>)> = dag
                .tasks
                .iter()
                .map(|task| (task, self.call(scope, Call::task(task), Some(index))))
                .collect();
            for (task, to) in &calls {
                let Some(to) = to else { continue };
                for (name, outcome) in waits_for(task) {
                    let from = calls.iter().find(|(other, _)| other.name == name).and_then(|(_, from)| *from);
                    if let Some(from) = from {
                        self.edge(from, *to, outcome);
                    }
                }
            }
        }
    }

    fn find(&self, scope: Scope<'a>, call: &Call<'a>) -> Option<(Scope<'a>, &'a Template)> {
        if let Some(inline) = call.inline {
            return Some((scope, inline));
        }
        let named = |spec: &'a WorkflowSpec, name: &str| {
            spec.templates.iter().find(|template| template.name == name).map(|found| (Scope { spec }, found))
        };
        let Some(reference) = call.reference else { return named(scope.spec, call.template) };
        let all = if reference.cluster_scope {
            &self.catalog.cluster_workflow_templates
        } else {
            &self.catalog.workflow_templates
        };
        named(&all.get(&reference.name)?.spec, &reference.template)
    }

    fn add(&mut self, node: Node) -> usize {
        self.graph.nodes.push(node);
        self.graph.nodes.len() - 1
    }

    fn edge(&mut self, from: usize, to: usize, label: String) {
        let edge = Edge { from, to, label };
        if from != to && !self.graph.edges.contains(&edge) {
            self.graph.edges.push(edge);
        }
    }
}

/// Names of tasks with the outcome that is waited for.
fn waits_for(task: &DagTask) -> Vec<(String, String)> {
    let plain = task.dependencies.iter().map(|name| (name.clone(), String::new()));
    let parsed = if task.depends.is_empty() { None } else { depends::parse(&task.depends).ok() };
    let tasks = parsed.map(|parsed| parsed.tasks()).unwrap_or_default();
    let with = tasks
        .into_iter()
        .map(|(name, outcome)| (name, outcome.map_or(String::new(), |o| o.name().to_owned())));
    plain.chain(with).collect()
}

fn word(kind: TemplateKind) -> &'static str {
    match kind {
        TemplateKind::Container => "container",
        TemplateKind::Script => "script",
        TemplateKind::Resource => "resource",
        TemplateKind::Steps => "steps",
        TemplateKind::Dag => "dag",
        TemplateKind::Suspend => "suspend",
        TemplateKind::Http => "http",
        TemplateKind::Data => "data",
        TemplateKind::ContainerSet => "containerSet",
        TemplateKind::Plugin => "plugin",
    }
}
