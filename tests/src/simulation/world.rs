//! Everything that outlives an engine: the disk, the processes, the people who use it, and what is noted of them.
//! Does not judge the end of a run: `laws` does.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use runner_controller::Clock;
use runner_machine::{Fact, Plan};
use runner_runners::AttemptId;
use runner_store::{Append, MemoryStore, StreamId};
use tokio::sync::Notify;

use super::canary::Canary;
use super::clock::{SimClock, plus};
use super::fate::{supplied, thinking_ns};
use super::hands::Process;
use super::model::{Case, Order};
use super::play::Stage;
use super::rng::hash;
use super::shadow::{self, Shadow};
use super::trouble::{Mishap, Trouble};

/// More calls of ports than any run needs at one moment: beyond it the engine goes in circles.
const MOST_CALLS: u64 = 10_000;
/// How long an engine stands still when it freezes: a little longer than a lease lasts.
const FREEZE_NS: u64 = 61_000_000_000;

/// One run. Shared by all engines of it.
pub struct World {
    /// The clock.
    pub clock: SimClock,
    /// The disk.
    pub store: MemoryStore,
    /// What runs.
    pub case: Arc<Case>,
    /// Its workflows, compiled.
    plans: Vec<Arc<Plan>>,
    /// A planted bug.
    pub canary: Option<Canary>,
    /// What happens is written down.
    trace: bool,
    /// Something happened that the driver must see to.
    pub news: Notify,
    /// There is another errand.
    pub errand: Notify,
    state: Mutex<State>,
}

/// What the driver must see to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// This engine died.
    Crashed(u32),
    /// This engine stands still.
    Frozen(u32),
}

/// Something that a user wants, until it is done.
#[derive(Clone, Debug)]
pub struct Errand {
    /// When.
    pub at: Timestamp,
    /// What.
    pub what: What,
    /// The engine whose client is at it.
    pub taken: Option<u32>,
    /// It is done.
    pub done: bool,
}

/// What a user wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// Submit this workflow.
    Submit(usize),
    /// Give it a command.
    Command(usize, Order),
    /// Resume a pause of it: node id and the value supplied.
    Resume(usize, String, String),
}

/// The mutable part.
#[derive(Default)]
pub struct State {
    /// Dead engines.
    pub dead: BTreeSet<u32>,
    /// Engines that stand still, and until when.
    pub frozen: BTreeMap<u32, Timestamp>,
    /// Commits tried.
    pub commits: u64,
    calls: (Timestamp, u64),
    trouble: Trouble,
    crashes: usize,
    news: Vec<News>,
    /// Workflows as committed, by uid.
    pub shadows: BTreeMap<String, Shadow>,
    /// Processes, whoever started them.
    pub processes: BTreeMap<AttemptId, Process>,
    /// Starts per attempt: the ledger of effects.
    pub ledger: BTreeMap<AttemptId, u32>,
    /// Finished streams.
    pub closed: BTreeSet<StreamId>,
    /// What users want.
    pub errands: Vec<Errand>,
    /// What is wrong.
    pub wrong: Vec<String>,
    /// What happened, for people.
    pub trace: Vec<String>,
    /// Records that an engine was told are durable, but are not.
    pub unwritten: BTreeMap<u32, Vec<Append>>,
    /// Client keys of an engine that remembers them in memory.
    pub keys: BTreeMap<u32, BTreeMap<String, String>>,
}

impl World {
    /// A world before anything happened.
    pub fn new(clock: SimClock, stage: &Stage, trouble: Trouble, trace: bool) -> Self {
        let state = State { trouble, ..State::default() };
        Self {
            clock,
            store: MemoryStore::new(),
            case: Arc::clone(&stage.case),
            plans: stage.plans.clone(),
            canary: stage.canary,
            trace,
            news: Notify::new(),
            errand: Notify::new(),
            state: Mutex::new(state),
        }
    }

    /// The mutable part. Never held over an await.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The present moment.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Notes something for people.
    pub fn say(&self, text: impl FnOnce() -> String) {
        if !self.trace {
            return;
        }
        let at = self.now().duration_since(super::clock::beginning());
        let mut state = self.state();
        if state.trace.len() < 4000 {
            let line = format!("{:>12.6} {}", at.as_secs_f64(), text());
            state.trace.push(line);
        }
    }

    /// Notes that something is wrong.
    pub fn wrong(&self, text: String) {
        self.say(|| format!("WRONG: {text}"));
        let mut state = self.state();
        if state.wrong.len() < 20 {
            state.wrong.push(text);
        }
        drop(state);
        self.news.notify_one();
    }

    /// What the driver has to see to, oldest first.
    pub fn take_news(&self) -> Vec<News> {
        std::mem::take(&mut self.state().news)
    }

    fn tell(&self, news: News) {
        self.state().news.push(news);
        self.news.notify_one();
    }

    /// Whether an engine is dead.
    pub fn is_dead(&self, engine: u32) -> bool {
        self.state().dead.contains(&engine)
    }

    /// When an engine that stands still goes on.
    pub fn frozen_until(&self, engine: u32) -> Option<Timestamp> {
        self.state().frozen.get(&engine).copied().filter(|until| *until > self.now())
    }

    /// An engine calls a port. False: it is dead, and never gets an answer.
    pub fn call(&self, engine: u32) -> bool {
        let now = self.now();
        let calls = {
            let mut state = self.state();
            if state.dead.contains(&engine) {
                return false;
            }
            let (at, calls) = state.calls;
            state.calls = if at == now { (at, calls + 1) } else { (now, 1) };
            state.calls.1
        };
        if calls == MOST_CALLS {
            self.wrong(format!("{calls} calls of ports at the same moment: the engine goes in circles"));
            self.kill(engine);
            return false;
        }
        true
    }

    /// A commit is tried: its number, and what goes wrong with it.
    pub fn commit(&self, engine: u32, what: &str) -> (u64, Option<Mishap>) {
        let (number, mishap) = {
            let mut state = self.state();
            state.commits += 1;
            let number = state.commits;
            (number, state.trouble.of(number, state.crashes))
        };
        self.say(|| match mishap {
            Some(mishap) => format!("engine {engine} commit {number} {what}: {mishap:?}"),
            None => format!("engine {engine} commit {number} {what}"),
        });
        (number, mishap)
    }

    /// An engine dies here and now.
    pub fn kill(&self, engine: u32) {
        {
            let mut state = self.state();
            if !state.dead.insert(engine) {
                return;
            }
            state.crashes += 1;
            state.unwritten.remove(&engine);
            state.keys.remove(&engine);
        }
        self.tell(News::Crashed(engine));
    }

    /// An engine stands still from now on.
    pub fn freeze(&self, engine: u32) {
        let mut state = self.state();
        let longer = hash(self.case.seed, &["freeze", &state.commits.to_string()]) % 12_000_000_000;
        state.frozen.insert(engine, plus(self.now(), FREEZE_NS + longer));
        drop(state);
        self.tell(News::Frozen(engine));
    }

    /// Whether nothing goes wrong by intention.
    pub fn is_undisturbed(&self) -> bool {
        self.state().trouble == Trouble::default()
    }

    /// How long nobody is there after a crash, in nanoseconds.
    pub fn downtime_ns(&self) -> u64 {
        self.state().trouble.downtime_ns
    }

    /// An append is durable.
    pub fn committed(&self, append: &Append) {
        let mut facts: Vec<Fact> = Vec::new();
        let mut wrong = Vec::new();
        for record in &append.records {
            match shadow::read(record, &self.plans) {
                Ok(fact) => facts.extend(fact),
                Err(why) => wrong.push(why),
            }
        }
        for fact in &facts {
            self.say(|| short(fact));
        }
        let uid = append.stream.key().to_owned();
        let (pauses, found, flow) = {
            let mut state = self.state();
            let shadow = state.shadows.entry(uid).or_default();
            let (pauses, found) = shadow.commit(append, &facts);
            let ids: Vec<(String, String)> = pauses
                .into_iter()
                .filter_map(|name| {
                    let ix = shadow.status.by_name(&name)?;
                    Some((shadow.status.node(ix)?.id.clone(), name))
                })
                .collect();
            (ids, found, shadow.status.name.clone())
        };
        wrong.extend(found);
        wrong.into_iter().for_each(|text| self.wrong(text));
        for (id, name) in pauses {
            self.resume_later(&flow, id, &name);
        }
    }

    fn resume_later(&self, flow: &str, id: String, name: &str) {
        let Some(number) = self.case.flows.iter().position(|known| known.name == flow) else { return };
        let seed = self.case.seed;
        let at = plus(self.now(), thinking_ns(seed, flow, name));
        let what = What::Resume(number, id, supplied(seed, flow, name));
        let mut state = self.state();
        // A pause that a retry has made again is one more errand.
        if !state.errands.iter().any(|known| known.what == what && !known.done) {
            state.errands.push(Errand { at, what, taken: None, done: false });
            drop(state);
            self.errand.notify_one();
        }
    }

    /// A stream was closed or opened again.
    pub fn close(&self, stream: &StreamId, closed: bool) {
        let mut state = self.state();
        if closed {
            state.closed.insert(stream.clone());
        } else {
            state.closed.remove(stream);
        }
        drop(state);
        self.news.notify_one();
    }

    /// Whether all that users wanted is done and all workflows have ended.
    pub fn is_over(&self) -> bool {
        let state = self.state();
        state.errands.iter().all(|errand| errand.done) && state.closed.len() == self.case.flows.len()
    }
}

/// A fact in one line.
fn short(fact: &Fact) -> String {
    match fact {
        Fact::WorkflowSubmitted { name, .. } => format!("    submitted {name}"),
        Fact::NodeCreated { ix, node, .. } => {
            let (name, kind, phase) = (&node.name, node.node_type.as_str(), node.phase.as_str());
            format!("    created {} {name} {kind} {phase} {}", ix.0, node.message)
        }
        other => format!("    {other:?}").chars().take(220).collect(),
    }
}
