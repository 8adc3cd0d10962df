//! Threads that start supervisors or adopt the ones that run. Spawning blocks, so no async thread does it.
//! What happens after the start is seen by `watch`.

use std::fs::File;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::process::{Pid, PidfdFlags};
use tokio::sync::oneshot;

use super::prepare::prepare;
use super::watch::{Task, Watched};
use super::{Shared, cancel, signals};
use crate::attempt::{AttemptDir, Handle, LOCK, SPEC, Signal};
use crate::error::Doing;
use crate::supervisor;
use crate::{AttemptId, AttemptSpec, Error, Exit, ExitPhase, Observation, Reason, Sink};

/// Longest wait for the handle of a supervisor that holds its lock: it is written within milliseconds.
const HANDLE_WAIT: Duration = Duration::from_secs(10);

/// What a launcher is asked to do.
pub(super) enum Order {
    /// Start or adopt.
    Ensure { spec: Box<AttemptSpec>, sink: Sink, reply: oneshot::Sender<Result<(), Error>> },
    /// Stop.
    Cancel { id: AttemptId, grace: Duration, reply: oneshot::Sender<Result<(), Error>> },
}

/// The launcher threads. Orders for one attempt go to one thread, in order.
pub(super) struct Launcher {
    lanes: Vec<mpsc::Sender<Order>>,
}

impl Launcher {
    /// Starts the threads; they end when this is dropped.
    pub(super) fn start(shared: &Arc<Shared>, count: usize) -> Result<Self, Error> {
        let mut lanes = Vec::new();
        for number in 0..count.max(1) {
            let (sender, orders) = mpsc::channel();
            let shared = Arc::clone(shared);
            std::thread::Builder::new()
                .name(format!("launcher-{number}"))
                .spawn(move || orders.into_iter().for_each(|order| perform(&shared, order)))
                .doing(|| "start a launcher thread".into())?;
            lanes.push(sender);
        }
        Ok(Self { lanes })
    }

    /// Queues an order in the lane of an attempt.
    pub(super) fn order(&self, storage_name: &str, order: Order) -> Result<(), Error> {
        let hash =
            storage_name.bytes().take(8).fold(0usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
        self.lanes[hash % self.lanes.len()].send(order).map_err(|_| Error::Stopped)
    }
}

fn perform(shared: &Shared, order: Order) {
    // Whoever asked may have gone away: then nobody needs the answer.
    match order {
        Order::Ensure { spec, sink, reply } => drop(reply.send(ensure(shared, *spec, sink))),
        Order::Cancel { id, grace, reply } => drop(reply.send(cancel(shared, &id, grace))),
    }
}

fn ensure(shared: &Shared, spec: AttemptSpec, sink: Sink) -> Result<(), Error> {
    let path = shared.attempt_path(&spec.id);
    let name = spec.id.storage_name();
    if shared.watcher.join(&name, &spec.id, &sink) {
        return Ok(());
    }
    use std::os::unix::fs::DirBuilderExt;
    match std::fs::DirBuilder::new().mode(0o700).create(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error).doing(|| format!("create the directory of attempt {}", spec.id)),
    }
    let opening = || format!("open attempt {}", spec.id);
    let dir = AttemptDir::open(&path).doing(opening)?.ok_or_else(|| Error::NotFound(spec.id.to_string()))?;
    if report_exit(&dir, &spec.id, &sink, shared, &path)? {
        return Ok(());
    }
    let lock = open_lock(&dir).doing(opening)?;
    if !try_lock(&lock).doing(opening)? {
        drop(lock);
        return adopt(shared, &dir, &path, spec, sink);
    }
    // Ours now. Its supervisor may have ended between the first look and the lock, or been cut off just
    // before it gave the record its name.
    dir.recover_exit().doing(opening)?;
    if report_exit(&dir, &spec.id, &sink, shared, &path)? {
        return Ok(());
    }
    match dir.handle().doing(opening)? {
        None => start(shared, &dir, &path, spec, sink, lock),
        Some(handle) => {
            let reason = lost_reason(handle.as_ref(), &shared.boot_id);
            shared.watcher.task(Task::Bury {
                path,
                id: spec.id,
                handle,
                boot_id: shared.boot_id.clone(),
                reason,
                sinks: vec![sink],
            });
            Ok(())
        }
    }
}

fn lost_reason(handle: Option<&Handle>, boot_id: &str) -> String {
    match handle {
        Some(handle) if handle.boot_id != boot_id => {
            "the machine was restarted while the step ran".to_owned()
        }
        Some(_) => "the supervisor of the step ended without leaving a record".to_owned(),
        None => "the supervisor of the step ended, and its handle is damaged".to_owned(),
    }
}

/// Reports the record, if there is one.
fn report_exit(
    dir: &AttemptDir,
    id: &AttemptId,
    sink: &Sink,
    shared: &Shared,
    path: &Path,
) -> Result<bool, Error> {
    let Some(exit) = dir.exit().doing(|| format!("read the record of attempt {id}"))? else {
        return Ok(false);
    };
    // A closed sink belongs to somebody who does not want to know any more.
    let _ = sink.send((id.clone(), Observation::Finished(exit)));
    shared.watcher.task(Task::Clean { path: path.to_path_buf() });
    Ok(true)
}

fn start(
    shared: &Shared,
    dir: &AttemptDir,
    path: &Path,
    spec: AttemptSpec,
    sink: Sink,
    lock: File,
) -> Result<(), Error> {
    let id = spec.id.clone();
    let signals = signals::expected(&spec.template).then(Signal::default);
    let starting = || format!("start attempt {id}");
    let job = match prepare(shared, &spec, path) {
        Ok(job) => job,
        // The template cannot be run, and could not be run later: that is the outcome of the attempt.
        Err(error) if !error.is_retriable() => {
            dir.write_exit(&refusal(&error)).doing(starting)?;
            report_exit(dir, &id, &sink, shared, path)?;
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    dir.write(SPEC, &serde_json::to_vec(&job).map_err(|e| Error::Invalid(e.to_string()))?).doing(starting)?;
    dir.make_control().doing(starting)?;
    let at = Timestamp::now();
    let child = Command::new(&shared.config.program)
        .arg0("runner")
        .arg(supervisor::COMMAND)
        .arg(path)
        .env_clear()
        .envs(shared.config.base_env.iter().filter(|(name, _)| name == "PATH").map(|(k, v)| (k, v)))
        .current_dir("/")
        .stdin(Stdio::from(lock))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .doing(starting)?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    let pidfd = pid
        .ok_or(rustix::io::Errno::SRCH)
        .and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()));
    let pidfd = pidfd.doing(starting)?;
    let started = Observation::Started { at, host: shared.host.clone(), isolation: None };
    // See `report_exit`.
    let _ = sink.send((id.clone(), started));
    let boot_id = shared.boot_id.clone();
    shared.watcher.watch(Watched {
        id,
        path: path.to_path_buf(),
        pidfd,
        child: Some(child),
        sinks: vec![sink],
        boot_id,
        signals,
    })
}

/// The record of an attempt that was refused before anything was started.
fn refusal(error: &Error) -> Exit {
    let now = Timestamp::now();
    Exit {
        phase: ExitPhase::Error,
        message: error.to_string(),
        exit_code: None,
        started_at: now,
        finished_at: now,
        outputs: runner_workflows::spec::Outputs::default(),
        reason: Some(Reason::NotStarted),
    }
}

/// Somebody supervises: wait for the handle, which is about to be written, and watch.
fn adopt(shared: &Shared, dir: &AttemptDir, path: &Path, spec: AttemptSpec, sink: Sink) -> Result<(), Error> {
    let id = spec.id.clone();
    let signals = signals::expected(&spec.template).then(Signal::default);
    let adopting = || format!("adopt attempt {id}");
    let end = Instant::now() + HANDLE_WAIT;
    let handle = loop {
        if report_exit(dir, &id, &sink, shared, path)? {
            return Ok(());
        }
        if let Some(Some(handle)) = dir.handle().doing(adopting)? {
            break handle;
        }
        // Whoever held the lock went away before anything was started (or only looked).
        if try_lock(&open_lock(dir).doing(adopting)?).doing(adopting)? {
            return ensure(shared, spec, sink);
        }
        if Instant::now() > end {
            return Err(io::Error::from(io::ErrorKind::TimedOut)).doing(adopting);
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    match handle.open(&shared.boot_id).doing(adopting)? {
        Some(pidfd) => {
            let (at, host) = (handle.started_at, handle.host);
            // See `report_exit`.
            let _ =
                sink.send((id.clone(), Observation::Started { at, host, isolation: Some(handle.isolation) }));
            let boot_id = shared.boot_id.clone();
            shared.watcher.watch(Watched {
                id,
                path: path.to_path_buf(),
                pidfd,
                child: None,
                sinks: vec![sink],
                boot_id,
                signals,
            })
        }
        None => {
            if !report_exit(dir, &id, &sink, shared, path)? {
                let reason = lost_reason(Some(&handle), &shared.boot_id);
                let boot_id = shared.boot_id.clone();
                let path = path.to_path_buf();
                shared.watcher.task(Task::Bury {
                    path,
                    id,
                    handle: Some(handle),
                    boot_id,
                    reason,
                    sinks: vec![sink],
                });
            }
            Ok(())
        }
    }
}

/// Opens the lock of an attempt, making it when absent.
pub(super) fn open_lock(dir: &AttemptDir) -> io::Result<File> {
    dir.open_file(LOCK, OFlags::RDWR | OFlags::CREATE)
}

/// Takes the lock if nobody has it.
pub(super) fn try_lock(lock: &File) -> io::Result<bool> {
    match flock(lock, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}
