//! A status as text, so that a sensor with a long journal is not read from its beginning. The journal stays the truth: a
//! snapshot that cannot be read is as good as none.
//! Says nothing about where in the journal it was taken.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::fact::Compat;
use super::firing::{Firing, Stage};
use super::status::{Counts, Status, TriggerState, compile};
use crate::spec::SensorSpec;

/// Form of the text; another one is not read.
const FORM: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Snapshot {
    form: u32,
    namespace: String,
    name: String,
    generation: String,
    compat: Compat,
    cursor: Option<u64>,
    triggers: BTreeMap<String, TriggerState>,
    firings: BTreeMap<String, Open>,
    counts: Counts,
    replays: VecDeque<String>,
    /// The specs of open firings, each once; the first is that of the sensor.
    specs: Vec<SensorSpec>,
}

#[derive(Serialize, Deserialize)]
struct Open {
    trigger: String,
    dead_letter: bool,
    spec: usize,
    events: BTreeMap<String, String>,
    at: Timestamp,
    attempts: u32,
    stage: Stage,
    message: String,
}

/// The text of a status.
#[must_use]
pub fn snapshot(status: &Status) -> Value {
    let mut specs: Vec<Arc<SensorSpec>> = vec![Arc::clone(&status.spec)];
    let mut firings = BTreeMap::new();
    for (key, firing) in &status.firings {
        let known = specs.iter().position(|spec| Arc::ptr_eq(spec, &firing.spec) || **spec == *firing.spec);
        let spec = known.unwrap_or_else(|| {
            specs.push(Arc::clone(&firing.spec));
            specs.len() - 1
        });
        let Firing { trigger, dead_letter, spec: _, events, at, attempts, stage, message } = firing.clone();
        let open = Open { trigger, dead_letter, spec, events, at, attempts, stage, message };
        firings.insert(key.clone(), open);
    }
    let whole = Snapshot {
        form: FORM,
        namespace: status.namespace.clone(),
        name: status.name.clone(),
        generation: status.generation.clone(),
        compat: status.compat,
        cursor: status.cursor,
        triggers: status.triggers.clone(),
        firings,
        counts: status.counts,
        replays: status.replays.clone(),
        specs: specs.iter().map(|spec| (**spec).clone()).collect(),
    };
    serde_json::to_value(whole).unwrap_or_default()
}

/// The status of a text; none when it is not one that this version wrote.
#[must_use]
pub fn restore(text: Value) -> Option<Status> {
    let whole: Snapshot = serde_json::from_value(text).ok().filter(|whole: &Snapshot| whole.form == FORM)?;
    let specs: Vec<Arc<SensorSpec>> = whole.specs.into_iter().map(Arc::new).collect();
    let spec = Arc::clone(specs.first()?);
    let mut firings = BTreeMap::new();
    for (key, open) in whole.firings {
        let spec = Arc::clone(specs.get(open.spec)?);
        let Open { trigger, dead_letter, spec: _, events, at, attempts, stage, message } = open;
        firings.insert(key, Firing { trigger, dead_letter, spec, events, at, attempts, stage, message });
    }
    Some(Status {
        namespace: whole.namespace,
        name: whole.name,
        generation: whole.generation,
        compiled: compile(&spec),
        spec,
        compat: whole.compat,
        cursor: whole.cursor,
        triggers: whole.triggers,
        firings,
        counts: whole.counts,
        replays: whole.replays,
    })
}
