//! The process runner as a subject of the suite, and what its own tests share.
//! No tests of its own.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};

use runner_runners::{ArtifactRepository, AttemptId, IsolationChoice, ProcessConfig, ProcessRunner, Runner};
use rustix::process::{Pid, PidfdFlags, Signal};

#[expect(unreachable_pub, reason = "the same file is a public module of the crate")]
#[path = "../../src/conformance/mod.rs"]
pub(crate) mod conformance;

use conformance::Subject;

/// A state directory of its own, gone at the end.
pub(crate) struct Processes {
    dir: tempfile::TempDir,
    pub(crate) isolation: IsolationChoice,
}

impl Processes {
    pub(crate) fn new(isolation: IsolationChoice) -> Self {
        // Not below /tmp: every step has a /tmp of its own, and the state would not be hidden but absent.
        let dir = tempfile::tempdir_in(
            std::env::var("RUNNER_TEST_DIR").unwrap_or_else(|_| env!("CARGO_TARGET_TMPDIR").to_owned()),
        )
        .unwrap();
        Self { dir, isolation }
    }

    pub(crate) fn config(&self) -> ProcessConfig {
        let mut config = ProcessConfig::new(self.state()).unwrap();
        config.program = PathBuf::from(env!("CARGO_BIN_EXE_runner-step"));
        config.isolation = self.isolation;
        config
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut ProcessConfig)) -> ProcessRunner {
        let mut config = self.config();
        change(&mut config);
        ProcessRunner::new(config).unwrap()
    }

    pub(crate) fn attempt_dir(&self, id: &AttemptId) -> PathBuf {
        self.state().join("attempts").join(id.storage_name())
    }

    pub(crate) fn handle(&self, id: &AttemptId) -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(self.attempt_dir(id).join("handle.json")).unwrap()).unwrap()
    }

    pub(crate) fn supervisor(&self, id: &AttemptId) -> i32 {
        i32::try_from(self.handle(id)["pid"].as_i64().unwrap()).unwrap()
    }
}

impl Subject for Processes {
    fn runner(&self) -> Box<dyn Runner> {
        Box::new(ProcessRunner::new(self.config()).unwrap())
    }

    fn repository(&self) -> ArtifactRepository {
        ArtifactRepository::Local { root: self.dir.path().join("artifacts") }
    }

    fn lose(&self, id: &AttemptId) -> bool {
        kill(self.supervisor(id));
        true
    }
}

pub(crate) fn kill(pid: i32) {
    let pidfd = rustix::process::pidfd_open(Pid::from_raw(pid).unwrap(), PidfdFlags::empty()).unwrap();
    rustix::process::pidfd_send_signal(&pidfd, Signal::KILL).unwrap();
}

/// Whether this machine can give a step a private root.
pub(crate) fn can_isolate() -> bool {
    let processes = Processes::new(IsolationChoice::Overlay);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let exit = runtime.block_on(async {
        let runner = processes.runner();
        conformance::run(&*runner, conformance::attempt(&processes, "probe", conformance::shell("true")))
            .await
    });
    if exit.phase != runner_runners::ExitPhase::Succeeded {
        eprintln!("skipped: no private root on this machine: {}", exit.message);
    }
    exit.phase == runner_runners::ExitPhase::Succeeded
}

/// Processes of this machine whose command line contains a word.
pub(crate) fn processes_with(word: &str) -> Vec<i32> {
    let listing = std::fs::read_dir("/proc").unwrap();
    let pids = listing.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter(|pid| {
        let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        words.split(|byte| *byte == 0).any(|one| one == word.as_bytes())
    })
    .collect()
}

/// A number of seconds that no other process sleeps: a name for a process.
pub(crate) fn long_sleep() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("6{}.{:03}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until nobody sleeps that long any more.
pub(crate) async fn gone(sleep: &str) {
    for _ in 0..500 {
        if processes_with(sleep).is_empty() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert_eq!(processes_with(sleep), Vec::<i32>::new(), "processes were left behind");
}

/// A file that must appear.
pub(crate) async fn appears(path: &Path) {
    for _ in 0..2000 {
        if path.exists() {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    assert!(path.exists(), "{} did not appear", path.display());
}
