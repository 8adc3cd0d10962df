//! What a new run takes over from an ended one, for `resubmit --memoized`.
//! Does not say which nodes those are: `decide/reuse.rs` does.

use runner_workflows::spec::Outputs;
use serde::{Deserialize, Serialize};

use crate::fact::NewNode;
use crate::node::{NodeIx, NodePhase};

/// Nodes of an earlier run, numbered as they will be in the new one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Reuse {
    /// Name of the earlier run; the names of its nodes begin with it.
    pub workflow: String,
    /// The nodes, in order.
    pub nodes: Vec<ReusedNode>,
}

/// One node of an earlier run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ReusedNode {
    /// The node as it is created.
    pub node: NewNode,
    /// How it ends at once, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ended: Option<EndedNode>,
}

/// The end of a composite or suspended node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndedNode {
    /// Phase.
    pub phase: NodePhase,
    /// Message.
    pub message: String,
    /// Outputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Box<Outputs>>,
    /// Nodes that what follows hangs on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub outbound: Vec<NodeIx>,
}

impl Reuse {
    /// A name of the earlier run as it is in a run named `to`.
    pub(crate) fn renamed(&self, name: &str, to: &str) -> String {
        match name.strip_prefix(self.workflow.as_str()) {
            Some(rest) => format!("{to}{rest}"),
            None => name.to_owned(),
        }
    }
}
