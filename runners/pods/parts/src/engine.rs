//! A container engine of its own: podman, or Docker in its place.
//! Knows no runner.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::missing;

/// The image that all tests use.
pub const IMAGE: &str = "localhost/busybox:test";

/// An engine with nothing in it but the image; it ends with this value.
#[derive(Debug)]
pub struct Podman {
    dir: tempfile::TempDir,
    service: Mutex<Option<Child>>,
    docker: bool,
}

impl Podman {
    /// A Docker engine that keeps its state below a directory; without it, says why.
    pub fn docker(folder: &Path) -> Option<Self> {
        if std::env::var_os("RUNNER_TEST_DOCKER").is_none() {
            eprintln!("skipped: set RUNNER_TEST_DOCKER=1 to run the suite on a Docker engine too (as root)");
            return None;
        }
        let programs = [("dockerd", "docker.io"), ("docker", "docker.io"), ("busybox", "busybox-static")];
        if missing(&programs) {
            return None;
        }
        let dir = tempfile::tempdir_in(folder).unwrap();
        let docker = Self { dir, service: Mutex::default(), docker: true };
        docker.serve();
        if !docker.command().arg("version").output().unwrap().status.success() {
            eprintln!("skipped: dockerd does not start here (it has to be root)");
            return None;
        }
        docker.import();
        Some(docker)
    }

    /// Starts podman, with its state below a directory; without it, says why.
    pub fn start(folder: &Path) -> Option<Self> {
        if missing(&[("podman", "podman"), ("runc", "runc"), ("busybox", "busybox-static")]) {
            return None;
        }
        let dir = tempfile::tempdir_in(folder).unwrap();
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
        let plain = "[[registry]]\nlocation = \"127.0.0.1\"\ninsecure = true\n";
        std::fs::write(dir.path().join("registries.conf"), plain).unwrap();
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

    /// Its command line.
    pub fn command(&self) -> Command {
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
            .env("CONTAINERS_REGISTRIES_CONF", at("registries.conf"))
            .arg("--root")
            .arg(at("storage"))
            .arg("--runroot")
            .arg(at("run"))
            .arg("--tmpdir")
            .arg(at("tmp"));
        command
    }

    /// What a command of it says.
    pub fn run(&self, args: &[&str]) -> String {
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

    /// Socket of its API.
    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("podman.sock")
    }

    /// Starts the API, again if need be.
    pub fn serve(&self) {
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
