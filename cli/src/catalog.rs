//! What the store knows, as commands need it: list entries, stored templates, a workflow with its nodes.
//! Does not write.

use std::collections::BTreeMap;

use runner_controller::Snapshot;
use runner_machine::{NodeType, Work, pod_name};
use runner_store::{LabelTerm, Store, WorkflowQuery, WorkflowRow};
use runner_workflows::resolve::Catalog;
use serde_json::{Value, json};

use crate::exit::{Code, Failure, Result};
use crate::names::Known;
use crate::output::list::Entry;
use crate::output::time;
use crate::output::view::View;

/// A row as a list entry.
pub fn entry(row: WorkflowRow) -> Entry {
    Entry {
        name: row.name,
        namespace: row.namespace,
        uid: row.uid,
        phase: row.phase,
        message: row.message,
        progress: row.progress,
        labels: row.labels,
        created: Some(row.created_at),
        started: row.started_at,
        finished: row.finished_at,
        more: serde_json::from_slice(&row.body).unwrap_or(Value::Null),
    }
}

/// All rows of a namespace that match, newest first.
pub async fn rows(store: &dyn Store, query: WorkflowQuery) -> Result<Vec<WorkflowRow>> {
    let mut query = query;
    let mut out = Vec::new();
    loop {
        let page = store.list_workflows(query.clone()).await?;
        out.extend(page.items);
        match page.next {
            Some(next) => query.cursor = Some(next),
            None => return Ok(out),
        }
    }
}

/// Most candidates looked at for a prefix, and for "did you mean".
const CANDIDATES: usize = 200;

/// What a name can mean, newest first: enough for [`crate::names::resolve`], never the whole list.
pub async fn known(store: &dyn Store, namespace: &str, given: &str) -> Result<Vec<Known>> {
    let all = WorkflowQuery {
        namespace: Some(namespace.to_owned()),
        limit: CANDIDATES,
        ..WorkflowQuery::default()
    };
    let name = given.rsplit('/').next().unwrap_or(given);
    let query = match name.strip_prefix('@') {
        Some("failed") => {
            WorkflowQuery { phases: vec!["Failed".to_owned(), "Error".to_owned()], limit: 1, ..all.clone() }
        }
        Some(_) => all.clone(),
        None => {
            if let Some(row) = store.get_workflow(namespace, name).await? {
                return Ok(vec![Known { name: row.name, phase: row.phase }]);
            }
            WorkflowQuery { name_prefix: Some(name.to_owned()), ..all.clone() }
        }
    };
    let mut page = store.list_workflows(query).await?.items;
    if page.is_empty() {
        page = store.list_workflows(all).await?.items;
    }
    Ok(page.into_iter().map(|row| Known { name: row.name, phase: row.phase }).collect())
}

/// All names of a namespace, newest first.
pub async fn every(store: &dyn Store, namespace: &str) -> Result<Vec<Known>> {
    selected(store, namespace, Vec::new()).await
}

/// Names that match a label selector, newest first.
pub async fn selected(store: &dyn Store, namespace: &str, labels: Vec<LabelTerm>) -> Result<Vec<Known>> {
    let query = WorkflowQuery { namespace: Some(namespace.to_owned()), labels, ..WorkflowQuery::default() };
    let rows = rows(store, query).await?;
    Ok(rows.into_iter().map(|row| Known { name: row.name, phase: row.phase }).collect())
}

/// The stored templates and ConfigMaps of a namespace.
pub async fn templates(store: &dyn Store, namespace: &str) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    let bad = |kind: &str, name: &str, error: serde_json::Error| {
        Failure::new(Code::Invalid, format!("the stored {kind} `{name}` cannot be read: {error}"))
    };
    for stored in store.list_manifests("WorkflowTemplate", Some(namespace)).await? {
        let template =
            serde_json::from_slice(&stored.body).map_err(|e| bad("WorkflowTemplate", &stored.name, e))?;
        catalog.workflow_templates.insert(stored.name, template);
    }
    for stored in store.list_manifests("ClusterWorkflowTemplate", None).await? {
        let template = serde_json::from_slice(&stored.body)
            .map_err(|e| bad("ClusterWorkflowTemplate", &stored.name, e))?;
        catalog.cluster_workflow_templates.insert(stored.name, template);
    }
    for stored in store.list_manifests("ConfigMap", Some(namespace)).await? {
        let body: Value =
            serde_json::from_slice(&stored.body).map_err(|e| bad("ConfigMap", &stored.name, e))?;
        let data: BTreeMap<String, String> = serde_json::from_value(body["data"].clone()).unwrap_or_default();
        catalog.config_maps.insert(stored.name, data);
    }
    Ok(catalog)
}

/// A workflow with its nodes.
#[derive(Clone, Debug, Default)]
pub struct Loaded {
    /// In Argo's shape.
    pub json: Value,
    /// As it is shown.
    pub view: View,
    /// Unique id.
    pub uid: String,
    /// Number of the attempt of each node that has one right now.
    pub attempts: BTreeMap<String, u32>,
    /// It is open, and no process that is alive runs it.
    pub interrupted: bool,
}

impl Loaded {
    /// From a replayed or live status.
    pub fn new(snapshot: &Snapshot, interrupted: bool) -> Self {
        let (plan, status) = (&snapshot.plan, &snapshot.status);
        let mut metadata = serde_json::to_value(&plan.workflow.metadata).unwrap_or_else(|_| json!({}));
        metadata["name"] = json!(status.name);
        metadata["namespace"] = json!(status.namespace);
        metadata["uid"] = json!(status.uid);
        if let Some(at) = status.created_at {
            metadata["creationTimestamp"] = json!(time::whole(at));
        }
        let mut spec = serde_json::to_value(&plan.workflow.spec).unwrap_or_else(|_| json!({}));
        if status.suspended {
            spec["suspend"] = json!(true);
        } else if let Some(spec) = spec.as_object_mut() {
            spec.remove("suspend");
        }
        let json = json!({
            "apiVersion": "argoproj.io/v1alpha1",
            "kind": "Workflow",
            "metadata": metadata,
            "spec": spec,
            "status": snapshot.to_argo(),
        });
        let mut view = View::read(&json);
        let attempts = refine(&mut view, snapshot);
        Self { json, view, uid: status.uid.clone(), attempts, interrupted }
    }
}

/// Adds what Argo's JSON does not tell: exact times, pod names, when a suspended node goes on.
fn refine(view: &mut View, snapshot: &Snapshot) -> BTreeMap<String, u32> {
    let status = &snapshot.status;
    view.created = status.created_at.or(view.created);
    view.started = status.started_at.or(view.started);
    view.finished = status.finished_at.or(view.finished);
    view.suspended = status.suspended;
    let mut attempts = BTreeMap::new();
    for (_, node) in status.nodes() {
        let Some(shown) = view.nodes.get_mut(&node.id) else { continue };
        shown.started = node.started_at.or(shown.started);
        shown.finished = node.finished_at.or(shown.finished);
        if node.node_type == NodeType::Pod {
            shown.pod = pod_name(
                &status.name,
                &node.name,
                pod_template(&node.template_name, node.template_ref.as_ref()),
            );
        }
        match &node.work {
            Work::Suspended { until } => shown.until = *until,
            Work::Attempt { number, .. } => {
                attempts.insert(node.id.clone(), *number);
            }
            Work::None | Work::Lock { .. } | Work::Memo | Work::Backoff { .. } => {}
        }
    }
    attempts
}

fn pod_template<'a>(name: &'a str, reference: Option<&'a runner_workflows::spec::TemplateRef>) -> &'a str {
    reference.map_or(name, |reference| &reference.template)
}
