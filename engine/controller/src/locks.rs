//! Mutexes and semaphores of one workflow: which are asked for, whether they can be had, what to tell the store.
//! Deliberately keeps no count of its own: who has a lock is the store's knowledge, decided in its transaction.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use runner_machine::{Action, Fact, Input, LockKind, LockNeed, NodeIx};
use runner_store::{Catalog, LockChange, LockState, Store};
use serde_json::Value;

/// Who wants locks: a node, or the workflow itself.
pub(crate) type Holder = Option<NodeIx>;

/// Kind of the manifests that hold limits of database semaphores: named by the key, body `{"limit": n}`.
pub const SYNC_LIMIT: &str = "SyncLimit";

#[derive(Debug)]
struct Waiting {
    locks: Vec<LockNeed>,
    priority: i32,
    since: Timestamp,
    told: Option<String>,
}

/// The locks that one workflow waits for or has.
#[derive(Debug)]
pub(crate) struct Locks {
    uid: String,
    waiting: BTreeMap<Holder, Waiting>,
    /// Names, as far as this engine saw them being asked for.
    had: BTreeMap<Holder, Vec<String>>,
}

/// What looking at the locks came to.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The first holder that can have its locks now, and the grant to append with the facts.
    pub(crate) available: Option<(Holder, LockChange)>,
    /// News for the ones that cannot.
    pub(crate) inputs: Vec<Input>,
}

impl Locks {
    pub(crate) fn new(uid: &str) -> Self {
        Self { uid: uid.to_owned(), waiting: BTreeMap::new(), had: BTreeMap::new() }
    }

    /// Name of a holder in the store.
    fn name(&self, holder: Holder) -> String {
        match holder {
            Some(ix) => format!("{}/{}", self.uid, ix.0),
            None => self.uid.clone(),
        }
    }

    /// Takes notice of what the touched nodes are owed now.
    pub(crate) fn note(&mut self, actions: &[Action], touched: &[NodeIx]) {
        let mut before: BTreeMap<Holder, Waiting> = BTreeMap::new();
        for holder in touched.iter().copied().map(Some).chain([None]) {
            if let Some(waiting) = self.waiting.remove(&holder) {
                before.insert(holder, waiting);
            }
        }
        for action in actions {
            let Action::Acquire { node, locks, priority, since } = action else { continue };
            let told = before.remove(node).and_then(|waiting| waiting.told);
            self.had.insert(*node, locks.iter().map(|lock| lock.name.clone()).collect());
            let waiting = Waiting { locks: locks.clone(), priority: *priority, since: *since, told };
            self.waiting.insert(*node, waiting);
        }
    }

    /// Names of all locks that somebody here waits for.
    pub(crate) fn wanted(&self) -> BTreeSet<String> {
        self.waiting.values().flat_map(|w| w.locks.iter().map(|lock| lock.name.clone())).collect()
    }

    /// The places in the queues that go with these facts.
    pub(crate) fn changes(&self, facts: &[Fact]) -> Vec<LockChange> {
        let mut changes = Vec::new();
        for fact in facts {
            if let Fact::LockRequested { ix, .. } = fact
                && let Some(waiting) = self.waiting.get(ix)
            {
                changes.push(self.request(*ix, waiting));
            }
            if let Fact::LockReleased { ix } = fact {
                changes.push(LockChange::Release { holder: self.name(*ix) });
            }
        }
        changes
    }

    /// Places for everybody who waits; after loading, in case the place was lost. Asking twice is harmless.
    pub(crate) fn requests(&self) -> Vec<LockChange> {
        self.waiting.iter().map(|(holder, waiting)| self.request(*holder, waiting)).collect()
    }

    fn request(&self, holder: Holder, waiting: &Waiting) -> LockChange {
        LockChange::Request {
            holder: self.name(holder),
            locks: waiting.locks.iter().map(|lock| lock.name.clone()).collect(),
            priority: waiting.priority,
            at: waiting.since,
        }
    }

    /// Names of locks whose queue moves with these facts; nothing when names are not known, which means: all.
    pub(crate) fn moved(&mut self, facts: &[Fact]) -> Option<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for fact in facts {
            if let Fact::LockReleased { ix } = fact {
                names.extend(self.had.remove(ix)?);
            } else if let Fact::LockGranted { ix } = fact {
                names.extend(self.had.get(ix)?.iter().cloned());
            }
        }
        Some(names)
    }

    /// Looks who can have its locks. The answer is a hint: the store decides when the grant is appended.
    pub(crate) async fn survey(&mut self, store: &dyn Store) -> Survey {
        let mut survey = Survey::default();
        let mut states: BTreeMap<String, LockState> = BTreeMap::new();
        let holders: Vec<Holder> = self.waiting.keys().copied().collect();
        for holder in holders {
            let name = self.name(holder);
            let Some(waiting) = self.waiting.get_mut(&holder) else { continue };
            match look(store, &mut states, &name, &waiting.locks).await {
                Ok(Look::Free(locks)) if survey.available.is_none() => {
                    survey.available = Some((holder, LockChange::Grant { holder: name, locks }));
                }
                Ok(Look::Free(_)) => {}
                Ok(Look::Busy { lock, message }) => {
                    if waiting.told.as_ref() != Some(&message) {
                        waiting.told = Some(message.clone());
                        survey.inputs.push(Input::LockBusy { node: holder, lock, message });
                    }
                }
                Ok(Look::Impossible(message)) => {
                    survey.inputs.push(Input::LockFailed { node: holder, message });
                }
                Err(error) => tracing::warn!(%error, "locks could not be looked at"),
            }
        }
        survey
    }
}

enum Look {
    Free(Vec<(String, u32)>),
    Busy { lock: String, message: String },
    Impossible(String),
}

async fn look(
    store: &dyn Store,
    states: &mut BTreeMap<String, LockState>,
    holder: &str,
    locks: &[LockNeed],
) -> runner_store::Result<Look> {
    let mut grant = Vec::new();
    let mut busy = None;
    for lock in locks {
        let limit = match limit(store, &lock.kind).await? {
            Ok(limit) => limit,
            Err(why) => return Ok(Look::Impossible(why)),
        };
        if !states.contains_key(&lock.name) {
            states.insert(lock.name.clone(), store.lock_state(&lock.name).await?);
        }
        let Some(state) = states.get(&lock.name) else { continue };
        grant.push((lock.name.clone(), limit));
        if busy.is_none() && !is_free(state, holder, limit) {
            busy = Some((lock.name.clone(), waiting_text(&lock.name, state.holders.len(), limit)));
        }
    }
    Ok(match busy {
        Some((lock, message)) => Look::Busy { lock, message },
        None => Look::Free(grant),
    })
}

fn is_free(state: &LockState, holder: &str, limit: u32) -> bool {
    let room = state.holders.len() < usize::try_from(limit).unwrap_or(usize::MAX);
    let head = state.waiters.first().is_some_and(|waiter| waiter.holder == holder);
    state.holders.iter().any(|has| has.holder == holder) || (room && head)
}

/// Argo's text.
fn waiting_text(lock: &str, holders: usize, limit: u32) -> String {
    let free = usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(holders);
    format!("Waiting for {lock} lock. Lock status: {free}/{limit}")
}

/// Capacity of a lock, read each time; or why there is none.
async fn limit(store: &dyn Store, kind: &LockKind) -> runner_store::Result<Result<u32, String>> {
    match kind {
        LockKind::Mutex => Ok(Ok(1)),
        LockKind::ConfigMap { namespace, name, key } => {
            let manifest = Catalog::get_manifest(store, "ConfigMap", namespace, name).await?;
            let body = manifest.map(|manifest| manifest.body);
            let value = body.as_deref().map(|body| at(body, &["data", key.as_str()]));
            Ok(number(value, &format!("semaphore: ConfigMap {namespace}/{name}"), key))
        }
        LockKind::Database { namespace, key } => {
            let manifest = Catalog::get_manifest(store, SYNC_LIMIT, namespace, key).await?;
            let body = manifest.map(|manifest| manifest.body);
            let value = body.as_deref().map(|body| at(body, &["limit"]));
            Ok(number(value, &format!("semaphore: {SYNC_LIMIT} {namespace}/{key}"), "limit"))
        }
    }
}

fn at(body: &[u8], path: &[&str]) -> Option<Value> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    for key in path {
        value = value.get_mut(*key)?.take();
    }
    Some(value)
}

fn number(value: Option<Option<Value>>, place: &str, key: &str) -> Result<u32, String> {
    let value = value.ok_or_else(|| format!("{place} not found"))?;
    let value = value.ok_or_else(|| format!("{place} has no key `{key}`"))?;
    let text = match &value {
        Value::String(text) => text.trim().to_owned(),
        other => other.to_string(),
    };
    text.parse().map_err(|_| format!("{place}: `{key}` is {text:?}, not a number of holders"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_text_and_numbers() {
        let body = br#"{"data":{"a":"2","b":3,"c":"x"}}"#;
        assert_eq!(number(Some(at(body, &["data", "a"])), "ConfigMap n/m", "a"), Ok(2));
        assert_eq!(number(Some(at(body, &["data", "b"])), "ConfigMap n/m", "b"), Ok(3));
        assert!(number(Some(at(body, &["data", "c"])), "ConfigMap n/m", "c").is_err());
        assert!(number(Some(at(body, &["data", "d"])), "ConfigMap n/m", "d").is_err());
        assert!(number(None, "ConfigMap n/m", "a").is_err());
    }

    #[test]
    fn the_waiting_text_is_argos() {
        assert_eq!(waiting_text("ns/Mutex/m", 1, 1), "Waiting for ns/Mutex/m lock. Lock status: 0/1");
    }
}
