//! The container runner passes the suite of all runners, on a real podman and a real Docker engine.
//! What only containers can do wrong is in `containers.rs`.

mod common;

use common::{Containers, Podman};
use runner_runners::conformance;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_container_runner_passes() {
    let Some(containers) = Containers::start() else { return };
    conformance::all(&containers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_container_runner_passes_on_docker() {
    let Some(containers) = Podman::docker().and_then(Containers::over) else { return };
    conformance::all(&containers).await;
}
