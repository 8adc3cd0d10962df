//! The language crate as the corpora use it: load a file, fill a catalog.
//! Holds no rule of the language.

use runner_workflows::diagnostic::{Diagnostic, Severity};
use runner_workflows::parse::{Limits, Manifest, parse_file_as};
use runner_workflows::resolve::Catalog;
use runner_workflows::spec::{Template, WorkflowTemplate};
use serde_json::Value;

/// Parses a file; `kind` is that of documents that do not say theirs.
pub fn load(name: &str, text: &str, kind: Option<&str>) -> (Vec<Manifest>, Vec<Diagnostic>) {
    parse_file_as(name, text, Limits::default(), kind)
}

/// The errors among diagnostics, as text.
pub fn errors(diagnostics: &[Diagnostic]) -> Vec<String> {
    diagnostics.iter().filter(|d| d.severity == Severity::Error).map(|d| d.message.clone()).collect()
}

/// Adds the manifests that others may refer to.
///
/// # Errors
/// A file that does not parse.
pub fn register(catalog: &mut Catalog, name: &str, text: &str, kind: Option<&str>) -> Result<(), String> {
    let (manifests, problems) = load(name, text, kind);
    for manifest in &manifests {
        catalog.add(manifest);
    }
    let errors = errors(&problems);
    if errors.is_empty() { Ok(()) } else { Err(format!("{name}: {}", errors.join("; "))) }
}

/// Adds the templates that a status keeps (`storedTemplates`), under the names of their resources.
pub fn register_stored(catalog: &mut Catalog, status: &Value) {
    let Some(stored) = status.get("storedTemplates").and_then(Value::as_object) else { return };
    for (key, template) in stored {
        let mut parts = key.split('/');
        let (Some(scope), Some(name)) = (parts.next(), parts.next()) else { continue };
        if parts.count() > 1 {
            // An inline template: it stands in its step as well.
            continue;
        }
        let Ok(template) = serde_json::from_value::<Template>(template.clone()) else { continue };
        let map = if scope == "cluster" {
            &mut catalog.cluster_workflow_templates
        } else {
            &mut catalog.workflow_templates
        };
        let resource: &mut WorkflowTemplate = map.entry(name.to_owned()).or_default();
        name.clone_into(&mut resource.metadata.name);
        if !resource.spec.templates.iter().any(|known| known.name == template.name) {
            resource.spec.templates.push(template);
        }
    }
}
