//! Who refers to a template, and in which resource plain template names are looked up.
//! Does not do the looking up.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::spec::{DagTask, LifecycleHook, Template, TemplateRef, WorkflowStep};

/// The resource in which plain template names are looked up; prints as Argo's `node.templateScope`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum TemplateScope {
    /// The workflow itself, with its name.
    Local(String),
    /// A WorkflowTemplate.
    Namespaced(String),
    /// A ClusterWorkflowTemplate.
    Cluster(String),
}

impl TemplateScope {
    /// The scope of the resource that a reference names.
    pub fn of_ref(reference: &TemplateRef) -> Self {
        Self::of_resource(&reference.name, reference.cluster_scope)
    }

    /// The scope of a (cluster) workflow template.
    pub fn of_resource(name: &str, cluster_scope: bool) -> Self {
        if cluster_scope { Self::Cluster(name.to_owned()) } else { Self::Namespaced(name.to_owned()) }
    }

    /// Reads what `Display` wrote.
    pub fn parse(text: &str) -> Option<Self> {
        let (kind, name) = text.split_once('/')?;
        match kind {
            "local" => Some(Self::Local(name.to_owned())),
            "namespaced" => Some(Self::Namespaced(name.to_owned())),
            "cluster" => Some(Self::Cluster(name.to_owned())),
            _ => None,
        }
    }

    /// The key of a template of this scope in Argo's `status.storedTemplates`; none for the workflow's own.
    pub fn stored_key(&self, template: &str) -> Option<String> {
        match self {
            Self::Local(_) => None,
            Self::Namespaced(_) | Self::Cluster(_) => Some(format!("{self}/{template}")),
        }
    }
}

impl fmt::Display for TemplateScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Local(name) => write!(f, "local/{name}"),
            Self::Namespaced(name) => write!(f, "namespaced/{name}"),
            Self::Cluster(name) => write!(f, "cluster/{name}"),
        }
    }
}

/// Something that names a template: a step, a task, a hook, or a plain name.
pub trait TemplateHolder {
    /// The name of the holder itself; empty for hooks and plain names.
    fn holder_name(&self) -> &str {
        ""
    }
    /// The template's name in the current scope.
    fn template_name(&self) -> &str;
    /// The template of another resource.
    fn template_ref(&self) -> Option<&TemplateRef> {
        None
    }
    /// The template itself.
    fn inline_template(&self) -> Option<&Template> {
        None
    }
}

macro_rules! holder {
    ($type:ty) => {
        impl TemplateHolder for $type {
            fn holder_name(&self) -> &str {
                &self.name
            }
            fn template_name(&self) -> &str {
                &self.template
            }
            fn template_ref(&self) -> Option<&TemplateRef> {
                self.template_ref.as_ref()
            }
            fn inline_template(&self) -> Option<&Template> {
                self.inline.as_deref()
            }
        }
    };
}
holder!(WorkflowStep);
holder!(DagTask);

impl TemplateHolder for LifecycleHook {
    fn template_name(&self) -> &str {
        &self.template
    }
    fn template_ref(&self) -> Option<&TemplateRef> {
        self.template_ref.as_ref()
    }
}

impl TemplateHolder for TemplateRef {
    fn template_name(&self) -> &str {
        ""
    }
    fn template_ref(&self) -> Option<&TemplateRef> {
        Some(self)
    }
}

impl TemplateHolder for str {
    fn template_name(&self) -> &str {
        self
    }
}

impl TemplateHolder for String {
    fn template_name(&self) -> &str {
        self
    }
}
