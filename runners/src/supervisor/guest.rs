//! Files, logs and outputs of an attempt whose containers somebody else runs: the supervisor's own ways with them.
//! Runs nothing; `process::guest` says which directories these are.

use std::fs::File;
use std::path::Path;

use jiff::Timestamp;

use super::clock::Clock;
use super::files;
use super::member::{Ended, Ran, Role, Stopped};
use super::outputs;
use super::places::Places;
use super::pump::{LastBytes, LogWriter, log_name};
use crate::artifacts::{pack_tar, unpack_tar};
use crate::attempt::AttemptDir;
use crate::beneath::{Beneath, Links};
use crate::error::Doing;
use crate::job::{Bind, Job};
use crate::limits::RESULT_BYTES;
use crate::mask::{self, Masks};
use crate::{Error, Exit, ExitPhase, Reason, Stream};

/// What came of the containers of an attempt.
#[derive(Clone, Debug)]
pub struct Left {
    /// How each of them ended: init, main, side cars.
    pub containers: Vec<Container>,
    /// Who ended the attempt, when it did not end by itself: a deadline or a cancel.
    pub stopped: Option<Reason>,
    /// What whoever ran the containers knows better than their exit codes tell; a success stays one unless it is
    /// the outputs that are at fault.
    pub verdict: Option<(ExitPhase, String, Reason)>,
    /// Standard output of main, when wanted.
    pub result: Option<String>,
    /// When the attempt started.
    pub started_at: Timestamp,
    /// When it really ended.
    pub finished_at: Timestamp,
}

/// The part a container plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Before main.
    Init,
    /// The step itself.
    Main,
    /// Beside main.
    Sidecar,
}

/// How one container ended.
#[derive(Clone, Debug)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its part.
    pub part: Part,
    /// Absent: it never ran.
    pub exit_code: Option<i32>,
    /// Why it could not be started.
    pub not_started: Option<String>,
    /// It was ended because main had ended.
    pub dismissed: bool,
    /// The kernel ended it for its memory.
    pub out_of_memory: bool,
}

/// The log of one container, without secrets.
pub struct GuestLog {
    writer: LogWriter,
    held: [mask::Stream; 2],
    masks: Masks,
    result: Option<LastBytes>,
}

impl GuestLog {
    /// The log of a container by name and position.
    pub(crate) fn new(
        dir: &AttemptDir,
        job: &Job,
        masks: &Masks,
        (name, position): (&str, usize),
        result: bool,
    ) -> Result<Self, Error> {
        let fd = dir.as_fd().try_clone_to_owned().doing(|| "open the logs".into())?;
        let writer = LogWriter::new(fd, log_name(name, position), job.log_head_bytes, job.log_segment_bytes);
        let result = result.then(|| LastBytes::new(RESULT_BYTES));
        Ok(Self { writer, held: Default::default(), masks: masks.clone(), result })
    }

    /// Appends what the container wrote.
    pub fn write(&mut self, stream: Stream, at: Timestamp, chunk: &[u8]) {
        match stream {
            Stream::Stdout | Stream::Stderr => {
                let which = usize::from(stream == Stream::Stderr);
                let chunk = self.held[which].push(&self.masks, chunk).into_owned();
                self.append(stream, at, &chunk);
            }
            Stream::Supervisor => {
                let text = String::from_utf8_lossy(chunk);
                let text = self.masks.text(&text).into_owned();
                self.append(stream, at, text.as_bytes());
            }
        }
    }

    fn append(&mut self, stream: Stream, at: Timestamp, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        self.writer.write(stream, at, chunk);
        if stream == Stream::Stdout
            && let Some(result) = &mut self.result
        {
            result.push(chunk);
        }
    }

    /// Ends the log; gives standard output where it was wanted.
    pub fn finish(mut self) -> Option<String> {
        let now = Timestamp::now();
        for (which, stream) in [Stream::Stdout, Stream::Stderr].into_iter().enumerate() {
            let rest = self.held[which].finish(&self.masks);
            self.append(stream, now, &rest);
        }
        self.writer.finish();
        self.result.map(LastBytes::text)
    }
}

/// Places scripts and input artifacts.
pub(crate) fn place(job: &Job, root: &Path, binds: &[Bind]) -> Result<(), Error> {
    let stores = files::stores(job)?;
    let places = Places::over(root, binds).doing(|| "open the volumes".into())?;
    files::place(job, &places, &stores)
}

/// Packs what was placed at these paths, as [`crate::frames`] describes a bundle. What is not there is left out:
/// an optional input.
pub(crate) fn bundle<'p>(root: &Path, paths: impl Iterator<Item = &'p String>) -> Result<Vec<u8>, Error> {
    let packing = || "pack the inputs of the step".to_owned();
    let root = Beneath::open(root, Links::InRoot).doing(packing)?;
    let mut bundle = tar::Builder::new(Vec::new());
    let mut any = false;
    for path in paths {
        match root.file_type(Path::new(path)) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error).doing(packing),
            Ok(_) => {}
        }
        let mut packed = Vec::new();
        pack_tar(&root, Path::new(path), 6, &mut packed)?;
        let mut header = tar::Header::new_gnu();
        header.set_size(packed.len() as u64);
        header.set_mode(0o600);
        let name = path.trim_start_matches('/');
        bundle.append_data(&mut header, name, packed.as_slice()).doing(packing)?;
        any = true;
    }
    if any { bundle.into_inner().doing(packing) } else { Ok(Vec::new()) }
}

/// Whether a path lies in one of the mounts, and not only at it where that is a file.
pub(crate) fn mounted(binds: &[Bind], path: &str) -> bool {
    binds.iter().any(|bind| bind.source.is_dir() && Path::new(path).starts_with(&bind.target))
}

/// Unpacks what was at `path` below `root`.
pub(crate) fn receive(root: &Path, path: &str, archive: File) -> Result<(), Error> {
    let receiving = || format!("take {path} out of the container");
    let size = archive.metadata().doing(receiving)?.len();
    let root = Beneath::open(root, Links::InRoot).doing(receiving)?;
    unpack_tar(archive, size, &root, Path::new(path))
}

/// As [`receive`], decompressing.
pub(crate) fn receive_packed(root: &Path, path: &str, archive: File) -> Result<(), Error> {
    let receiving = || format!("take {path} out of the pod");
    let size = archive.metadata().doing(receiving)?.len();
    let root = Beneath::open(root, Links::InRoot).doing(receiving)?;
    unpack_tar(flate2::read::GzDecoder::new(archive), size, &root, Path::new(path))
}

/// Makes the record.
pub(crate) fn collect(
    job: &Job,
    attempt: &AttemptDir,
    root: &Path,
    binds: &[Bind],
    (left, masks): (Left, &Masks),
) -> Result<Exit, Error> {
    let stores = files::stores(job)?;
    let places = Places::over(root, binds).doing(|| "open the volumes".into())?;
    let killed = left.containers.iter().find(|one| one.out_of_memory && one.part != Part::Sidecar).cloned();
    let stopped = left.stopped.map(|why| match why {
        Reason::Deadline => Stopped::Deadline,
        _other => Stopped::Cancelled,
    });
    let ended = left.containers.into_iter().map(|one| Ended {
        name: one.name,
        role: match one.part {
            Part::Init => Role::Init,
            Part::Main => Role::Main,
            Part::Sidecar => Role::Sidecar,
        },
        exit_code: one.exit_code,
        not_started: one.not_started,
        dismissed: one.dismissed,
    });
    let ran = Ran { ended: ended.collect(), stopped, result: left.result, survivors: false };
    let mut exit = outputs::collect(job, attempt, &places, &stores, &Clock::start(), ran);
    (exit.started_at, exit.finished_at) = (left.started_at, left.finished_at);
    if let Some(killed) = killed {
        outputs::out_of_memory(&mut exit, &killed.name, killed.exit_code);
    }
    let better = left.verdict.filter(|(.., reason)| match (exit.phase, *reason) {
        (ExitPhase::Succeeded, reason) => reason == Reason::Output,
        // A step that failed by itself did not fail for what it left behind.
        (_, Reason::Output) => exit.reason == Some(Reason::Output),
        (_, _) => left.stopped.is_none(),
    });
    if let Some((phase, message, reason)) = better {
        (exit.phase, exit.message, exit.reason) = (phase, message, Some(reason));
    }
    outputs::mask(&mut exit, masks);
    Ok(exit)
}
