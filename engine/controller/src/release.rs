//! What a run gives back to the runners when it ends or is deleted: volume claims, and pods that `podGC` ties to the
//! end of the workflow. Deliberately remembers nothing: runners keep what they could not do at once.

use runner_machine::{Plan, WorkflowPhase, WorkflowStatus};
use runner_runners::Release;
use runner_runners::release::Guests;
use runner_store::StreamId;

use crate::core::Core;
use crate::load;

/// The run has ended. May be done again: an engine that dies meanwhile leaves the stream open, and the next one
/// comes here too.
pub(crate) async fn at_end(core: &Core, stream: &StreamId, plan: &Plan, status: &WorkflowStatus) {
    let guests = guests(core, stream, plan, status).await;
    ask(core, of(status, status.released_claims(), guests)).await;
}

/// The run is about to be deleted: its pods have gone with its attempts, and nothing can use its claims again.
pub(crate) async fn at_deletion(core: &Core, status: &WorkflowStatus) {
    let claims = status.bound_claims().into_iter().chain(status.released_claims()).collect();
    ask(core, of(status, claims, None)).await;
}

/// What earlier engines could not give back.
pub(crate) async fn leftovers(core: &Core) {
    for runner in core.runners.all() {
        if let Err(error) = runner.release(Release::default()).await {
            tracing::warn!(%error, "what ended workflows have left could not be looked at");
        }
    }
}

fn of(status: &WorkflowStatus, claims: Vec<String>, guests: Option<Guests>) -> Release {
    Release { workflow_uid: status.uid.clone(), namespace: status.namespace.clone(), claims, guests }
}

/// The pods that `podGC` wants to be gone now (Argo's `queuePodsForCleanup` at the end of a workflow).
async fn guests(core: &Core, stream: &StreamId, plan: &Plan, status: &WorkflowStatus) -> Option<Guests> {
    let gc = plan.workflow.spec.pod_gc.as_ref()?;
    let due = match gc.strategy.as_str() {
        "OnWorkflowCompletion" => true,
        "OnWorkflowSuccess" => status.phase == WorkflowPhase::Succeeded,
        _by_pod_or_never => false,
    };
    if !due {
        return None;
    }
    match load::attempts(core.store.as_ref(), stream).await {
        Ok(attempts) => {
            let ended_at = status.finished_at.unwrap_or_else(|| core.clock.now());
            Some(Guests::of(gc, attempts, ended_at))
        }
        Err(error) => {
            tracing::warn!(%stream, %error, "pods stay until the workflow is deleted: its steps are not known");
            None
        }
    }
}

/// What fails stays and is said in the log: it is tried again when the workflow is deleted.
async fn ask(core: &Core, release: Release) {
    if release.claims.is_empty() && release.guests.is_none() {
        return;
    }
    for runner in core.runners.all() {
        if let Err(error) = runner.release(release.clone()).await {
            let (uid, namespace) = (&release.workflow_uid, &release.namespace);
            tracing::warn!(uid, namespace, %error, "claims or pods of an ended workflow could not be removed");
        }
    }
}
