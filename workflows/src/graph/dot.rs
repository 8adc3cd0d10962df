//! A graph as a digraph of Graphviz.
//! Groups become clusters; edges run between the nodes in them.

use super::{Graph, Shape};

pub(super) fn draw(graph: &Graph) -> String {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len() + 1];
    for (index, node) in graph.nodes.iter().enumerate() {
        members[node.parent.map_or(0, |parent| parent + 1)].push(index);
    }
    let mut out = format!("digraph \"{}\" {{\n", escape(&graph.title));
    out.push_str(
        "  rankdir=TB\n  node [shape=box, style=\"rounded,filled\", fillcolor=white, fontname=sans]\n",
    );
    for index in &members[0] {
        write(graph, *index, &members, 1, &mut out);
    }
    let label = |from: usize, to: usize| {
        let found = graph.edges.iter().find(|edge| edge.from == from && edge.to == to);
        found.map(|edge| edge.label.as_str()).filter(|label| !label.is_empty())
    };
    for (from, to) in graph.leaf_edges() {
        let label = label(from, to).map(|text| format!(" [label=\"{}\"]", escape(text))).unwrap_or_default();
        out.push_str(&format!("  n{from} -> n{to}{label}\n"));
    }
    out.push_str("}\n");
    out
}

fn write(graph: &Graph, index: usize, members: &[Vec<usize>], depth: usize, out: &mut String) {
    let node = &graph.nodes[index];
    let indent = "  ".repeat(depth);
    let mut label = escape(&node.label);
    for part in std::iter::once(&node.detail).chain(&node.notes) {
        if *part != node.label && !part.is_empty() {
            label.push_str(&format!("\\n{}", escape(part)));
        }
    }
    let inside = &members[index + 1];
    if !inside.is_empty() {
        out.push_str(&format!("{indent}subgraph cluster_{index} {{\n{indent}  label=\"{label}\"\n"));
        inside.iter().for_each(|member| write(graph, *member, members, depth + 1, out));
        out.push_str(&format!("{indent}}}\n"));
        return;
    }
    let shape = match node.shape {
        Shape::Suspend => ", shape=hexagon",
        Shape::Exit => ", shape=oval",
        Shape::Group | Shape::Step => "",
    };
    let color = match node.phase.as_deref() {
        Some("Succeeded") => ", fillcolor=\"#d7f5dd\"",
        Some("Failed" | "Error") => ", fillcolor=\"#ffdcd7\"",
        Some("Running") => ", fillcolor=\"#d8ebff\"",
        Some(_) | None => "",
    };
    out.push_str(&format!("{indent}n{index} [label=\"{label}\"{shape}{color}]\n"));
}

fn escape(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.replace('\\', "\\\\").replace('"', "\\\"")
}
