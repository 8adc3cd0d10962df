//! The templates that a workflow reaches by reference, transitively.
//! Does not merge defaults into them: `ResolvedWorkflow::lookup` does.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::legacy;
use super::resolved::add_pod_metadata;
use super::scope::{TemplateHolder, TemplateScope};
use super::source::TemplateSource;
use crate::diagnostic::Diagnostic;
use crate::spec::{LifecycleHook, Template, TemplateRef, WorkflowSpec, WorkflowTemplate};

/// What the walk found.
#[derive(Default)]
pub(super) struct Stored {
    /// Templates under Argo's keys.
    pub(super) templates: BTreeMap<String, Template>,
    /// References that lead nowhere.
    pub(super) problems: Vec<Diagnostic>,
}

/// Collects everything reachable from a spec.
pub(super) fn collect(spec: &WorkflowSpec, name: &str, source: &dyn TemplateSource) -> Stored {
    let mut walk =
        Walk { source, stored: Stored::default(), queue: VecDeque::new(), wholes: BTreeSet::new() };
    let local = TemplateScope::Local(name.to_owned());
    for hook in spec.hooks.values() {
        walk.visit(&local, hook);
    }
    for template in spec.templates.iter().chain(spec.template_defaults.as_deref()) {
        walk.inside(&local, template);
    }
    while let Some((scope, template)) = walk.queue.pop_front() {
        walk.inside(&scope, &template);
    }
    walk.stored
}

struct Walk<'a> {
    source: &'a dyn TemplateSource,
    stored: Stored,
    queue: VecDeque<(TemplateScope, Template)>,
    wholes: BTreeSet<(String, bool)>,
}

impl Walk<'_> {
    /// Visits every holder inside a template.
    fn inside(&mut self, scope: &TemplateScope, template: &Template) {
        for step in template.steps.iter().flatten().flatten() {
            self.visit(scope, step);
            self.hooks(scope, step.hooks.values(), &step.on_exit);
        }
        for task in template.dag.iter().flat_map(|dag| &dag.tasks) {
            self.visit(scope, task);
            self.hooks(scope, task.hooks.values(), &task.on_exit);
        }
    }

    fn hooks<'h>(
        &mut self,
        scope: &TemplateScope,
        hooks: impl Iterator<Item = &'h LifecycleHook>,
        on_exit: &str,
    ) {
        for hook in hooks {
            self.visit(scope, hook);
        }
        if !on_exit.is_empty() {
            self.visit(scope, on_exit);
        }
    }

    fn visit<H: TemplateHolder + ?Sized>(&mut self, scope: &TemplateScope, holder: &H) {
        if let Some(inline) = holder.inline_template() {
            self.inside(scope, inline);
        } else if let Some(reference) = holder.template_ref() {
            self.reference(reference);
        } else if let (TemplateScope::Namespaced(name) | TemplateScope::Cluster(name), template) =
            (scope, holder.template_name())
        {
            let cluster_scope = matches!(scope, TemplateScope::Cluster(_));
            self.reference(&TemplateRef { name: name.clone(), template: template.to_owned(), cluster_scope });
        }
    }

    fn reference(&mut self, reference: &TemplateRef) {
        if has_tag(&reference.name) {
            for name in self.source.template_names(reference.cluster_scope) {
                self.whole(&name, reference.cluster_scope);
            }
            return;
        }
        let Some(resource) = self.source.template_resource(&reference.name, reference.cluster_scope) else {
            self.stored.problems.push(missing(reference, "no such resource is known"));
            return;
        };
        if has_tag(&reference.template) {
            self.whole(&reference.name, reference.cluster_scope);
        } else if let Some(template) = resource.spec.templates.iter().find(|t| t.name == reference.template) {
            self.store(resource, template, reference.cluster_scope);
        } else if !reference.template.is_empty() {
            self.stored.problems.push(missing(reference, "the resource has no template of that name"));
        }
    }

    /// Stores all templates of a resource.
    fn whole(&mut self, name: &str, cluster_scope: bool) {
        if !self.wholes.insert((name.to_owned(), cluster_scope)) {
            return;
        }
        if let Some(resource) = self.source.template_resource(name, cluster_scope) {
            for template in &resource.spec.templates {
                self.store(resource, template, cluster_scope);
            }
        }
    }

    fn store(&mut self, resource: &WorkflowTemplate, template: &Template, cluster_scope: bool) {
        let scope = TemplateScope::of_resource(&resource.metadata.name, cluster_scope);
        let Some(key) = scope.stored_key(&template.name) else { return };
        if self.stored.templates.contains_key(&key) {
            return;
        }
        let mut template = template.clone();
        legacy::normalize_template(&mut template);
        if let Some(metadata) = &resource.spec.pod_metadata {
            add_pod_metadata(&mut template, metadata);
        }
        // Argo keeps inline templates of referenced resources too, under the name of their step or task.
        for (holder, inline) in inline_templates(&template) {
            if let Some(key) = scope.stored_key(&format!("{INLINE}/{holder}")) {
                let mut inline = inline.clone();
                legacy::normalize_template(&mut inline);
                self.stored.templates.entry(key).or_insert(inline);
            }
        }
        self.stored.templates.insert(key, template.clone());
        self.queue.push_back((scope, template));
    }
}

/// The part of a key that tells inline templates from named ones.
const INLINE: &str = "inline";

/// Whether a key of stored templates is that of an inline one, which is never looked up by name.
pub(super) fn is_inline_key(key: &str) -> bool {
    key.split('/').nth(2) == Some(INLINE) && key.split('/').count() > 3
}

/// The inline templates of a template, with the names of their steps or tasks.
fn inline_templates(template: &Template) -> impl Iterator<Item = (&str, &Template)> {
    let steps = template.steps.iter().flatten().flatten();
    let steps = steps.filter_map(|step| Some((step.name.as_str(), step.inline.as_deref()?)));
    let tasks = template.dag.iter().flat_map(|dag| &dag.tasks);
    steps.chain(tasks.filter_map(|task| Some((task.name.as_str(), task.inline.as_deref()?))))
}

/// True for text that holds a tag and is known at run time only.
pub(crate) fn has_tag(text: &str) -> bool {
    text.contains("{{")
}

fn missing(reference: &TemplateRef, why: &str) -> Diagnostic {
    let kind = if reference.cluster_scope { "ClusterWorkflowTemplate" } else { "WorkflowTemplate" };
    Diagnostic::error(
        "template-ref-not-found",
        format!("template reference {}.{} not found: {why}", reference.name, reference.template),
    )
    .hint(format!("apply the {kind} `{}` first, or pass its file along", reference.name))
}
