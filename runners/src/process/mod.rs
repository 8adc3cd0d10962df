//! Steps as processes of this machine, each under a supervisor that outlives the engine.
//! Decides nothing about retries or phases; the number of running steps is bounded by the controller.
//!
//! Isolation. *Overlay*: a step has a root of its own in a mount namespace (and a user namespace without
//! root): the host's files below, private writes above. `/tmp`, `/var/tmp` and the working directory start
//! empty; `/tmp`, HOME and the working directory are on disk, everything else that is written is held in
//! memory; the engine's directories are hidden. Sockets below `/run` are seen but dead: name them as
//! hostPath volumes. *Remap*, where the kernel refuses: the step sees and may write the host's files; the
//! paths a template declares, their directories, volumes and `/tmp` are rewritten to private directories in
//! commands, arguments, variables and scripts. Paths that a program makes up by itself are not. Which mode an
//! attempt got, and why not the other, is in its `handle.json`.

mod config;
mod environment;
pub mod guest;
mod launch;
mod logs;
mod prepare;
mod repository;
mod secrets;
mod signals;
mod volumes;
mod watch;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

pub(crate) use environment::milliseconds;

pub use repository::delete_artifact;

pub use config::ProcessConfig;
pub use volumes::claim_directory;

use crate::attempt::{AttemptDir, CANCEL, CONTROL, CancelWish, LOCK};
use crate::error::Doing;
use crate::{AttemptId, AttemptSpec, BoxFuture, Error, LogQuery, LogStream, Release, Runner, Sink};
use launch::{Launcher, Order};
use watch::Watcher;

/// What the threads of a runner share.
struct Shared {
    config: ProcessConfig,
    attempts: PathBuf,
    boot_id: String,
    host: String,
    watcher: Watcher,
}

impl Shared {
    fn attempt_path(&self, id: &AttemptId) -> PathBuf {
        self.attempts.join(id.storage_name())
    }
}

/// Runs attempts as processes.
pub struct ProcessRunner {
    shared: Arc<Shared>,
    launcher: Launcher,
}

impl ProcessRunner {
    /// A runner over a state directory, which is made private to this user (V35).
    pub fn new(config: ProcessConfig) -> Result<Self, Error> {
        let attempts = config.state_dir.join("attempts");
        for dir in
            [&config.state_dir, &attempts, &config.state_dir.join("volumes"), &config.state_dir.join("mnt")]
        {
            private_dir(dir)?;
        }
        let boot_id = match &config.boot_id {
            Some(fake) => fake.clone(),
            None => crate::attempt::boot_id().doing(|| "read the boot id".into())?,
        };
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default().trim().to_owned();
        let launchers = config.launchers;
        let watcher = Watcher::start(config.keep_root)?;
        let shared = Arc::new(Shared { config, attempts, boot_id, host, watcher });
        let launcher = Launcher::start(&shared, launchers)?;
        Ok(Self { shared, launcher })
    }
}

impl Runner for ProcessRunner {
    fn ensure(&self, spec: AttemptSpec, sink: Sink) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            let (reply, answer) = tokio::sync::oneshot::channel();
            let lane = spec.id.storage_name();
            self.launcher.order(&lane, Order::Ensure { spec: Box::new(spec), sink, reply })?;
            answer.await.map_err(|_| Error::Stopped)?
        })
    }

    fn cancel(&self, id: &AttemptId, grace: Duration) -> BoxFuture<'_, Result<(), Error>> {
        let id = id.clone();
        Box::pin(async move {
            let (reply, answer) = tokio::sync::oneshot::channel();
            // In the same lane as its start, so that it cannot overtake it.
            self.launcher.order(&id.storage_name(), Order::Cancel { id: id.clone(), grace, reply })?;
            answer.await.map_err(|_| Error::Stopped)?
        })
    }

    fn logs(&self, id: &AttemptId, query: LogQuery) -> BoxFuture<'_, Result<LogStream, Error>> {
        let (path, id) = (self.shared.attempt_path(id), id.clone());
        Box::pin(async move { logs::stream(path, &id, query) })
    }

    fn remove(&self, id: &AttemptId) -> BoxFuture<'_, Result<(), Error>> {
        let (path, id) = (self.shared.attempt_path(id), id.clone());
        Box::pin(async move {
            tokio::task::spawn_blocking(move || remove(&path, &id)).await.map_err(|_| Error::Stopped)?
        })
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<(), Error>> {
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            if release.claims.is_empty() {
                return Ok(());
            }
            let work = move || {
                let remove =
                    |claim| volumes::remove_claim(&shared.config.state_dir, &release.namespace, claim);
                release.claims.iter().try_for_each(|claim| remove(claim))
            };
            tokio::task::spawn_blocking(work).await.map_err(|_| Error::Stopped)?
        })
    }
}

fn remove(path: &std::path::Path, id: &AttemptId) -> Result<(), Error> {
    let Some(dir) = AttemptDir::open(path).doing(|| format!("open attempt {id}"))? else { return Ok(()) };
    let lock = launch::open_lock(&dir).doing(|| format!("open the {LOCK} of attempt {id}"))?;
    if !launch::try_lock(&lock).doing(|| format!("lock attempt {id}"))? {
        return Err(Error::Invalid(format!("attempt {id} is running")));
    }
    watch::remove_tree(path).doing(|| format!("remove attempt {id}"))
}

/// Leaves the wish where the supervisor finds it, and wakes it.
fn cancel(shared: &Shared, id: &AttemptId, grace: Duration) -> Result<(), Error> {
    let cancelling = || format!("cancel attempt {id}");
    let Some(dir) = AttemptDir::open(&shared.attempt_path(id)).doing(cancelling)? else { return Ok(()) };
    if dir.exit().is_ok_and(|exit| exit.is_some()) {
        return Ok(());
    }
    let wish = CancelWish { grace_ms: u64::try_from(grace.as_millis()).unwrap_or(u64::MAX) };
    let mut line = serde_json::to_vec(&wish).map_err(|e| Error::Invalid(e.to_string()))?;
    dir.replace(CANCEL, &line).doing(cancelling)?;
    line.push(b'\n');
    use rustix::fs::OFlags;
    match dir.open_file(CONTROL, OFlags::WRONLY | OFlags::NONBLOCK) {
        Ok(mut control) => std::io::Write::write_all(&mut control, &line).doing(cancelling),
        // Nobody listens: the supervisor will find the file, or is dead and needs no telling.
        Err(_) => Ok(()),
    }
}

/// Creates a directory of mode 0700, or checks that an existing one is ours and closes it to others.
fn private_dir(path: &std::path::Path) -> Result<(), Error> {
    use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
    let making = || format!("create {}", path.display());
    std::fs::DirBuilder::new().mode(0o700).recursive(true).create(path).doing(making)?;
    let stat = std::fs::symlink_metadata(path).doing(making)?;
    if !stat.is_dir() || stat.uid() != rustix::process::geteuid().as_raw() {
        let problem = "must be a directory of this user".to_owned();
        return Err(Error::Unsafe { path: path.to_path_buf(), problem });
    }
    if stat.mode() & 0o077 != 0 {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o700)).doing(making)?;
    }
    Ok(())
}

/// The repository directory of a spec must not be seen by steps either.
fn repository_dir(spec: &AttemptSpec) -> Option<PathBuf> {
    match &spec.repository {
        crate::ArtifactRepository::Local { root } => Some(root.clone()),
        crate::ArtifactRepository::Remote { .. } | crate::ArtifactRepository::Ref { .. } => None,
    }
}
