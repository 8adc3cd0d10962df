//! The volume claims of runs in the cluster: made before the first pod that sees them, taken away when they are given
//! back. Knows nobody else's: a claim without the label of its run is left alone.

use k8s_openapi::api::core::v1::PersistentVolumeClaim;
use runner_pods::pod::{LABEL_UID, LABEL_WORKFLOW};
use runner_runners::{AttemptSpec, Reason};
use serde::{Deserialize, Serialize};
use std::time::Duration;

use crate::api::{Api, Failure, patiently};
use crate::begin::Halt;

/// The finalizer that keeps a claim while there are pods that mount it, ended ones included.
const PROTECTION: &str = "kubernetes.io/pvc-protection";
/// Wait before a claim that is on its way out is looked at again.
const AGAIN: Duration = Duration::from_secs(1);

/// A claim of a run.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Claim {
    /// Its namespace in the cluster.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
    /// Unique id of the workflow it was made for.
    pub(crate) workflow_uid: String,
}

/// The claims of an attempt's run, as they are asked for: Argo's name and label, and the label of the run. They have no
/// owner, since a workflow is no object of the cluster.
pub(crate) fn wanted(spec: &AttemptSpec, namespace: &str) -> Vec<PersistentVolumeClaim> {
    let named = spec.claims.iter().filter_map(|claim| {
        let name = format!("{}-{}", spec.workflow, claim.metadata.name.as_deref()?);
        let mut claim = claim.clone();
        claim.status = None;
        claim.metadata.name = Some(name);
        claim.metadata.namespace = Some(namespace.to_owned());
        let labels = claim.metadata.labels.get_or_insert_default();
        labels.insert(LABEL_WORKFLOW.to_owned(), spec.workflow.clone());
        labels.insert(LABEL_UID.to_owned(), spec.id.workflow_uid.clone());
        Some(claim)
    });
    named.collect()
}

/// Makes a claim, or finds the one that is there.
///
/// # Errors
/// It is somebody else's, or the cluster does not want it.
pub(crate) async fn make(api: &Api, wanted: &PersistentVolumeClaim, claim: &Claim) -> Result<(), Halt> {
    let refused = |text: String| Halt::Refused(text, Reason::NotStarted);
    let (name, namespace) = (&claim.name, &claim.namespace);
    loop {
        match patiently("create a volume claim", || api.create_claim(wanted)).await {
            Ok(_) => return Ok(()),
            Err(Failure::Exists(_)) => {}
            Err(failure) => {
                return Err(refused(format!("the cluster refused the volume claim {name:?}: {failure}")));
            }
        }
        let found = match patiently("read a volume claim", || api.claim(name)).await {
            Ok(found) => found,
            // It went in between.
            Err(Failure::Gone(_)) => continue,
            Err(failure) => return Err(refused(failure.to_string())),
        };
        if !is_of(&found, claim) {
            return Err(refused(format!(
                "there is a volume claim {name:?} in namespace {namespace:?} that is none of this workflow's: delete \
                 it, or submit the workflow under another name"
            )));
        }
        if found.metadata.deletion_timestamp.is_none() {
            return Ok(());
        }
        // Given back by an end of the run before it was retried: the next one takes its name once it is gone.
        unprotect(api, &found).await.map_err(|failure| refused(failure.to_string()))?;
        tokio::time::sleep(AGAIN).await;
    }
}

/// Takes a claim away, if it is still the run's.
///
/// # Errors
/// The cluster does not want to.
pub(crate) async fn take_away(api: &Api, claim: &Claim) -> Result<(), Failure> {
    let found = match patiently("read a volume claim", || api.claim(&claim.name)).await {
        Ok(found) if is_of(&found, claim) => found,
        Ok(_) | Err(Failure::Gone(_)) => return Ok(()),
        Err(failure) => return Err(failure),
    };
    let uid = found.metadata.uid.as_deref();
    patiently("delete a volume claim", || api.delete_claim(&claim.name, uid)).await?;
    unprotect(api, &found).await
}

/// As Argo does: every pod of the run has ended, but those that stay for their logs would keep the claim for ever.
async fn unprotect(api: &Api, found: &PersistentVolumeClaim) -> Result<(), Failure> {
    let finalizers = found.metadata.finalizers.clone().unwrap_or_default();
    if !finalizers.iter().any(|one| one == PROTECTION) {
        return Ok(());
    }
    let rest: Vec<&String> = finalizers.iter().filter(|one| *one != PROTECTION).collect();
    let patch = serde_json::json!({"metadata": {"uid": found.metadata.uid, "finalizers": rest}});
    let name = found.metadata.name.as_deref().unwrap_or_default();
    match patiently("release a volume claim", || api.patch_claim(name, &patch)).await {
        Ok(_) | Err(Failure::Gone(_)) => Ok(()),
        Err(failure) => Err(failure),
    }
}

fn is_of(found: &PersistentVolumeClaim, claim: &Claim) -> bool {
    let labels = found.metadata.labels.as_ref();
    labels.and_then(|labels| labels.get(LABEL_UID)).is_some_and(|uid| *uid == claim.workflow_uid)
}
