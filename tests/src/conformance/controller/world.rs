//! Everything around the workflows of a case: clock, objects, locks, caches, settings.
//! Does not read the case (`given` does) nor follow its script (`script` does).

use std::collections::BTreeMap;

use runner_machine::{LockKind, LockNeed, MemoEntry, Timestamp};
use runner_workflows::resolve::Catalog;
use serde_json::{Value, json};

use super::locks::Locks;
use super::run::Run;
use crate::conformance::facts::Subject;

/// Upstream's tests run at the wall clock, years after the times in their snapshots.
pub(super) const EPOCH: i64 = 1_790_000_000;
/// A pass of the controller takes a moment.
const PASS_MILLIS: i64 = 10;

/// The world of one case.
pub(super) struct World {
    /// The workflows, in order.
    pub(super) runs: Vec<Run>,
    /// Templates and ConfigMaps.
    pub(super) catalog: Catalog,
    /// Locks.
    pub(super) locks: Locks,
    /// Caches: entries by cache and key. A cache that cannot be read holds why.
    pub(super) caches: BTreeMap<String, Result<BTreeMap<String, MemoEntry>, String>>,
    /// Settings of the controller.
    pub(super) config: Value,
    /// Its environment.
    pub(super) env: BTreeMap<String, String>,
    /// The clock.
    pub(super) now: Timestamp,
    /// What happened, for people.
    pub(super) log: Vec<String>,
}

impl World {
    /// An empty world.
    pub(super) fn new() -> Self {
        Self {
            runs: Vec::new(),
            catalog: Catalog::default(),
            locks: Locks::default(),
            caches: BTreeMap::new(),
            config: json!({}),
            env: BTreeMap::new(),
            now: Timestamp::from_second(EPOCH).unwrap_or_default(),
            log: Vec::new(),
        }
    }

    /// Lets a moment pass.
    pub(super) fn tick(&mut self) {
        self.sleep_millis(PASS_MILLIS);
    }

    /// Lets time pass.
    pub(super) fn sleep_millis(&mut self, millis: i64) {
        let passed = jiff::SignedDuration::from_millis(millis);
        self.now = self.now.checked_add(passed).unwrap_or(self.now);
    }

    /// The limit of a lock.
    ///
    /// # Errors
    /// It is not configured; Argo's words at the head.
    pub(super) fn limit(&self, need: &LockNeed) -> Result<usize, String> {
        let fail = |why: String| format!("failed to initialize semaphore {}: {why}", need.name);
        match &need.kind {
            LockKind::Mutex => Ok(1),
            LockKind::ConfigMap { name, key, .. } => {
                let map = self.catalog.config_maps.get(name);
                let map = map.ok_or_else(|| fail(format!("configmaps \"{name}\" not found")))?;
                let text = map.get(key).ok_or_else(|| fail(format!("no key {key} in ConfigMap {name}")))?;
                text.trim().parse().map_err(|_| fail(format!("not a number: {text}")))
            }
            LockKind::Database { key, .. } => Err(fail(format!("no limit for {key}"))),
        }
    }

    /// Whether an error is transient by the environment's pattern.
    pub(super) fn is_transient(&self, message: &str) -> bool {
        let pattern = self.env.get("TRANSIENT_ERROR_PATTERN").filter(|pattern| !pattern.is_empty());
        pattern
            .and_then(|pattern| regex::Regex::new(pattern).ok())
            .is_some_and(|regex| regex.is_match(message))
    }

    /// Seconds after its start during which a missing pod is not yet lost.
    pub(super) fn grace_seconds(&self) -> i64 {
        const DEFAULT: i64 = 10;
        let text = self.env.get("RECENTLY_STARTED_POD_DURATION").map(|text| text.trim_end_matches('s'));
        text.and_then(|text| text.parse().ok()).unwrap_or(DEFAULT)
    }
}

impl Subject for World {
    fn workflow(&self, number: usize) -> Option<Value> {
        self.runs.get(number).map(Run::object)
    }

    fn pods(&self) -> Vec<Value> {
        self.runs.iter().flat_map(|run| run.pods.iter().map(super::pods::Pod::json)).collect()
    }

    fn cli(&self) -> Value {
        Value::Null
    }
}
