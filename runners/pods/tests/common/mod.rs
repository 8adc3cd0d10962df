//! The container runner over a real engine. No tests of its own.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use runner_container_parts::{IMAGE, Podman};
use runner_pods::container::{ContainerConfig, ContainerRunner};
use runner_runners::conformance::Subject;
use runner_runners::{ArtifactRepository, AttemptId, ProcessConfig, ProcessRunner, Runner};

/// The container runner as a subject of the suite.
pub(crate) struct Containers {
    pub(crate) podman: Podman,
    dir: tempfile::TempDir,
}

impl Containers {
    pub(crate) fn start() -> Option<Self> {
        Self::over(Podman::start(Path::new(env!("CARGO_TARGET_TMPDIR")))?)
    }

    pub(crate) fn over(podman: Podman) -> Option<Self> {
        Some(Self { podman, dir: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap() })
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub(crate) fn config(&self) -> ContainerConfig {
        config(&self.podman.socket())
    }

    pub(crate) fn process(&self, change: impl FnOnce(&mut ProcessConfig)) -> Arc<ProcessRunner> {
        let mut config = ProcessConfig::new(self.state()).unwrap();
        config.grace = Duration::from_secs(2);
        change(&mut config);
        Arc::new(ProcessRunner::new(config).unwrap())
    }

    pub(crate) fn with(&self, change: impl FnOnce(&mut ContainerConfig)) -> ContainerRunner {
        let mut config = self.config();
        change(&mut config);
        ContainerRunner::new(config, self.process(|_| {})).unwrap()
    }

    /// Names of the containers of an attempt that are there.
    pub(crate) fn containers(&self, id: &AttemptId) -> Vec<String> {
        let filter = format!("label=runner/attempt={}", id.storage_name());
        let names = self.podman.run(&["ps", "--all", "--filter", &filter, "--format", "{{.Names}}"]);
        names.lines().map(str::to_owned).collect()
    }

    /// A directory that steps may share with the test.
    pub(crate) fn shared(&self) -> PathBuf {
        let dir = self.dir.path().join("shared");
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }
}

/// Settings for an engine behind a socket, with every image replaced by the one there is.
pub(crate) fn config(socket: &Path) -> ContainerConfig {
    ContainerConfig {
        sockets: vec![socket.to_path_buf()],
        network: "none".to_owned(),
        images: vec![("alpine*".to_owned(), IMAGE.to_owned()), ("busybox*".to_owned(), IMAGE.to_owned())],
        default_image: IMAGE.to_owned(),
        pull: false,
        ..ContainerConfig::default()
    }
}

impl Subject for Containers {
    fn runner(&self) -> Box<dyn Runner> {
        Box::new(self.with(|_| {}))
    }

    fn repository(&self) -> ArtifactRepository {
        ArtifactRepository::Local { root: self.dir.path().join("artifacts") }
    }

    fn slack(&self) -> Duration {
        // A deadline counts from before a container is made, which a busy machine takes its time for.
        Duration::from_secs(8)
    }

    fn lose(&self, id: &AttemptId) -> bool {
        for name in self.containers(id) {
            self.podman.run(&["rm", "--force", &name]);
        }
        true
    }
}
