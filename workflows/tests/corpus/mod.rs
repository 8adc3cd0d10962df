//! Reads the conformance corpora that lie beside the workspace (env CONFORMANCE_DIR).
//! Does not judge cases. An absent corpus is said and skipped.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// One corpus: its folder and its cases.
pub(crate) struct Corpus {
    dir: PathBuf,
    /// The cases of the index.
    pub(crate) cases: Vec<Value>,
}

/// Opens a corpus, or says that it is absent.
pub(crate) fn open(name: &str) -> Option<Corpus> {
    let root = std::env::var_os("CONFORMANCE_DIR").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/conformance"),
        PathBuf::from,
    );
    let dir = root.join(name);
    let Ok(index) = std::fs::read_to_string(dir.join("index.json")) else {
        eprintln!("skipped: no corpus {name} at {}", dir.display());
        return None;
    };
    let index: Value = serde_json::from_str(&index).unwrap();
    let cases = index["cases"].as_array().unwrap().clone();
    Some(Corpus { dir, cases })
}

/// The texts of a JSON list.
pub(crate) fn strings(value: &Value) -> Vec<&str> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

impl Corpus {
    /// The text of a file of the corpus.
    pub(crate) fn text(&self, file: &str) -> String {
        String::from_utf8_lossy(&std::fs::read(self.dir.join(file)).unwrap()).into_owned()
    }
}
