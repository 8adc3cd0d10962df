//! A bus in memory, sources on it, and waiting for what they keep.
//! Starts no server.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use runner_controller::{SystemClock, SystemIds};
use runner_events::bus::{Bus, History, Query};
use runner_events::sources;
use runner_runners::{Objects, SecretData, SecretValue};
use runner_sensors::spec::EventSource;
use runner_store::{MemoryStore, Store};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Secrets by name and key.
#[derive(Default)]
pub(crate) struct Shelf(BTreeMap<String, SecretData>);

impl Objects for Shelf {
    fn config_map(
        &self,
        _namespace: &str,
        _name: &str,
    ) -> Result<Option<BTreeMap<String, String>>, runner_runners::Error> {
        Ok(None)
    }

    fn secret(&self, _namespace: &str, name: &str) -> Result<Option<SecretData>, runner_runners::Error> {
        Ok(self.0.get(name).cloned())
    }
}

impl Shelf {
    pub(crate) fn of(secrets: &[(&str, &str, &str)]) -> Self {
        let mut shelf = Self::default();
        for (name, key, value) in secrets {
            let value = SecretValue::new(value.as_bytes());
            shelf.0.entry((*name).to_owned()).or_default().insert((*key).to_owned(), value);
        }
        shelf
    }
}

pub(crate) struct Lab {
    pub(crate) bus: Bus,
    shelf: Arc<dyn Objects>,
}

impl Lab {
    pub(crate) fn new(secrets: &[(&str, &str, &str)]) -> Self {
        let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
        let bus = Bus::new(store, Arc::new(SystemClock), Arc::new(SystemIds));
        Self { bus, shelf: Arc::new(Shelf::of(secrets)) }
    }

    /// Starts every event of an EventSource; it is killed when the set is dropped.
    pub(crate) fn start(&self, spec: Value, annotations: Value) -> Result<JoinSet<()>, String> {
        let source =
            json!({"metadata": {"name": "es", "namespace": "n", "annotations": annotations}, "spec": spec});
        let source: EventSource = serde_json::from_value(source).unwrap();
        let mut running = JoinSet::new();
        let news = Arc::new(Notify::new());
        for event in source.spec.events() {
            sources::start(&mut running, &self.bus, &news, "n", &source, &event, &self.shelf)?;
        }
        Ok(running)
    }

    /// Waits for so many events; answers them, the earliest first.
    pub(crate) async fn events(&self, count: usize) -> Vec<History> {
        let began = Instant::now();
        loop {
            let mut all = self.bus.list(&Query::default()).await.unwrap();
            if all.len() >= count {
                assert_eq!(all.len(), count, "{all:?}");
                all.reverse();
                return all;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{} of {count} events", all.len());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Repeats something until the condition holds.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let began = Instant::now();
    while !holds().await {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

pub(crate) fn secret(name: &str, key: &str) -> Value {
    json!({"name": name, "key": key})
}
