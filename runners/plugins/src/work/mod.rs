//! What every typed step of ours shares: who the step is, what it hands back, how it fails, how it reads its fields.
//! Knows no git, forge, registry or Argo CD.

pub mod adapter;
pub mod api;
pub mod fields;
pub mod secret;

use std::collections::BTreeMap;
use std::io::Write;

/// Who asks: the identity that makes an effect recognisable when the step is executed again (P4).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Same for every execution of the node: `RUNNER_STEP_KEY`.
    pub key: String,
    /// How many executions were started before.
    pub attempt: u32,
}

/// Output parameters of a step, by name.
pub type Outputs = BTreeMap<String, String>;

/// Why a typed step did not do its work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// What the template says cannot be meant: the same text fails every time.
    #[error("{0}")]
    Input(String),
    /// The other side understood and said no.
    #[error("{0}")]
    Refused(String),
    /// The other side could not be asked, or did not answer in time; another try may help.
    #[error("{0}")]
    Trouble(String),
}

impl Failure {
    /// Another try may help.
    pub fn retriable(&self) -> bool {
        match self {
            Self::Trouble(_) => true,
            Self::Input(_) | Self::Refused(_) => false,
        }
    }
}

/// Result of everything in this crate that can fail.
pub type Result<T> = std::result::Result<T, Failure>;

/// Reads the fields of a typed step; a mistake names the field.
///
/// # Errors
/// [`Failure::Input`]: an unknown field, a missing one, or a value of another type.
pub fn read<T: serde::de::DeserializeOwned>(kind: &str, value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value)
        .map_err(|error| Failure::Input(format!("plugin {kind}: {error} (docs/plugins.md lists the fields)")))
}

/// A line for the log of the step: standard error, because standard output is the step's result.
pub fn say(line: &str) {
    // Nobody is left to be told when standard error is gone.
    let _ = writeln!(std::io::stderr(), "{line}");
}
