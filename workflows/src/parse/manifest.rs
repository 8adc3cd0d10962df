//! Manifests: the objects of a file, each with the tree it was read from.
//! Does not judge the objects.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::ByteString;
use serde::Deserialize;

use super::de;
use super::source::Source;
use super::tree::{Node, Segment};
use crate::diagnostic::{Diagnostic, Span};
use crate::spec::{CronWorkflow, ObjectMeta, Workflow, WorkflowTemplate};

/// Where an object came from: its source and its node tree.
#[derive(Clone)]
pub struct Origin {
    source: Arc<Source>,
    root: Arc<Node>,
}

impl Origin {
    /// The tree `root` of `source`.
    pub fn new(source: Arc<Source>, root: Node) -> Self {
        Self { source, root: Arc::new(root) }
    }

    /// The source.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The tree.
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// The place of the deepest existing node on a path.
    pub fn span(&self, path: &[Segment]) -> Span {
        Span::new(&self.source, self.root.locate(path))
    }

    /// The node at a JSON pointer.
    pub fn node_of(&self, pointer: &str) -> Option<&Node> {
        self.root.at(&Self::path(pointer))
    }

    /// The place of the deepest existing node on a JSON pointer such as `/spec/templates/0/name`.
    pub fn span_of(&self, pointer: &str) -> Span {
        self.span(&Self::path(pointer))
    }

    fn path(pointer: &str) -> Vec<Segment> {
        let segment = |text: &str| match text.parse() {
            Ok(index) => Segment::Index(index),
            Err(_) => Segment::Key(text.replace("~1", "/").replace("~0", "~")),
        };
        pointer.split('/').skip(1).map(segment).collect()
    }
}

/// Shows no content: the tree may hold secrets.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({:?})", self.source)
    }
}

/// An object with its origin.
#[derive(Clone, Debug)]
pub struct Document<T> {
    /// The object.
    pub object: T,
    /// Where it came from.
    pub origin: Origin,
}

/// An object of a file.
#[derive(Clone, Debug)]
pub enum Manifest {
    /// A Workflow.
    Workflow(Document<Workflow>),
    /// A WorkflowTemplate.
    WorkflowTemplate(Document<WorkflowTemplate>),
    /// A ClusterWorkflowTemplate.
    ClusterWorkflowTemplate(Document<WorkflowTemplate>),
    /// A CronWorkflow.
    CronWorkflow(Document<CronWorkflow>),
    /// A ConfigMap.
    ConfigMap(Document<ConfigMap>),
    /// A Secret.
    Secret(Document<Secret>),
    /// An object of another kind, unread.
    Other(Document<OtherObject>),
}

/// A ConfigMap.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ConfigMap {
    /// `v1`.
    pub api_version: String,
    /// `ConfigMap`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Text values.
    pub data: BTreeMap<String, String>,
    /// Values that are not text.
    pub binary_data: BTreeMap<String, ByteString>,
    /// The object may not change.
    pub immutable: bool,
}

/// A Secret. Its values are never shown.
#[derive(Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Secret {
    /// `v1`.
    pub api_version: String,
    /// `Secret`.
    pub kind: String,
    /// Metadata.
    pub metadata: ObjectMeta,
    /// Type of the secret.
    pub r#type: String,
    /// Values, base64 in the file.
    pub data: BTreeMap<String, ByteString>,
    /// Values as text; they win over `data`.
    pub string_data: BTreeMap<String, String>,
    /// The object may not change.
    pub immutable: bool,
}

impl Secret {
    /// The value of a key.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.string_data.get(key).map(String::as_bytes).or_else(|| self.data.get(key).map(|v| v.0.as_slice()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({:?}, values hidden)", self.metadata.name)
    }
}

/// What is known of an object of a kind that this crate does not read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OtherObject {
    /// API group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name, or the prefix of a generated one.
    pub name: String,
}

impl Manifest {
    /// The kind.
    pub fn kind(&self) -> &str {
        match self {
            Self::Workflow(_) => "Workflow",
            Self::WorkflowTemplate(_) => "WorkflowTemplate",
            Self::ClusterWorkflowTemplate(_) => "ClusterWorkflowTemplate",
            Self::CronWorkflow(_) => "CronWorkflow",
            Self::ConfigMap(_) => "ConfigMap",
            Self::Secret(_) => "Secret",
            Self::Other(doc) => &doc.object.kind,
        }
    }

    /// The name, or the prefix of a generated one.
    pub fn name(&self) -> &str {
        let meta = match self {
            Self::Workflow(doc) => &doc.object.metadata,
            Self::WorkflowTemplate(doc) | Self::ClusterWorkflowTemplate(doc) => &doc.object.metadata,
            Self::CronWorkflow(doc) => &doc.object.metadata,
            Self::ConfigMap(doc) => &doc.object.metadata,
            Self::Secret(doc) => &doc.object.metadata,
            Self::Other(doc) => return &doc.object.name,
        };
        if meta.name.is_empty() { &meta.generate_name } else { &meta.name }
    }

    /// The origin.
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Workflow(doc) => &doc.origin,
            Self::WorkflowTemplate(doc) | Self::ClusterWorkflowTemplate(doc) => &doc.origin,
            Self::CronWorkflow(doc) => &doc.origin,
            Self::ConfigMap(doc) => &doc.origin,
            Self::Secret(doc) => &doc.origin,
            Self::Other(doc) => &doc.origin,
        }
    }

    /// Kind and name as messages show them, e.g. `Workflow steps-`.
    pub fn label(&self) -> String {
        format!("{} {}", self.kind(), self.name()).trim_end().to_owned()
    }
}

/// Reads one document; `assumed` is the kind of a document that does not say its own.
pub(super) fn read(
    source: &Arc<Source>,
    root: Node,
    assumed: Option<&str>,
) -> (Option<Manifest>, Vec<Diagnostic>) {
    let origin = Origin::new(Arc::clone(source), root);
    let text = |key: &str| origin.root().get(key).and_then(Node::text).unwrap_or_default().to_owned();
    let api_version = text("apiVersion");
    let mut kind = text("kind");
    if kind.is_empty()
        && let Some(assumed) = assumed
    {
        assumed.clone_into(&mut kind);
    }
    let (manifest, mut problems) = match kind.as_str() {
        "Workflow" => typed(origin.clone(), Manifest::Workflow),
        "WorkflowTemplate" => typed(origin.clone(), Manifest::WorkflowTemplate),
        "ClusterWorkflowTemplate" => typed(origin.clone(), Manifest::ClusterWorkflowTemplate),
        "CronWorkflow" => typed(origin.clone(), Manifest::CronWorkflow),
        "ConfigMap" => typed(origin.clone(), Manifest::ConfigMap),
        "Secret" => typed(origin.clone(), Manifest::Secret),
        _ => other(&origin, &api_version, &kind),
    };
    if manifest.is_some() && api_version.is_empty() && assumed.is_none() {
        let missing = Diagnostic::warning("api-version-missing", format!("{kind} without apiVersion"));
        problems.push(missing.at(Some(origin.span(&[]))));
    }
    let name = meta_name(origin.root());
    let label = format!("{kind} {name}");
    for problem in &mut problems {
        problem.object = Some(label.trim().to_owned());
        if kind == "Secret" {
            hide(problem);
        }
    }
    (manifest, problems)
}

/// Keeps the line of a problem in a Secret but not the text of that line (V33).
fn hide(problem: &mut Diagnostic) {
    if let Some(span) = problem.span.take() {
        let (line, _) = span.line_column();
        problem.message = format!("{}:{line}: problem in a Secret ({})", span.file(), problem.code);
        problem.hint = None;
    }
}

fn meta_name(root: &Node) -> &str {
    let meta = root.get("metadata");
    let text = |key: &str| meta.and_then(|m| m.get(key)).and_then(Node::text);
    text("name").or_else(|| text("generateName")).unwrap_or_default()
}

fn typed<T: serde::de::DeserializeOwned>(
    origin: Origin,
    wrap: impl FnOnce(Document<T>) -> Manifest,
) -> (Option<Manifest>, Vec<Diagnostic>) {
    let (object, problems) = de::from_node(origin.source(), origin.root());
    (object.map(|object| wrap(Document { object, origin })), problems)
}

fn other(origin: &Origin, api_version: &str, kind: &str) -> (Option<Manifest>, Vec<Diagnostic>) {
    if kind.is_empty() {
        let problem = Diagnostic::error("kind-missing", "the document does not say its kind")
            .at(Some(origin.span(&[])))
            .hint("start it with `apiVersion: argoproj.io/v1alpha1` and `kind: Workflow`");
        return (None, vec![problem]);
    }
    let name = meta_name(origin.root()).to_owned();
    let object = OtherObject { api_version: api_version.to_owned(), kind: kind.to_owned(), name };
    (Some(Manifest::Other(Document { object, origin: origin.clone() })), Vec::new())
}
