//! Virtual time: it stands still while anything can run, and jumps to the next timer when nothing can.
//! Does not look at the machine's clock.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use jiff::{SignedDuration, Timestamp};
use runner_controller::{Clock, Ids, suffix_from};
use runner_store::BoxFuture;

use super::rng::hash;
use super::world::World;

/// A clock for one run. Clones are the same clock.
#[derive(Clone)]
pub struct SimClock(Arc<Mutex<Inner>>);

struct Inner {
    now: Timestamp,
    timers: BTreeMap<(Timestamp, u64), Waker>,
    next: u64,
    jumps: u64,
}

/// When every simulated run begins.
pub fn beginning() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(24 * 365 * 55)
}

/// The moment so many nanoseconds after the beginning.
pub fn at(ns: u64) -> Timestamp {
    plus(beginning(), ns)
}

/// A moment and so many nanoseconds.
pub fn plus(from: Timestamp, ns: u64) -> Timestamp {
    let by = SignedDuration::from_nanos(i64::try_from(ns).unwrap_or(i64::MAX));
    from.saturating_add(by).unwrap_or(Timestamp::MAX)
}

impl Default for SimClock {
    fn default() -> Self {
        let inner = Inner { now: beginning(), timers: BTreeMap::new(), next: 0, jumps: 0 };
        Self(Arc::new(Mutex::new(inner)))
    }
}

impl SimClock {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing can run: jumps to the next timer and wakes whoever waits for it. To be called when the runtime
    /// is about to park.
    pub fn jump(&self) {
        let due = {
            let mut inner = self.lock();
            let Some((&(at, _), _)) = inner.timers.first_key_value() else { return };
            inner.now = inner.now.max(at);
            inner.jumps += 1;
            let later = inner.timers.split_off(&(at, u64::MAX));
            std::mem::replace(&mut inner.timers, later)
        };
        due.into_values().for_each(Waker::wake);
    }

    /// A sleep until that moment.
    pub fn until(&self, at: Timestamp) -> Sleep {
        Sleep { clock: self.clone(), at, key: None }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.lock().now
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(self.until(at))
    }
}

/// A sleep; leaves no timer behind when dropped.
pub struct Sleep {
    clock: SimClock,
    at: Timestamp,
    key: Option<(Timestamp, u64)>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let clock = self.clock.clone();
        let mut inner = clock.lock();
        if inner.now >= self.at {
            return Poll::Ready(());
        }
        let key = match self.key {
            Some(key) => key,
            None => {
                inner.next += 1;
                (self.at, inner.next)
            }
        };
        inner.timers.insert(key, context.waker().clone());
        self.key = Some(key);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if let Some(key) = self.key {
            self.clock.lock().timers.remove(&key);
        }
    }
}

/// The clock in the hands of one engine: while the engine stands still, so do its sleeps.
pub struct EngineClock {
    /// The world.
    pub world: Arc<World>,
    /// The engine.
    pub engine: u32,
}

impl Clock for EngineClock {
    fn now(&self) -> Timestamp {
        self.world.now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        let (world, engine) = (Arc::clone(&self.world), self.engine);
        Box::pin(async move {
            world.clock.until(at).await;
            while let Some(until) = world.frozen_until(engine) {
                world.clock.until(until).await;
            }
        })
    }
}

/// Ids in the order of asking.
pub struct SimIds {
    seed: u64,
    next: AtomicU64,
}

impl SimIds {
    /// Ids of one engine of one run.
    pub fn new(seed: u64, engine: u64) -> Self {
        Self { seed, next: AtomicU64::new(engine * 1000) }
    }
}

impl Ids for SimIds {
    fn uid(&self, _now: Timestamp) -> String {
        format!("uid-{:06}", self.next.fetch_add(1, Ordering::SeqCst))
    }

    fn suffix(&self) -> String {
        let number = self.next.fetch_add(1, Ordering::SeqCst).to_string();
        suffix_from(u128::from(hash(self.seed, &["suffix", &number])))
    }
}
