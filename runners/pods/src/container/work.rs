//! The containers of one attempt: created, started, followed, each once, in the order of a pod.
//! Who may stop them, and what becomes of their outputs, is in `drive`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec};
use runner_runners::guest::{Container as Ended, Furniture, Guest, Left, Part};
use runner_runners::guests::Running;
use runner_runners::{AttemptSpec, Observation, Reason};
use tokio::sync::{Mutex, watch};

use super::engine::Phase;
use super::follow::{End, Source, follow};
use super::note::{Mark, NOTE, Note, container_name};
use super::{Shared, probe};

/// How often a container that is being started is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// Why there is nothing to collect.
pub(super) enum Halt {
    /// Something that was started is not there any more.
    Lost(String),
    /// It could not be started, and why.
    Refused(String),
}

/// An attempt at work.
pub(super) struct Work<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) spec: &'a AttemptSpec,
    pub(super) running: &'a Arc<Running>,
    pub(super) guest: &'a Arc<Guest>,
    pub(super) pod: Pod,
    pub(super) note: Mutex<Note>,
    pub(super) furniture: Vec<Furniture>,
    /// Why it is being ended from outside, once it is.
    pub(super) stopped: watch::Sender<Option<Reason>>,
}

/// What became of an attempt to start a container.
pub(super) enum Begun {
    /// It runs, or has ended; here is its output.
    Followed(Source),
    /// It could not be started.
    Not(i32, String),
    /// The attempt is being ended: it is not started any more.
    Stopped,
}

impl Work<'_> {
    pub(super) fn pod_spec(&self) -> Result<&PodSpec, Halt> {
        self.pod.spec.as_ref().ok_or_else(|| Halt::Refused("the pod has no spec".to_owned()))
    }

    /// Init containers, then the others, as the furniture is.
    pub(super) fn container(&self, index: usize) -> Option<&Container> {
        let spec = self.pod.spec.as_ref()?;
        let init = spec.init_containers.as_deref().unwrap_or_default();
        init.get(index).or_else(|| spec.containers.get(index.checked_sub(init.len())?))
    }

    pub(super) fn inits(&self) -> usize {
        self.pod.spec.as_ref().and_then(|spec| spec.init_containers.as_ref()).map_or(0, Vec::len)
    }

    /// Number of containers that are the step itself.
    pub(super) fn mains(&self) -> usize {
        self.spec.template.container_set.as_ref().map_or(1, |set| set.containers.len())
    }

    pub(super) fn total(&self) -> usize {
        self.furniture.len()
    }

    fn part(&self, index: usize) -> Part {
        match index.checked_sub(self.inits()) {
            None => Part::Init,
            Some(number) if number < self.mains() => Part::Main,
            Some(_) => Part::Sidecar,
        }
    }

    pub(super) fn name(&self, index: usize, again: u32) -> String {
        let name = self.container(index).map_or("", |container| container.name.as_str());
        container_name(self.spec, name, again)
    }

    /// The container whose files and standard output are the step's.
    fn main_index(&self) -> usize {
        let mains = self.inits()..self.inits() + self.mains();
        let named = mains.clone().find(|index| self.container(*index).is_some_and(|c| c.name == "main"));
        named.unwrap_or(mains.start)
    }

    /// Its name in the engine.
    pub(super) fn main_name(&self) -> String {
        self.name(self.main_index(), 0)
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.stopped.borrow().is_some()
    }

    /// Runs everything to its end.
    pub(super) async fn run(&self) -> Result<Left, Halt> {
        self.images().await?;
        let mut left: Vec<Ended> = (0..self.total()).map(|index| self.nothing(index)).collect();
        let mut result = None;
        let mut finished_at = None;
        for index in 0..self.inits() {
            if !left[..index].iter().all(|one| one.exit_code == Some(0)) {
                break;
            }
            match self.begin(index, 0).await? {
                Begun::Followed(source) => {
                    let end = self.follow(index, 0, source).await?;
                    self.note_end(&mut left[index], index, &end, &mut finished_at)?;
                }
                Begun::Not(code, why) => not_started(&mut left[index], code, why),
                Begun::Stopped => {}
            }
        }
        if left[..self.inits()].iter().all(|one| one.exit_code == Some(0)) {
            self.together(&mut left, &mut result, &mut finished_at).await?;
        }
        let started_at = self.note.lock().await.started_at;
        Ok(Left {
            containers: left,
            stopped: *self.stopped.borrow(),
            verdict: None,
            result: result.or_else(|| self.spec.capture_result.then(String::new)),
            started_at,
            finished_at: finished_at.unwrap_or_else(Timestamp::now),
        })
    }

    /// Main containers and side cars, side by side.
    async fn together(
        &self,
        left: &mut [Ended],
        result: &mut Option<String>,
        finished_at: &mut Option<Timestamp>,
    ) -> Result<(), Halt> {
        let mut going = FuturesUnordered::new();
        let mut ready = std::pin::pin!(self.daemon());
        let mut daemon_done = false;
        // Side cars first: they give the pod its network, and serve main from its first moment.
        let mut waiting: Vec<usize> = (self.inits() + self.mains()..self.total()).collect();
        waiting.extend(self.inits()..self.inits() + self.mains());
        let mut tries = vec![0u32; self.total()];
        loop {
            let mut later = Vec::new();
            for index in std::mem::take(&mut waiting) {
                match self.due(index, left) {
                    Some(true) => {}
                    Some(false) => {
                        later.push(index);
                        continue;
                    }
                    None => continue,
                }
                match self.begin(index, tries[index]).await? {
                    Begun::Followed(source) => going.push(self.follow_as(index, tries[index], source)),
                    Begun::Not(code, why) => not_started(&mut left[index], code, why),
                    Begun::Stopped => {}
                }
            }
            waiting = later;
            if going.is_empty() {
                return Ok(());
            }
            let (index, end) = loop {
                tokio::select! {
                    () = &mut ready, if !daemon_done => daemon_done = true,
                    Some((index, end)) = going.next() => break (index, end?),
                }
            };
            self.note_end(&mut left[index], index, &end, finished_at)?;
            if index == self.main_index() {
                *result = end.result;
            }
            if self.retry(&left[index], index, &mut tries).await {
                left[index] = self.nothing(index);
                waiting.push(index);
            }
            let mains = self.inits()..self.inits() + self.mains();
            let over = |one: &Ended| one.exit_code.is_some() || one.not_started.is_some();
            let open = mains
                .clone()
                .any(|main| !over(&left[main]) && (self.is_going(main, left) || waiting.contains(&main)));
            if !open {
                waiting.clear();
                self.dismiss(left).await;
            }
        }
    }

    /// Whether a main container that has not ended may still run.
    fn is_going(&self, index: usize, left: &[Ended]) -> bool {
        self.due(index, left).is_some() && !self.is_stopped()
    }

    /// Whether a container may start now; nothing when it never will.
    fn due(&self, index: usize, left: &[Ended]) -> Option<bool> {
        let Some(set) = &self.spec.template.container_set else { return Some(true) };
        let Some(node) = index.checked_sub(self.inits()).and_then(|n| set.containers.get(n)) else {
            return Some(true);
        };
        let mut all = true;
        for dependency in &node.dependencies {
            let ended = left.iter().find(|one| one.part == Part::Main && one.name == *dependency)?;
            match (ended.exit_code, &ended.not_started) {
                (Some(0), None) => {}
                (None, None) => all = false,
                (_, _) => return None,
            }
        }
        Some(all)
    }

    /// Whether a container of a set is run once more, in place; waits the time between.
    async fn retry(&self, ended: &Ended, index: usize, tries: &mut [u32]) -> bool {
        let set = self.spec.template.container_set.as_ref();
        let Some(strategy) = set.and_then(|set| set.retry_strategy.as_ref()) else { return false };
        let most = strategy.retries.as_ref().and_then(|count| count.as_int()).unwrap_or(0);
        let failed = ended.part == Part::Main && ended.exit_code.is_some_and(|code| code != 0);
        if !failed || self.is_stopped() || i64::from(tries[index]) >= most {
            return false;
        }
        tries[index] += 1;
        tokio::time::sleep(runner_runners::guest::go_duration(&strategy.duration)).await;
        true
    }

    /// Tells side cars that main has ended.
    async fn dismiss(&self, left: &mut [Ended]) {
        let grace = self.shared.process.grace();
        let mut names = Vec::new();
        for (index, one) in left.iter_mut().enumerate().skip(self.inits() + self.mains()) {
            if one.exit_code.is_none() && !one.dismissed {
                one.dismissed = true;
                names.push(self.name(index, 0));
            }
        }
        let (shared, stopped) = (Arc::clone(self.shared), self.is_stopped());
        if names.is_empty() || stopped {
            return;
        }
        for name in &names {
            self.mark(name, |mark| mark.dismissed = true).await;
        }
        let running = Arc::clone(self.running);
        // Beside the work, which waits for their end.
        tokio::spawn(async move {
            tokio::select! {
                () = running.abandoned() => {}
                () = end(&shared, &names, grace) => {}
            }
        });
    }

    /// Reports a daemon that is ready.
    async fn daemon(&self) {
        if self.spec.template.daemon != Some(true) {
            return std::future::pending().await;
        }
        let index = self.main_index();
        let (name, Some(container)) = (self.name(index, 0), self.container(index)) else { return };
        let engine = &self.shared.engine;
        let state = loop {
            match engine.inspect(&name).await {
                Ok(state) if state.phase == Phase::Running => break state,
                Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
            }
        };
        let mut ip = state.ip;
        if ip.is_empty() && self.container(self.inits() + self.mains()).is_some() {
            // The side car that has the network has the address.
            ip = engine
                .inspect(&self.name(self.inits() + self.mains(), 0))
                .await
                .map(|s| s.ip)
                .unwrap_or_default();
        }
        if ip.is_empty() {
            ip = "127.0.0.1".to_owned();
        }
        probe::ready(engine, &name, &ip, container).await;
        self.running.tell(&self.spec.id, &Observation::Ready { at: Timestamp::now(), ip });
    }

    pub(super) async fn mark(&self, name: &str, change: impl FnOnce(&mut Mark)) {
        let mut note = self.note.lock().await;
        let mark = note.containers.entry(name.to_owned()).or_default();
        let before = mark.clone();
        change(mark);
        if *mark != before {
            self.keep(&note);
        }
    }

    fn keep(&self, note: &Note) {
        if let Err(error) = self.guest.keep(NOTE, note) {
            // The engine's own memory of the container still keeps it from running twice.
            tracing::error!(attempt = %self.spec.id, %error, "the note of a pod could not be written");
        }
    }

    async fn follow_as(&self, index: usize, again: u32, source: Source) -> (usize, Result<End, Halt>) {
        (index, self.follow(index, again, source).await)
    }

    async fn follow(&self, index: usize, again: u32, source: Source) -> Result<End, Halt> {
        let name = self.name(index, again);
        let container = self.container(index).map_or("", |container| container.name.as_str());
        let wanted = self.spec.capture_result && index == self.main_index();
        let log =
            self.guest.log(container, index, wanted).map_err(|error| Halt::Refused(error.to_string()))?;
        Ok(follow(&self.shared.engine, &name, log, source).await)
    }

    fn nothing(&self, index: usize) -> Ended {
        Ended {
            name: self.container(index).map(|container| container.name.clone()).unwrap_or_default(),
            part: self.part(index),
            exit_code: None,
            not_started: None,
            dismissed: false,
            out_of_memory: false,
        }
    }

    /// What the engine says about an ended container.
    fn note_end(
        &self,
        left: &mut Ended,
        index: usize,
        end: &End,
        finished_at: &mut Option<Timestamp>,
    ) -> Result<(), Halt> {
        let Some(state) = &end.state else {
            return Err(Halt::Lost(format!(
                "container {:?} of the step was removed while it ran",
                left.name
            )));
        };
        left.exit_code = Some(state.exit_code);
        if let Some(words) = &end.init_failed {
            let command = self.furniture[index].command.first().cloned().unwrap_or_default();
            left.exit_code = Some(if words.contains("denied") { 126 } else { 127 });
            left.not_started = Some(format!("exec {command:?}: {words}"));
        }
        let limits = self.container(index).and_then(|c| c.resources.as_ref()).and_then(|r| r.limits.as_ref());
        let limited = limits.is_some_and(|limits| limits.contains_key("memory"));
        // podman before 5 does not say it: a kill that nobody sent, under a limit, is the kernel's.
        let killed = state.exit_code == 137 && limited && !self.is_stopped() && !left.dismissed;
        left.out_of_memory = state.out_of_memory || killed;
        if left.part != Part::Sidecar {
            *finished_at = (*finished_at).max(state.finished_at);
        }
        Ok(())
    }
}

fn not_started(left: &mut Ended, code: i32, why: String) {
    left.exit_code = Some(code);
    left.not_started = Some(why);
}

/// TERM, and KILL after the grace.
async fn end(shared: &Shared, names: &[String], grace: std::time::Duration) {
    for (signal, wait) in [("SIGTERM", grace), ("SIGKILL", std::time::Duration::ZERO)] {
        for name in names {
            if let Err(failure) = shared.engine.signal(name, signal).await {
                tracing::warn!(container = %name, %failure, "a side car could not be ended");
            }
        }
        tokio::time::sleep(wait).await;
    }
}
