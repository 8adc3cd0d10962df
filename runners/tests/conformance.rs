//! The process runner passes the suite, in both isolation modes.
//! What only processes can do wrong is in the other test files.

mod common;

use common::{Processes, conformance};
use runner_runners::IsolationChoice;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_runner_passes_with_a_private_root_where_there_is_one() {
    conformance::all(&Processes::new(IsolationChoice::Auto)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_process_runner_passes_with_remapped_paths() {
    conformance::all(&Processes::new(IsolationChoice::Remap)).await;
}
