//! The index of a corpus: loads it and hands out its cases.
//! Leaves the body of a case as JSON: each kind of corpus reads its own.

use std::path::{Path, PathBuf};

use serde_json::Value;

/// Corpora in the order in which they are run.
pub const CORPORA: [&str; 3] = ["workflows/lint", "workflows/controller", "workflows/examples"];

/// A loaded index.
#[derive(Clone, Debug)]
pub struct Index {
    /// Name, as `workflows/lint`.
    pub corpus: String,
    /// Folder that the paths of its cases are relative to.
    pub folder: PathBuf,
    /// The cases.
    pub cases: Vec<Case>,
}

/// One case of an index.
#[derive(Clone, Debug)]
pub struct Case {
    /// Id.
    pub id: String,
    /// Class; empty where the corpus has none.
    pub class: String,
    /// How sure the corpus is.
    pub confidence: String,
    /// A safe engine and upstream may rightly differ.
    pub contested: bool,
    /// The whole case.
    pub body: Value,
}

impl Case {
    /// A text field of the case; empty when absent.
    pub fn text(&self, key: &str) -> &str {
        self.body.get(key).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list field of the case; empty when absent.
    pub fn list(&self, key: &str) -> &[Value] {
        self.body.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }
}

impl Index {
    /// Loads the index of a corpus; none when the corpus is not there.
    pub fn load(root: &Path, corpus: &str) -> Result<Option<Self>, String> {
        let folder = root.join(corpus);
        let file = folder.join("index.json");
        if !file.exists() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let json: Value =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let Some(list) = json.get("cases").and_then(Value::as_array) else {
            return Err(format!("{}: has no list `cases`", file.display()));
        };
        let cases = list.iter().map(case).collect::<Result<Vec<_>, _>>()?;
        Ok(Some(Self { corpus: corpus.to_owned(), folder, cases }))
    }

    /// Text of a file that a case names.
    pub fn read(&self, file: &str) -> Result<String, String> {
        std::fs::read_to_string(self.folder.join(file)).map_err(|error| format!("{file}: {error}"))
    }
}

fn case(body: &Value) -> Result<Case, String> {
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let id = text("id");
    if id.is_empty() {
        return Err(format!("a case has no id: {body}"));
    }
    Ok(Case {
        id,
        class: text("class"),
        confidence: text("confidence"),
        contested: body.get("contested").and_then(Value::as_bool).unwrap_or_default(),
        body: body.clone(),
    })
}
