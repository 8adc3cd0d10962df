//! `resource`: objects of any Kubernetes-compatible API that appear, change and go. What was seen is remembered, so that
//! what happens while no daemon runs is caught up with.
//! Needs no cluster of its own: each EventSource says by its kubeconfig which API it watches.

mod client;
mod seen;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use runner_brokers::Waits;
use runner_runners::Objects;
use runner_sensors::spec::{EventSource, ResourceEventSource};
use runner_store::{Catalog, NewManifest};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Origin, publish, store};
use crate::bus::Bus;
use crate::kubeconfig::{self, Place};
use client::{Ended, Step, Watcher};
use seen::{Event, Seen};

/// Kind of the manifests that remember what was seen.
const KIND: &str = "ResourceWatch";
/// How often what was seen is written down; events themselves are durable at once, and known by their keys.
const SAVE_EVERY: Duration = Duration::from_secs(1);
/// A connection that lasted this long was a good one.
const STEADY: Duration = Duration::from_secs(30);

/// A collection of objects that is watched.
#[derive(Debug)]
pub(super) struct Resource {
    origin: Origin,
    place: Place,
    settings: ResourceEventSource,
}

/// What was seen, and whether it is written down.
struct Memory {
    seen: Seen,
    dirty: bool,
    saved: Instant,
}

impl Resource {
    pub(super) fn new(
        settings: &ResourceEventSource,
        source: &EventSource,
        origin: Origin,
        objects: &Arc<dyn Objects>,
    ) -> Result<Self, String> {
        if settings.version.is_empty() || settings.resource.is_empty() {
            return Err("resource: version and resource are needed".to_owned());
        }
        let place = kubeconfig::place(source.spec.template.as_ref(), &origin.namespace, objects)?;
        seen::check(settings)?;
        Ok(Self { origin, place, settings: settings.clone() })
    }

    pub(super) async fn run(self, bus: Bus, news: Arc<Notify>) {
        let Ok(mut waits) = Waits::new(None) else { return };
        loop {
            let began = Instant::now();
            let ended = self.session(&bus, &news).await;
            if began.elapsed() > STEADY {
                waits.reset();
            }
            let wait = waits.next_wait();
            let (source, event) = (&self.origin.source, &self.origin.name);
            let why = ended.err().unwrap_or_default();
            tracing::warn!(source, event, why, wait = ?wait, "resources are not watched; trying again");
            tokio::time::sleep(wait).await;
        }
    }

    /// Watches until the connection fails.
    async fn session(&self, bus: &Bus, news: &Notify) -> Result<(), String> {
        let watcher = Watcher::new(&self.place, &self.settings).await?;
        let seen = self.load(bus, watcher.target()).await?;
        let mut memory = Memory { seen, dirty: true, saved: Instant::now() };
        loop {
            if memory.seen.version.is_empty() {
                let (objects, version) = watcher.list().await?;
                let events = memory.seen.listed(objects, version);
                self.keep(bus, news, &memory.seen, events).await;
                memory.dirty = true;
                self.save(bus, &mut memory).await;
            }
            let mut watch = watcher.watch(&memory.seen.version).await?;
            loop {
                match tokio::time::timeout(SAVE_EVERY, watch.next()).await {
                    Err(_quiet) => {}
                    Ok(Ok(steps)) => self.take(bus, news, &mut memory, steps).await,
                    Ok(Err(Ended::Over)) => break,
                    Ok(Err(Ended::Gone)) => {
                        // too old for the server: it lists what there is, and what is remembered tells the rest
                        memory.seen.version.clear();
                        break;
                    }
                    Ok(Err(Ended::Failed(why))) => {
                        self.save(bus, &mut memory).await;
                        return Err(why);
                    }
                }
                if memory.saved.elapsed() >= SAVE_EVERY {
                    self.save(bus, &mut memory).await;
                }
            }
        }
    }

    async fn take(&self, bus: &Bus, news: &Notify, memory: &mut Memory, steps: Vec<Step>) {
        let events = steps.into_iter().filter_map(|step| memory.seen.step(step)).collect();
        self.keep(bus, news, &memory.seen, events).await;
        memory.dirty = true;
    }

    /// Publishes what passes the filter; returns when it is durable.
    async fn keep(&self, bus: &Bus, news: &Notify, seen: &Seen, events: Vec<Event>) {
        let passed = events.into_iter().filter(|event| {
            let passed = seen::passes(&self.settings, event, seen.since, bus.now());
            let source = &self.origin.source;
            passed.inspect_err(|why| tracing::warn!(source, why, "a resource is dropped")).unwrap_or(false)
        });
        let all = passed.filter_map(|event| {
            let key = event.key();
            self.origin.event(self.data(event), Some(key))
        });
        // an object has one key for each change: another body under it is the same change
        drop(join_all(all.map(|event| publish(bus, news, event))).await);
    }

    fn data(&self, event: Event) -> Value {
        let ResourceEventSource { group, version, resource, metadata, .. } = &self.settings;
        let mut data = json!({"type": event.change.as_str(), "body": event.body, "oldBody": event.old,
            "group": group, "version": version, "resource": resource});
        if !metadata.is_empty() {
            data["metadata"] = json!(metadata);
        }
        data
    }

    fn name(&self) -> String {
        format!("{}.{}", self.origin.source, self.origin.name)
    }

    /// What was seen of this collection before; nothing when it is watched for the first time.
    async fn load(&self, bus: &Bus, target: &str) -> Result<Seen, String> {
        let found = Catalog::get_manifest(store(bus), KIND, &self.origin.namespace, &self.name()).await;
        let found = found.map_err(|error| error.to_string())?;
        let seen = found.and_then(|found| serde_json::from_slice::<Seen>(&found.body).ok());
        let fresh = || Seen {
            target: target.to_owned(),
            since: bus.now(),
            version: String::new(),
            objects: BTreeMap::new(),
        };
        Ok(seen.filter(|seen| seen.target == target).unwrap_or_else(fresh))
    }

    async fn save(&self, bus: &Bus, memory: &mut Memory) {
        memory.saved = Instant::now();
        if !memory.dirty {
            return;
        }
        let manifest = NewManifest {
            kind: KIND.to_owned(),
            namespace: self.origin.namespace.clone(),
            name: self.name(),
            body: serde_json::to_vec(&memory.seen).unwrap_or_default(),
            source: String::new(),
            at: bus.now(),
        };
        match Catalog::put_manifest(store(bus), manifest).await {
            Ok(_) => memory.dirty = false,
            Err(error) => tracing::warn!(source = self.name(), %error, "what was seen is not remembered"),
        }
    }
}
