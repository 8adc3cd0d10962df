//! The workflow of a tick: made of the manifest, resolved against the store, handed to the controller.
//! Deliberately names it after its tick: made twice, it is the same workflow.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runner_controller::{Controller, SubmitRequest};
use runner_machine::Command;
use runner_store::Store;
use runner_workflows::resolve::{Catalog, Submission, resolve};
use runner_workflows::spec::{ObjectMeta, Workflow};
use runner_workflows::validate::{Options, validate_workflow};

use super::error::{Error, Result};
use crate::cron::machine::{Input, Status, child_name, idempotency_key};

/// Argo's label on the runs of a CronWorkflow.
pub const CRON_LABEL: &str = "workflows.argoproj.io/cron-workflow";
/// Argo's annotation with the time of the tick, RFC 3339.
pub const SCHEDULED_TIME: &str = "workflows.argoproj.io/scheduled-time";
/// Who terminates replaced runs.
const BY: &str = "cron";

/// Makes the workflow of a tick durable; what came of it is the next input.
pub(super) async fn submit(
    controller: &Controller,
    status: &Status,
    slot: Timestamp,
    detached: bool,
) -> Result<Input> {
    let refused = |message: String| Ok(Input::Refused { slot, message });
    let workflow = workflow(status, slot);
    let catalog = templates(controller.store().as_ref(), &status.namespace).await?;
    let problems = validate_workflow(&workflow, None, Options::default(), &catalog);
    if let Some(problem) = problems.iter().find(|problem| problem.is_error()) {
        return refused(problem.message.clone());
    }
    let resolved = match resolve(&workflow, &Submission::default(), &catalog) {
        Ok(resolved) => resolved,
        Err(problems) => {
            let said: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            return refused(said.join("; "));
        }
    };
    let request = SubmitRequest {
        namespace: status.namespace.clone(),
        name: Some(workflow.metadata.name),
        resolved,
        idempotency_key: Some(idempotency_key(&status.namespace, &status.name, slot)),
        detached,
        ..SubmitRequest::default()
    };
    use runner_controller::Error as E;
    match controller.submit(request).await {
        Ok(submitted) => Ok(Input::Submitted { slot, uid: submitted.uid }),
        Err(error @ (E::NameTaken { .. } | E::Spec(_) | E::Invalid(_) | E::NotBuiltIn(_))) => {
            refused(error.to_string())
        }
        Err(error) => Err(error.into()),
    }
}

fn workflow(status: &Status, slot: Timestamp) -> Workflow {
    let given = status.spec.workflow_metadata.clone().unwrap_or_default();
    let mut metadata = ObjectMeta {
        name: child_name(&status.name, slot),
        labels: given.labels,
        annotations: given.annotations,
        ..ObjectMeta::default()
    };
    metadata.labels.insert(CRON_LABEL.to_owned(), status.name.clone());
    metadata.annotations.insert(SCHEDULED_TIME.to_owned(), slot.to_string());
    Workflow {
        api_version: "argoproj.io/v1alpha1".to_owned(),
        kind: "Workflow".to_owned(),
        metadata,
        spec: status.spec.workflow_spec.clone(),
        status: None,
    }
}

/// The stored templates and ConfigMaps of a namespace.
pub(crate) async fn templates(store: &dyn Store, namespace: &str) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    let bad = |name: &str, error: serde_json::Error| Error::Manifest {
        name: name.to_owned(),
        why: format!("a stored template cannot be read: {error}"),
    };
    for stored in store.list_manifests("WorkflowTemplate", Some(namespace)).await? {
        let template = serde_json::from_slice(&stored.body).map_err(|error| bad(&stored.name, error))?;
        catalog.workflow_templates.insert(stored.name, template);
    }
    for stored in store.list_manifests("ClusterWorkflowTemplate", None).await? {
        let template = serde_json::from_slice(&stored.body).map_err(|error| bad(&stored.name, error))?;
        catalog.cluster_workflow_templates.insert(stored.name, template);
    }
    for stored in store.list_manifests("ConfigMap", Some(namespace)).await? {
        let body: serde_json::Value =
            serde_json::from_slice(&stored.body).map_err(|error| bad(&stored.name, error))?;
        let data: BTreeMap<String, String> = serde_json::from_value(body["data"].clone()).unwrap_or_default();
        catalog.config_maps.insert(stored.name, data);
    }
    Ok(catalog)
}

/// Ends a run that a newer one replaces. One that has ended, or is gone, is fine.
pub(super) async fn terminate(controller: &Controller, status: &Status, name: &str) -> Result<()> {
    use runner_controller::Error as E;
    match controller.command(&status.namespace, name, Command::Terminate, BY).await {
        Ok(()) | Err(E::Refused(_) | E::NotFound(_)) => Ok(()),
        // it is recorded: whoever runs it will see it
        Err(E::NoAnswer { .. }) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
