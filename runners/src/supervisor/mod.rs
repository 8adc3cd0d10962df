//! The supervisor of one attempt: the same binary, started as `runner __supervise DIR`.
//! Knows nothing of the engine; it outlives it, and what it leaves behind is the exit record.
//!
//! One thread, no runtime. It locks the attempt, builds the private root, places inputs, starts main, pumps
//! its output, waits, kills what is left, collects outputs and writes `exit.json`.

mod clock;
mod files;
pub mod guest;
pub mod inside;
mod member;
mod memory;
mod mounts;
mod outputs;
mod pause;
mod places;
mod pump;
mod report;
mod root;
mod run;
mod signal;
mod spawn;

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::ExitCode;

use rustix::fs::{Mode, OFlags};

pub(crate) use pump::{HEADER_BYTES, log_name, stream_number};

use crate::attempt::{self, AttemptDir, CONTROL, HANDLE, Handle, SPEC};
use crate::error::Doing;
use crate::job::{IsolationChoice, Job};
use crate::mask::Masks;
use crate::{Error, Exit, ExitPhase, Isolation, Reason};
use clock::Clock;
use places::Places;

/// The word after which the arguments of the supervisor follow.
pub const COMMAND: &str = "__supervise";

/// Supervises the attempt in the directory `args[0]`; standard input is its lock.
pub fn main(args: &[String]) -> ExitCode {
    let [dir] = args else { return ExitCode::from(2) };
    match supervise(Path::new(dir)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is the supervisor's own log; nobody is left to be told otherwise.
            let _ = io::Write::write_all(&mut io::stderr(), format!("{error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn supervise(dir: &Path) -> Result<(), Error> {
    let clock = Clock::start();
    // It is a session leader already when a shell started it as a job.
    let _ = rustix::process::setsid();
    crate::sys::close_inherited_on_exec().doing(|| "close inherited files".into())?;
    // Kept open to the end of this process: who can lock it knows that nobody supervises any more.
    let _lock = take_lock().doing(|| "keep the lock".into())?;
    rustix::process::set_child_subreaper(rustix::process::Pid::from_raw(1))
        .doing(|| "become the subreaper".into())?;
    rustix::process::umask(Mode::from_raw_mode(0o022));
    let attempt = AttemptDir::open(dir).doing(|| "open the attempt".into())?;
    let Some(attempt) = attempt else { return Err(Error::NotFound(dir.display().to_string())) };
    let job = match read_job(&attempt) {
        Ok(job) => job,
        // Without a record the attempt would be lost, and the cause nowhere.
        Err(error) => {
            let exit = failed(&clock, error.to_string(), Reason::NotStarted);
            return attempt.write_exit(&exit).doing(|| "write the exit record".into());
        }
    };
    let masks = Masks::new(&job.secrets);
    let mut exit = match execute(&job, &attempt, dir, &clock, &masks) {
        Ok(exit) => exit,
        Err(error) => failed(&clock, error.to_string(), Reason::NotStarted),
    };
    outputs::mask(&mut exit, &masks);
    attempt.write_exit(&exit).doing(|| "write the exit record".into())
}

fn read_job(attempt: &AttemptDir) -> Result<Job, Error> {
    match attempt.read_json::<Job>(SPEC).doing(|| "read the job".into())? {
        Some(Ok(job)) => Ok(job),
        Some(Err(error)) => Err(Error::Invalid(format!("the job of the supervisor cannot be read: {error}"))),
        None => Err(Error::Invalid("the job of the supervisor is not there".into())),
    }
}

/// The record of an attempt whose main never ran.
fn failed(clock: &Clock, message: String, reason: Reason) -> Exit {
    Exit {
        phase: ExitPhase::Error,
        message,
        exit_code: None,
        started_at: clock.started_at,
        finished_at: clock.now(),
        outputs: runner_workflows::spec::Outputs::default(),
        reason: Some(reason),
    }
}

fn execute(job: &Job, attempt: &AttemptDir, dir: &Path, clock: &Clock, masks: &Masks) -> Result<Exit, Error> {
    let control =
        attempt.open_file(CONTROL, OFlags::RDWR | OFlags::NONBLOCK).doing(|| "open the control".into())?;
    // Opened now: its path cannot be reached from inside the private root.
    let stores = files::stores(job)?;
    let mut memory = memory::Memory::new(job.memory_bytes);
    let entered = enter(job, dir)?;
    write_handle(job, attempt, clock, &entered).doing(|| "write the handle".into())?;
    if !job.secrets.is_empty() {
        // from here on the attempt is adopted or lost, never started from its job again
        let bytes =
            serde_json::to_vec(&job.without_secrets(masks)).map_err(|e| Error::Invalid(e.to_string()))?;
        attempt.replace(SPEC, &bytes).doing(|| "take the secrets out of the job".into())?;
    }
    restrict().doing(|| "restrict the step".into())?;
    let places = Places::new(job, entered.isolation, dir).doing(|| "open the private root".into())?;
    if let Err(error) = files::place(job, &places, &stores) {
        return Ok(failed(clock, error.to_string(), Reason::Input));
    }
    let isolation = entered.isolation;
    let setting = run::Setting { attempt, dir, places: &places, control: &control, clock, isolation, masks };
    let ran = run::run(job, &setting, memory.as_mut())?;
    let killed = ran.killed_for_memory(memory.as_mut());
    let mut exit = outputs::collect(job, attempt, &places, &stores, clock, ran);
    if let Some(killed) = killed {
        outputs::out_of_memory(&mut exit, &killed.name, killed.exit_code);
    }
    Ok(exit)
}

struct Entered {
    isolation: Isolation,
    note: Option<String>,
}

/// Enters the private root, or says why there is none.
fn enter(job: &Job, dir: &Path) -> Result<Entered, Error> {
    let outcome = match job.isolation {
        IsolationChoice::Remap => Err(None),
        IsolationChoice::Auto | IsolationChoice::Overlay => root::enter(job, dir).map_err(Some),
    };
    match (outcome, job.isolation) {
        (Ok(()), _) => Ok(Entered { isolation: Isolation::Overlay, note: None }),
        (Err(Some(source)), IsolationChoice::Overlay) => {
            Err(Error::Io { doing: "make a private root".into(), source })
        }
        (Err(reason), _) => {
            let note = reason.map(|error| format!("no private root: {error}"));
            Ok(Entered { isolation: Isolation::Remap, note })
        }
    }
}

fn write_handle(job: &Job, attempt: &AttemptDir, clock: &Clock, entered: &Entered) -> io::Result<()> {
    let pid = i32::try_from(std::process::id()).unwrap_or(0);
    let handle = Handle {
        boot_id: job.boot_id.clone(),
        pid,
        start_ticks: attempt::start_ticks(pid).unwrap_or(0),
        started_at: clock.started_at,
        host: job.host.clone(),
        isolation: entered.isolation,
        isolation_note: entered.note.clone(),
    };
    attempt.replace(HANDLE, &serde_json::to_vec(&handle)?)
}

/// What a step shall not be able to do: gain privileges, look into its supervisor, leave core dumps (V33, V43).
fn restrict() -> io::Result<()> {
    rustix::thread::set_no_new_privs(true)?;
    rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable)?;
    let core = rustix::process::getrlimit(rustix::process::Resource::Core);
    let none = rustix::process::Rlimit { current: Some(0), maximum: core.maximum };
    Ok(rustix::process::setrlimit(rustix::process::Resource::Core, none)?)
}

/// Moves the lock from standard input to a descriptor that no step inherits.
fn take_lock() -> io::Result<OwnedFd> {
    let lock = rustix::io::fcntl_dupfd_cloexec(io::stdin().as_fd(), 3)?;
    let null = File::open("/dev/null")?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(lock)
}
