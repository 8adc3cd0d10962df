//! Where templates, ConfigMaps and defaults come from while a workflow is resolved.
//! Does not read files or databases: the caller fills a source.

use std::collections::BTreeMap;

use serde_json::Value;

use super::restriction::TemplateReferencing;
use crate::parse::Manifest;
use crate::spec::WorkflowTemplate;

/// What a workflow may refer to, in the workflow's own namespace.
pub trait TemplateSource {
    /// The WorkflowTemplate of that name.
    fn workflow_template(&self, name: &str) -> Option<&WorkflowTemplate>;
    /// The ClusterWorkflowTemplate of that name.
    fn cluster_workflow_template(&self, name: &str) -> Option<&WorkflowTemplate>;
    /// The data of a ConfigMap.
    fn config_map(&self, name: &str) -> Option<&BTreeMap<String, String>>;
    /// A Workflow as JSON whose metadata and spec are merged under every workflow.
    fn workflow_defaults(&self) -> Option<&Value> {
        None
    }
    /// What the engine demands of workflows; nothing without it.
    fn template_referencing(&self) -> Option<TemplateReferencing> {
        None
    }
    /// Names of the (cluster) workflow templates; used for references whose name holds a tag, and for hints.
    fn template_names(&self, cluster_scope: bool) -> Vec<String> {
        let _ = cluster_scope;
        Vec::new()
    }
    /// The (cluster) workflow template of that name.
    fn template_resource(&self, name: &str, cluster_scope: bool) -> Option<&WorkflowTemplate> {
        if cluster_scope { self.cluster_workflow_template(name) } else { self.workflow_template(name) }
    }
}

/// A source in memory.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// WorkflowTemplates by name; the shipped ones of [`crate::library`] are found behind them.
    pub workflow_templates: BTreeMap<String, WorkflowTemplate>,
    /// ClusterWorkflowTemplates by name.
    pub cluster_workflow_templates: BTreeMap<String, WorkflowTemplate>,
    /// Data of ConfigMaps by name.
    pub config_maps: BTreeMap<String, BTreeMap<String, String>>,
    /// Workflow defaults.
    pub workflow_defaults: Option<Value>,
    /// What the engine demands of workflows.
    pub template_referencing: Option<TemplateReferencing>,
}

impl Catalog {
    /// Adds what a manifest offers to others; false when it offers nothing.
    pub fn add(&mut self, manifest: &Manifest) -> bool {
        match manifest {
            Manifest::WorkflowTemplate(doc) => {
                self.workflow_templates.insert(doc.object.metadata.name.clone(), doc.object.clone());
            }
            Manifest::ClusterWorkflowTemplate(doc) => {
                self.cluster_workflow_templates.insert(doc.object.metadata.name.clone(), doc.object.clone());
            }
            Manifest::ConfigMap(doc) => {
                self.config_maps.insert(doc.object.metadata.name.clone(), doc.object.data.clone());
            }
            Manifest::Workflow(_) | Manifest::CronWorkflow(_) | Manifest::Secret(_) | Manifest::Other(_) => {
                return false;
            }
        }
        true
    }
}

impl TemplateSource for Catalog {
    fn workflow_template(&self, name: &str) -> Option<&WorkflowTemplate> {
        self.workflow_templates.get(name).or_else(|| crate::library::workflow_template(name))
    }

    fn cluster_workflow_template(&self, name: &str) -> Option<&WorkflowTemplate> {
        self.cluster_workflow_templates.get(name)
    }

    fn config_map(&self, name: &str) -> Option<&BTreeMap<String, String>> {
        self.config_maps.get(name)
    }

    fn workflow_defaults(&self) -> Option<&Value> {
        self.workflow_defaults.as_ref()
    }

    fn template_referencing(&self) -> Option<TemplateReferencing> {
        self.template_referencing
    }

    fn template_names(&self, cluster_scope: bool) -> Vec<String> {
        let map = if cluster_scope { &self.cluster_workflow_templates } else { &self.workflow_templates };
        map.keys().cloned().collect()
    }
}
