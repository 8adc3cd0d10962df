//! The memory driver: the same semantics as a database, deterministic, with faults on demand.
//! Deliberately keeps nothing beyond the process; its "disk" is the snapshot a test takes.

mod catalog;
mod journal;
mod locks;
mod maintenance;
mod state;

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::state::State;
use crate::{BoxFuture, Error, Result};

/// What goes wrong with one commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Nothing is recorded and the caller gets [`Error::Io`].
    FailBefore,
    /// It is recorded, but the caller gets [`Error::Io`].
    FailAfter,
}

/// Asked once per writing transaction, with its number counted from 1.
pub type FaultHook = Box<dyn FnMut(u64) -> Fault + Send>;

/// A store in memory. Shared by reference it behaves as one database that several processes have open.
pub struct MemoryStore {
    inner: Mutex<Inner>,
}

struct Inner {
    state: State,
    hook: Option<FaultHook>,
    commits: u64,
    shut_down: bool,
}

/// Everything durable at one moment.
#[derive(Clone)]
pub struct MemorySnapshot(State);

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("commits", &self.lock().commits).finish_non_exhaustive()
    }
}

impl fmt::Debug for MemorySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemorySnapshot").field("streams", &self.0.streams.len()).finish_non_exhaustive()
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl MemoryStore {
    /// An empty store without faults.
    #[must_use]
    pub fn new() -> Self {
        let inner = Inner { state: State::default(), hook: None, commits: 0, shut_down: false };
        Self { inner: Mutex::new(inner) }
    }

    /// An empty store that asks the hook before each commit.
    #[must_use]
    pub fn with_faults(hook: FaultHook) -> Self {
        let store = Self::new();
        store.lock().hook = Some(hook);
        store
    }

    /// Replaces the hook.
    pub fn set_faults(&self, hook: Option<FaultHook>) {
        self.lock().hook = hook;
    }

    /// How many writing transactions were tried so far; the number the next one gets is one larger.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.lock().commits
    }

    /// Everything durable now.
    #[must_use]
    pub fn snapshot(&self) -> MemorySnapshot {
        MemorySnapshot(self.lock().state.clone())
    }

    /// Back to that moment, as after a power loss; also opens the store again after a shutdown.
    /// The commit counter and the hook stay.
    pub fn restore(&self, snapshot: &MemorySnapshot) {
        let mut inner = self.lock();
        inner.state = snapshot.0.clone();
        inner.shut_down = false;
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a read.
    fn view<'a, T: Send + 'a>(&self, read: impl FnOnce(&State) -> Result<T>) -> BoxFuture<'a, Result<T>> {
        let inner = self.lock();
        let answer = if inner.shut_down { Err(Error::Closed) } else { read(&inner.state) };
        Box::pin(std::future::ready(answer))
    }

    /// Runs a write that either changes all it wants or fails without changing anything.
    fn commit<'a, T: Send + 'a>(
        &self,
        write: impl FnOnce(&mut State) -> Result<T>,
    ) -> BoxFuture<'a, Result<T>> {
        let mut inner = self.lock();
        Box::pin(std::future::ready(inner.commit(write)))
    }
}

impl Inner {
    fn commit<T>(&mut self, write: impl FnOnce(&mut State) -> Result<T>) -> Result<T> {
        if self.shut_down {
            return Err(Error::Closed);
        }
        self.commits += 1;
        let number = self.commits;
        let fault = self.hook.as_mut().map_or(Fault::None, |hook| hook(number));
        let lost = |when: &str| Error::Io(format!("injected {when} commit {number}"));
        match fault {
            Fault::None => {
                self.state.changes = number;
                write(&mut self.state)
            }
            Fault::FailBefore => Err(lost("before")),
            Fault::FailAfter => {
                self.state.changes = number;
                write(&mut self.state).and_then(|_| Err(lost("after")))
            }
        }
    }
}

#[cfg(test)]
mod tests;
