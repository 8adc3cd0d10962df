//! What the tests of the driver share: a virtual clock, counted ids, a store, engines over it.
//! Asserts nothing by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use runner_controller::{Archive, Clock, Controller, Ids, Options, Runners};
use runner_events::cron::{Crons, Fact, KIND};
use runner_store::{
    BoxFuture, Catalog, Journal, MemoryStore, NewManifest, Seq, Store, StreamId, WorkflowQuery, WorkflowRow,
};
use serde_json::{Value, json};

/// Calendar time that follows tokio's paused time.
#[derive(Clone, Copy)]
pub(crate) struct VirtualClock(tokio::time::Instant);

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        at("10:00:30") + self.0.elapsed()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let left = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
        Box::pin(tokio::time::sleep(left))
    }
}

/// Ids that count.
#[derive(Default)]
struct CountedIds(AtomicU64);

impl Ids for CountedIds {
    fn uid(&self, _now: Timestamp) -> String {
        format!("uid-{:04}", self.0.fetch_add(1, Ordering::Relaxed))
    }

    fn suffix(&self) -> String {
        format!("{:05}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

pub(crate) fn at(time: &str) -> Timestamp {
    format!("2026-01-01T{time}Z").parse().unwrap()
}

/// One database, and the time.
pub(crate) struct Lab {
    pub(crate) store: Arc<MemoryStore>,
    pub(crate) clock: VirtualClock,
    ids: Arc<CountedIds>,
    engines: AtomicU64,
    archive: Option<Archive>,
}

/// A process that drives CronWorkflows.
pub(crate) struct Process {
    pub(crate) crons: Arc<Crons>,
    pub(crate) controller: Controller,
    task: tokio::task::JoinHandle<()>,
}

impl Process {
    /// Ends it where it stands.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _aborted = self.task.await;
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            store: Arc::new(MemoryStore::new()),
            clock: VirtualClock(tokio::time::Instant::now()),
            ids: Arc::default(),
            engines: AtomicU64::new(0),
            archive: None,
        }
    }

    /// The same with an archive of workflows.
    pub(crate) fn with_archive() -> Self {
        Self { archive: Some(Archive::default()), ..Self::new() }
    }

    fn controller(&self, detached: bool) -> Controller {
        let mut options = Options::new("/nowhere");
        options.owner = format!("engine-{}", self.engines.fetch_add(1, Ordering::Relaxed));
        (options.is_dead, options.gc_every, options.archive) = (None, None, self.archive);
        if detached {
            options.poll = None;
        }
        let store: Arc<dyn Store> = self.store.clone();
        Controller::start(store, Runners::new(), Arc::new(self.clock), self.ids.clone(), options)
    }

    /// A process; `detached` ones only record runs.
    pub(crate) fn process(&self, detached: bool) -> Process {
        let controller = self.controller(detached);
        let crons = Crons::new(controller.clone(), Arc::new(self.clock));
        let crons = Arc::new(if detached { crons.detached() } else { crons });
        let driven = Arc::clone(&crons);
        let task = tokio::spawn(async move { driven.run(std::future::pending()).await });
        Process { crons, controller, task }
    }

    /// Stores a CronWorkflow whose runs take `seconds`.
    pub(crate) async fn apply(&self, name: &str, seconds: u32, more: Value) {
        let mut spec = json!({
            "schedules": ["* * * * *"],
            "workflowSpec": {
                "entrypoint": "main",
                "templates": [{"name": "main", "suspend": {"duration": seconds.to_string()}}],
            },
        });
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({
            "apiVersion": "argoproj.io/v1alpha1", "kind": KIND, "metadata": {"name": name}, "spec": spec,
        });
        let manifest = NewManifest {
            kind: KIND.to_owned(),
            namespace: "ns".to_owned(),
            name: name.to_owned(),
            body: serde_json::to_vec(&body).unwrap(),
            source: String::new(),
            at: self.clock.now(),
        };
        self.store.put_manifest(manifest).await.unwrap();
    }

    /// Lets time pass until a moment.
    pub(crate) async fn until(&self, time: &str) {
        self.clock.sleep_until(at(time)).await;
    }

    /// All workflows, by name.
    pub(crate) async fn rows(&self) -> Vec<WorkflowRow> {
        let mut rows = self.store.list_workflows(WorkflowQuery::default()).await.unwrap().items;
        rows.sort_by(|a, b| a.name.cmp(&b.name));
        rows
    }

    /// Times of the ticks that have a workflow.
    pub(crate) async fn ticks(&self) -> Vec<String> {
        let seconds = |name: &str| name.rsplit_once('-').unwrap().1.parse().unwrap();
        let time = |name: &str| Timestamp::from_second(seconds(name)).unwrap().strftime("%H:%M").to_string();
        self.rows().await.iter().map(|row| time(&row.name)).collect()
    }

    /// Kinds and bodies of the journal of a CronWorkflow.
    pub(crate) async fn journal(&self, name: &str) -> Vec<Fact> {
        let stream = StreamId::cron("ns", name).unwrap();
        let records = self.store.read(&stream, Seq::ZERO, 0).await.unwrap();
        let read = |kind: &str, body: &[u8]| {
            let body: Value = serde_json::from_slice(body).unwrap();
            serde_json::from_value(json!({ kind: body })).unwrap()
        };
        records.iter().map(|record| read(&record.kind, &record.body)).collect()
    }
}
