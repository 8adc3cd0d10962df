//! Mutexes and semaphores of the memory driver: who holds, who waits, who is next.
//! Deliberately the plainest statement of the rules, for other drivers to be compared with.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use jiff::Timestamp;

use super::MemoryStore;
use crate::{BoxFuture, Error, LockChange, LockHolder, LockState, LockWaiter, Locks, Result, StreamId};

/// Order of service: priority descending, then time, then holder.
type Place = (Reverse<i32>, Timestamp, String);

#[derive(Clone, Default)]
pub(super) struct LockTable {
    holders: BTreeMap<String, BTreeMap<String, (StreamId, Timestamp)>>,
    waiters: BTreeMap<String, BTreeMap<Place, StreamId>>,
}

impl LockTable {
    /// Applies one change, or fails having changed nothing that matters: the caller works on a copy.
    pub(super) fn apply(&mut self, stream: &StreamId, change: &LockChange, now: Timestamp) -> Result<()> {
        match change {
            LockChange::Request { holder, locks, priority, at } => {
                for lock in locks {
                    if !self.holds(lock, holder) && !self.waits(lock, holder) {
                        let place = (Reverse(*priority), *at, holder.clone());
                        self.waiters.entry(lock.clone()).or_default().insert(place, stream.clone());
                    }
                }
                Ok(())
            }
            LockChange::Grant { holder, locks } => {
                locks.iter().try_for_each(|(lock, limit)| self.grant(stream, holder, lock, *limit, now))
            }
            LockChange::Release { holder } => {
                self.remove(|name, owner| name == holder && owner == stream);
                Ok(())
            }
        }
    }

    /// Forgets everything of a stream.
    pub(super) fn forget(&mut self, stream: &StreamId) {
        self.remove(|_, owner| owner == stream);
    }

    fn remove(&mut self, gone: impl Fn(&String, &StreamId) -> bool) {
        self.holders.retain(|_, holders| {
            holders.retain(|holder, (stream, _)| !gone(holder, stream));
            !holders.is_empty()
        });
        self.waiters.retain(|_, waiters| {
            waiters.retain(|(_, _, holder), stream| !gone(holder, stream));
            !waiters.is_empty()
        });
    }

    fn grant(
        &mut self,
        stream: &StreamId,
        holder: &str,
        lock: &str,
        limit: u32,
        now: Timestamp,
    ) -> Result<()> {
        let holders = self.holders.entry(lock.to_owned()).or_default();
        if holders.get(holder).is_some_and(|(owner, _)| owner == stream) {
            return Ok(());
        }
        let queue = self.waiters.entry(lock.to_owned()).or_default();
        let is_head =
            queue.first_key_value().is_some_and(|((_, _, name), owner)| name == holder && owner == stream);
        if !is_head || holders.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            return Err(Error::LockBusy { lock: lock.to_owned(), holder: holder.to_owned() });
        }
        queue.pop_first();
        holders.insert(holder.to_owned(), (stream.clone(), now));
        Ok(())
    }

    fn holds(&self, lock: &str, holder: &str) -> bool {
        self.holders.get(lock).is_some_and(|holders| holders.contains_key(holder))
    }

    fn waits(&self, lock: &str, holder: &str) -> bool {
        self.waiters.get(lock).is_some_and(|queue| queue.keys().any(|(_, _, name)| name == holder))
    }

    fn queue(&self, lock: &str) -> Vec<LockWaiter> {
        let places = self.waiters.get(lock).into_iter().flatten();
        places
            .map(|((priority, at, holder), stream)| LockWaiter {
                lock: lock.to_owned(),
                holder: holder.clone(),
                stream: stream.clone(),
                priority: priority.0,
                at: *at,
            })
            .collect()
    }

    fn state(&self, lock: &str) -> LockState {
        let holders = self.holders.get(lock).into_iter().flatten();
        let holders = holders
            .map(|(holder, (stream, since))| LockHolder {
                holder: holder.clone(),
                stream: stream.clone(),
                since: *since,
            })
            .collect();
        LockState { holders, waiters: self.queue(lock) }
    }
}

impl Locks for MemoryStore {
    fn lock_state<'a>(&'a self, lock: &'a str) -> BoxFuture<'a, Result<LockState>> {
        self.view(|state| Ok(state.locks.state(lock)))
    }

    fn waiting(&self) -> BoxFuture<'_, Result<Vec<LockWaiter>>> {
        self.view(|state| {
            let locks = &state.locks;
            Ok(locks.waiters.keys().flat_map(|lock| locks.queue(lock)).collect())
        })
    }
}
