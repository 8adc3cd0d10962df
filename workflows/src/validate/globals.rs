//! Global variables: what every template of a workflow may refer to.
//! Does not add outputs with a globalName: the steps and tasks that produce them do.

use super::checker::Checker;
use super::workflow::Referred;
use crate::resolve::parse_defaults;
use crate::spec::{Arguments, ObjectMeta, WorkflowMetadata, WorkflowSpec};

impl Checker<'_> {
    /// Fills the global variables.
    pub(super) fn set_globals(
        &mut self,
        metadata: &ObjectMeta,
        spec: &WorkflowSpec,
        referred: Option<&Referred<'_>>,
        arguments: &Arguments,
    ) {
        for name in ["name", "namespace", "mainEntrypoint", "serviceAccountName", "uid", "status"] {
            self.add_global(format!("workflow.{name}"));
        }
        for name in ["annotations", "annotations.json", "labels", "labels.json"] {
            self.add_global(format!("workflow.{name}"));
        }
        if !arguments.parameters.is_empty() {
            self.add_global("workflow.parameters");
            self.add_global("workflow.parameters.json");
        }
        for parameter in arguments.parameters.iter().filter(|p| !p.name.is_empty()) {
            let name = format!("workflow.parameters.{}", parameter.name);
            match &parameter.value {
                Some(value) => {
                    self.globals.insert(name, value.0.clone());
                }
                None => self.add_global(name),
            }
        }
        if let Some(priority) = spec.priority {
            self.globals.insert("workflow.priority".into(), priority.to_string());
        }
        metadata.annotations.keys().for_each(|key| self.add_global(format!("workflow.annotations.{key}")));
        metadata.labels.keys().for_each(|key| self.add_global(format!("workflow.labels.{key}")));
        let defaults = parse_defaults(self.source.workflow_defaults()).ok().flatten();
        let sources = [
            spec.workflow_metadata.as_ref(),
            defaults.as_ref().and_then(|d| d.spec.workflow_metadata.as_ref()),
            referred.and_then(|r| r.spec.workflow_metadata.as_ref()),
        ];
        for metadata in sources.into_iter().flatten() {
            self.metadata_globals(metadata);
        }
    }

    fn metadata_globals(&mut self, metadata: &WorkflowMetadata) {
        metadata.annotations.keys().for_each(|key| self.add_global(format!("workflow.annotations.{key}")));
        let labels = metadata.labels.keys().chain(metadata.labels_from.keys());
        labels.for_each(|key| self.add_global(format!("workflow.labels.{key}")));
    }
}
