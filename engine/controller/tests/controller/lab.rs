//! What the tests of the controller share: a virtual clock, counted ids, a fake runner, short ways to say things.
//! Asserts nothing by itself.

mod world;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use runner_controller::{Clock, Controller, Ids, Options, Runners, Snapshot, SubmitRequest, Submitted};
use runner_machine::{Node, WorkflowPhase};
use runner_store::{BoxFuture, MemoryStore, Store};
use runner_workflows::resolve::ResolvedWorkflow;
use runner_workflows::spec::Workflow;
use serde_json::Value;

pub(crate) use world::World;

/// Calendar time that follows tokio's paused time.
#[derive(Clone, Copy)]
pub(crate) struct VirtualClock {
    start: tokio::time::Instant,
}

impl VirtualClock {
    pub(crate) fn new() -> Self {
        Self { start: tokio::time::Instant::now() }
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}

/// Where virtual time begins.
pub(crate) fn epoch() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().unwrap()
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        epoch() + self.elapsed()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let left = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
        Box::pin(tokio::time::sleep(left))
    }
}

/// Ids that count.
#[derive(Default)]
pub(crate) struct CountedIds {
    pub(crate) next: AtomicU64,
    pub(crate) suffix: AtomicU64,
    /// The first suffixes are all the same.
    pub(crate) colliding: u64,
}

impl Ids for CountedIds {
    fn uid(&self, _now: Timestamp) -> String {
        format!("uid-{:04}", self.next.fetch_add(1, Ordering::Relaxed))
    }

    fn suffix(&self) -> String {
        let n = self.suffix.fetch_add(1, Ordering::Relaxed);
        format!("{:05}", n.saturating_sub(self.colliding))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.assert_intents();
        }
    }
}

/// One machine: a store on its disk, processes that outlive engines, a clock.
pub(crate) struct Lab {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) world: Arc<World>,
    pub(crate) clock: VirtualClock,
    pub(crate) ids: Arc<CountedIds>,
    engines: AtomicU64,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with_ids(CountedIds::default())
    }

    pub(crate) fn with_ids(ids: CountedIds) -> Self {
        let clock = VirtualClock::new();
        let store = Arc::new(MemoryStore::new());
        Self {
            world: World::new(clock, store.clone()),
            store,
            clock,
            ids: Arc::new(ids),
            engines: AtomicU64::new(0),
        }
    }

    pub(crate) fn options(&self) -> Options {
        let mut options = Options::new("/nowhere");
        options.owner = format!("engine-{}", self.engines.fetch_add(1, Ordering::Relaxed));
        options.is_dead = None;
        options
    }

    /// No attempt was handed to the runner before its intent was durable (P3).
    pub(crate) fn assert_intents(&self) {
        assert_eq!(self.world.early(), Vec::<String>::new(), "effect before record");
    }

    /// An engine that runs what is submitted to it.
    pub(crate) fn engine(&self) -> Controller {
        self.engine_with(self.options())
    }

    /// An engine that takes over what other engines left behind; `is_dead` says which owners are.
    pub(crate) fn adopter(&self, dead: &[&str]) -> Controller {
        let mut options = self.options();
        options.adopt = true;
        let dead: Vec<String> = dead.iter().map(|d| (*d).to_owned()).collect();
        options.is_dead = Some(Arc::new(move |owner| dead.iter().any(|d| d == owner)));
        self.engine_with(options)
    }

    pub(crate) fn engine_with(&self, options: Options) -> Controller {
        let store: Arc<dyn Store> = self.store.clone();
        let runner: Arc<dyn runner_runners::Runner> = self.world.clone();
        let runners = Runners::new().with_process(runner);
        Controller::start(store, runners, Arc::new(self.clock), self.ids.clone(), options)
    }

    /// Lets time pass.
    pub(crate) async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

pub(crate) fn request(name: &str, spec: Value) -> SubmitRequest {
    let workflow: Workflow = serde_json::from_value(serde_json::json!({
        "apiVersion": "argoproj.io/v1alpha1", "kind": "Workflow", "metadata": {"name": name}, "spec": spec
    }))
    .expect("a workflow");
    let resolved = ResolvedWorkflow::new(workflow.metadata, workflow.spec);
    SubmitRequest { namespace: "ns".to_owned(), resolved, ..SubmitRequest::default() }
}

pub(crate) async fn submit(engine: &Controller, name: &str, spec: Value) -> Submitted {
    engine.submit(request(name, spec)).await.expect("submitted")
}

/// A template that runs the fake program with these arguments; see `World`.
pub(crate) fn step(name: &str, args: &[&str]) -> Value {
    serde_json::json!({"name": name, "container": {"image": "fake", "command": ["fake"], "args": args}})
}

/// A steps template: groups of steps, each `name` calling the template of that name.
pub(crate) fn steps(name: &str, groups: &[&[&str]]) -> Value {
    let groups: Vec<Vec<Value>> = groups
        .iter()
        .map(|group| group.iter().map(|s| serde_json::json!({"name": s, "template": s})).collect())
        .collect();
    serde_json::json!({"name": name, "steps": groups})
}

pub(crate) fn spec(templates: &[Value]) -> Value {
    let entrypoint = templates[0]["name"].clone();
    serde_json::json!({"entrypoint": entrypoint, "templates": templates})
}

/// Three steps one after the other.
pub(crate) fn chain() -> Value {
    spec(&[
        steps("main", &[&["a"], &["b"], &["c"]]),
        step("a", &["run", "1"]),
        step("b", &["run", "1"]),
        step("c", &["run", "1"]),
    ])
}

pub(crate) async fn finished(engine: &Controller, uid: &str) -> WorkflowPhase {
    tokio::time::timeout(Duration::from_secs(100_000), engine.wait_terminal(uid))
        .await
        .expect("the workflow hangs")
        .expect("an ending")
        .phase
}

pub(crate) async fn status(engine: &Controller, name: &str) -> Snapshot {
    engine.load_status("ns", name).await.expect("a status")
}

pub(crate) fn node<'a>(snapshot: &'a Snapshot, display: &str) -> &'a Node {
    let found = snapshot.status.nodes().find(|(_, node)| node.display_name == display);
    found.unwrap_or_else(|| panic!("no node {display}")).1
}

/// Journal and rows agree.
pub(crate) async fn assert_verified(engine: &Controller) {
    let found = engine.verify().await.unwrap();
    assert!(found.is_clean(), "{found:#?}");
}
