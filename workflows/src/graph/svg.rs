//! A graph as a picture that stands alone: no script, no font, no address in it.
//! Places come from `layout`.

use super::layout::{LABEL, layout};
use super::{Graph, Node, Shape};

const STYLE: &str = "text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#1f2328}.d{font-size:11px;fill:#656d76}\
    rect{fill:#fff;stroke:#8c959f}path{fill:none;stroke:#8c959f}.Succeeded{fill:#d7f5dd;stroke:#1a7f37}\
    .Failed,.Error{fill:#ffdcd7;stroke:#cf222e}.Running{fill:#d8ebff;stroke:#0969da}\
    .Skipped,.Omitted{fill:#f6f8fa;stroke-dasharray:4}.suspend{stroke-width:3}.exit{stroke-dasharray:2}";

pub(super) fn draw(graph: &Graph) -> String {
    let layout = layout(graph);
    let (width, height) = (layout.width, layout.height);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} \
         {height}\" role=\"img\">\n<title>{}</title>\n<style>{STYLE}</style>\n<defs><marker id=\"a\" \
         markerWidth=\"8\" markerHeight=\"8\" refX=\"7\" refY=\"4\" orient=\"auto\"><path d=\"M0 0 8 4 0 8z\" \
         style=\"fill:#8c959f\"/></marker></defs>\n",
        escape(&graph.title)
    );
    for (from, to) in &layout.edges {
        let (from, to) = (&layout.placed[*from], &layout.placed[*to]);
        let (x1, y1) = (from.x + from.width / 2, from.y + from.height);
        let (x2, y2) = (to.x + to.width / 2, to.y);
        let bend = (y2 - y1).abs() / 2;
        out.push_str(&format!(
            "<path d=\"M{x1} {y1}C{x1} {},{x2} {},{x2} {y2}\" marker-end=\"url(#a)\"/>\n",
            y1 + bend,
            y2 - bend
        ));
    }
    for place in &layout.placed {
        let node = &graph.nodes[place.node];
        let middle = place.x + place.width / 2;
        out.push_str(&format!(
            "<g><title>{}</title><rect class=\"{}\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"7\"/>\
             <text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <text class=\"d\" x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text></g>\n",
            escape(&about(graph, place.node)),
            class(node),
            place.x,
            place.y,
            place.width,
            place.height,
            place.y + 19,
            escape(&short(&node.label)),
            place.y + 35,
            escape(&short(&node.detail)),
        ));
    }
    out.push_str("</svg>\n");
    out
}

/// What a pointer over the node tells: the way to it, phase, notes.
fn about(graph: &Graph, index: usize) -> String {
    let mut way = vec![graph.nodes[index].label.as_str()];
    let mut parent = graph.nodes[index].parent;
    while let Some(known) = parent {
        way.push(&graph.nodes[known].label);
        parent = graph.nodes[known].parent;
    }
    way.reverse();
    let node = &graph.nodes[index];
    let phase = node.phase.iter().map(String::as_str);
    let more: Vec<&str> = phase.chain(node.notes.iter().map(String::as_str)).collect();
    let tail = if more.is_empty() { String::new() } else { format!(": {}", more.join(", ")) };
    format!("{}{tail}", way.join(" / "))
}

fn class(node: &Node) -> String {
    let shape = match node.shape {
        Shape::Suspend => "suspend",
        Shape::Exit => "exit",
        Shape::Group | Shape::Step => "step",
    };
    // phases are words of ours: anything else would not get into the attribute
    let phase = node.phase.as_deref().filter(|phase| phase.chars().all(|c| c.is_ascii_alphabetic()));
    phase.map_or_else(|| shape.to_owned(), |phase| format!("{shape} {phase}"))
}

fn short(text: &str) -> String {
    if text.chars().count() <= LABEL {
        return text.to_owned();
    }
    text.chars().take(LABEL - 1).chain(['…']).collect()
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
