//! Images that are fetched: a real podman, a real registry, and a way between them that is slow on purpose.
#![expect(clippy::unwrap_used, reason = "tests")]

#[expect(dead_code, reason = "each test binary uses its part")]
mod common;

use std::path::Path;
use std::time::{Duration, Instant};

use common::Containers;
use runner_container_parts::{IMAGE, Registry, SlowLink};
use runner_runners::conformance::{attempt, run, shell, succeed};
use runner_runners::{ExitPhase, Reason};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_deadline_counts_the_fetching_of_images() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let Some(registry) = Registry::start(Path::new(folder.path())) else { return };
    let Some(containers) = Containers::start() else { return };
    containers.podman.run(&["push", "--quiet", IMAGE, &format!("{}/late:1", registry.address())]);
    let link = SlowLink::to(registry.address(), Duration::from_secs(4));
    let late = format!("{}/late:1", link.address());
    let runner = containers.with(|config| {
        config.pull = true;
        config.images = vec![("late".to_owned(), late)];
    });
    let mut template = shell("echo there");
    template.container.as_mut().unwrap().image = "late".into();
    let mut spec = attempt(&containers, "late", template.clone());
    spec.timeout = Some(Duration::from_secs(2));
    let start = Instant::now();
    let exit = run(&runner, spec).await;
    assert_eq!((exit.phase, exit.reason), (ExitPhase::Failed, Some(Reason::Deadline)), "{}", exit.message);
    assert_eq!(exit.message, "Pod was active on the node longer than the specified deadline");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    // The same with time enough: it is the way that is slow, and nothing else is wrong.
    let mut spec = attempt(&containers, "patient", template);
    spec.timeout = Some(Duration::from_secs(300));
    let exit = succeed(&runner, spec).await;
    assert_eq!(exit.outputs.result.as_deref(), Some("there"));
}
