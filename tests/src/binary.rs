//! The built binary `runner` in a home of its own: start it, wait for it, read what it said.
//! Knows the command line only from outside.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::paths::workspace;

/// Set to the path of a binary that is tested as it is, instead of one that is built from the tree.
const GIVEN: &str = "RUNNER_TESTS_BINARY";

/// The binary, built once per process in the profile of the caller.
///
/// # Errors
/// It does not build.
pub fn binary() -> Result<&'static Path, String> {
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BINARY.get_or_init(build).as_deref().map_err(Clone::clone)
}

fn build() -> Result<PathBuf, String> {
    if let Some(given) = std::env::var_os(GIVEN) {
        return Ok(PathBuf::from(given));
    }
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut folder = own.parent().unwrap_or(Path::new(".")).to_path_buf();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let release = folder.ends_with("release");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.current_dir(workspace()).args(["build", "--quiet", "--package", "runner-cli", "--bin", "runner"]);
    if release {
        command.arg("--release");
    }
    let output = command.output().map_err(|error| format!("cargo: {error}"))?;
    if !output.status.success() {
        return Err(format!("runner does not build: {}", String::from_utf8_lossy(&output.stderr)));
    }
    Ok(folder.join("runner"))
}

/// What a finished command said.
#[derive(Clone, Debug)]
pub struct Said {
    /// Exit status; none when a signal ended it or it was given up.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Said {
    /// Both outputs, for people.
    pub fn both(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }
}

/// A command that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Running {
    /// Process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it wrote to standard output so far.
    pub fn stdout(&self) -> String {
        std::fs::read(&self.stdout)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// What it wrote to standard error so far.
    pub fn stderr(&self) -> String {
        std::fs::read(&self.stderr)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// It has ended.
    pub fn ended(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(Some(_)))
    }

    /// Kills it at once, as `kill -9`.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits for its end, at most so long; then it is killed.
    pub fn wait(mut self, limit: Duration) -> Said {
        let start = Instant::now();
        while start.elapsed() < limit && !self.ended() {
            std::thread::sleep(Duration::from_millis(10));
        }
        let code = match self.child.try_wait() {
            Ok(Some(status)) => status.code(),
            _ => None,
        };
        self.kill();
        let read = |path: &Path| {
            std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
        };
        Said { code, stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A folder with a store and a home of its own; gone in the end.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    namespace: String,
    count: AtomicU32,
}

impl Home {
    /// A fresh home for commands in a namespace.
    ///
    /// # Errors
    /// No room.
    pub fn new(namespace: &str) -> Result<Self, String> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("runner-tests-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { folder, namespace: namespace.to_owned(), count: AtomicU32::new(0) })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Builds the binary and links it here, so that the next start costs nothing but itself.
    ///
    /// # Errors
    /// It does not build.
    pub fn prepare(&self) -> Result<(), String> {
        self.binary().map(drop)
    }

    /// The binary under a name of its own: a build meanwhile must not change what is being tested.
    fn binary(&self) -> Result<PathBuf, String> {
        let own = self.folder.join("runner");
        if own.exists() {
            return Ok(own);
        }
        let built = binary()?;
        let failed = |error: std::io::Error| format!("{}: {error}", own.display());
        match std::fs::hard_link(built, &own) {
            Err(error) if error.kind() == std::io::ErrorKind::CrossesDevices => {
                std::fs::copy(built, &own).map_err(failed)?;
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            other => other.map_err(failed)?,
        }
        Ok(own)
    }

    /// Leaves the folder where it is, for a look at what went wrong.
    pub fn keep(self) -> PathBuf {
        let folder = self.folder.clone();
        std::mem::forget(self);
        folder
    }

    /// Starts a command in a directory.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(&self, directory: &Path, args: &[&str]) -> Result<Running, String> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let file = |kind: &str| self.folder.join(format!("{number}.{kind}"));
        let (stdout, stderr) = (file("out"), file("err"));
        let create = |path: &Path| File::create(path).map_err(|error| format!("{}: {error}", path.display()));
        let child = Command::new(self.binary()?)
            .args(args)
            .current_dir(directory)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", &self.folder)
            .env("RUNNER_STORE", self.folder.join("store/runner.db"))
            .env("RUNNER_NAMESPACE", &self.namespace)
            .env("NO_COLOR", "1")
            .stdin(Stdio::null())
            .stdout(create(&stdout)?)
            .stderr(create(&stderr)?)
            .spawn()
            .map_err(|error| format!("runner does not start: {error}"))?;
        Ok(Running { child, stdout, stderr })
    }

    /// Runs a command in the home itself, at most so long.
    ///
    /// # Errors
    /// It does not start.
    pub fn run(&self, args: &[&str], limit: Duration) -> Result<Said, String> {
        Ok(self.start(&self.folder, args)?.wait(limit))
    }

    /// A workflow as JSON; none when there is none of that name.
    ///
    /// # Errors
    /// The command says something that is not JSON.
    pub fn get(&self, name: &str) -> Result<Option<Value>, String> {
        let said = self.run(&["get", name, "-o", "json"], Duration::from_secs(20))?;
        match said.code {
            Some(0) => serde_json::from_str(&said.stdout).map(Some).map_err(|error| format!("get: {error}")),
            Some(4) => Ok(None),
            code => Err(format!("get {name}: exit {code:?}: {}", said.both())),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // What is left behind is in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
