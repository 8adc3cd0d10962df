//! The containers of an attempt: what they are, how far they are, how they ended.
//! Starts and watches nothing: that is `run`.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::process::Pid;

use super::memory::Memory;
use super::pump::{LogWriter, log_name};
use crate::Error;
use crate::attempt::AttemptDir;
use crate::error::Doing;
use crate::job::{Job, Process};
use crate::mask;

/// What came of the processes.
pub(super) struct Ran {
    /// In the order of the job: init, main, sidecars.
    pub(super) ended: Vec<Ended>,
    /// Who ended the attempt, when it did not end by itself.
    pub(super) stopped: Option<Stopped>,
    /// Standard output of main, when wanted.
    pub(super) result: Option<String>,
    /// Processes that could not be killed.
    pub(super) survivors: bool,
}

impl Ran {
    /// The main container that the kernel has ended for its memory: one that was killed while the group lost a
    /// process that way.
    pub(super) fn killed_for_memory(&self, memory: Option<&mut Memory>) -> Option<Ended> {
        let killed = |one: &&Ended| one.role == Role::Main && one.exit_code == Some(137);
        let found = self.ended.iter().find(killed).filter(|_| self.stopped.is_none())?;
        memory?.has_killed().then(|| found.clone())
    }
}

/// Why an attempt was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stopped {
    /// Its deadline passed.
    Deadline,
    /// It was cancelled.
    Cancelled,
}

/// How one container ended.
#[derive(Clone, Debug)]
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) role: Role,
    /// Absent: it never ran.
    pub(super) exit_code: Option<i32>,
    pub(super) not_started: Option<String>,
    /// The supervisor ended it, because main had ended.
    pub(super) dismissed: bool,
}

/// The part a container plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Init,
    Main,
    Sidecar,
}

pub(super) enum State {
    Waiting,
    Running {
        pid: Pid,
        pidfd: OwnedFd,
    },
    /// It has ended, and its output is waited for; without an end while it is paused.
    Draining {
        code: i32,
        until: Duration,
    },
    Done,
}

pub(super) struct Member<'a> {
    pub(super) plan: &'a Process,
    pub(super) state: State,
    pub(super) pipes: [Option<File>; 2],
    pub(super) log: LogWriter,
    /// What of standard output and standard error is held back because a secret may begin there.
    pub(super) held: [mask::Stream; 2],
    pub(super) ended: Ended,
    retries_left: u32,
    pub(super) not_before: Duration,
}

/// All containers of a job, none of them started.
pub(super) fn members<'a>(job: &'a Job, attempt: &AttemptDir) -> Result<Vec<Member<'a>>, Error> {
    let all = [(Role::Init, &job.init), (Role::Main, &job.main), (Role::Sidecar, &job.sidecars)];
    let plans = all.into_iter().flat_map(|(role, plans)| plans.iter().map(move |plan| (role, plan)));
    plans
        .enumerate()
        .map(|(position, (role, plan))| {
            let dir = attempt.as_fd().try_clone_to_owned().doing(|| "open the logs".into())?;
            let name = log_name(&plan.name, position);
            Ok(Member {
                plan,
                state: State::Waiting,
                pipes: [None, None],
                log: LogWriter::new(dir, name, job.log_head_bytes, job.log_segment_bytes),
                held: Default::default(),
                ended: Ended {
                    name: plan.name.clone(),
                    role,
                    exit_code: None,
                    not_started: None,
                    dismissed: false,
                },
                retries_left: plan.retries,
                not_before: Duration::ZERO,
            })
        })
        .collect()
}

/// Standard output of main becomes the result; in a set, that of the container called main.
pub(super) fn is_result(member: &Member<'_>, job: &Job) -> bool {
    member.ended.role == Role::Main && (job.main.len() == 1 || member.plan.name == "main")
}

pub(super) enum Readiness {
    Now,
    Later,
    Never,
}

impl Member<'_> {
    pub(super) fn failed(&self) -> bool {
        matches!(self.state, State::Done) && self.ended.exit_code != Some(0)
    }

    pub(super) fn end(&mut self, code: i32, now: Duration, stopped: bool) {
        if code != 0 && self.retries_left > 0 && !stopped {
            self.retries_left -= 1;
            self.not_before = now + Duration::from_millis(self.plan.retry_wait_ms);
            self.pipes = [None, None];
            self.state = State::Waiting;
            return;
        }
        self.ended.exit_code = Some(code);
        self.state = State::Done;
    }
}
