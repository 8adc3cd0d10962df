//! A labelled fake: the runner of the simulation. Its processes outlive engines, as supervised steps do.
//! Does not run anything: a process is an entry with a moment at which it ends.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_runners::{
    AttemptId, AttemptSpec, BoxFuture, Error, Exit, ExitPhase, LogQuery, LogStream, Observation, Reason,
    Release, Runner, Sink,
};
use runner_workflows::spec::Outputs;

use super::canary::Canary;
use super::clock::plus;
use super::disk::never;
use super::fate::{Chances, End, Fate, fate};
use super::laws;
use super::rng::hash;
use super::world::{State, World};

/// The runner in the hands of one engine.
pub struct Hands {
    /// The world.
    pub world: Arc<World>,
    /// The engine.
    pub engine: u32,
}

/// One process, running or ended.
pub struct Process {
    /// Workflow.
    pub flow: String,
    /// Full name of the node.
    pub node: String,
    /// Name of its template.
    pub template: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it ends, or ended.
    pub ends_at: Timestamp,
    /// What is said of it when it has ended.
    pub last_word: Option<Observation>,
    ending: Ending,
    spec: AttemptSpec,
    fate: Fate,
    killed: bool,
    sinks: Vec<(u32, Sink)>,
}

/// Why it will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Itself,
    Deadline,
    Killed,
}

impl Process {
    /// It has not ended.
    pub fn runs(&self) -> bool {
        self.last_word.is_none()
    }

    fn new(seed: u64, spec: AttemptSpec, now: Timestamp) -> Self {
        let words = words(&spec);
        let number = |key: &str| value(&words, key).and_then(|text| text.parse().ok()).unwrap_or(0);
        let chances = Chances {
            fail: number("fail"),
            error: number("error"),
            lost: number("lost"),
            longest_ms: number("longest"),
        };
        // A node that was undone and is run again may fare otherwise.
        let again = hash(seed, &[&spec.id.attempt.to_string()]);
        let seed = if spec.id.attempt == 0 { seed } else { again };
        let fate = fate(seed, &spec.workflow, &spec.node_name, chances);
        let natural = plus(now, fate.duration_ns);
        let deadline =
            spec.timeout.map(|timeout| plus(now, u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)));
        let (ends_at, ending) = match deadline {
            Some(deadline) if deadline < natural => (deadline, Ending::Deadline),
            _ => (natural, Ending::Itself),
        };
        Self {
            flow: spec.workflow.clone(),
            node: spec.node_name.clone(),
            template: spec.template.name.clone(),
            started_at: now,
            ends_at,
            last_word: None,
            ending,
            spec,
            fate,
            killed: false,
            sinks: Vec::new(),
        }
    }

    fn exit(&self, phase: ExitPhase, message: String, code: Option<i32>, reason: Option<Reason>) -> Exit {
        let outputs =
            if code.is_some() && reason.is_none() { self.outputs(code) } else { Outputs::default() };
        let (started_at, finished_at) = (self.started_at, self.ends_at);
        Exit { phase, message, exit_code: code, started_at, finished_at, outputs, reason }
    }

    fn end(&self) -> Observation {
        let failed = |code| format!("main: Error (exit code {code})");
        Observation::Finished(match (self.ending, self.fate.end) {
            (Ending::Deadline, _) => {
                let message = "Pod was active on the node longer than the specified deadline".to_owned();
                self.exit(ExitPhase::Failed, message, None, Some(Reason::Deadline))
            }
            (Ending::Killed, _) => {
                self.exit(ExitPhase::Failed, failed(143), Some(143), Some(Reason::Cancelled))
            }
            (Ending::Itself, End::Exit(0)) => self.exit(ExitPhase::Succeeded, String::new(), Some(0), None),
            (Ending::Itself, End::Exit(code)) => self.exit(ExitPhase::Failed, failed(code), Some(code), None),
            (Ending::Itself, End::Error) => {
                let message = "the simulated output cannot be saved".to_owned();
                self.exit(ExitPhase::Error, message, None, Some(Reason::Output))
            }
            (Ending::Itself, End::Lost) => {
                return Observation::Lost { reason: "lost in simulation".to_owned() };
            }
        })
    }

    fn outputs(&self, code: Option<i32>) -> Outputs {
        let words = words(&self.spec);
        let made = |key: &str| {
            let text = value(&words, key)?;
            Some(match text.strip_prefix("text:") {
                Some(text) => text.to_owned(),
                None if text == "list" => self.fate.list_text(),
                None => self.fate.number.to_string(),
            })
        };
        let mut outputs = Outputs { exit_code: code.map(|code| code.to_string()), ..Outputs::default() };
        if self.spec.capture_result {
            outputs.result = made("result");
        }
        if let Some(text) = made("out") {
            for declared in &self.spec.template.outputs.parameters {
                let mut parameter = declared.clone();
                parameter.value = Some(text.clone().into());
                parameter.value_from = None;
                outputs.parameters.push(parameter);
            }
        }
        outputs
    }

    fn tell(&self, seen: &Observation) {
        for (_, sink) in &self.sinks {
            // An engine that is gone does not listen.
            drop(sink.send((self.spec.id.clone(), seen.clone())));
        }
    }
}

/// What a process is told to do, with the engine's values put in.
fn words(spec: &AttemptSpec) -> Vec<String> {
    if let Some(script) = &spec.template.script {
        return script.source.lines().map(str::to_owned).collect();
    }
    spec.template.container.as_ref().map(|container| container.args.clone()).unwrap_or_default()
}

fn value<'w>(words: &'w [String], key: &str) -> Option<&'w str> {
    words.iter().find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The machine under everything goes down: nobody knows what became of the processes.
pub fn reboot(state: &mut State) {
    for process in state.processes.values_mut().filter(|process| process.runs()) {
        process.last_word = Some(Observation::Lost { reason: "rebooted in simulation".to_owned() });
    }
}

impl Hands {
    /// The world goes on by itself: a process ends at its moment, whoever watches.
    fn end_later(&self, id: &AttemptId) {
        let (world, id) = (Arc::clone(&self.world), id.clone());
        let Some(at) = world.state().processes.get(&id).map(|process| process.ends_at) else { return };
        tokio::spawn(async move {
            world.clock.until(at).await;
            let mut state = world.state();
            let Some(process) = state.processes.get_mut(&id) else { return };
            if !process.runs() || process.ends_at > at {
                return;
            }
            let seen = process.end();
            process.last_word = Some(seen.clone());
            process.tell(&seen);
            let node = process.node.clone();
            drop(state);
            world.say(|| format!("process of {node} ends"));
        });
    }

    fn start(&self, spec: AttemptSpec, sink: Sink) {
        let (world, now) = (&self.world, self.world.now());
        let id = spec.id.clone();
        for wrong in laws::at_start(world, &spec) {
            world.wrong(wrong);
        }
        let (flow, node) = (spec.workflow.clone(), spec.node_name.clone());
        let mut process = Process::new(world.case.seed, spec, now);
        process.sinks.push((self.engine, sink));
        process.tell(&Observation::Started { at: now, host: "sim".to_owned(), isolation: None });
        let starts = {
            let mut state = world.state();
            state.processes.insert(id.clone(), process);
            let starts = state.ledger.entry(id.clone()).or_default();
            *starts += 1;
            *starts
        };
        world.say(|| format!("engine {} starts {flow} {node} attempt {}", self.engine, id.attempt));
        if starts > 1 {
            world.wrong(format!("attempt {} of {node} is started {starts} times", id.attempt));
        }
        self.end_later(&id);
    }

    fn adopt(&self, id: &AttemptId, sink: Sink) -> bool {
        let mut state = self.world.state();
        let Some(process) = state.processes.get_mut(id) else { return false };
        let forgets = self.world.canary == Some(Canary::StartInsteadOfAdopt);
        if forgets && process.sinks.iter().all(|(engine, _)| *engine != self.engine) {
            return false;
        }
        let at = process.started_at;
        let started = Observation::Started { at, host: "sim".to_owned(), isolation: None };
        process.sinks.retain(|(_, known)| !known.is_closed());
        for seen in std::iter::once(started).chain(process.last_word.clone()) {
            drop(sink.send((id.clone(), seen)));
        }
        process.sinks.push((self.engine, sink));
        let node = process.node.clone();
        drop(state);
        self.world.say(|| format!("engine {} adopts {node}", self.engine));
        true
    }

    fn kill(&self, id: &AttemptId, grace: Duration) {
        let now = self.world.now();
        {
            let mut state = self.world.state();
            let Some(process) = state.processes.get_mut(id) else { return };
            if !process.runs() || std::mem::replace(&mut process.killed, true) {
                return;
            }
            let grace = u64::try_from(grace.as_nanos()).unwrap_or(u64::MAX);
            let dead = plus(now, process.fate.dying_ns.min(grace));
            if dead >= process.ends_at {
                return;
            }
            (process.ends_at, process.ending) = (dead, Ending::Killed);
        }
        self.end_later(id);
    }

    /// Does something at once, after a standstill, or never.
    fn act<'a, T: Send + 'a>(&'a self, what: impl FnOnce(&'a Self) -> T + Send + 'a) -> BoxFuture<'a, T> {
        if !self.world.call(self.engine) {
            return never();
        }
        match self.world.frozen_until(self.engine) {
            None => Box::pin(std::future::ready(what(self))),
            Some(until) => Box::pin(async move {
                self.world.clock.until(until).await;
                what(self)
            }),
        }
    }
}

impl Runner for Hands {
    fn ensure(&self, spec: AttemptSpec, sink: Sink) -> BoxFuture<'_, Result<(), Error>> {
        self.act(move |hands| {
            if !hands.adopt(&spec.id, sink.clone()) {
                hands.start(spec, sink);
            }
            Ok(())
        })
    }

    fn cancel(&self, id: &AttemptId, grace: Duration) -> BoxFuture<'_, Result<(), Error>> {
        let id = id.clone();
        self.act(move |hands| {
            if hands.world.canary != Some(Canary::CancelForgotten) {
                hands.kill(&id, grace);
            }
            Ok(())
        })
    }

    fn logs(&self, id: &AttemptId, _query: LogQuery) -> BoxFuture<'_, Result<LogStream, Error>> {
        let id = id.clone();
        self.act(move |hands| {
            if hands.world.state().processes.contains_key(&id) {
                let (_, lines) = tokio::sync::mpsc::channel(1);
                Ok(LogStream::new(lines))
            } else {
                Err(Error::NotFound(id.to_string()))
            }
        })
    }

    fn release(&self, _: Release) -> BoxFuture<'_, Result<(), Error>> {
        self.act(|_| Ok(()))
    }

    fn remove(&self, _id: &AttemptId) -> BoxFuture<'_, Result<(), Error>> {
        self.act(|_| Ok(()))
    }
}
