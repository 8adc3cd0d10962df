//! The container runner passes the suite of all runners, on a real podman.
//! What only containers can do wrong is in `containers.rs`.

mod common;

use common::Containers;
use runner_runners::conformance;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_container_runner_passes() {
    let Some(containers) = Containers::start() else { return };
    conformance::all(&containers).await;
}
