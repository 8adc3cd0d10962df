//! Which variables a tag may name at a place: the names in scope, and those that are always accepted.
//! Does not fill scopes: the checks of steps, dag and templates do.

use std::collections::{BTreeMap, BTreeSet};

use crate::parse::suggest;
use crate::spec::Template;

/// Accepts any `item.…` (withParam: the items are known at run time only).
pub(super) const ANY_ITEM: &str = "item.*";
/// Accepts any `workflow.outputs.parameters.…` (a globalName that holds a tag).
pub(super) const ANY_OUTPUT_PARAMETER: &str = "workflow.outputs.parameters.*";
/// Accepts any `workflow.outputs.artifacts.…` (a globalName that holds a tag).
pub(super) const ANY_OUTPUT_ARTIFACT: &str = "workflow.outputs.artifacts.*";

/// Names that tags may have at a place.
#[derive(Clone, Debug, Default)]
pub(super) struct Scope {
    names: BTreeSet<String>,
}

impl Scope {
    /// Adds a name.
    pub(super) fn add(&mut self, name: impl Into<String>) {
        self.names.insert(name.into());
    }

    /// Adds all names of another scope.
    pub(super) fn extend(&mut self, other: &Self) {
        self.names.extend(other.names.iter().cloned());
    }

    /// True for a name in scope.
    pub(super) fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

/// Everything a tag is judged by.
pub(super) struct View<'a> {
    /// The names of the template.
    pub(super) scope: &'a Scope,
    /// Names of this step or task only.
    pub(super) extra: &'a Scope,
    /// Global names.
    pub(super) globals: &'a BTreeMap<String, String>,
    /// Names decided on demand (status of ancestor tasks).
    pub(super) on_demand: &'a dyn Fn(&str) -> bool,
    /// A template resource on its own: workflow parameters come from whoever uses it.
    pub(super) template_only: bool,
}

impl View<'_> {
    fn has(&self, name: &str) -> bool {
        self.scope.has(name)
            || self.extra.has(name)
            || self.globals.contains_key(name)
            || (self.on_demand)(name)
    }

    /// True when the (trimmed) tag is accepted. Names with a prefix that is not Argo's are left alone.
    pub(super) fn accepts(&self, name: &str) -> bool {
        const CHECKED: [&str; 7] = ["item.", "steps.", "inputs.", "outputs.", "pod.", "workflow.", "tasks."];
        const LATE: [&str; 7] = [
            "outputs.",
            "workflow.creationTimestamp",
            "workflow.scheduledTime",
            "workflow.duration",
            "tasks.name",
            "steps.name",
            "node.name",
        ];
        let late = |prefix: &&str| name.starts_with(*prefix);
        !CHECKED.iter().any(|prefix| name.starts_with(prefix))
            || self.has(name)
            || LATE.iter().any(late)
            || (name.starts_with("item.") && self.has(ANY_ITEM))
            || (name.starts_with("workflow.outputs.parameters.") && self.has(ANY_OUTPUT_PARAMETER))
            || (name.starts_with("workflow.outputs.artifacts.") && self.has(ANY_OUTPUT_ARTIFACT))
            || (name.starts_with("workflow.parameters") && self.template_only)
    }

    /// True when an expression may read the path: it is accepted as a tag, or names a map of what is in scope,
    /// or something inside a value that is.
    pub(super) fn knows(&self, path: &str) -> bool {
        // Items are known per step; a node's own facts (status, startedAt, …) are known once the node is.
        let node = path.strip_prefix("steps.").or_else(|| path.strip_prefix("tasks."));
        let node = node.and_then(|rest| path.get(..path.len() - rest.len() + rest.find('.')?));
        let path = match node {
            Some(node) if !path[node.len()..].starts_with(".outputs") => node,
            _ if path.starts_with("item.") => return true,
            _ => path,
        };
        // A value may hold more inside; a map of names (`inputs.parameters`) holds just those.
        let inside = |at: usize| self.has(&path[..at]) && !self.is_map(&path[..at]);
        self.accepts(path) || self.is_map(path) || path.match_indices('.').skip(1).any(|(at, _)| inside(at))
    }

    /// True when there are names below this one.
    fn is_map(&self, path: &str) -> bool {
        let map = format!("{path}.");
        let names = self.scope.names.iter().chain(&self.extra.names).chain(self.globals.keys());
        names.into_iter().any(|name| name.starts_with(&map))
    }

    /// Names in scope that resemble a name.
    pub(super) fn near(&self, name: &str) -> Vec<String> {
        let names = self.scope.names.iter().chain(&self.extra.names).chain(self.globals.keys());
        suggest::nearest_few(name, names.filter(|n| !n.ends_with('*')).take(5_000).cloned())
    }
}

/// True for the kinds that Argo calls leaves: they run something by themselves (suspend does not).
pub(super) fn is_leaf(template: &Template) -> bool {
    template.steps.is_none() && template.dag.is_none() && template.suspend.is_none()
}

/// True for the kinds that run a pod.
pub(super) fn is_pod(template: &Template) -> bool {
    template.container.is_some()
        || template.container_set.is_some()
        || template.script.is_some()
        || template.resource.is_some()
        || template.data.is_some()
}

/// True when the template has `outputs.result` and `exitCode`.
pub(super) fn has_result(template: &Template) -> bool {
    let main =
        template.container_set.as_ref().is_some_and(|set| set.containers.iter().any(|c| c.name == "main"));
    template.container.is_some()
        || main
        || template.script.is_some()
        || template.data.is_some()
        || template.http.is_some()
        || template.plugin.is_some()
}
