//! The graph of a run: the nodes of Argo's status with their phases.
//! Groups of steps and the parts of loops are as the status has them, without the nodes that only hold groups together.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use super::{Edge, Graph, MAX_NODES, Node, Shape};

/// The graph of a workflow in Argo's JSON form, `status.nodes` included.
pub fn from_status(workflow: &Value) -> Graph {
    let title = workflow["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let empty = serde_json::Map::new();
    let nodes = workflow["status"]["nodes"].as_object().unwrap_or(&empty);
    let text = |id: &str, field: &str| {
        nodes.get(id).and_then(|node| node[field].as_str()).unwrap_or_default().to_owned()
    };
    let order = order(nodes, &title);
    let mut graph = Graph { title, ..Graph::default() };
    let mut positions: BTreeMap<String, usize> = BTreeMap::new();
    for id in order {
        let kind = text(&id, "type");
        if kind == "StepGroup" {
            continue;
        }
        if graph.nodes.len() >= MAX_NODES {
            graph.cut = true;
            break;
        }
        let template = text(&id, "templateName");
        let message = text(&id, "message");
        graph.nodes.push(Node {
            label: text(&id, "displayName"),
            detail: if template.is_empty() { kind.clone() } else { template },
            shape: match kind.as_str() {
                "Suspend" => Shape::Suspend,
                _ => Shape::Step,
            },
            phase: Some(Some(text(&id, "phase")).filter(|p| !p.is_empty()).unwrap_or("Pending".to_owned())),
            parent: positions.get(&text(&id, "boundaryID")).copied(),
            notes: Some(message).filter(|message| !message.is_empty()).into_iter().collect(),
        });
        positions.insert(id, graph.nodes.len() - 1);
    }
    for parent in graph.nodes.iter().filter_map(|node| node.parent).collect::<BTreeSet<_>>() {
        graph.nodes[parent].shape = Shape::Group;
    }
    let mut edges = BTreeSet::new();
    for (id, from) in &positions {
        for child in through_groups(id, nodes) {
            if let Some(to) = positions.get(&child)
                && !contains(&graph, *from, *to)
            {
                edges.insert(Edge { from: *from, to: *to, label: String::new() });
            }
        }
    }
    graph.edges = edges.into_iter().collect();
    graph
}

fn children<'v>(id: &str, nodes: &'v serde_json::Map<String, Value>) -> impl Iterator<Item = &'v str> {
    let list = nodes.get(id).and_then(|node| node["children"].as_array());
    list.into_iter().flatten().filter_map(Value::as_str)
}

/// From the root along children; what cannot be reached follows by name.
fn order(nodes: &serde_json::Map<String, Value>, title: &str) -> Vec<String> {
    let named = |id: &&String| nodes.get(*id).is_some_and(|node| node["name"] == title);
    let roots = nodes.keys().filter(named).chain(nodes.keys());
    let (mut seen, mut out) = (BTreeSet::new(), Vec::new());
    for root in roots {
        let mut queue = VecDeque::from([root.as_str()]);
        while let Some(id) = queue.pop_front() {
            if nodes.contains_key(id) && seen.insert(id.to_owned()) {
                out.push(id.to_owned());
                queue.extend(children(id, nodes));
            }
        }
    }
    out
}

/// The children of a node, those of groups of steps in place of the groups.
fn through_groups(id: &str, nodes: &serde_json::Map<String, Value>) -> Vec<String> {
    let mut out = Vec::new();
    let mut seen = BTreeSet::new();
    let mut queue: VecDeque<&str> = children(id, nodes).collect();
    while let Some(child) = queue.pop_front() {
        if !seen.insert(child) {
            continue;
        }
        if nodes.get(child).is_some_and(|node| node["type"] == "StepGroup") {
            queue.extend(children(child, nodes));
        } else {
            out.push(child.to_owned());
        }
    }
    out
}

/// Whether the second is in the first, at any depth.
fn contains(graph: &Graph, group: usize, index: usize) -> bool {
    let mut parent = graph.nodes[index].parent;
    while let Some(known) = parent {
        if known == group {
            return true;
        }
        parent = graph.nodes[known].parent;
    }
    false
}
