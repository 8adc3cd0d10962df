//! EventBuses of NATS JetStream: events of their EventSources travel by them from the bus in the store to the sensors.
//! The store stays the outbox: an event leaves it when it was brought back, and is sent again until then (F37, F38).
//!
//! What others publish on such a bus becomes an event here as well, once.

mod consume;
mod message;
mod outbox;
mod place;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use runner_brokers::Waits;
use runner_brokers::jetstream::{JetStream, Place};
use runner_runners::Objects;
use runner_sensors::spec::EventBus;
use runner_store::{Catalog, NewManifest, Store};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::bus::Bus;

pub use place::{SECRET, STREAM, URL};

/// Kind of the manifests of EventBuses.
pub const KIND: &str = "EventBus";
/// Name of the EventBus of sources that name none, as in Argo Events.
pub const DEFAULT: &str = "default";
/// Kind of the manifests that remember the name of the durable consumer of this store.
const CONSUMER_KIND: &str = "EventBusConsumer";
/// A connection that lasted this long was a good one.
const STEADY: std::time::Duration = std::time::Duration::from_secs(30);

/// The connection of an EventBus, while there is one.
type Link = Arc<RwLock<Option<JetStream>>>;

/// The EventBuses of a store that are in effect. Cheap to clone; all clones share the connections.
#[derive(Clone, Debug, Default)]
pub struct Carriers {
    links: Arc<RwLock<BTreeMap<String, Link>>>,
}

/// What keeps the EventBuses connected; ends with it.
#[derive(Debug, Default)]
pub struct Running {
    tasks: BTreeMap<String, (String, JoinHandle<()>)>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.tasks.values().for_each(|(_, task)| task.abort());
    }
}

impl Carriers {
    /// Puts EventBuses of manifests into effect; unchanged ones stay connected. Answers the names, `<namespace>/<name>`,
    /// of those that carry events, and what is wrong with the others, one sentence each. Those that name no server carry
    /// nothing: the store is the bus.
    pub async fn apply(
        &self,
        running: &mut Running,
        manifests: &[runner_store::Manifest],
        bus: &Bus,
        news: &Arc<Notify>,
        objects: &Arc<dyn Objects>,
    ) -> (Vec<String>, Vec<String>) {
        let (mut wanted, mut problems) = (BTreeMap::new(), Vec::new());
        for manifest in manifests {
            let name = format!("{}/{}", manifest.namespace, manifest.name);
            let parsed =
                serde_json::from_slice::<EventBus>(&manifest.body).map_err(|error| error.to_string());
            let found = parsed.and_then(|bus| place::of(&bus, &manifest.namespace, objects));
            match found {
                Ok(Some(place)) => {
                    let version = format!("{}.{}", manifest.created_at, manifest.generation);
                    drop(wanted.insert(name, (version, place)));
                }
                Ok(None) => {}
                Err(why) => problems.push(format!("EventBus {name}: {why}")),
            }
        }
        running.tasks.retain(|name, (version, task)| {
            let keep = wanted.get(name).is_some_and(|(wanted, _)| wanted == version);
            if !keep {
                task.abort();
                self.links.write().unwrap_or_else(PoisonError::into_inner).remove(name);
            }
            keep
        });
        let names = wanted.keys().cloned().collect();
        for (name, (version, place)) in wanted {
            if running.tasks.contains_key(&name) {
                continue;
            }
            let durable = match consumer_name(bus.store().as_ref(), &name, bus).await {
                Ok(durable) => durable,
                Err(error) => {
                    problems.push(format!("EventBus {name}: {error}"));
                    continue;
                }
            };
            let link = Link::default();
            let mut links = self.links.write().unwrap_or_else(PoisonError::into_inner);
            links.insert(name.clone(), Arc::clone(&link));
            drop(links);
            let brings = consume::Brings::new(name.clone(), bus.clone(), Arc::clone(news));
            let task = tokio::spawn(stay(link, place, durable, brings));
            running.tasks.insert(name, (version, task));
        }
        (names, problems)
    }

    fn link(&self, name: &str) -> Option<Link> {
        self.links.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }
}

/// Stays connected, and consumes.
async fn stay(link: Link, place: Place, durable: String, brings: consume::Brings) {
    let Ok(mut waits) = Waits::new(None) else { return };
    loop {
        let began = std::time::Instant::now();
        let ended = match JetStream::connect(&place, &durable).await {
            Ok(stream) => {
                tracing::info!(bus = brings.name(), "EventBus connected");
                *link.write().unwrap_or_else(PoisonError::into_inner) = Some(stream.clone());
                stream.consume(&brings).await
            }
            Err(why) => Err(why),
        };
        *link.write().unwrap_or_else(PoisonError::into_inner) = None;
        if began.elapsed() > STEADY {
            waits.reset();
        }
        let wait = waits.next_wait();
        let why = ended.err().unwrap_or_default();
        tracing::warn!(bus = brings.name(), why, wait = ?wait, "EventBus not connected; events wait in the store");
        tokio::time::sleep(wait).await;
    }
}

/// Name of the durable consumer of this store: stores that share a bus must not share one.
async fn consumer_name(store: &dyn Store, name: &str, bus: &Bus) -> Result<String, runner_store::Error> {
    let (namespace, short) = name.split_once('/').unwrap_or(("", name));
    loop {
        let found = Catalog::get_manifest(store, CONSUMER_KIND, namespace, short).await?;
        if let Some(name) = found.and_then(|found| String::from_utf8(found.body).ok()) {
            return Ok(name);
        }
        let manifest = NewManifest {
            kind: CONSUMER_KIND.to_owned(),
            namespace: namespace.to_owned(),
            name: short.to_owned(),
            body: format!("runner-{}", uuid::Uuid::new_v4().simple()).into_bytes(),
            source: String::new(),
            at: bus.now(),
        };
        Catalog::put_manifest(store, manifest).await?;
    }
}
