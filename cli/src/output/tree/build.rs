//! Which node is shown below which: from Argo's flat node map to branches.
//! Does not draw.

use std::collections::BTreeMap;

use crate::output::time;
use crate::output::view::{NodeView, View};

use super::Options;

/// A shown node with what is below it.
#[derive(Clone, Debug, Default)]
pub struct Branch {
    /// Phase.
    pub phase: String,
    /// Waits to be resumed.
    pub suspended: bool,
    /// Name shown.
    pub label: String,
    /// Template.
    pub template: String,
    /// Pod name, for steps.
    pub pod: String,
    /// Duration.
    pub duration: String,
    /// Message, or what stands in for it.
    pub message: String,
    /// Last lines of its log.
    pub tail: Vec<String>,
    /// Children: each group is drawn together.
    pub groups: Vec<Group>,
    /// Groups are step groups, drawn one level deeper.
    pub steps: bool,
    /// It is a remark about nodes that are not shown.
    pub remark: bool,
}

/// Branches that run at the same time (a step group), or one branch.
pub type Group = Vec<Branch>;

impl Branch {
    /// Number of lines it takes.
    pub fn height(&self) -> usize {
        1 + self.tail.len() + self.groups.iter().flatten().map(Self::height).sum::<usize>()
    }

    /// Number of nodes below it.
    pub fn below(&self) -> usize {
        self.groups.iter().flatten().map(|branch| 1 + branch.below()).sum()
    }

    /// Ended well, and everything below it too.
    pub fn settled(&self) -> bool {
        matches!(self.phase.as_str(), "Succeeded" | "Skipped" | "Omitted")
            && self.groups.iter().flatten().all(Self::settled)
    }
}

/// The branches of a workflow: the root first, then exit handlers and hooks of the workflow.
pub fn build(view: &View, options: &Options) -> Vec<Branch> {
    let parents = parents(view);
    let mut below: BTreeMap<&str, Vec<&NodeView>> = BTreeMap::new();
    for node in view.nodes.values() {
        if let Some(parent) = parents.get(node.id.as_str()) {
            below.entry(parent).or_default().push(node);
        }
    }
    for children in below.values_mut() {
        children.sort_by_key(|node| order(node));
    }
    let mut roots: Vec<&NodeView> =
        view.nodes.values().filter(|node| !parents.contains_key(node.id.as_str())).collect();
    roots.sort_by_key(|node| (node.name != view.name, order(node)));
    let maker = Maker { below, options };
    roots.into_iter().flat_map(|root| maker.shown(root)).collect()
}

/// By start in whole seconds, as Argo has it, then by name with numbers as numbers.
fn order(node: &NodeView) -> (bool, Option<i64>, Vec<(String, u64)>) {
    (node.started.is_none(), node.started.map(|at| at.as_second()), natural(&node.name))
}

/// Texts with the numbers that follow them.
fn natural(name: &str) -> Vec<(String, u64)> {
    let mut parts = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let (text, tail) = rest.split_at(rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len()));
        let (digits, tail) = tail.split_at(tail.find(|c: char| !c.is_ascii_digit()).unwrap_or(tail.len()));
        parts.push((text.to_owned(), digits.parse().unwrap_or(0)));
        rest = tail;
    }
    parts
}

/// The node that each node is shown below. Argo's `children` also hold what runs next, so names decide.
fn parents(view: &View) -> BTreeMap<&str, &str> {
    let by_name: BTreeMap<&str, &NodeView> = view.nodes.values().map(|n| (n.name.as_str(), n)).collect();
    let mut parents = BTreeMap::new();
    for node in view.nodes.values() {
        let opening = match node.kind.as_str() {
            "Retry" | "TaskGroup" => '(',
            "StepGroup" => '.',
            _ => continue,
        };
        for child in node.children.iter().filter_map(|id| view.nodes.get(id)) {
            let rest = child.name.strip_prefix(&node.name);
            let closer = parents.get(child.id.as_str()).and_then(|id: &&str| view.nodes.get(*id));
            if rest.is_some_and(|rest| rest.starts_with(opening))
                && closer.is_none_or(|closer: &NodeView| closer.name.len() < node.name.len())
            {
                parents.insert(child.id.as_str(), node.id.as_str());
            }
        }
    }
    for node in view.nodes.values().filter(|node| !node.boundary.is_empty()) {
        let Some(boundary) = view.nodes.get(&node.boundary) else { continue };
        if parents.contains_key(node.id.as_str()) {
            continue;
        }
        let group = (node.kind != "StepGroup").then(|| group_name(node, boundary)).flatten();
        let group = group.and_then(|name| by_name.get(name.as_str()).copied());
        parents.insert(&node.id, group.map_or(boundary.id.as_str(), |group| &group.id));
    }
    parents
}

/// `wf[0]` for a node `wf[0].a` within `wf`.
fn group_name(node: &NodeView, boundary: &NodeView) -> Option<String> {
    let rest = node.name.strip_prefix(&boundary.name)?;
    let end = rest.starts_with('[').then(|| rest.find(']')).flatten()?;
    Some(format!("{}{}", boundary.name, rest.get(..=end)?))
}

struct Maker<'a> {
    below: BTreeMap<&'a str, Vec<&'a NodeView>>,
    options: &'a Options,
}

impl Maker<'_> {
    fn children(&self, node: &NodeView) -> &[&NodeView] {
        self.below.get(node.id.as_str()).map(Vec::as_slice).unwrap_or_default()
    }

    /// The branches that stand for a node: itself, or its children when it is not worth a line.
    fn shown(&self, node: &NodeView) -> Vec<Branch> {
        let children = self.children(node);
        if node.phase == "Omitted" || self.filtered(node) {
            return Vec::new();
        }
        let transparent = node.kind == "StepGroup" || (node.kind == "Retry" && children.len() == 1);
        if transparent {
            return children.iter().flat_map(|child| self.shown(child)).collect();
        }
        vec![self.branch(node, children)]
    }

    /// Neither the node nor anything below it has a phase that was asked for.
    fn filtered(&self, node: &NodeView) -> bool {
        !self.options.phases.is_empty()
            && !self.options.phases.contains(&node.phase)
            && self.children(node).iter().all(|child| self.filtered(child))
    }

    fn branch(&self, node: &NodeView, children: &[&NodeView]) -> Branch {
        let groups: Vec<Group> = match node.kind.as_str() {
            "Steps" => children.iter().map(|child| self.shown(child)).collect(),
            _ => children.iter().flat_map(|child| self.shown(child)).map(|branch| vec![branch]).collect(),
        };
        let has_duration = node.is_step() || matches!(node.kind.as_str(), "Suspend" | "TaskGroup" | "Retry");
        let duration = node.duration(self.options.now).filter(|_| has_duration || !self.options.wide);
        Branch {
            phase: node.phase.clone(),
            suspended: node.suspended(),
            label: if node.display_name.is_empty() { node.name.clone() } else { node.display_name.clone() },
            template: node.template.clone(),
            pod: node.pod.clone(),
            duration: duration.map(time::short).filter(|_| node.phase != "Skipped").unwrap_or_default(),
            message: self.message(node, children),
            tail: self.options.tails.get(&node.id).cloned().unwrap_or_default(),
            groups: groups.into_iter().filter(|group| !group.is_empty()).collect(),
            steps: node.kind == "Steps",
            remark: false,
        }
    }

    fn message(&self, node: &NodeView, children: &[&NodeView]) -> String {
        if node.suspended() {
            let left = node.until.map(|until| until.duration_since(self.options.now));
            let wait = match left {
                Some(left) if left.is_positive() => format!("resumes in {}", time::short(left)),
                Some(_) => "resumes now".to_owned(),
                None => "waits to be resumed".to_owned(),
            };
            return if node.message.is_empty() { wait } else { format!("{} ({wait})", node.message) };
        }
        if node.message.is_empty() && node.kind == "TaskGroup" {
            let done = children.iter().filter(|child| child.fulfilled()).count();
            return format!("{done} of {} items", children.len());
        }
        node.message.clone()
    }
}
