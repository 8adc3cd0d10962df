//! A table of locks for the scripted controller: holders, queues, limits.
//! A fake: the store's table is the real one, with the same order of queues.

use std::collections::{BTreeMap, BTreeSet};

/// Who asks for locks.
pub(super) type Holder = String;

/// The answer to a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// All locks are held now.
    Granted,
    /// One is busy.
    Busy {
        /// Its name.
        lock: String,
        /// Argo's message.
        message: String,
    },
}

/// Holders and queues by lock.
#[derive(Clone, Debug, Default)]
pub(super) struct Locks {
    holders: BTreeMap<String, BTreeSet<Holder>>,
    queues: BTreeMap<String, BTreeSet<(i64, i128, Holder)>>,
}

impl Locks {
    /// Asks for several locks at once, `(name, limit)` each; higher priority and earlier time go first.
    pub(super) fn request(
        &mut self,
        holder: &str,
        locks: &[(String, usize)],
        priority: i32,
        since: i128,
    ) -> Answer {
        for (lock, _) in locks {
            let held = self.holders.get(lock).is_some_and(|holders| holders.contains(holder));
            let queue = self.queues.entry(lock.clone()).or_default();
            if !held && !queue.iter().any(|(_, _, waiter)| waiter == holder) {
                queue.insert((-i64::from(priority), since, holder.to_owned()));
            }
        }
        for (lock, limit) in locks {
            let holders = self.holders.entry(lock.clone()).or_default();
            if holders.contains(holder) {
                continue;
            }
            let first = self.queues.get(lock).and_then(|queue| queue.first());
            let is_first = first.is_some_and(|(_, _, waiter)| waiter == holder);
            let free = limit.saturating_sub(holders.len());
            if free == 0 || !is_first {
                let message = format!("Waiting for {lock} lock. Lock status: {free}/{limit}");
                return Answer::Busy { lock: lock.clone(), message };
            }
        }
        for (lock, _) in locks {
            self.hold(lock, holder);
        }
        Answer::Granted
    }

    /// Gives a lock to a holder without asking.
    pub(super) fn hold(&mut self, lock: &str, holder: &str) {
        self.holders.entry(lock.to_owned()).or_default().insert(holder.to_owned());
        if let Some(queue) = self.queues.get_mut(lock) {
            queue.retain(|(_, _, waiter)| waiter != holder);
        }
    }

    /// Takes everything back that a holder has or waits for.
    pub(super) fn release(&mut self, holder: &str) {
        for holders in self.holders.values_mut() {
            holders.remove(holder);
        }
        for queue in self.queues.values_mut() {
            queue.retain(|(_, _, waiter)| waiter != holder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn priority_then_time_then_capacity() {
        let mut locks = Locks::default();
        let one = [("a".to_owned(), 1)];
        assert_eq!(locks.request("x", &one, 0, 1), Answer::Granted);
        assert!(matches!(locks.request("y", &one, 0, 2), Answer::Busy { .. }));
        assert!(matches!(locks.request("z", &one, 5, 3), Answer::Busy { .. }));
        locks.release("x");
        assert!(matches!(locks.request("y", &one, 0, 2), Answer::Busy { .. }), "z goes first");
        assert_eq!(locks.request("z", &one, 5, 3), Answer::Granted);
    }
}
