//! Template referencing: an engine may run only what a stored template says (Argo's `workflowRestrictions`).
//! Does not store templates, nor say who may change them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::diagnostic::Diagnostic;
use crate::spec::WorkflowSpec;

/// What an engine demands of the workflows it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TemplateReferencing {
    /// A workflow must use `workflowTemplateRef` and may set only harmless fields beside it.
    Strict,
    /// As strict; besides, the spec may not change while the workflow runs.
    Secure,
}

/// Fields of a spec that a workflow may set beside its `workflowTemplateRef` (Argo's allow-list).
const ALLOWED: [&str; 14] = [
    "activeDeadlineSeconds",
    "archiveLogs",
    "arguments",
    "artifactGC",
    "entrypoint",
    "metrics",
    "podGC",
    "priority",
    "shutdown",
    "suspend",
    "ttlStrategy",
    "volumeClaimGC",
    "workflowMetadata",
    "workflowTemplateRef",
];
/// Parts of an allowed field that are not allowed all the same.
const FORBIDDEN_PARTS: [(&str, &str); 3] =
    [("artifactGC", "podSpecPatch"), ("artifactGC", "serviceAccountName"), ("artifactGC", "podMetadata")];

/// Judges the spec as the user wrote it; none when it is fine.
pub(super) fn problem(spec: &WorkflowSpec) -> Option<Diagnostic> {
    if spec.workflow_template_ref.is_none() {
        return Some(
            Diagnostic::error(
                "template-reference-required",
                "workflows must use workflowTemplateRef to be executed when the controller is in reference mode",
            )
            .hint("store the spec as a WorkflowTemplate and refer to it"),
        );
    }
    let Ok(Value::Object(fields)) = serde_json::to_value(spec) else { return None };
    let unknown = fields.keys().filter(|name| !ALLOWED.contains(&name.as_str())).cloned();
    let parts = FORBIDDEN_PARTS.iter().filter(|(field, part)| {
        fields.get(*field).and_then(|value| value.get(part)).is_some_and(|value| !value.is_null())
    });
    let names: Vec<String> = unknown.chain(parts.map(|(field, part)| format!("{field}.{part}"))).collect();
    (!names.is_empty()).then(|| {
        let text = format!(
            "fields [{}] are not permitted when using workflowTemplateRef with templateReferencing restriction",
            names.join(" ")
        );
        Diagnostic::error("template-reference-override", text).hint("set them in the WorkflowTemplate")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::{ArtifactGc, WorkflowTemplateRef};

    fn referring() -> WorkflowSpec {
        let reference = WorkflowTemplateRef { name: "t".into(), cluster_scope: false };
        WorkflowSpec { workflow_template_ref: Some(reference), ..WorkflowSpec::default() }
    }

    #[test]
    fn only_references_with_harmless_fields_are_accepted() {
        assert!(problem(&WorkflowSpec::default()).is_some());
        let mut spec = referring();
        spec.entrypoint = "other".into();
        spec.priority = Some(3);
        assert_eq!(problem(&spec), None);
        spec.service_account_name = "admin".into();
        spec.artifact_gc = Some(ArtifactGc { service_account_name: "admin".into(), ..ArtifactGc::default() });
        let text = problem(&spec).map(|p| p.message).unwrap_or_default();
        assert!(text.contains("[serviceAccountName artifactGC.serviceAccountName]"), "{text}");
    }
}
