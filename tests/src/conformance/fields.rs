//! The fields of Argo's API out of its JSON schema: which there are, and which of them a manifest uses.
//! Does not know which of them have an effect here: `features` asks the product.

use std::collections::BTreeSet;
use std::path::Path;

use runner_workflows::parse::tree::{Node, NodeValue};
use serde_json::Value;

const PREFIX: &str = "io.argoproj.workflow.v1alpha1.";

/// A field: the last part of its type's name, and its own name.
pub type Field = (String, String);

/// The schema.
#[derive(Clone, Debug)]
pub struct Schema {
    definitions: Value,
}

impl Schema {
    /// Reads it; none when the file is not there.
    ///
    /// # Errors
    /// It is no schema.
    pub fn load(file: &Path) -> Result<Option<Self>, String> {
        if !file.exists() {
            return Ok(None);
        }
        let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", file.display());
        let text = std::fs::read_to_string(file).map_err(|error| fail(&error))?;
        let mut json: Value = serde_json::from_str(&text).map_err(|error| fail(&error))?;
        let definitions = json.get_mut("definitions").map(Value::take);
        definitions.map(|definitions| Some(Self { definitions })).ok_or_else(|| fail(&"no definitions"))
    }

    /// The fields of a type, by the last part of its name.
    pub fn fields(&self, name: &str) -> Vec<(&str, &Value)> {
        let properties = self.definition(name).and_then(|found| found.get("properties"));
        properties
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(key, value)| (key.as_str(), value))
            .collect()
    }

    /// Argo's own types come first, then those of Kubernetes.
    fn definition(&self, name: &str) -> Option<&Value> {
        let all = self.definitions.as_object()?;
        all.get(&format!("{PREFIX}{name}"))
            .or_else(|| all.get(&format!("io.k8s.api.core.v1.{name}")))
            .or_else(|| all.get(name))
    }

    /// The type that a property, an element of it or a value of it has; empty for plain values.
    pub fn refers(property: &Value) -> Option<&str> {
        if let Some(to) = property.get("$ref").and_then(Value::as_str) {
            return to.rsplit('/').next();
        }
        ["items", "additionalProperties"].into_iter().find_map(|key| Self::refers(property.get(key)?))
    }

    /// Collects the fields that a value of a type uses.
    pub fn used(&self, name: &str, node: &Node, into: &mut BTreeSet<Field>) {
        if let Some(elements) = node.elements() {
            elements.iter().for_each(|element| self.used(name, element, into));
            return;
        }
        let Some(definition) = self.definition(name) else { return };
        // A type that is a list of another, as the groups of steps.
        let Some(properties) = definition.get("properties") else {
            if let Some(inner) = Self::refers(definition) {
                self.used(short(inner), node, into);
            }
            return;
        };
        for entry in node.entries().unwrap_or_default() {
            let Some(property) = properties.get(&entry.key) else { continue };
            into.insert((short(name).to_owned(), entry.key.clone()));
            let Some(inner) = Self::refers(property) else { continue };
            let is_map = property.get("additionalProperties").is_some();
            match &entry.value.value {
                NodeValue::Mapping(entries) if is_map => {
                    entries.iter().for_each(|entry| self.used(short(inner), &entry.value, into));
                }
                _ => self.used(short(inner), &entry.value, into),
            }
        }
    }
}

/// The last part of a type's name, with Kubernetes' own types kept apart from Argo's.
fn short(name: &str) -> &str {
    name.strip_prefix(PREFIX).unwrap_or_else(|| name.strip_prefix("io.k8s.api.core.v1.").unwrap_or(name))
}
