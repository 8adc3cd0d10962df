//! A real podman for tests: state of its own, an image made of busybox, its API on a socket.
//! No tests of its own. Where podman is missing the tests say that they were skipped, and why.
#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]
#![expect(dead_code, reason = "each test binary uses its part")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use runner_pods::container::{ContainerConfig, ContainerRunner};
use runner_runners::conformance::Subject;
use runner_runners::{ArtifactRepository, AttemptId, ProcessConfig, ProcessRunner, Runner};

/// The image that all tests use.
pub(crate) const IMAGE: &str = "localhost/busybox:test";

/// An engine with nothing in it but the image.
pub(crate) struct Podman {
    dir: tempfile::TempDir,
    service: Mutex<Option<Child>>,
    docker: bool,
}

impl Podman {
    /// A Docker engine in its place, or why not.
    pub(crate) fn docker() -> Option<Self> {
        if std::env::var_os("RUNNER_TEST_DOCKER").is_none() {
            eprintln!("skipped: set RUNNER_TEST_DOCKER=1 to run the suite on a Docker engine too (as root)");
            return None;
        }
        for program in ["dockerd", "docker", "busybox"] {
            let found =
                Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if found.is_err() {
                eprintln!("skipped: there is no {program} here (apt-get install docker.io busybox-static)");
                return None;
            }
        }
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let docker = Self { dir, service: Mutex::default(), docker: true };
        docker.serve();
        if !docker.command().arg("version").output().unwrap().status.success() {
            eprintln!("skipped: dockerd does not start here (it has to be root)");
            return None;
        }
        docker.import();
        Some(docker)
    }

    /// Starts one, or says why not.
    pub(crate) fn start() -> Option<Self> {
        for (program, package) in [("podman", "podman"), ("runc", "runc"), ("busybox", "busybox-static")] {
            let found =
                Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status();
            if found.is_err() {
                eprintln!("skipped: there is no {program} here (apt-get install {package})");
                return None;
            }
        }
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        // Where systemd is not, and where the hard limits of this process cannot be raised.
        let hard = |flag: &str| {
            let said = Command::new("sh").args(["-c", &format!("ulimit -H{flag}")]).output().unwrap();
            let limit = String::from_utf8_lossy(&said.stdout).trim().parse::<u64>();
            limit.unwrap_or(1 << 20).min(1 << 20)
        };
        let (files, processes) = (hard("n"), hard("u").min(4096));
        let settings = format!(
            "[containers]\ndefault_ulimits = [\"nofile={files}:{files}\", \"nproc={processes}:{processes}\"]\n\
             [engine]\nruntime = \"runc\"\ncgroup_manager = \"cgroupfs\"\nevents_logger = \"file\"\n"
        );
        std::fs::write(dir.path().join("containers.conf"), settings).unwrap();
        let podman = Self { dir, service: Mutex::default(), docker: false };
        podman.import();
        let works = podman.command().args(["run", "--rm", "--network=none", IMAGE, "true"]).output().unwrap();
        if !works.status.success() {
            eprintln!(
                "skipped: podman cannot run containers here: {}",
                String::from_utf8_lossy(&works.stderr).trim()
            );
            return None;
        }
        podman.serve();
        Some(podman)
    }

    pub(crate) fn command(&self) -> Command {
        if self.docker {
            let mut command = Command::new("docker");
            command.arg("-H").arg(format!("unix://{}", self.socket().display()));
            return command;
        }
        let mut command = Command::new("podman");
        let at = |name: &str| self.dir.path().join(name);
        command
            // conmon leaves a file where it was started
            .current_dir(self.dir.path())
            .env("CONTAINERS_CONF", at("containers.conf"))
            .arg("--root")
            .arg(at("storage"))
            .arg("--runroot")
            .arg(at("run"))
            .arg("--tmpdir")
            .arg(at("tmp"));
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> String {
        let done = self.command().args(args).output().unwrap();
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }

    /// An image without any registry: busybox and its names.
    fn import(&self) {
        let root = self.dir.path().join("rootfs");
        for dir in ["bin", "tmp", "etc", "proc", "sys", "dev"] {
            std::fs::create_dir_all(root.join(dir)).unwrap();
        }
        let which = Command::new("sh").args(["-c", "command -v busybox"]).output().unwrap();
        let busybox = String::from_utf8(which.stdout).unwrap();
        std::fs::copy(busybox.trim(), root.join("bin/busybox")).unwrap();
        let names = Command::new("busybox").arg("--list").output().unwrap();
        for name in String::from_utf8(names.stdout).unwrap().lines().filter(|name| *name != "busybox") {
            std::os::unix::fs::symlink("busybox", root.join("bin").join(name)).unwrap();
        }
        std::fs::write(root.join("etc/passwd"), "root:x:0:0:root:/:/bin/sh\n").unwrap();
        let archive = self.dir.path().join("rootfs.tar");
        let packed =
            Command::new("tar").arg("-C").arg(&root).arg("-cf").arg(&archive).arg(".").status().unwrap();
        assert!(packed.success());
        let change = [
            "--change",
            "ENV PATH=/bin",
            "--change",
            "ENTRYPOINT []",
            "--change",
            "CMD [\"/bin/sh\", \"-c\", \"echo from the image\"]",
        ];
        let import = self.command().arg("import").args(change).arg(&archive).arg(IMAGE).output().unwrap();
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("podman.sock")
    }

    /// Starts the API, again if need be.
    pub(crate) fn serve(&self) {
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut old) = service.take() {
            old.kill().unwrap();
            old.wait().unwrap();
        }
        let address = format!("unix://{}", self.socket().display());
        let command = if self.docker {
            let mut command = Command::new("dockerd");
            let at = |name: &str| self.dir.path().join(name);
            command.args(["--bridge=none", "--iptables=false", "--ip6tables=false", "-H", &address]);
            command
                .arg("--data-root")
                .arg(at("data"))
                .arg("--exec-root")
                .arg(at("exec"))
                .arg("-p")
                .arg(at("pid"));
            command
        } else {
            let mut command = self.command();
            command.args(["system", "service", "--time=0", &address]);
            command
        };
        let mut command = command;
        *service = Some(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        for _ in 0..600 {
            if std::os::unix::net::UnixStream::connect(self.socket()).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        assert!(self.socket().exists(), "the API of podman did not come up");
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        // What cannot be cleaned up must not hide why a test failed.
        let left = self.run(&["ps", "--all", "--quiet"]);
        let _ = self.command().args(["rm", "--force"]).args(left.lines()).output();
        if let Some(mut service) = self.service.lock().unwrap_or_else(PoisonError::into_inner).take() {
            if self.docker {
                // It unmounts what it mounted, and ends its own children.
                let _ = Command::new("kill").arg(service.id().to_string()).status();
            } else {
                let _ = service.kill();
            }
            let _ = service.wait();
        }
        let storage = self.dir.path().join("storage/overlay");
        let _ = Command::new("umount").arg(&storage).stderr(Stdio::null()).status();
    }
}

/// The container runner as a subject of the suite.
pub(crate) struct Containers {
    pub(crate) podman: Podman,
    dir: tempfile::TempDir,
}

impl Containers {
    pub(crate) fn start() -> Option<Self> {
        Self::over(Podman::start()?)
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

    fn lose(&self, id: &AttemptId) -> bool {
        for name in self.containers(id) {
            self.podman.run(&["rm", "--force", &name]);
        }
        true
    }
}
