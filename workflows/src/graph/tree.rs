//! A graph as an indented tree.
//! What waits for what stands behind the name.

use super::{Graph, Shape};

pub(super) fn draw(graph: &Graph) -> String {
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes.len() + 1];
    for (index, node) in graph.nodes.iter().enumerate() {
        members[node.parent.map_or(0, |parent| parent + 1)].push(index);
    }
    let mut out = String::new();
    for index in &members[0] {
        line(graph, *index, "", &mut out);
        below(graph, *index, &members, "", &mut out);
    }
    if graph.cut {
        out.push_str("… there is more\n");
    }
    out
}

fn below(graph: &Graph, index: usize, members: &[Vec<usize>], indent: &str, out: &mut String) {
    let inside = &members[index + 1];
    for (number, member) in inside.iter().enumerate() {
        let last = number + 1 == inside.len();
        line(graph, *member, &format!("{indent}{}", if last { "└─ " } else { "├─ " }), out);
        below(graph, *member, members, &format!("{indent}{}", if last { "   " } else { "│  " }), out);
    }
}

fn line(graph: &Graph, index: usize, lead: &str, out: &mut String) {
    let node = &graph.nodes[index];
    let mark = match (&node.phase, node.shape) {
        (Some(phase), _) => format!("{} ", glyph(phase)),
        (None, Shape::Suspend) => "⏸ ".to_owned(),
        (None, Shape::Exit) => "⏏ ".to_owned(),
        (None, Shape::Group | Shape::Step) => String::new(),
    };
    out.push_str(&format!("{lead}{mark}{}", plain(&node.label)));
    if node.detail != node.label && !node.detail.is_empty() {
        out.push_str(&format!("  {}", plain(&node.detail)));
    }
    let before: Vec<String> = graph
        .edges
        .iter()
        .filter(|edge| edge.to == index)
        .map(|edge| {
            let name = plain(&graph.nodes[edge.from].label);
            if edge.label.is_empty() { name } else { format!("{name}.{}", edge.label) }
        })
        .collect();
    if !before.is_empty() {
        out.push_str(&format!("  after {}", before.join(", ")));
    }
    for note in &node.notes {
        out.push_str(&format!("  [{}]", plain(note)));
    }
    out.push('\n');
}

/// The sign of a phase, as everywhere on the command line.
fn glyph(phase: &str) -> &'static str {
    match phase {
        "Succeeded" => "✔",
        "Failed" => "✖",
        "Error" => "⚠",
        "Running" => "●",
        "Skipped" | "Omitted" => "○",
        _other => "◷",
    }
}

/// Names on one line, without control characters.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
