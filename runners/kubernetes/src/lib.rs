//! Steps as pods of a cluster: one attempt, one pod, by any Kubernetes-compatible API.
//! Decides nothing about retries or phases of a workflow; the Pod itself is built by `runner_pods`.
//!
//! A pod belongs to the cluster: it goes on when we die, and is found again by its name, which is computed from the
//! attempt. What is known of an attempt is in its directory, beside those of processes: the Pod as it was asked for
//! (`pod.json`, written before the request), logs, and the exit record. A pod that was created and is not there any
//! more makes the attempt lost; it is never created a second time.
//!
//! Exit code, outputs and progress come back in the log of the container (`runner_runners::frames`): the engine
//! needs to create, read, watch and delete pods, to read their logs and to create ConfigMaps, and steps need nothing
//! of the API at all.

mod api;
mod begin;
mod claims;
mod config;
mod drive;
mod finish;
mod follow;
mod note;
mod owed;
mod runner;
mod shape;
pub mod status;
mod watch;

pub use config::KubernetesConfig;
pub use runner::KubernetesRunner;
