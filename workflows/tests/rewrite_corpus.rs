//! Every file of the corpora is formatted, converted and drawn: nothing is lost, nothing changes its meaning.
//! The corpus is read where it lies (CONFORMANCE_DIR); without it the test says that it skipped.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};

use runner_workflows::graph::from_spec;
use runner_workflows::parse::{Limits, Manifest, parse_file};
use runner_workflows::resolve::Catalog;
use runner_workflows::{convert, fmt};

fn files() -> Vec<PathBuf> {
    let dir = std::env::var_os("CONFORMANCE_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"),
        PathBuf::from,
    );
    let mut out = Vec::new();
    let mut open = vec![dir.join("workflows")];
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml") {
                out.push(path);
            }
        }
    }
    if out.is_empty() {
        eprintln!("skipped: no conformance corpus at CONFORMANCE_DIR");
    }
    out.sort();
    out
}

/// Files that can be read at all, with their text.
fn readable() -> Vec<(String, String)> {
    let texts = files().into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        let name = path.file_name()?.to_string_lossy().into_owned();
        Some((name, text))
    });
    let good = |text: &str| {
        let (_, problems) = runner_workflows::parse::parse_trees("f", text, Limits::default());
        !problems.iter().any(runner_workflows::diagnostic::Diagnostic::is_error)
    };
    texts.filter(|(_, text)| good(text)).collect()
}

/// Words of comments, in order.
fn comments(text: &str) -> Vec<String> {
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix('#'));
    lines.map(|comment| comment.trim().to_owned()).collect()
}

#[test]
fn every_file_is_formatted_once_and_for_all() {
    let (mut refused, mut changed) = (Vec::new(), 0);
    let all = readable();
    for (name, text) in &all {
        match fmt::format(name, text) {
            Ok(new) => {
                assert_eq!(fmt::format(name, &new).unwrap(), new, "{name} is not settled");
                assert_eq!(comments(&new), comments(text), "{name}");
                changed += usize::from(new != *text);
            }
            Err(problems) => refused.push(format!("{name}: {}", problems[0].message)),
        }
    }
    println!("{} files, {changed} changed, {} refused", all.len(), refused.len());
    assert!(refused.len() * 100 <= all.len(), "{refused:#?}");
}

#[test]
fn every_file_is_converted_or_says_why_not() {
    let (mut refused, mut changed) = (Vec::new(), 0);
    let all = readable();
    for (name, text) in &all {
        match convert::convert(name, text) {
            Ok(done) => {
                assert_eq!(convert::convert(name, &done.text).unwrap().changes, [], "{name}");
                assert_eq!(comments(&done.text), comments(text), "{name}");
                changed += usize::from(!done.changes.is_empty());
            }
            Err(problems) => refused.push(format!("{name}: {}", problems[0].message)),
        }
    }
    println!("{} files, {changed} converted, {} refused", all.len(), refused.len());
    assert!(all.is_empty() || changed > 0);
    assert_eq!(refused, Vec::<String>::new());
}

#[test]
fn every_workflow_is_drawn() {
    let mut drawn = 0;
    for (name, text) in readable() {
        let (manifests, _) = parse_file(&name, &text, Limits::default());
        let mut catalog = Catalog::default();
        for manifest in &manifests {
            catalog.add(manifest);
        }
        for manifest in &manifests {
            let Manifest::Workflow(doc) = manifest else { continue };
            let graph = from_spec("w", &doc.object.spec, &catalog);
            assert!(!graph.nodes.is_empty(), "{name}");
            assert_eq!(graph.tree().lines().count(), graph.nodes.len(), "{name}");
            let (svg, dot) = (graph.svg(), graph.dot());
            let leaves = (0..graph.nodes.len()).filter(|index| !graph.is_group(*index)).count();
            assert_eq!(svg.matches("<rect ").count(), leaves, "{name}");
            assert_eq!(dot.matches("subgraph").count(), graph.nodes.len() - leaves, "{name}");
            assert!(graph.mermaid().starts_with("flowchart TD\n"));
            assert_eq!(svg, from_spec("w", &doc.object.spec, &catalog).svg());
            drawn += 1;
        }
    }
    println!("{drawn} workflows drawn");
}
