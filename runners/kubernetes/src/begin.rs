//! The beginning of a pod: built, asked for or found, and given what its init container needs; each once.
//! Follows nothing.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use runner_pods::pod::{LABEL_ATTEMPT, SUPERVISOR_INIT};
use runner_runners::guest::Guest;
use runner_runners::{AttemptSpec, Error, Reason};

use crate::api::{Api, Failure, patiently};
use crate::note::{NOTE, Note};
use crate::runner::Shared;
use crate::{claims, owed, shape};

/// Why there is no pod to follow.
pub(crate) enum Halt {
    /// Something that was there is not any more.
    Lost(String),
    /// It cannot be started, and why.
    Refused(String, Reason),
}

/// Builds the Pod, or takes the one that was built, and what it has to be brought. Blocks on files.
pub(crate) fn prepare(
    spec: &AttemptSpec,
    shared: &Shared,
    guest: &mut Guest,
) -> Result<(Note, Vec<u8>), Halt> {
    let refused = |error: Error| {
        let reason = if matches!(error, Error::Artifact(_)) { Reason::Input } else { Reason::NotStarted };
        Halt::Refused(error.to_string(), reason)
    };
    let unfit = |error: runner_pods::pod::PodError| Halt::Refused(error.to_string(), Reason::NotStarted);
    let known = guest.note::<Note>(NOTE).map_err(refused)?;
    let draft = match &known {
        Some(note) => note.pod.clone(),
        None => shape::build(spec, &shared.config, 0).map_err(unfit)?,
    };
    let inner = draft.spec.clone().unwrap_or_default();
    let mut init = inner.init_containers.unwrap_or_default();
    init.retain(|container| container.name != SUPERVISOR_INIT);
    let fresh = known.as_ref().is_none_or(|note| note.uid.is_none());
    let bundle = guest.bundle(&init, &inner.containers, fresh).map_err(refused)?;
    let pieces = shape::pieces(&bundle).map_err(refused)?.len();
    if let Some(note) = known {
        return Ok((note, bundle));
    }
    let pod = shape::build(spec, &shared.config, pieces).map_err(unfit)?;
    let note = Note { pod, started_at: Timestamp::now(), uid: None, pieces };
    guest.keep(NOTE, &note).map_err(refused)?;
    Ok((note, bundle))
}

/// Asks for the pod, or finds it. Waits for a cluster that cannot be reached.
pub(crate) async fn begin(
    shared: &Arc<Shared>,
    api: &Api,
    spec: &AttemptSpec,
    guest: &Arc<Guest>,
    note: &mut Note,
    bundle: &[u8],
) -> Result<Pod, Halt> {
    let name = note.name().to_owned();
    let found = match &note.uid {
        Some(uid) => match patiently("read a pod", || api.get(&name)).await {
            Ok(pod) if pod.metadata.uid.as_ref() == Some(uid) => pod,
            Ok(_) | Err(Failure::Gone(_)) => return Err(Halt::Lost("pod deleted".to_owned())),
            Err(failure) => return Err(Halt::Refused(failure.to_string(), Reason::NotStarted)),
        },
        None => {
            let namespace = note.namespace();
            let claims = claims::wanted(spec, namespace);
            owed::make_claims(shared, namespace, &spec.id.workflow_uid, &claims).await?;
            create(api, spec, note).await?
        }
    };
    if note.uid.is_none() {
        bring(api, spec, &found, bundle).await?;
        // Only now: whoever finds the note does not bring anything again.
        note.uid.clone_from(&found.metadata.uid);
        if let Err(error) = guest.keep(NOTE, note) {
            // The pod's own label still keeps it from being created twice.
            tracing::error!(attempt = %spec.id, %error, "the note of a pod could not be written");
        }
    }
    Ok(found)
}

async fn create(api: &Api, spec: &AttemptSpec, note: &Note) -> Result<Pod, Halt> {
    loop {
        match patiently("create a pod", || api.create(&note.pod)).await {
            Ok(pod) => return Ok(pod),
            Err(Failure::Exists(_)) => {}
            Err(failure) => {
                return Err(Halt::Refused(
                    format!("the cluster refused the pod: {failure}"),
                    Reason::NotStarted,
                ));
            }
        }
        let pod = match patiently("read a pod", || api.get(note.name())).await {
            Ok(pod) => pod,
            // It went in between.
            Err(Failure::Gone(_)) => continue,
            Err(failure) => return Err(Halt::Refused(failure.to_string(), Reason::NotStarted)),
        };
        let labels = pod.metadata.labels.as_ref();
        let owner = labels.and_then(|labels| labels.get(LABEL_ATTEMPT)).map(String::as_str);
        if owner == Some(spec.id.storage_name().as_str()) {
            return Ok(pod);
        }
        let (name, namespace) = (note.name(), note.namespace());
        return Err(Halt::Refused(
            format!(
                "there is a pod {name:?} in namespace {namespace:?} that is none of this step's: delete it, or \
                 submit the workflow under another name"
            ),
            Reason::NotStarted,
        ));
    }
}

/// Creates the ConfigMaps that the init container waits for. One that is there is right: its name is the attempt's.
async fn bring(api: &Api, spec: &AttemptSpec, pod: &Pod, bundle: &[u8]) -> Result<(), Halt> {
    let needed = |pod: &Pod| {
        let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
        matches!(phase, None | Some("Pending" | ""))
    };
    if !needed(pod) {
        return Ok(());
    }
    let refused = |text: String| Halt::Refused(text, Reason::NotStarted);
    for (number, piece) in
        shape::pieces(bundle).map_err(|error| refused(error.to_string()))?.iter().enumerate()
    {
        let map = shape::config_map(spec, pod, number, piece);
        match patiently("create a ConfigMap", || api.create_config_map(&map)).await {
            Ok(_) | Err(Failure::Exists(_)) => {}
            Err(failure) => {
                return Err(refused(format!(
                    "the cluster refused a ConfigMap with inputs of the step: {failure}"
                )));
            }
        }
    }
    Ok(())
}
