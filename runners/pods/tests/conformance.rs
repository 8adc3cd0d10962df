//! The container runner passes the suite of all runners, on a real podman and a real Docker engine.
//! What only containers can do wrong is in `containers.rs`.

#[expect(dead_code, reason = "each test binary uses its part")]
mod common;

use common::Containers;
use runner_container_parts::Podman;
use runner_runners::conformance;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_container_runner_passes() {
    let Some(containers) = Containers::start() else { return };
    conformance::all(&containers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_container_runner_passes_on_docker() {
    let Some(containers) =
        Podman::docker(std::path::Path::new(env!("CARGO_TARGET_TMPDIR"))).and_then(Containers::over)
    else {
        return;
    };
    conformance::all(&containers).await;
}
