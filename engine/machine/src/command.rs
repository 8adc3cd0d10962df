//! Commands of users.
//! Does not carry them out: `decide/commands.rs` does.

use std::collections::BTreeMap;

use runner_workflows::spec::Parameter;
use serde::{Deserialize, Serialize};

use crate::node::NodePhase;

/// What a user can ask of a run. Serializable, because commands travel through the store's inbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Command {
    /// Start no new nodes until resumed.
    Suspend,
    /// Go on; suspended nodes that match the selector succeed.
    Resume {
        /// Node field selector (`displayName=approve,phase=Running`); empty means all.
        #[serde(default)]
        selector: String,
        /// Values for `valueFrom.supplied` outputs.
        #[serde(default)]
        parameters: BTreeMap<String, String>,
        /// Message for the nodes.
        #[serde(default)]
        message: String,
    },
    /// End the run; exit handlers still run. With a selector: fail the matching suspended nodes instead.
    Stop {
        /// Node field selector.
        #[serde(default)]
        selector: String,
        /// Message.
        #[serde(default)]
        message: String,
    },
    /// End the run now; exit handlers are skipped.
    Terminate,
    /// Change suspended nodes that match.
    Set {
        /// Node field selector.
        #[serde(default)]
        selector: String,
        /// New phase.
        #[serde(default)]
        phase: Option<NodePhase>,
        /// Message.
        #[serde(default)]
        message: String,
        /// Output parameters.
        #[serde(default)]
        parameters: BTreeMap<String, String>,
    },
    /// Undo the failed nodes of an ended run and go on.
    Retry {
        /// Undo matching successful nodes too.
        #[serde(default)]
        restart_successful: bool,
        /// Node field selector, with `restart_successful`.
        #[serde(default)]
        selector: String,
        /// Global parameters that replace earlier ones.
        #[serde(default)]
        parameters: Vec<Parameter>,
    },
    /// Put an ended run out of the lists; everything of it stays readable. A retry brings it back.
    Archive,
}

impl Command {
    /// The verb.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Suspend => "suspend",
            Self::Resume { .. } => "resume",
            Self::Stop { .. } => "stop",
            Self::Terminate => "terminate",
            Self::Set { .. } => "set",
            Self::Retry { .. } => "retry",
            Self::Archive => "archive",
        }
    }
}
