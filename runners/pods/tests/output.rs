//! No line of a container's output is lost and none is there twice, whatever the engine's API does in between.
//! Runs on a real podman.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "each test binary uses its part")]
mod common;

use std::time::Duration;

use common::Containers;
use runner_runners::conformance::{attempt, channel, finished, log_text, shell};
use runner_runners::{ExitPhase, Runner};

/// Lines of a burst, and how many there are.
const BURST: usize = 10_000;
const BURSTS: usize = 40;

/// Some 20 MB of the engine's own log, so that it keeps all of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f65_f48_output_goes_on_where_it_stopped_when_the_api_comes_back() {
    let Some(containers) = Containers::start() else { return };
    let runner = containers.with(|_| {});
    let burst = format!("seq $((i * {BURST} + 1)) $((i * {BURST} + {BURST}))");
    let text = format!("i=0; while [ $i -lt {BURSTS} ]; do {burst}; i=$((i + 1)); usleep 100000; done");
    let spec = attempt(&containers, "counting", shell(&text));
    let (sink, mut events) = channel();
    runner.ensure(spec.clone(), sink).await.unwrap();
    // Not in the middle of the start: what podman itself makes of that is another matter.
    while !containers.podman.run(&["ps", "--format", "{{.Status}}"]).starts_with("Up") {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        containers.podman.serve();
    }
    let exit = finished(&mut events).await;
    assert_eq!((exit.phase, exit.message.as_str()), (ExitPhase::Succeeded, ""));
    let lines = log_text(&runner, &spec.id).await;
    let wrong = lines.iter().enumerate().find(|(at, line)| **line != (at + 1).to_string());
    assert_eq!(wrong, None, "of {} lines", lines.len());
    assert_eq!(lines.len(), BURST * BURSTS);
    assert!(exit.outputs.result.unwrap().ends_with(&format!("\n{}", BURST * BURSTS)));
}
