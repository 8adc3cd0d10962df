//! The resolved workflow: frozen at submit, the only spec the machine reads.
//! Does not build itself (`resolve` does) and does not run.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::merge;
use super::restriction::TemplateReferencing;
use super::scope::{TemplateHolder, TemplateScope};
use crate::spec::{Metadata, ObjectMeta, Template, WorkflowSpec};

/// The version of the serialized form written by this build.
pub const RESOLVED_VERSION: u32 = 1;

/// A workflow with every reference inlined and every default merged.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvedWorkflow {
    /// Metadata, labels of the template, of the defaults and of `workflowMetadata` included.
    pub metadata: ObjectMeta,
    /// The merged spec: workflow over template over defaults; v3 spellings are rewritten into v4 ones.
    pub spec: WorkflowSpec,
    /// Every template reachable by reference, under Argo's `storedTemplates` keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub stored_templates: BTreeMap<String, Template>,
    /// The merged spec again when a `workflowTemplateRef` was followed (Argo's `storedWorkflowTemplateSpec`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stored_spec: Option<WorkflowSpec>,
    /// The ConfigMaps that inputs of templates refer to.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config_maps: BTreeMap<String, BTreeMap<String, String>>,
    /// What the engine demanded when it took the workflow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub referencing: Option<TemplateReferencing>,
    /// Why nothing can be made of it, for a workflow that was recorded all the same: it ends Failed at its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invalid: Option<String>,
    /// Version of this serialized form.
    pub version: u32,
    /// Templates with defaults merged in, built on first use.
    #[serde(skip)]
    prepared: OnceLock<BTreeMap<String, Arc<Template>>>,
}

impl PartialEq for ResolvedWorkflow {
    fn eq(&self, other: &Self) -> bool {
        self.metadata == other.metadata
            && self.spec == other.spec
            && self.stored_templates == other.stored_templates
            && self.config_maps == other.config_maps
            && self.invalid == other.invalid
            && self.version == other.version
    }
}

impl ResolvedWorkflow {
    /// A resolved workflow without references; `resolve` and tests use it.
    pub fn new(metadata: ObjectMeta, spec: WorkflowSpec) -> Self {
        Self { metadata, spec, version: RESOLVED_VERSION, ..Self::default() }
    }

    /// The scope of the entrypoint and of the exit handler.
    pub fn root_scope(&self) -> TemplateScope {
        TemplateScope::Local(self.metadata.name.clone())
    }

    /// The template that a holder (step, task, hook, plain name) names, and the scope of the names inside it.
    ///
    /// `templateDefaults`, the workflow's `retryStrategy` and `podMetadata` are merged in (as Argo's
    /// controller does when it fetches a template). None when there is no such template. Tags in the
    /// holder must have been replaced before.
    pub fn lookup<H: TemplateHolder + ?Sized>(
        &self,
        scope: &TemplateScope,
        holder: &H,
    ) -> Option<(TemplateScope, Arc<Template>)> {
        if let Some(inline) = holder.inline_template() {
            return Some((scope.clone(), Arc::new(self.prepare(inline, scope))));
        }
        let (scope, name) = match holder.template_ref() {
            Some(reference) => (TemplateScope::of_ref(reference), reference.template.as_str()),
            None => (scope.clone(), holder.template_name()),
        };
        let template = self.prepared().get(&prepared_key(&scope, name))?;
        Some((scope, Arc::clone(template)))
    }

    /// The template of that name in a scope.
    pub fn template(&self, scope: &TemplateScope, name: &str) -> Option<Arc<Template>> {
        self.prepared().get(&prepared_key(scope, name)).cloned()
    }

    fn prepared(&self) -> &BTreeMap<String, Arc<Template>> {
        self.prepared.get_or_init(|| {
            let local = self.root_scope();
            let own =
                self.spec.templates.iter().map(|t| (prepared_key(&local, &t.name), self.prepare(t, &local)));
            let named = self.stored_templates.iter().filter(|(key, _)| !super::stored::is_inline_key(key));
            let other = named.filter_map(|(key, template)| {
                let resource = key.rsplit_once('/').map_or(key.as_str(), |(resource, _)| resource);
                Some((key.clone(), self.prepare(template, &TemplateScope::parse(resource)?)))
            });
            own.chain(other).map(|(key, template)| (key, Arc::new(template))).collect()
        })
    }

    /// Merges defaults into a template.
    fn prepare(&self, template: &Template, scope: &TemplateScope) -> Template {
        let mut out = self.with_defaults(template);
        if out.retry_strategy.is_none() {
            out.retry_strategy.clone_from(&self.spec.retry_strategy);
        }
        if let (TemplateScope::Local(_), Some(metadata)) = (scope, &self.spec.pod_metadata) {
            add_pod_metadata(&mut out, metadata);
        }
        out
    }

    /// `templateDefaults` under the template; defaults of another kind than the template's are left out.
    fn with_defaults(&self, template: &Template) -> Template {
        let Some(defaults) = &self.spec.template_defaults else { return template.clone() };
        let mut base = Template::clone(defaults);
        base.name.clear();
        macro_rules! keep {
            ($($field:ident),*) => { $( if template.$field.is_none() { base.$field = None; } )* };
        }
        keep!(container, container_set, script, resource, steps, dag, suspend, data, http, plugin);
        merge::typed(&base, template).unwrap_or_else(|_| template.clone())
    }
}

/// Adds a resource's `podMetadata` to a template; what the template says wins.
pub(super) fn add_pod_metadata(template: &mut Template, metadata: &Metadata) {
    for (key, value) in &metadata.annotations {
        template.metadata.annotations.entry(key.clone()).or_insert_with(|| value.clone());
    }
    for (key, value) in &metadata.labels {
        template.metadata.labels.entry(key.clone()).or_insert_with(|| value.clone());
    }
}

fn prepared_key(scope: &TemplateScope, name: &str) -> String {
    scope.stored_key(name).unwrap_or_else(|| format!("local/{name}"))
}
