//! Steps: a list of groups, each group a list of steps that run side by side.
//! Does not schedule them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Arguments, IntOrString, Item, Template, is_default};

/// One step of a steps template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct WorkflowStep {
    /// Name, unique within the template.
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
    /// One child per item.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_items: Option<Vec<Item>>,
    /// One child per element of a JSON list.
    #[serde(skip_serializing_if = "is_default")]
    pub with_param: String,
    /// One child per number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub with_sequence: Option<Sequence>,
    /// Condition; false skips the step.
    #[serde(skip_serializing_if = "is_default")]
    pub when: String,
    /// Failures that the parent treats as success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub continue_on: Option<ContinueOn>,
    /// Template to run after the step (legacy spelling of `hooks.exit`).
    #[serde(skip_serializing_if = "is_default")]
    pub on_exit: String,
    /// Lifecycle hooks.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub hooks: BTreeMap<String, LifecycleHook>,
}

/// Reference to a template of a WorkflowTemplate or ClusterWorkflowTemplate.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateRef {
    /// Name of the resource.
    pub name: String,
    /// Name of the template within it.
    pub template: String,
    /// The resource is a ClusterWorkflowTemplate.
    #[serde(skip_serializing_if = "is_default")]
    pub cluster_scope: bool,
}

/// Numbers as text: either `count` or `start`/`end`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sequence {
    /// How many.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<IntOrString>,
    /// First number; 0 when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<IntOrString>,
    /// Last number, inclusive; may be below `start`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<IntOrString>,
    /// printf format of each item.
    #[serde(skip_serializing_if = "is_default")]
    pub format: String,
}

/// Failures that the parent treats as success.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContinueOn {
    /// Phase Error.
    #[serde(skip_serializing_if = "is_default")]
    pub error: bool,
    /// Phase Failed.
    #[serde(skip_serializing_if = "is_default")]
    pub failed: bool,
}

/// A template run when something happens to a node or to the workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LifecycleHook {
    /// Name of the template.
    #[serde(skip_serializing_if = "is_default")]
    pub template: String,
    /// Arguments.
    #[serde(skip_serializing_if = "is_default")]
    pub arguments: Arguments,
    /// Template of another resource.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template_ref: Option<TemplateRef>,
    /// Condition; the hook named `exit` needs none.
    #[serde(skip_serializing_if = "is_default")]
    pub expression: String,
}
