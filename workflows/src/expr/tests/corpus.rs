//! Every tag, `when`, `depends` and expression of the conformance corpus compiles.
//! The corpus is read where it lies (CONFORMANCE_DIR); without it the test says that it skipped.

use std::path::{Path, PathBuf};

use super::super::{Program, Text, Value, depends, when};

fn corpus() -> Option<PathBuf> {
    let dir = std::env::var_os("CONFORMANCE_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"),
        PathBuf::from,
    );
    dir.is_dir().then_some(dir)
}

fn yaml_files(dir: &Path, into: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            yaml_files(&path, into);
        } else if path.extension().is_some_and(|e| e == "yaml" || e == "yml") {
            into.push(path);
        }
    }
}

#[derive(Default)]
struct Tally {
    tags: usize,
    whens: usize,
    depends: usize,
    expressions: usize,
    failures: Vec<String>,
}

/// Go templates of event manifests are not tags.
fn is_go_template(text: &str) -> bool {
    text.contains("{{ .") || text.contains("{{.") || text.contains(".Input")
}

impl Tally {
    fn walk(&mut self, file: &str, key: &str, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|v| self.walk(file, key, v)),
            Value::Object(map) => map.iter().for_each(|(k, v)| self.walk(file, k, v)),
            Value::String(text) => self.leaf(file, key, text),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    fn fail(&mut self, file: &str, key: &str, text: &str, why: &str) {
        self.failures.push(format!("{file}: {key}: {text:?}: {why}"));
    }

    fn leaf(&mut self, file: &str, key: &str, text: &str) {
        if is_go_template(text) {
            return;
        }
        match Text::compile(text) {
            Ok(compiled) => self.tags += compiled.tags().len(),
            Err(error) => self.fail(file, key, text, &error.message),
        }
        match key {
            "when" if !text.contains("{{") => {
                self.whens += 1;
                if let Err(error) = when::check(text) {
                    self.fail(file, key, text, &error.message);
                }
            }
            "when" => {
                // Any plain word in the place of a tag must make a condition.
                self.whens += 1;
                let mut filled = text.to_owned();
                while let Some(start) = filled.find("{{") {
                    let Some(end) = filled.get(start..).and_then(|r| r.rfind("}}")) else { break };
                    let inner = filled.get(start..).and_then(|r| r.find("}}")).unwrap_or(end);
                    let whole = filled.get(start + 2..start + inner).is_some_and(|t| t.contains("{{"));
                    let end = if whole || filled.contains("{{=") { end } else { inner };
                    filled.replace_range(start..start + end + 2, "true");
                }
                if let Err(error) = when::check(&filled) {
                    self.fail(file, key, &filled, &error.message);
                }
            }
            "depends" => {
                self.depends += 1;
                if let Err(error) = depends::parse(text) {
                    self.fail(file, key, text, &error.message);
                }
            }
            "expression" | "fromExpression" if !text.contains("{{") => {
                self.expressions += 1;
                if let Err(error) = Program::compile(text) {
                    self.fail(file, key, text, &error.message);
                }
            }
            _ => {}
        }
    }
}

/// Cases of the corpus that are refused on purpose.
const REFUSED: &[&str] = &["'5A' &&"];

#[test]
fn every_expression_of_the_corpus_compiles() {
    let Some(root) = corpus() else {
        println!("skipped: no conformance corpus");
        return;
    };
    let mut files = Vec::new();
    for part in ["workflows", "events/examples"] {
        yaml_files(&root.join(part), &mut files);
    }
    let mut tally = Tally::default();
    for path in &files {
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        for document in text.split("\n---") {
            if let Ok(value) = serde_saphyr::from_str::<Value>(document) {
                tally.walk(&name, "", &value);
            }
        }
    }
    println!(
        "{} files: {} tags, {} when, {} depends, {} expressions",
        files.len(),
        tally.tags,
        tally.whens,
        tally.depends,
        tally.expressions
    );
    tally.failures.retain(|f| !REFUSED.iter().any(|r| f.contains(r)));
    assert!(tally.failures.is_empty(), "{}", tally.failures.join("\n"));
    assert!(tally.tags > 500 && tally.whens > 30 && tally.depends > 50 && tally.expressions > 30);
}
