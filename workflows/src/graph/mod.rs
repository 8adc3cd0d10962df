//! What a workflow looks like: nodes, what they wait for, and pictures of it (tree, Mermaid, DOT, SVG).
//! Does not run or judge anything; two runs over the same input give the same bytes.

mod dot;
mod file;
mod layout;
mod mermaid;
mod run;
mod svg;
mod tree;

pub use file::from_spec;
pub use layout::{Layout, Placed, layout};
pub use run::from_status;

/// Most nodes of a picture; what is beyond is left out and said so.
pub const MAX_NODES: usize = 5000;

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Steps or a DAG, drawn around its nodes.
    Group,
    /// Something that runs.
    Step,
    /// Waits for a person or a time.
    Suspend,
    /// Runs at the end, whatever happened.
    Exit,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Name for people.
    pub label: String,
    /// The template, and its kind.
    pub detail: String,
    /// What it is.
    pub shape: Shape,
    /// The phase, in the graph of a run.
    pub phase: Option<String>,
    /// The group it is in, by position.
    pub parent: Option<usize>,
    /// Conditions, loops, retries, as short texts.
    pub notes: Vec<String>,
}

/// One node waits for another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge {
    /// Position of the node that is waited for.
    pub from: usize,
    /// Position of the node that waits.
    pub to: usize,
    /// The outcome that is waited for; empty when any good end will do.
    pub label: String,
}

/// A workflow as a graph. Groups stand before their members.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Graph {
    /// Name of the workflow.
    pub title: String,
    /// Nodes.
    pub nodes: Vec<Node>,
    /// Edges, between members of the same group in the graph of a file.
    pub edges: Vec<Edge>,
    /// Something was left out because of [`MAX_NODES`].
    pub cut: bool,
}

impl Graph {
    /// Positions of the nodes directly in a group, or on top.
    pub fn members(&self, group: Option<usize>) -> Vec<usize> {
        (0..self.nodes.len()).filter(|index| self.nodes[*index].parent == group).collect()
    }

    /// Whether a node has members.
    pub fn is_group(&self, index: usize) -> bool {
        self.nodes.iter().skip(index + 1).any(|node| node.parent == Some(index))
    }

    /// The edges between nodes without members: an edge of a group is one of its first or last members.
    pub fn leaf_edges(&self) -> Vec<(usize, usize)> {
        let mut members: Vec<Vec<usize>> = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            if let Some(members) = node.parent.and_then(|parent| members.get_mut(parent)) {
                members.push(index);
            }
        }
        let mut has_before = vec![false; self.nodes.len()];
        let mut has_behind = vec![false; self.nodes.len()];
        for edge in &self.edges {
            let same = self.nodes[edge.from].parent == self.nodes[edge.to].parent;
            has_behind[edge.from] |= same;
            has_before[edge.to] |= same;
        }
        let mut out = Vec::new();
        for edge in &self.edges {
            let (mut from, mut to) = (Vec::new(), Vec::new());
            ends(edge.from, &members, &has_behind, &mut from);
            ends(edge.to, &members, &has_before, &mut to);
            out.extend(from.iter().flat_map(|from| to.iter().map(move |to| (*from, *to))));
        }
        out.sort_unstable();
        out.dedup();
        out
    }

    /// As an indented tree, with a line for each node.
    pub fn tree(&self) -> String {
        tree::draw(self)
    }

    /// As a Mermaid flowchart.
    pub fn mermaid(&self) -> String {
        mermaid::draw(self)
    }

    /// As a digraph of Graphviz.
    pub fn dot(&self) -> String {
        dot::draw(self)
    }

    /// As a picture.
    pub fn svg(&self) -> String {
        svg::draw(self)
    }
}

/// The members of a group, at any depth, that nothing in it comes before (or after).
fn ends(index: usize, members: &[Vec<usize>], inner: &[bool], out: &mut Vec<usize>) {
    if members[index].is_empty() {
        out.push(index);
        return;
    }
    for member in &members[index] {
        if !inner[*member] {
            ends(*member, members, inner, out);
        }
    }
}

#[cfg(test)]
mod tests;
