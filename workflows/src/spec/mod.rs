//! The types of what a user writes: Workflow, WorkflowTemplate, ClusterWorkflowTemplate, CronWorkflow.
//! Holds data only: parsing with positions is in `parse`, meaning is in `validate` and in the machine.
//!
//! Field names are those of the `argoproj.io/v1alpha1` API in its v4 spelling; the v3 spellings that v4
//! removed (`mutex`, `semaphore`, `schedule`, `podPriority`) are accepted beside them. Pod parts are the
//! `k8s-openapi` types.

mod artifact;
mod container;
mod dag;
mod kinds;
mod metrics;
mod parameter;
mod policy;
mod scalar;
mod steps;
mod sync;
mod template;
mod workflow;

pub use artifact::*;
pub use container::*;
pub use dag::*;
pub use kinds::*;
pub use metrics::*;
pub use parameter::*;
pub use policy::*;
pub use scalar::*;
pub use steps::*;
pub use sync::*;
pub use template::*;
pub use workflow::*;

/// Kubernetes types used for the parts of a pod, under one name so that a version change is one line.
pub mod k8s {
    pub use k8s_openapi::api::core::v1::*;
    pub use k8s_openapi::api::policy::v1::PodDisruptionBudgetSpec;
    pub use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
}

/// Serde helper: leaves default values out of the serialized form, as Argo's `omitempty`.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
