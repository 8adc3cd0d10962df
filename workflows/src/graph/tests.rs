//! Pictures of small workflows, spelled out; properties of layouts of large ones.
//! Whole files of the corpus are drawn by the tests of the command line.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::json;

use super::*;
use crate::parse::{Limits, Manifest, parse_file};
use crate::resolve::Catalog;

fn graph(text: &str) -> Graph {
    let (manifests, problems) = parse_file("f.yaml", text, Limits::default());
    assert!(!problems.iter().any(crate::diagnostic::Diagnostic::is_error), "{problems:?}");
    let mut catalog = Catalog::default();
    for manifest in &manifests {
        catalog.add(manifest);
    }
    let Some(Manifest::Workflow(doc)) = manifests.first() else { panic!("no workflow") };
    from_spec(&doc.object.metadata.name, &doc.object.spec, &catalog)
}

const DIAMOND: &str = r#"
apiVersion: argoproj.io/v1alpha1
kind: Workflow
metadata: {name: diamond}
spec:
  entrypoint: main
  onExit: bye
  templates:
  - name: main
    dag:
      tasks:
      - {name: a, template: echo}
      - {name: b, template: pair, dependencies: [a], when: "1 < 2"}
      - {name: c, template: wait, depends: "a.Failed || b"}
      - {name: d, templateRef: {name: shared, template: gone}, dependencies: [b, c], withItems: [1, 2]}
  - name: pair
    steps:
    - - {name: one, template: echo}
      - {name: two, template: echo}
    - - {name: again, template: main}
  - {name: echo, retryStrategy: {limit: 1}, container: {image: busybox, command: [echo]}}
  - {name: wait, suspend: {}}
  - {name: bye, container: {image: busybox, command: [echo]}}
"#;

#[test]
fn the_tree_of_a_file() {
    let expected = "\
diamond  main (dag)
├─ a  echo (container)  [retries]
├─ b  pair (steps)  after a  [when 1 < 2]
│  ├─ one  echo (container)  [retries]
│  ├─ two  echo (container)  [retries]
│  └─ again  main (dag)  after one, two  [again, not repeated here]
├─ ⏸ c  wait (suspend)  after a.Failed, b
└─ d  shared/gone  after b, c  [× 2]  [not found here]
⏏ onExit  bye (container)  after diamond  [onExit]
";
    let tree = graph(DIAMOND).tree();
    // the two notes of d stand in the order in which they were found
    assert_eq!(tree, expected);
}

#[test]
fn the_mermaid_of_a_file() {
    let text = graph(DIAMOND).mermaid();
    assert!(
        text.starts_with("flowchart TD\n  subgraph n0[\"diamond<br/>main (dag)\"]\n    n1[\"a<br/>echo"),
        "{text}"
    );
    assert!(text.contains("    subgraph n2[\"b<br/>pair (steps)<br/>when 1 #lt; 2\"]\n"), "{text}");
    assert!(
        text.contains("  n1 -->|Failed| n6\n") && text.contains("n6{{\"c<br/>wait (suspend)\"}}"),
        "{text}"
    );
    assert_eq!(text.matches("subgraph").count(), text.matches("end\n").count());
}

#[test]
fn the_dot_of_a_file() {
    let text = graph(DIAMOND).dot();
    assert!(text.starts_with("digraph \"diamond\" {\n") && text.ends_with("}\n"));
    // b is a group: a comes before its first steps, its last step before d
    for edge in
        ["  n1 -> n3\n", "  n1 -> n4\n", "  n5 -> n7\n", "  n1 -> n6 [label=\"Failed\"]\n", "  n7 -> n8\n"]
    {
        assert!(text.contains(edge), "{edge} {text}");
    }
    assert_eq!(text.matches('{').count(), text.matches('}').count());
}

#[test]
fn v12_names_are_text_in_every_picture() {
    let graph = Graph {
        title: "a<b>\"&".to_owned(),
        nodes: vec![Node {
            label: "</text><script>alert(1)</script>\u{1b}[31m\n\"|`".to_owned(),
            detail: "\\\" ]} end".to_owned(),
            shape: Shape::Step,
            phase: Some("Bad\" onload=\"x".to_owned()),
            parent: None,
            notes: vec!["%%{init}%%".to_owned()],
        }],
        ..Graph::default()
    };
    let svg = graph.svg();
    assert!(!svg.contains("<script") && !svg.contains("onload=\"") && !svg.contains('\u{1b}'), "{svg}");
    let mermaid = graph.mermaid();
    assert!(!mermaid.contains("<script") && mermaid.lines().count() == 2, "{mermaid}");
    assert_eq!(graph.dot().lines().count(), 5);
    assert_eq!(graph.tree().lines().count(), 1);
}

#[test]
fn the_graph_of_a_run_has_phases_and_no_helper_nodes() {
    let node = |name: &str, kind: &str, phase: &str, boundary: &str, children: &[&str]| {
        json!({"name": name, "displayName": name, "type": kind, "phase": phase, "boundaryID": boundary,
            "children": children, "templateName": "t"})
    };
    let run = json!({"metadata": {"name": "run"}, "status": {"nodes": {
        "r": node("run", "Steps", "Running", "", &["g0"]),
        "g0": node("[0]", "StepGroup", "Succeeded", "r", &["x"]),
        "x": node("x", "Pod", "Succeeded", "r", &["g1"]),
        "g1": node("[1]", "StepGroup", "Running", "r", &["y"]),
        "y": node("y", "Pod", "Running", "r", &[]),
    }}});
    let graph = from_status(&run);
    assert_eq!(graph.tree(), "● run  t\n├─ ✔ x  t\n└─ ● y  t  after x\n");
    assert!(graph.mermaid().contains("classDef Running"));
    assert!(graph.svg().contains("class=\"step Succeeded\""));
}

/// A graph of random edges from earlier to later nodes.
fn many(nodes: usize, edges: usize) -> Graph {
    let mut state = 7_u64;
    let mut next = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap() % below
    };
    let node = |number: usize| Node {
        label: format!("node-{number}"),
        detail: String::new(),
        shape: Shape::Step,
        phase: None,
        parent: None,
        notes: Vec::new(),
    };
    let mut graph = Graph { nodes: (0..nodes).map(node).collect(), ..Graph::default() };
    for _ in 0..edges {
        let (a, b) = (next(nodes), next(nodes));
        if a != b {
            graph.edges.push(Edge { from: a.min(b), to: a.max(b), label: String::new() });
        }
    }
    graph
}

#[test]
fn layouts_overlap_nothing_and_go_downwards() {
    for (nodes, edges) in [(0, 0), (1, 0), (30, 40), (200, 600), (5000, 8000)] {
        let graph = many(nodes, edges);
        let layout = layout(&graph);
        assert_eq!(layout.placed.len(), nodes);
        for (from, to) in &layout.edges {
            assert!(layout.placed[*from].y < layout.placed[*to].y);
        }
        let mut places = layout.placed.clone();
        places.sort_by_key(|place| (place.y, place.x));
        for pair in places.windows(2) {
            assert!(pair[0].y < pair[1].y || pair[0].x + pair[0].width < pair[1].x, "{pair:?}");
        }
        assert!(places.iter().all(|place| place.x + place.width <= layout.width && place.y < layout.height));
        assert_eq!(layout, super::layout(&graph));
    }
}

#[test]
fn layouts_of_circles_end() {
    let mut graph = many(6, 0);
    graph.edges = (0..6).map(|n| Edge { from: n, to: (n + 1) % 6, label: String::new() }).collect();
    assert_eq!(layout(&graph).placed.len(), 6);
}
