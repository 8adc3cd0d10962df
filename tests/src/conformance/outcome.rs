//! What came of a case.
//! Does not print: `report` does.

use serde::Serialize;

/// Passed, failed with reasons, or skipped with a reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// All facts hold.
    Passed,
    /// Some do not; one text each.
    Failed(Vec<String>),
    /// It was not run, and why.
    Skipped(String),
}

impl Outcome {
    /// Passed when there are no reasons against it.
    pub fn of(failures: Vec<String>) -> Self {
        if failures.is_empty() { Self::Passed } else { Self::Failed(failures) }
    }
}

/// One case and what came of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct CaseResult {
    /// Corpus, as `workflows/lint`.
    pub corpus: String,
    /// Class of the case within the corpus; its confidence where there are no classes.
    pub class: String,
    /// Id of the case.
    pub id: String,
    /// How sure the corpus is of it.
    pub confidence: String,
    /// What came of it.
    pub outcome: Outcome,
    /// What happened on the way, for people; filled only when asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
}
