//! Parameters and where their values come from; inputs, outputs and arguments.
//! Does not compute values: that is the machine's and the runner's work.

use serde::{Deserialize, Serialize};

use super::{AnyString, Artifact, is_default, k8s};

/// A named text value passed into or out of a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Parameter {
    /// Name, unique within its list.
    pub name: String,
    /// Value used when nothing is passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<AnyString>,
    /// The literal value; may hold template tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<AnyString>,
    /// Source of the value when it is not literal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value_from: Option<ValueFrom>,
    /// Output only: also sets `workflow.outputs.parameters.<globalName>`.
    #[serde(skip_serializing_if = "is_default")]
    pub global_name: String,
    /// Allowed values.
    #[serde(rename = "enum", skip_serializing_if = "Option::is_none")]
    pub enumeration: Option<Vec<AnyString>>,
    /// Text shown to people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<AnyString>,
}

impl Parameter {
    /// A parameter with a literal value.
    pub fn literal(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: Some(AnyString(value.into())), ..Self::default() }
    }
}

/// Where a parameter's value comes from; at most one source is set, beside `default`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ValueFrom {
    /// A file in the container, read after main ended.
    #[serde(skip_serializing_if = "is_default")]
    pub path: String,
    /// A JSONPath into the resource (resource templates only).
    #[serde(skip_serializing_if = "is_default")]
    pub json_path: String,
    /// A jq filter over the resource (resource templates only).
    #[serde(skip_serializing_if = "is_default")]
    pub jq_filter: String,
    /// A selector over the event that submitted the workflow.
    #[serde(skip_serializing_if = "is_default")]
    pub event: String,
    /// Reference to another value, for outputs of steps and dag templates.
    #[serde(skip_serializing_if = "is_default")]
    pub parameter: String,
    /// Supplied from outside while the node is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supplied: Option<SuppliedValueFrom>,
    /// A key of a ConfigMap.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<k8s::ConfigMapKeySelector>,
    /// Value used when the source yields nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<AnyString>,
    /// An expression.
    #[serde(skip_serializing_if = "is_default")]
    pub expression: String,
}

/// Marker: the value is supplied by a person or another system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SuppliedValueFrom {}

/// Inputs of a template.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Inputs {
    /// Input parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Input artifacts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

/// Arguments given to a template or to the workflow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Arguments {
    /// Parameters passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Artifacts passed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
}

impl Arguments {
    /// True when nothing is passed.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty() && self.artifacts.is_empty()
    }

    /// The parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// The artifact of that name.
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|a| a.name == name)
    }
}

/// What a node produced, and what a template declares to produce.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Outputs {
    /// Output parameters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parameters: Vec<Parameter>,
    /// Output artifacts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub artifacts: Vec<Artifact>,
    /// Standard output of a script or container, or the JSON list of a loop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<String>,
    /// Exit code of the main container, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<String>,
}

impl Outputs {
    /// True when nothing was produced.
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
            && self.artifacts.is_empty()
            && self.result.is_none()
            && self.exit_code.is_none()
    }

    /// The parameter of that name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|p| p.name == name)
    }

    /// The artifact of that name.
    pub fn artifact(&self, name: &str) -> Option<&Artifact> {
        self.artifacts.iter().find(|a| a.name == name)
    }
}
