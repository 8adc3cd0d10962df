//! RUNS A STEP AS A POD: a template becomes one Kubernetes Pod, and a container engine or a cluster runs it.
//! Decides nothing about workflows; the port and the process runner are in `runner-runners`.

pub mod container;
pub mod pod;
