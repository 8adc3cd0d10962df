//! Artifact collection: what `artifactGC` wants to have deleted, once a workflow has ended and before it is deleted.
//! Remembers nothing of its own: deleting what is not there succeeds, so every sweep may be done again.

use std::sync::Arc;

use runner_machine::{Plan, WorkflowStatus};
use runner_runners::ArtifactRepository;
use runner_workflows::spec::{Artifact, ArtifactGc};

use crate::core::Core;
use crate::error::{Error, Result};

/// Deletes one artifact: its location, the repository of its workflow, the namespace. Blocks.
pub type DeleteArtifact =
    Arc<dyn Fn(&Artifact, &ArtifactRepository, &str) -> std::result::Result<(), String> + Send + Sync>;

/// The workflow's `artifactRepositoryRef`, or the engine's own repository.
pub(crate) fn repository(core: &Core, plan: &Plan) -> ArtifactRepository {
    let usual = core.options.repository.clone();
    match &plan.workflow.spec.artifact_repository_ref {
        None => usual,
        Some(named) => ArtifactRepository::Ref {
            config_map: named.config_map.clone(),
            key: named.key.clone(),
            otherwise: Box::new(usual),
        },
    }
}

/// When a sweep is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occasion {
    /// The workflow has ended: `OnWorkflowCompletion`.
    Completion,
    /// The workflow is about to be deleted: `OnWorkflowDeletion`, and what an earlier sweep did not come to.
    Deletion,
}

/// Deletes the artifacts of a workflow whose time has come.
///
/// # Errors
/// An artifact cannot be deleted; with `forceFinalizerRemoval` that is only said in the log, as Argo gives its
/// finalizer up then.
pub(crate) async fn sweep(
    core: &Core,
    plan: &Plan,
    status: &WorkflowStatus,
    occasion: Occasion,
) -> Result<()> {
    let Some(delete) = core.options.delete_artifact.clone() else { return Ok(()) };
    let spec = &plan.workflow.spec;
    let due = due(spec.artifact_gc.as_ref(), status, occasion);
    if due.is_empty() {
        return Ok(());
    }
    let forced = spec.artifact_gc.as_ref().is_some_and(|gc| gc.force_finalizer_removal);
    let repository = repository(core, plan);
    let (namespace, name) = (status.namespace.clone(), status.name.clone());
    let work = tokio::task::spawn_blocking(move || {
        let failed = due.iter().filter_map(|artifact| {
            let why = delete(artifact, &repository, &namespace).err()?;
            Some(format!("artifact {:?}: {why}", artifact.name))
        });
        failed.collect::<Vec<_>>()
    });
    let failed = work.await.map_err(|error| Error::Refused(format!("artifacts: {error}")))?;
    match failed.first() {
        None => Ok(()),
        Some(first) if forced => {
            tracing::warn!(
                workflow = name,
                count = failed.len(),
                first,
                "artifacts could not be deleted and are left"
            );
            Ok(())
        }
        Some(first) => Err(Error::Refused(format!(
            "{} of its artifacts could not be deleted ({first}); artifactGC.forceFinalizerRemoval leaves them",
            failed.len()
        ))),
    }
}

/// The artifacts that a sweep has to delete: those that the workflow's own steps have made, each once.
fn due(usual: Option<&ArtifactGc>, status: &WorkflowStatus, occasion: Occasion) -> Vec<Artifact> {
    let mut found: Vec<Artifact> = Vec::new();
    for artifact in artifacts(status) {
        let wanted = match strategy(artifact, usual) {
            "OnWorkflowCompletion" => true,
            "OnWorkflowDeletion" => occasion == Occasion::Deletion,
            _never => false,
        };
        if wanted && !artifact.deleted && !found.contains(artifact) {
            found.push(artifact.clone());
        }
    }
    found
}

/// The artifact's own strategy, or the workflow's; nothing is deleted without either.
fn strategy<'a>(artifact: &'a Artifact, usual: Option<&'a ArtifactGc>) -> &'a str {
    let own = artifact.artifact_gc.as_ref().map(|gc| gc.strategy.as_str()).filter(|text| !text.is_empty());
    own.or(usual.map(|gc| gc.strategy.as_str())).unwrap_or("Never")
}

fn artifacts(status: &WorkflowStatus) -> impl Iterator<Item = &Artifact> {
    let outputs = status.nodes().filter_map(|(_, node)| node.outputs.as_ref());
    outputs.flat_map(|outputs| &outputs.artifacts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gc(strategy: &str) -> ArtifactGc {
        ArtifactGc { strategy: strategy.to_owned(), ..ArtifactGc::default() }
    }

    #[test]
    fn an_artifacts_own_strategy_comes_first() {
        let usual = gc("OnWorkflowDeletion");
        let plain = Artifact::default();
        let own = Artifact { artifact_gc: Some(gc("Never")), ..Artifact::default() };
        assert_eq!(strategy(&plain, None), "Never");
        assert_eq!(strategy(&plain, Some(&usual)), "OnWorkflowDeletion");
        assert_eq!(strategy(&own, Some(&usual)), "Never");
    }
}
