//! Preview: what a workflow would do, as far as that is known before it runs.
//! Starts nothing and asks nobody; what a step will hand on stands as `⟨name⟩` and is followed no further.

mod build;
mod calls;
mod fates;
mod needs;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use runner_workflows::needs::{Need, NeedKind};
use serde::Serialize;

pub use build::preview;

/// Most nodes of a preview; what is beyond is left out and said so.
pub const MAX_PREVIEW_NODES: usize = 5_000;

/// A text, and which parts of it come at run time.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Foreseen {
    /// The text; `⟨name⟩` for what comes at run time.
    pub text: String,
    /// What comes at run time; empty when all of it is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub runtime: Vec<String>,
}

impl Foreseen {
    /// A text that is known.
    pub fn known(text: impl Into<String>) -> Self {
        Self { text: text.into(), runtime: Vec::new() }
    }

    /// A text that nothing is known of but what it is called.
    pub fn runtime(name: &str) -> Self {
        Self { text: format!("⟨{name}⟩"), runtime: vec![name.to_owned()] }
    }

    /// All of it is known.
    pub fn is_known(&self) -> bool {
        self.runtime.is_empty()
    }
}

/// A parameter with its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ForeseenParameter {
    /// Name.
    pub name: String,
    /// Value.
    #[serde(flatten)]
    pub value: Foreseen,
}

/// Whether a node will run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "fate", rename_all = "camelCase")]
pub enum Fate {
    /// It will, unless something fails before.
    Runs,
    /// That depends on what comes at run time.
    Perhaps {
        /// On what.
        when: String,
    },
    /// Its condition is false.
    Skipped {
        /// The condition.
        reason: String,
    },
    /// What it depends on cannot happen.
    Omitted {
        /// What that is.
        reason: String,
    },
}

/// One node of the preview.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PreviewNode {
    /// Name of the node without the run's: `.build`, `[0].greet(1:b)`; empty for the first one.
    pub path: String,
    /// Name for people.
    pub display_name: String,
    /// Its template.
    pub template: String,
    /// The kind of its template, as `DAG`; empty when it comes at run time.
    pub kind: String,
    /// Position of the Steps or DAG that it is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// Whether it runs.
    #[serde(flatten)]
    pub fate: Fate,
    /// When its turn comes, from 0: nodes of one wave can run side by side. None for Steps, DAGs and what is not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wave: Option<usize>,
    /// It stands for the items of a loop that are known only at run time: the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repeats: Option<Foreseen>,
    /// Its input parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub inputs: Vec<ForeseenParameter>,
    /// Images of its containers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub images: Vec<Foreseen>,
    /// Retries, deadlines, pauses, as short texts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Why it could not run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Something outside that a node changes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ExternalWrite {
    /// The node.
    pub node: String,
    /// What is done to what.
    pub what: Foreseen,
}

/// A cache that a node looks into first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct CacheUse {
    /// The node.
    pub node: String,
    /// Name of the cache.
    pub cache: String,
    /// Key of the entry.
    pub key: Foreseen,
}

/// What the nodes need and touch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Requirements {
    /// Images, each once.
    pub images: BTreeSet<Foreseen>,
    /// Secrets and ConfigMaps, by kind and name, with the keys that are read.
    #[serde(skip)]
    pub objects: BTreeMap<(NeedKind, String), Need>,
    /// Volumes that are mounted, with what they are made of.
    pub volumes: BTreeSet<String>,
    /// Mutexes and semaphores.
    pub locks: BTreeSet<Foreseen>,
    /// What is changed outside.
    pub external_writes: BTreeSet<ExternalWrite>,
    /// Caches that are looked into.
    pub caches: BTreeSet<CacheUse>,
}

/// What a workflow would do.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// Name of the run, or the prefix of the name that it will get.
    pub name: Foreseen,
    /// Template that it begins with.
    pub entrypoint: String,
    /// Parameters of the workflow.
    pub parameters: Vec<ForeseenParameter>,
    /// Nodes; Steps and DAGs stand before what is in them.
    pub nodes: Vec<PreviewNode>,
    /// Positions of the nodes that can run side by side, wave after wave.
    pub waves: Vec<Vec<usize>>,
    /// What they need and touch.
    #[serde(flatten)]
    pub requirements: Requirements,
    /// Nodes were left out because there are more than [`MAX_PREVIEW_NODES`].
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

impl Preview {
    /// What a node depends on, those around it included; from the outside in.
    pub fn conditions(&self, index: usize) -> Vec<&str> {
        let mut found = Vec::new();
        let mut at = self.nodes.get(index);
        while let Some(node) = at {
            if let Fate::Perhaps { when } = &node.fate {
                found.push(when.as_str());
            }
            at = node.parent.and_then(|parent| self.nodes.get(parent));
        }
        found.reverse();
        found
    }

    /// Why nodes could not run: path and reason.
    pub fn problems(&self) -> Vec<(&str, &str)> {
        let problem = |node: &'_ PreviewNode| node.problem.is_some();
        let with = self.nodes.iter().filter(|node| problem(node));
        with.map(|node| (node.path.as_str(), node.problem.as_deref().unwrap_or_default())).collect()
    }
}
