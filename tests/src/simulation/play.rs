//! Plays one run: engines that come and go, the users' errands, until all is over.
//! Does not compare runs: `explore` does.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use runner_controller::{Controller, Error, Leave, Options, Runners, SubmitRequest};
use runner_machine::{Command, Node, Plan, Work};
use runner_store::{Catalog, NewManifest};
use runner_workflows::resolve::ResolvedWorkflow;
use tokio::task::JoinSet;

use super::canary::Canary;
use super::clock::{EngineClock, SimClock, SimIds, at, plus};
use super::disk::Disk;
use super::hands::Hands;
use super::laws;
use super::model::{Case, Flow, Order};
use super::outcome::Outcome;
use super::shadow::Shadow;
use super::trouble::Trouble;
use super::voice::Voice;
use super::world::{Errand, News, What, World};

/// Namespace of all workflows.
const NAMESPACE: &str = "sim";
/// Longer than any run takes in virtual time, in nanoseconds.
const MOST_NS: u64 = 2 * 3600 * 1_000_000_000;
/// Life of a lease.
const TTL: Duration = Duration::from_secs(60);

/// A case ready to be played many times.
pub struct Stage {
    /// The case.
    pub case: Arc<Case>,
    /// Its workflows as the language crate has them, compiled.
    pub plans: Vec<Arc<Plan>>,
    /// A planted bug.
    pub canary: Option<Canary>,
}

/// When the nodes of one workflow were created, and when they ended.
pub type Moments = (BTreeMap<String, usize>, BTreeMap<String, usize>);

/// What one run came to.
#[derive(Clone, Debug, Default)]
pub struct Played {
    /// The end of each workflow, in the order of the case.
    pub outcomes: Vec<Outcome>,
    /// Commits tried.
    pub commits: u64,
    /// What is wrong.
    pub wrong: Vec<String>,
    /// What happened.
    pub trace: Vec<String>,
    /// When each node was created and ended, by workflow and name.
    pub order: BTreeMap<String, Moments>,
    /// Attempts that were started: workflow, node, number.
    pub ledger: BTreeSet<(String, String, u32)>,
}

thread_local! {
    static PANIC: RefCell<Option<String>> = const { RefCell::new(None) };
    static SILENT: RefCell<bool> = const { RefCell::new(false) };
}

/// Panics of simulated engines are findings, not noise. To be called once per process.
pub fn catch_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if SILENT.with(|silent| *silent.borrow()) {
            PANIC.with(|panic| *panic.borrow_mut() = Some(info.to_string()));
        } else {
            before(info);
        }
    }));
}

/// Plays one run. Writing down what happens costs more than the run: it is done only when asked for.
pub fn play(stage: &Stage, trouble: Trouble, trace: bool) -> Played {
    let clock = SimClock::default();
    let world = World::new(clock.clone(), stage, trouble, trace);
    let world = Arc::new(world);
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.on_thread_park(move || clock.jump());
    let runtime = match runtime.build() {
        Ok(runtime) => runtime,
        Err(error) => return Played { wrong: vec![format!("no runtime: {error}")], ..Played::default() },
    };
    SILENT.with(|silent| *silent.borrow_mut() = true);
    let plans = stage.plans.clone();
    let shared = Arc::clone(&world);
    let listening = tracing::subscriber::set_default(Voice(Arc::clone(&world)));
    let outcomes = runtime.block_on(async move {
        // As a task of its own: only then is the runtime idle exactly when nothing can run.
        tokio::spawn(async move { Driver::new(shared, plans).run().await }).await
    });
    SILENT.with(|silent| *silent.borrow_mut() = false);
    drop(runtime);
    drop(listening);
    let mut played = Played::default();
    match outcomes {
        Ok(outcomes) => played.outcomes = outcomes,
        Err(error) => played.wrong.push(format!("the driver failed: {error}")),
    }
    if let Some(panic) = PANIC.with(|panic| panic.borrow_mut().take()) {
        played.wrong.push(format!("panic: {panic}"));
    }
    let mut state = world.state();
    played.wrong.append(&mut state.wrong);
    played.trace = std::mem::take(&mut state.trace);
    played.commits = state.commits;
    for shadow in state.shadows.values() {
        let order = (shadow.created.clone(), shadow.ended.clone());
        played.order.insert(shadow.status.name.clone(), order);
    }
    let started = state.processes.iter();
    played.ledger = started.map(|(id, p)| (p.flow.clone(), p.node.clone(), id.attempt)).collect();
    played
}

struct Driver {
    world: Arc<World>,
    plans: Arc<Vec<Arc<Plan>>>,
    engines: BTreeMap<u32, Controller>,
    next: u32,
    client: Option<tokio::task::JoinHandle<()>>,
}

impl Driver {
    fn new(world: Arc<World>, plans: Vec<Arc<Plan>>) -> Self {
        Self { world, plans: Arc::new(plans), engines: BTreeMap::new(), next: 0, client: None }
    }

    async fn run(mut self) -> Vec<Outcome> {
        self.errands();
        self.limits().await;
        self.start();
        let world = Arc::clone(&self.world);
        let end = world.clock.until(at(MOST_NS));
        tokio::pin!(end);
        loop {
            for news in world.take_news() {
                match news {
                    News::Crashed(engine) => self.crashed(engine).await,
                    News::Frozen(engine) => {
                        self.leave_client(engine);
                        self.start();
                    }
                }
            }
            if !world.state().wrong.is_empty() || (world.is_over() && self.thawed().await) {
                break;
            }
            tokio::select! {
                biased;
                () = world.news.notified() => {}
                () = &mut end => {
                    let left = self.left();
                    world.wrong(format!("no end within two hours of virtual time; left: {left}"));
                    break;
                }
            }
        }
        let outcomes = if world.state().wrong.is_empty() { self.judge().await } else { Vec::new() };
        if let Some(client) = self.client.take() {
            client.abort();
        }
        for engine in self.engines.values() {
            engine.shutdown(Leave::Now).await;
        }
        outcomes
    }

    /// What users want from the beginning.
    fn errands(&self) {
        let mut state = self.world.state();
        for (number, flow) in self.world.case.flows.iter().enumerate() {
            let what = What::Submit(number);
            state.errands.push(Errand { at: at(flow.at_ns), what, taken: None, done: false });
        }
        for planned in &self.world.case.script {
            let what = What::Command(planned.flow, planned.order);
            state.errands.push(Errand { at: at(planned.at_ns), what, taken: None, done: false });
        }
    }

    /// The ConfigMap with the capacity of the semaphore.
    async fn limits(&self) {
        let body = serde_json::json!({ "data": { "s": self.world.case.capacity.to_string() } });
        let manifest = NewManifest {
            kind: "ConfigMap".to_owned(),
            namespace: NAMESPACE.to_owned(),
            name: "limits".to_owned(),
            body: body.to_string().into_bytes(),
            source: String::new(),
            at: self.world.now(),
        };
        if let Err(error) = self.world.store.put_manifest(manifest).await {
            self.world.wrong(format!("the ConfigMap cannot be stored: {error}"));
        }
    }

    fn start(&mut self) {
        let engine = self.next;
        self.next += 1;
        let world = &self.world;
        world.say(|| format!("engine {engine} starts"));
        let settings = world.case.engine;
        let mut options = Options::new("/sim");
        options.owner = format!("engine-{engine}");
        options.adopt = true;
        let judge = Arc::downgrade(world);
        options.is_dead = Some(Arc::new(move |owner: &str| {
            let engine = owner.strip_prefix("engine-").and_then(|number| number.parse().ok());
            judge.upgrade().zip(engine).is_some_and(|(world, engine)| world.is_dead(engine))
        }));
        options.ttl = TTL;
        options.poll = Some(Duration::from_secs(2));
        options.linger = Duration::from_millis(settings.linger_ms);
        options.max_running = settings.max_running;
        options.unload_after = Duration::from_secs(settings.unload_after_s);
        options.gc_every = None;
        let store = Arc::new(Disk { world: Arc::clone(world), engine });
        let hands = Arc::new(Hands { world: Arc::clone(world), engine });
        let controller = Controller::start(
            store,
            Runners::new().with_process(hands),
            Arc::new(EngineClock { world: Arc::clone(world), engine }),
            Arc::new(SimIds::new(world.case.seed, u64::from(engine))),
            options,
        );
        self.engines.insert(engine, controller.clone());
        let client = Client { world: Arc::clone(world), plans: Arc::clone(&self.plans), engine, controller };
        self.client = Some(tokio::spawn(client.serve()));
    }

    /// The users of this engine turn to the next one.
    fn leave_client(&mut self, engine: u32) {
        if let Some(client) = self.client.take() {
            client.abort();
        }
        let mut state = self.world.state();
        state.errands.iter_mut().filter(|errand| errand.taken == Some(engine)).for_each(|e| e.taken = None);
    }

    async fn crashed(&mut self, engine: u32) {
        self.leave_client(engine);
        if let Some(controller) = self.engines.remove(&engine) {
            controller.shutdown(Leave::Now).await;
        }
        let down = self.world.downtime_ns();
        if down > 0 {
            self.world.clock.until(plus(self.world.now(), down)).await;
        }
        // One that stood still may be left; it is of no use to anybody, so another one starts in any case.
        self.start();
    }

    /// Lets engines that stand still go on before the end, to see what they do.
    async fn thawed(&self) -> bool {
        let until = self.world.state().frozen.values().max().copied();
        if let Some(until) = until.filter(|until| *until > self.world.now()) {
            self.world.clock.until(plus(until, 10_000_000_000)).await;
        }
        self.world.is_over() && self.world.state().wrong.is_empty()
    }

    fn left(&self) -> String {
        let state = self.world.state();
        let errands: Vec<_> = state.errands.iter().filter(|e| !e.done).map(|e| &e.what).collect();
        let flows = state.shadows.values().map(|shadow| {
            let open = shadow.status.nodes().filter(|(_, node)| !node.phase.fulfilled());
            let names: Vec<_> = open.map(|(_, n)| format!("{} {:?} {:?}", n.name, n.phase, n.work)).collect();
            format!("{} {:?} {names:?}", shadow.status.name, shadow.status.phase)
        });
        format!("{errands:?} {}", flows.collect::<Vec<_>>().join("; "))
    }

    /// Everything is over: reads the end of each workflow and asks the engine to check the store.
    async fn judge(&self) -> Vec<Outcome> {
        let world = &self.world;
        laws::at_end(world).into_iter().for_each(|text| world.wrong(text));
        let Some(controller) = self.engines.values().next_back() else { return Vec::new() };
        match controller.verify().await {
            Ok(found) if found.is_clean() => {}
            Ok(found) => world.wrong(format!("the store is not as its journals: {found:?}")),
            Err(error) => world.wrong(format!("the store cannot be checked: {error}")),
        }
        // What the engine loads is what the shadow has: both fold the same facts, and the check above compared them.
        let state = world.state();
        let shadow = |flow: &Flow| state.shadows.values().find(|shadow| shadow.status.name == flow.name);
        let flows = world.case.flows.iter().zip(self.plans.iter());
        flows.filter_map(|(flow, plan)| Some(Outcome::of(plan, &shadow(flow)?.status))).collect()
    }
}

/// The users, in the process of one engine.
#[derive(Clone)]
struct Client {
    world: Arc<World>,
    plans: Arc<Vec<Arc<Plan>>>,
    engine: u32,
    controller: Controller,
}

impl Client {
    async fn serve(self) {
        let mut busy = JoinSet::new();
        loop {
            let (due, next) = self.take_due();
            for number in due {
                busy.spawn(self.clone().run(number));
            }
            let next = async {
                match next {
                    Some(at) => self.world.clock.until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(_) = busy.join_next() => {}
                () = self.world.errand.notified() => {}
                () = next => {}
            }
        }
    }

    fn take_due(&self) -> (Vec<usize>, Option<jiff::Timestamp>) {
        let now = self.world.now();
        let mut state = self.world.state();
        let submitted: BTreeSet<usize> = state
            .errands
            .iter()
            .filter(|errand| errand.done)
            .filter_map(|errand| match errand.what {
                What::Submit(flow) => Some(flow),
                _ => None,
            })
            .collect();
        let (mut due, mut next) = (Vec::new(), None::<jiff::Timestamp>);
        for (number, errand) in state.errands.iter_mut().enumerate() {
            let possible = match &errand.what {
                What::Submit(_) => true,
                What::Command(flow, _) | What::Resume(flow, ..) => submitted.contains(flow),
            };
            if errand.done || errand.taken.is_some() || !possible {
                continue;
            }
            if errand.at <= now {
                errand.taken = Some(self.engine);
                due.push(number);
            } else {
                next = Some(next.map_or(errand.at, |next| next.min(errand.at)));
            }
        }
        (due, next)
    }

    /// One errand, again and again with the same key until there is an answer.
    async fn run(self, number: usize) {
        let what = self.world.state().errands[number].what.clone();
        let mut key = format!("errand-{number}");
        loop {
            let answer = match &what {
                What::Submit(flow) => self.submit(*flow, &key).await,
                What::Command(flow, order) => {
                    let command = self.order(*flow, *order);
                    self.command(*flow, command, &key).await
                }
                What::Resume(flow, node, value) => {
                    let resume = self.resume(*flow, format!("id={node}"), value, |known| known == node);
                    self.command(*flow, resume, &key).await
                }
            };
            match answer {
                Ok(()) => break,
                Err(Error::Refused(why)) => {
                    self.world.say(|| format!("{what:?} is refused: {why}"));
                    // A pause that was refused for another reason than an end is resumed by another errand.
                    let other = matches!(what, What::Resume(..)) && !why.contains("has ended");
                    if other || !self.must_resume(&what) {
                        break;
                    }
                    // What the pauses wait for has changed meanwhile: another command, with another key.
                    key.push('+');
                }
                Err(Error::Store(runner_store::Error::Io(_)) | Error::NoAnswer { .. } | Error::Closing) => {}
                Err(error) => {
                    self.world.wrong(format!("{what:?} fails: {error}"));
                    break;
                }
            }
            self.world.clock.until(plus(self.world.now(), 10_000_000)).await;
        }
        self.world.state().errands[number].done = true;
        self.world.say(|| format!("{what:?} is done"));
        self.world.errand.notify_one();
        self.world.news.notify_one();
    }

    async fn submit(&self, flow: usize, key: &str) -> Result<(), Error> {
        let request = SubmitRequest {
            namespace: NAMESPACE.to_owned(),
            resolved: ResolvedWorkflow::clone(&self.plans[flow].workflow),
            idempotency_key: Some(key.to_owned()),
            ..SubmitRequest::default()
        };
        self.controller.submit(request).await.map(|_| ())
    }

    fn order(&self, flow: usize, order: Order) -> Command {
        match order {
            Order::Suspend => Command::Suspend,
            Order::Resume => self.resume(flow, String::new(), "given", |_| true),
            Order::Stop => Command::Stop { selector: String::new(), message: String::new() },
            Order::Terminate => Command::Terminate,
            Order::Retry => {
                Command::Retry { restart_successful: false, selector: String::new(), parameters: Vec::new() }
            }
        }
    }

    /// Whether this errand is the one that lets a suspended run, or its pause, go on.
    fn must_resume(&self, what: &What) -> bool {
        let flow = match what {
            What::Command(flow, Order::Resume) | What::Resume(flow, ..) => *flow,
            What::Command(..) | What::Submit(_) => return false,
        };
        let name = &self.world.case.flows[flow].name;
        let state = self.world.state();
        if let What::Resume(_, node, _) = what {
            // Refused because the run had ended: a retry makes the same pause again, or has done so meanwhile.
            let retry = What::Command(flow, Order::Retry);
            let retried = state.errands.iter().any(|errand| errand.what == retry && !errand.done);
            let again = |s: &&Shadow| s.status.name == *name && (retried || !s.status.phase.completed());
            let mut flows = state.shadows.values().filter(again);
            return flows.any(|s| {
                let mut nodes = s.status.nodes();
                nodes.any(|(_, known)| known.id == *node && matches!(known.work, Work::Suspended { .. }))
            });
        }
        let held = |shadow: &Shadow| {
            let status = &shadow.status;
            status.name == *name && status.suspended && !status.phase.completed()
        };
        state.shadows.values().any(held)
    }

    /// A resume that supplies what the pauses wait for, and nothing else: that would be refused.
    fn resume(&self, flow: usize, selector: String, value: &str, which: impl Fn(&str) -> bool) -> Command {
        let name = &self.world.case.flows[flow].name;
        let state = self.world.state();
        let nodes = state.shadows.values().filter(|s| s.status.name == *name).flat_map(|s| s.status.nodes());
        let asks = |node: &Node| {
            let outputs = node.outputs.iter().flat_map(|outputs| &outputs.parameters);
            matches!(node.work, Work::Suspended { .. }) && which(&node.id) && outputs.count() > 0
        };
        let parameters = if nodes.into_iter().any(|(_, node)| asks(node)) {
            BTreeMap::from([("out".to_owned(), value.to_owned())])
        } else {
            BTreeMap::new()
        };
        Command::Resume { selector, parameters, message: String::new() }
    }

    async fn command(&self, flow: usize, command: Command, key: &str) -> Result<(), Error> {
        let name = &self.world.case.flows[flow].name;
        self.controller.command_once(NAMESPACE, name, command, "sim", Some(key.to_owned())).await
    }
}
