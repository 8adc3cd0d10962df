//! Where the corpus is, and which of its cases are known to fail.
//! Judges nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder `events` of the corpus, if it is there.
pub(crate) fn folder() -> Option<PathBuf> {
    let root = std::env::var_os("CONFORMANCE_DIR")
        .map_or_else(|| workspace().join("../shared/conformance"), PathBuf::from);
    let folder = root.join("events");
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there", folder.display());
    None
}

/// A JSON file.
pub(crate) fn json(path: &Path) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The cases of `tests/events-known.txt` with their reasons.
pub(crate) fn known() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(workspace().join("tests/events-known.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with("//") && !line.trim().is_empty());
    lines
        .map(|line| {
            let (id, reason) = line.split_once(' ').unwrap_or_else(|| panic!("`{line}` has no reason"));
            (id.to_owned(), reason.to_owned())
        })
        .collect()
}

/// Holds the ratchet: unlisted cases pass, listed ones fail.
pub(crate) fn ratchet(corpus: &str, results: &BTreeMap<String, Result<(), String>>) {
    let known = known();
    let name = |id: &str| format!("{corpus}/{id}");
    let broken: Vec<String> = results
        .iter()
        .filter(|(id, _)| !known.contains_key(&name(id)))
        .filter_map(|(id, result)| result.as_ref().err().map(|why| format!("{}: {why}", name(id))))
        .collect();
    let better: Vec<String> = results
        .iter()
        .filter(|(id, result)| known.contains_key(&name(id)) && result.is_ok())
        .map(|(id, _)| format!("{} passes now: take it off the list", name(id)))
        .collect();
    let passed = results.values().filter(|result| result.is_ok()).count();
    println!("{corpus}: {passed} of {} pass", results.len());
    assert!(broken.is_empty() && better.is_empty(), "{}\n{}", broken.join("\n"), better.join("\n"));
}
