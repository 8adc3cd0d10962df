//! Runs the processes of an attempt: starts, pumps, waits, stops, kills what is left.
//! Judges nothing: phases and outputs are made in `outputs`.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, WaitStatus, kill_process_group};

use super::clock::{Clock, timespec};
use super::member::{Member, Ran, Readiness, Role, State, Stopped, is_result, members};
use super::memory::Memory;
use super::pause::Pauses;
use super::places::Places;
use super::pump::LastBytes;
use super::signal::{self, Signals};
use super::spawn::{NotStarted, spawn};
use crate::attempt::{AttemptDir, CANCEL, CancelWish};
use crate::error::Doing;
use crate::job::{HOME_PATH, Job, Pause};
use crate::limits::{RESULT_BYTES, SWEEP};
use crate::mask::Masks;
use crate::sweep::{Home, Mark, kill_all};
use crate::{Error, Isolation, Stream};

/// Orphans that ended are collected at least this often.
const REAP_EVERY: Duration = Duration::from_secs(10);
/// Longest grace of sidecars once main has ended.
const SIDECAR_GRACE: Duration = Duration::from_secs(5);

struct Supervisor<'a> {
    job: &'a Job,
    places: &'a Places,
    clock: &'a Clock,
    control: &'a File,
    members: Vec<Member<'a>>,
    result: Option<LastBytes>,
    stopped: Option<Stopped>,
    kill_at: Option<Duration>,
    mark: Mark,
    signals: Option<Signals<'a>>,
    pauses: Pauses<'a>,
    memory: Option<&'a mut Memory>,
    buffer: Vec<u8>,
    masks: &'a Masks,
}

/// Where an attempt runs.
pub(super) struct Setting<'a> {
    pub(super) attempt: &'a AttemptDir,
    /// Path of the attempt's directory, on the host.
    pub(super) dir: &'a Path,
    pub(super) places: &'a Places,
    pub(super) control: &'a File,
    pub(super) clock: &'a Clock,
    pub(super) isolation: Isolation,
    pub(super) masks: &'a Masks,
}

/// Runs everything to its end.
pub(super) fn run(job: &Job, setting: &Setting<'_>, memory: Option<&mut Memory>) -> Result<Ran, Error> {
    let attempt = setting.attempt;
    let mut supervisor = Supervisor {
        job,
        places: setting.places,
        clock: setting.clock,
        control: setting.control,
        members: members(job, attempt)?,
        result: job.capture_result.then(|| LastBytes::new(RESULT_BYTES)),
        stopped: None,
        kill_at: None,
        mark: mark(setting.dir, setting.isolation),
        signals: signal::wanted(job).then(|| Signals::new(attempt)),
        pauses: Pauses::new(attempt, setting.dir),
        memory,
        buffer: vec![0; 64 << 10],
        masks: setting.masks,
    };
    // A wish that came before anybody listened on the FIFO.
    if let Ok(Some(Ok(wish))) = attempt.read_json::<CancelWish>(CANCEL) {
        supervisor.stop(Stopped::Cancelled, Duration::from_millis(wish.grace_ms));
    }
    supervisor.until_main_ends()?;
    supervisor.dismiss_sidecars()?;
    let survivors = !supervisor.kill_leftovers();
    supervisor.final_drain();
    Ok(supervisor.into_ran(survivors))
}

fn mark(dir: &Path, isolation: Isolation) -> Mark {
    let ancestor = i32::try_from(std::process::id()).ok();
    let home = match isolation {
        Isolation::Overlay => Home::at(Path::new(HOME_PATH)),
        Isolation::Remap => None,
    };
    Mark { home, variable: Mark::variable_of(dir), ancestor }
}

impl Supervisor<'_> {
    fn until_main_ends(&mut self) -> Result<(), Error> {
        loop {
            self.start_ready();
            self.tell_pause();
            if self.over() {
                return Ok(());
            }
            self.turn()?;
        }
    }

    /// Waits for the next thing to happen and handles it.
    fn turn(&mut self) -> Result<(), Error> {
        let now = self.clock.elapsed();
        if self.stopped.is_none() && self.deadline().is_some_and(|at| now >= at) {
            self.stop(Stopped::Deadline, Duration::from_millis(self.job.grace_ms));
        }
        if self.kill_at.is_some_and(|at| now >= at) {
            self.kill_at = Some(Duration::MAX);
            self.kill_leftovers();
        }
        self.poll(now)?;
        self.settle();
        if let Some(signals) = &mut self.signals {
            signals.look(self.places);
        }
        Ok(())
    }

    fn tell_pause(&mut self) {
        let paused = self.paused();
        if let Some(signals) = &mut self.signals {
            signals.paused(paused);
        }
    }

    /// What the first container that is held waits for.
    fn paused(&self) -> Option<String> {
        let mut held = self.members.iter().filter_map(|member| match member.state {
            State::Waiting if self.stopped.is_none() => self.pauses.hold(member, Pause::Before),
            State::Draining { until: Duration::MAX, .. } => self.pauses.hold(member, Pause::After),
            State::Waiting | State::Running { .. } | State::Draining { .. } | State::Done => None,
        });
        if self.job.pauses { held.next() } else { None }
    }

    fn deadline(&self) -> Option<Duration> {
        self.job.timeout_ms.map(Duration::from_millis)
    }

    /// Starts whatever may start now.
    fn start_ready(&mut self) {
        for index in 0..self.members.len() {
            if matches!(self.members[index].state, State::Waiting) {
                match self.readiness(index) {
                    Readiness::Now => self.start(index),
                    Readiness::Never => self.members[index].state = State::Done,
                    Readiness::Later => {}
                }
            }
        }
    }

    fn readiness(&self, index: usize) -> Readiness {
        let member = &self.members[index];
        if self.stopped.is_some() {
            return Readiness::Never;
        }
        if self.clock.elapsed() < member.not_before {
            return Readiness::Later;
        }
        let first = &self.members[..index];
        let mut before = first.iter().filter(|other| other.ended.role == Role::Init);
        if before.clone().any(|other| other.failed()) {
            return Readiness::Never;
        }
        if before.any(|other| !matches!(other.state, State::Done)) {
            return Readiness::Later;
        }
        for name in &member.plan.dependencies {
            match self.members.iter().find(|other| other.plan.name == *name) {
                Some(other) if other.failed() => return Readiness::Never,
                Some(other) if matches!(other.state, State::Done) => {}
                Some(_) => return Readiness::Later,
                None => return Readiness::Never,
            }
        }
        if self.job.pauses && self.pauses.hold(member, Pause::Before).is_some() {
            return Readiness::Later;
        }
        Readiness::Now
    }

    fn start(&mut self, index: usize) {
        let (job, plan, places) = (self.job, self.members[index].plan, self.places);
        let limited = self.memory.as_mut().filter(|_| self.members[index].ended.role == Role::Main);
        let child = match limited {
            Some(memory) => memory.hold(|| spawn(job, plan, places)),
            None => spawn(job, plan, places),
        };
        let started = child.and_then(|mut child| {
            let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
            let broken = |error: Errno| NotStarted { exit_code: 128, message: error.to_string() };
            let pid = pid.ok_or(Errno::SRCH).map_err(broken)?;
            let pidfd = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(broken)?;
            let out = child.stdout.take().map(|pipe| File::from(OwnedFd::from(pipe)));
            let err = child.stderr.take().map(|pipe| File::from(OwnedFd::from(pipe)));
            for pipe in [&out, &err].into_iter().flatten() {
                rustix::io::ioctl_fionbio(pipe, true).map_err(broken)?;
            }
            Ok((pid, pidfd, [out, err]))
        });
        let member = &mut self.members[index];
        match started {
            Ok((pid, pidfd, pipes)) => {
                member.state = State::Running { pid, pidfd };
                member.pipes = pipes;
                let main = member.ended.role == Role::Main;
                if let Some(signals) = self.signals.as_mut().filter(|_| main) {
                    signals.main_started(self.job, member.plan, self.places);
                }
            }
            Err(failure) => {
                member.state = State::Done;
                let message = self.masks.text(&failure.message).into_owned();
                member.log.write(Stream::Supervisor, self.clock.now(), message.as_bytes());
                member.ended.exit_code = Some(failure.exit_code);
                member.ended.not_started = Some(message);
            }
        }
    }

    /// Main has ended, or can never begin.
    fn over(&self) -> bool {
        let mut mains = self.members.iter().filter(|member| member.ended.role == Role::Main);
        mains.all(|member| matches!(member.state, State::Done))
            && self.members.iter().all(|m| m.ended.role != Role::Init || matches!(m.state, State::Done))
    }

    fn poll(&mut self, now: Duration) -> Result<(), Error> {
        let timeout = timespec(self.next_event(now));
        let mut fds = vec![PollFd::new(self.control, PollFlags::IN)];
        let mut sources = Vec::new();
        for (index, member) in self.members.iter().enumerate() {
            for (which, pipe) in member.pipes.iter().enumerate() {
                if let Some(pipe) = pipe {
                    fds.push(PollFd::new(pipe, PollFlags::IN));
                    sources.push((index, which));
                }
            }
        }
        let pipes_end = fds.len();
        for member in &self.members {
            if let State::Running { pidfd, .. } = &member.state {
                fds.push(PollFd::new(pidfd, PollFlags::IN));
            }
        }
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).doing(|| "wait for the step".into()),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        for (slot, (index, which)) in sources.into_iter().enumerate() {
            if ready[slot + 1] {
                self.pump(index, which);
            }
        }
        if ready[0] {
            self.take_command();
        }
        if ready[pipes_end..].contains(&true) || !ready.contains(&true) {
            self.reap();
        }
        Ok(())
    }

    fn next_event(&self, now: Duration) -> Duration {
        let drains = self.members.iter().filter_map(|member| match member.state {
            State::Draining { until, .. } => Some(until),
            State::Waiting if member.not_before > now => Some(member.not_before),
            State::Waiting | State::Running { .. } | State::Done => None,
        });
        let deadline = if self.stopped.is_none() { self.deadline() } else { None };
        let next = drains.chain(deadline).chain(self.kill_at).min().unwrap_or(Duration::MAX);
        let look = if self.signals.is_some() { signal::LOOK_EVERY } else { REAP_EVERY };
        next.saturating_sub(now).min(look)
    }

    /// Reads one chunk: every pipe gets its turn, a flood on one does not starve the others.
    fn pump(&mut self, index: usize, which: usize) {
        let member = &mut self.members[index];
        let Some(pipe) = &mut member.pipes[which] else { return };
        match pipe.read(&mut self.buffer) {
            Ok(len) if len > 0 => {
                let chunk = member.held[which].push(self.masks, &self.buffer[..len]).into_owned();
                self.record(index, which, &chunk);
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => {}
            Ok(_) | Err(_) => {
                member.pipes[which] = None;
                self.let_go(index, which);
            }
        }
    }

    /// What a container wrote, without secrets.
    fn record(&mut self, index: usize, which: usize, chunk: &[u8]) {
        if chunk.is_empty() {
            return;
        }
        let member = &mut self.members[index];
        let stream = if which == 0 { Stream::Stdout } else { Stream::Stderr };
        member.log.write(stream, self.clock.now(), chunk);
        if stream == Stream::Stdout
            && is_result(member, self.job)
            && let Some(result) = &mut self.result
        {
            result.push(chunk);
        }
    }

    /// What was held back, once nothing more can come.
    fn let_go(&mut self, index: usize, which: usize) {
        let rest = self.members[index].held[which].finish(self.masks);
        self.record(index, which, &rest);
    }

    fn take_command(&mut self) {
        let mut bytes = [0u8; 4096];
        let mut control = self.control;
        let Ok(len) = control.read(&mut bytes) else { return };
        for line in bytes[..len].split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            // Only this user can write here; what is not a command is ignored.
            if let Ok(wish) = serde_json::from_slice::<CancelWish>(line) {
                self.stop(Stopped::Cancelled, Duration::from_millis(wish.grace_ms));
            }
        }
    }

    /// TERM now, KILL after the grace. A second wish can only bring the end forward.
    fn stop(&mut self, why: Stopped, grace: Duration) {
        let now = self.clock.elapsed();
        let at = now.saturating_add(grace);
        self.kill_at = Some(self.kill_at.map_or(at, |earlier| earlier.min(at)));
        if self.stopped.is_none() {
            self.stopped = Some(why);
            self.signal(Signal::TERM, |_| true);
        }
    }

    fn signal(&self, signal: Signal, whom: impl Fn(&Member<'_>) -> bool) {
        for member in self.members.iter().filter(|member| whom(member)) {
            if let State::Running { pid, .. } = &member.state {
                // The group's leader has not been waited for: its number cannot mean another group.
                let _ = kill_process_group(*pid, signal);
            }
        }
    }

    /// Collects every child that ended, orphans of the step included.
    fn reap(&mut self) {
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) => self.note_end(pid, status),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn note_end(&mut self, ended: Pid, status: WaitStatus) {
        let until = self.clock.elapsed() + Duration::from_millis(self.job.drain_ms);
        for member in &mut self.members {
            if let State::Running { pid, .. } = &member.state
                && *pid == ended
            {
                let code =
                    status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
                member.state = State::Draining { code: code.unwrap_or(128), until };
            }
        }
    }

    /// Members whose output is complete, or has been waited for long enough, are done.
    fn settle(&mut self) {
        let now = self.clock.elapsed();
        let stopped = self.stopped.is_some();
        for member in &mut self.members {
            if let State::Draining { code, until } = member.state {
                let complete = member.pipes.iter().all(Option::is_none);
                if !complete && now < until {
                    continue;
                }
                let held = self.job.pauses && !stopped && self.pauses.hold(member, Pause::After).is_some();
                if held {
                    member.state = State::Draining { code, until: Duration::MAX };
                } else {
                    member.end(code, now, stopped);
                }
            }
        }
    }

    fn dismiss_sidecars(&mut self) -> Result<(), Error> {
        let running = |member: &Member<'_>| matches!(member.state, State::Running { .. });
        if !self.members.iter().any(running) {
            return Ok(());
        }
        for member in self.members.iter_mut().filter(|member| running(member)) {
            member.ended.dismissed = true;
        }
        self.signal(Signal::TERM, |_| true);
        let grace = SIDECAR_GRACE.min(Duration::from_millis(self.job.grace_ms));
        let at = self.clock.elapsed() + grace;
        self.kill_at = Some(self.kill_at.map_or(at, |earlier| earlier.min(at)));
        while self.members.iter().any(running) {
            self.turn()?;
        }
        Ok(())
    }

    /// Kills everything that is not waited for. Costs one system call when nothing is left.
    fn kill_leftovers(&mut self) -> bool {
        self.signal(Signal::KILL, |_| true);
        self.reap();
        if matches!(rustix::process::wait(WaitOptions::NOHANG), Err(Errno::CHILD)) {
            return true;
        }
        let mark = self.mark.clone();
        let clean = kill_all(&mark, SWEEP, || self.reap());
        self.reap();
        clean
    }

    /// What is still in the pipes, without waiting.
    fn final_drain(&mut self) {
        self.settle();
        for index in 0..self.members.len() {
            for which in 0..2 {
                for _ in 0..64 {
                    let before = self.members[index].pipes[which].is_some();
                    if !before || !self.readable(index, which) {
                        break;
                    }
                    self.pump(index, which);
                }
                self.let_go(index, which);
            }
            self.members[index].log.finish();
        }
    }

    fn readable(&self, index: usize, which: usize) -> bool {
        let Some(pipe) = &self.members[index].pipes[which] else { return false };
        let mut fds = [PollFd::new(pipe, PollFlags::IN)];
        poll(&mut fds, Some(&timespec(Duration::ZERO))).is_ok_and(|ready| ready > 0)
    }

    fn into_ran(self, survivors: bool) -> Ran {
        Ran {
            ended: self.members.into_iter().map(|member| member.ended).collect(),
            stopped: self.stopped,
            result: self.result.map(LastBytes::text),
            survivors,
        }
    }
}
