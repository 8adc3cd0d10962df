//! A graph as a Mermaid flowchart.
//! Names are text there too: what Mermaid or a browser could read as something else is escaped.

use super::{Graph, Node, Shape};

pub(super) fn draw(graph: &Graph) -> String {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len() + 1];
    for (index, node) in graph.nodes.iter().enumerate() {
        members[node.parent.map_or(0, |parent| parent + 1)].push(index);
    }
    let mut out = String::from("flowchart TD\n");
    for index in &members[0] {
        write(graph, *index, &members, 1, &mut out);
    }
    for edge in &graph.edges {
        let label = if edge.label.is_empty() { String::new() } else { format!("|{}|", escape(&edge.label)) };
        out.push_str(&format!("  n{} -->{label} n{}\n", edge.from, edge.to));
    }
    for (phase, style) in STYLES {
        let nodes: Vec<String> = (0..graph.nodes.len())
            .filter(|index| graph.nodes[*index].phase.as_deref() == Some(phase))
            .map(|index| format!("n{index}"))
            .collect();
        if !nodes.is_empty() {
            out.push_str(&format!("  classDef {phase} {style}\n  class {} {phase}\n", nodes.join(",")));
        }
    }
    out
}

const STYLES: [(&str, &str); 4] = [
    ("Succeeded", "fill:#d7f5dd,stroke:#1a7f37"),
    ("Failed", "fill:#ffdcd7,stroke:#cf222e"),
    ("Error", "fill:#ffdcd7,stroke:#82071e"),
    ("Running", "fill:#d8ebff,stroke:#0969da"),
];

fn write(graph: &Graph, index: usize, members: &[Vec<usize>], depth: usize, out: &mut String) {
    let node = &graph.nodes[index];
    let indent = "  ".repeat(depth);
    let label = label(node);
    let inside = &members[index + 1];
    if !inside.is_empty() {
        out.push_str(&format!("{indent}subgraph n{index}[\"{label}\"]\n"));
        inside.iter().for_each(|member| write(graph, *member, members, depth + 1, out));
        out.push_str(&format!("{indent}end\n"));
        return;
    }
    let (open, close) = match node.shape {
        Shape::Suspend => ("{{", "}}"),
        Shape::Exit => ("([", "])"),
        Shape::Group | Shape::Step => ("[", "]"),
    };
    out.push_str(&format!("{indent}n{index}{open}\"{label}\"{close}\n"));
}

fn label(node: &Node) -> String {
    let mut parts = vec![escape(&node.label)];
    if node.detail != node.label && !node.detail.is_empty() {
        parts.push(escape(&node.detail));
    }
    parts.extend(node.notes.iter().map(|note| escape(note)));
    parts.join("<br/>")
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' => out.push_str("#quot;"),
            '<' => out.push_str("#lt;"),
            '>' => out.push_str("#gt;"),
            '&' => out.push_str("#amp;"),
            '#' => out.push_str("#35;"),
            '`' => out.push_str("#96;"),
            '|' => out.push_str("#124;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
