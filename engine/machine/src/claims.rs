//! Volume claims of a run: made when it starts, given back at its end as `volumeClaimGC` says.
//! Does not know where the bytes of a claim are kept: runners and the controller do.

use runner_workflows::spec::{VolumeClaimGc, WorkflowSpec, k8s};
use serde_json::Value;

use crate::node::WorkflowPhase;
use crate::status::WorkflowStatus;

/// What `fold` keeps of a spec's claims, and which of them exist.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Claims {
    /// Names of the spec's `volumeClaimTemplates`.
    templates: Vec<String>,
    /// They go at any end, not only after success.
    on_completion: bool,
    /// Claims that exist: name of the volume, name of the claim.
    bound: Vec<(String, String)>,
}

impl Claims {
    /// The claims that a spec asks for; none exists yet.
    pub(crate) fn of(spec: &WorkflowSpec) -> Self {
        let name = |claim: &k8s::PersistentVolumeClaim| claim.metadata.name.clone();
        Self {
            templates: spec.volume_claim_templates.iter().filter_map(name).collect(),
            on_completion: goes_at_any_end(spec.volume_claim_gc.as_ref()),
            bound: Vec::new(),
        }
    }

    /// The run starts (Argo's `createPVCs`): `<workflow>-<template>` for each template.
    pub(crate) fn bind(&mut self, workflow: &str) {
        if self.bound.len() != self.templates.len() {
            let claim = |name: &String| (name.clone(), format!("{workflow}-{name}"));
            self.bound = self.templates.iter().map(claim).collect();
        }
    }

    /// The run ended (Argo's `deletePVCs`): after a failure they stay for a retry, unless told otherwise.
    pub(crate) fn release(&mut self, phase: WorkflowPhase) {
        if self.on_completion || phase == WorkflowPhase::Succeeded {
            self.bound.clear();
        }
    }

    /// Takes over what a status in Argo's shape says.
    pub(crate) fn adopt(&mut self, volumes: &[k8s::Volume]) {
        let claim = |volume: &k8s::Volume| {
            Some((volume.name.clone(), volume.persistent_volume_claim.as_ref()?.claim_name.clone()))
        };
        self.bound = volumes.iter().filter_map(claim).collect();
    }

    /// The existing claims as volumes of pods.
    pub(crate) fn volumes(&self) -> impl Iterator<Item = k8s::Volume> + '_ {
        self.bound.iter().map(|(name, claim)| k8s::Volume {
            name: name.clone(),
            persistent_volume_claim: Some(k8s::PersistentVolumeClaimVolumeSource {
                claim_name: claim.clone(),
                read_only: None,
            }),
            ..k8s::Volume::default()
        })
    }

    /// Argo's `status.persistentVolumeClaims`; none when there are none.
    pub(crate) fn json(&self) -> Option<Value> {
        let volumes: Vec<k8s::Volume> = self.volumes().collect();
        (!volumes.is_empty()).then(|| serde_json::to_value(volumes).unwrap_or_default())
    }
}

fn goes_at_any_end(gc: Option<&VolumeClaimGc>) -> bool {
    gc.is_some_and(|gc| gc.strategy == "OnWorkflowCompletion")
}

impl WorkflowStatus {
    /// Names of the claims made from `volumeClaimTemplates` that exist now.
    pub fn bound_claims(&self) -> Vec<String> {
        self.claims.bound.iter().map(|(_, claim)| claim.clone()).collect()
    }

    /// Names of the claims that the run made at its start and has given back since.
    pub fn released_claims(&self) -> Vec<String> {
        let all = self.claims.templates.iter().map(|name| format!("{}-{name}", self.name));
        let bound = self.bound_claims();
        all.filter(|claim| !bound.contains(claim)).collect()
    }
}
