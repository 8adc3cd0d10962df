//! DAG templates: tasks and what they depend on.
//! Does not order them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Arguments, ContinueOn, Item, LifecycleHook, Sequence, Template, TemplateRef, is_default};

/// Tasks ordered by their dependencies.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DagTemplate {
    /// Names of the tasks to reach, separated by spaces; the leaves when empty.
    #[serde(skip_serializing_if = "is_default")]
    pub target: String,
    /// The tasks.
    pub tasks: Vec<DagTask>,
    /// Stop at the first failure; true when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fail_fast: Option<bool>,
}

/// One task of a DAG.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct DagTask {
    /// Name, unique within the DAG.
    pub name: String,
    /// Name of the template to run.
    #[serde(skip_serializing_if = "is_default")]
    pub template: String,
    /// The template itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inline: Option<Box<Template>>,
    /// Arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub arguments: Arguments,
    /// Template of another resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// Tasks that must have succeeded (or were skipped).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<String>,
    /// One child per item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_items: Option<Vec<Item>>,
    /// One child per element of a JSON list.
    #[serde(skip_serializing_if = "is_default")]
    pub with_param: String,
    /// One child per number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_sequence: Option<Sequence>,
    /// Condition; false skips the task.
    #[serde(skip_serializing_if = "is_default")]
    pub when: String,
    /// Failures that the DAG treats as success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continue_on: Option<ContinueOn>,
    /// Template to run after the task (legacy spelling of `hooks.exit`).
    #[serde(skip_serializing_if = "is_default")]
    pub on_exit: String,
    /// Boolean expression over the results of other tasks.
    #[serde(skip_serializing_if = "is_default")]
    pub depends: String,
    /// Lifecycle hooks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, LifecycleHook>,
}
