//! The gate: asked before each effect, so that a debugger can let steps through one by one.
//! Deliberately cannot change or refuse an effect; it can only make it wait.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use runner_store::BoxFuture;
use tokio::sync::Semaphore;

/// An effect that is about to happen.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effect {
    /// Unique id of the workflow.
    pub uid: String,
    /// Name of the workflow.
    pub workflow: String,
    /// Full name of the node whose attempt is about to start.
    pub node: String,
    /// Number of the attempt.
    pub attempt: u32,
}

/// Lets effects pass, now or later. Only starts are asked for: what is to end must not be held up.
pub trait Gate: Send + Sync {
    /// Returns when the effect may happen. Dropped when the effect is not wanted any more.
    fn pass<'a>(&'a self, effect: &'a Effect) -> BoxFuture<'a, ()>;
}

/// Everything passes at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Auto;

impl Gate for Auto {
    fn pass<'a>(&'a self, _effect: &'a Effect) -> BoxFuture<'a, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// Nothing passes until somebody says so.
#[derive(Debug)]
pub struct Manual {
    permits: Semaphore,
    waiting: Mutex<BTreeMap<Effect, usize>>,
}

impl Default for Manual {
    fn default() -> Self {
        Self { permits: Semaphore::new(0), waiting: Mutex::new(BTreeMap::new()) }
    }
}

impl Manual {
    /// Lets this many more effects pass, in the order in which they came.
    pub fn step(&self, effects: usize) {
        self.permits.add_permits(effects);
    }

    /// From now on everything passes.
    pub fn open(&self) {
        self.permits.close();
    }

    /// The effects that wait.
    #[must_use]
    pub fn waiting(&self) -> Vec<Effect> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).keys().cloned().collect()
    }

    fn count(&self, effect: &Effect, add: bool) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.entry(effect.clone()).or_default();
        *count = if add { *count + 1 } else { count.saturating_sub(1) };
        if *count == 0 {
            waiting.remove(effect);
        }
    }
}

/// Takes the effect off the list, also when the wait is given up.
struct Entry<'a>(&'a Manual, &'a Effect);

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        self.0.count(self.1, false);
    }
}

impl Gate for Manual {
    fn pass<'a>(&'a self, effect: &'a Effect) -> BoxFuture<'a, ()> {
        self.count(effect, true);
        let entry = Entry(self, effect);
        Box::pin(async move {
            if let Ok(permit) = entry.0.permits.acquire().await {
                permit.forget();
            }
            drop(entry);
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_manual_gate_lets_effects_through_one_by_one() {
        let gate = Manual::default();
        let effect =
            Effect { uid: "u".to_owned(), workflow: "w".to_owned(), node: "w.a".to_owned(), attempt: 0 };
        let mut first = gate.pass(&effect);
        assert_eq!(gate.waiting(), std::slice::from_ref(&effect));
        assert!(
            tokio::time::timeout(std::time::Duration::from_millis(5), &mut first).await.is_err(),
            "must wait"
        );
        gate.step(1);
        first.await;
        assert!(gate.waiting().is_empty());
        drop(gate.pass(&effect));
        assert!(gate.waiting().is_empty(), "a wait that is given up leaves no trace");
        gate.open();
        gate.pass(&effect).await;
    }
}
