//! Events that are judged by the process that published them, without being looked for in the store: they are made
//! with a lease of this process, and wait here for its sensors. What does not fit goes by the store alone.
//! Keeps nothing that is not in the store: when the process dies, its leases are free and the events are taken again.
//!
//! The order in which events came holds: once one had to go by the store, all do, until a look at the store found no
//! more of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::Taken;

/// Events at hand at most.
const EVENTS: usize = 1024;
/// Bytes of the events at hand at most.
const BYTES: usize = 8 << 20;

/// The events at hand of a process. Cheap to clone; nothing is at hand before somebody takes from it.
#[derive(Clone, Debug, Default)]
pub(super) struct Hand {
    state: Arc<Mutex<State>>,
}

/// How events come to whoever takes them.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
enum Way {
    /// By the store, after what is here.
    #[default]
    Store,
    /// New ones are here, and wait for the last that went by the store.
    Turning,
    /// All are here.
    Hand,
}

#[derive(Debug, Default)]
struct State {
    /// Somebody takes what is put here.
    taken_from: bool,
    way: Way,
    /// No event was on its way into the store, past this, when the last look at it began.
    clean: bool,
    /// When that was.
    looked: Timestamp,
    /// Something was left in the store since.
    left: bool,
    /// Events on their way into the store that will not be here.
    passing: usize,
    /// Events here or on their way here, and their bytes.
    count: usize,
    bytes: usize,
    waiting: VecDeque<(usize, Taken)>,
}

impl Hand {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on somebody takes.
    pub(super) fn open(&self) {
        self.state().taken_from = true;
    }

    /// Nobody takes any more. What is here.
    pub(super) fn close(&self) -> Vec<Taken> {
        let mut state = self.state();
        (state.taken_from, state.way) = (false, Way::Store);
        let left: Vec<(usize, Taken)> = state.waiting.drain(..).collect();
        for (bytes, _) in &left {
            state.count -= 1;
            state.bytes -= bytes;
        }
        left.into_iter().map(|(_, taken)| taken).collect()
    }

    /// Asks for a place for an event of so many bytes that is about to be made durable.
    pub(super) fn offer(&self, bytes: usize) -> Place {
        let mut state = self.state();
        let fits = state.count < EVENTS && state.bytes.saturating_add(bytes) <= BYTES;
        let granted = state.way != Way::Store && fits;
        if granted {
            state.count += 1;
            state.bytes += bytes;
        } else {
            state.way = Way::Store;
            state.clean = false;
            state.passing += 1;
        }
        Place { hand: self.clone(), bytes, granted, kept: false }
    }

    /// Takes events whose leases hold, the earliest first. The others are in the store.
    pub(super) fn take(&self, limit: usize, now: Timestamp) -> Vec<Taken> {
        let mut state = self.state();
        let mut out = Vec::new();
        while out.len() < limit && state.way != Way::Turning {
            let Some((bytes, taken)) = state.waiting.pop_front() else { break };
            state.count -= 1;
            state.bytes -= bytes;
            if taken.until() > now {
                out.push(taken);
            }
        }
        out
    }

    /// Whether the store is to be looked at: when something was left there to be taken now, when more may wait than fits
    /// here and that is next, and when nobody looked for a while.
    pub(super) fn is_look_due(&self, now: Timestamp, every: SignedDuration) -> bool {
        let state = self.state();
        let late = now.duration_since(state.looked).abs() >= every;
        match state.way {
            Way::Store => state.waiting.is_empty(),
            Way::Turning => true,
            Way::Hand => late || state.left,
        }
    }

    /// Something was left in the store, to be taken now.
    pub(super) fn leave(&self) {
        self.state().left = true;
    }

    /// A look at the store begins.
    pub(super) fn look(&self, now: Timestamp) {
        let mut state = self.state();
        state.clean = state.passing == 0;
        state.left = false;
        state.looked = now;
    }

    /// The look is over; `all` when it found every event that waited.
    pub(super) fn looked(&self, all: bool) {
        let mut state = self.state();
        if all && state.taken_from {
            state.way = if state.clean { Way::Hand } else { Way::Turning };
        }
    }
}

/// Where an event goes that is being made durable.
#[derive(Debug)]
pub(super) struct Place {
    hand: Hand,
    bytes: usize,
    granted: bool,
    kept: bool,
}

impl Place {
    /// It is to be made with a lease of this process, and [`Self::keep`] called once it is durable.
    pub(super) fn is_at_hand(&self) -> bool {
        self.granted
    }

    /// The event is durable. Gives it back when nobody takes from here any more.
    pub(super) fn keep(mut self, taken: Taken) -> Option<Taken> {
        let hand = self.hand.clone();
        let mut state = hand.state();
        if !state.taken_from {
            drop(state);
            return Some(taken);
        }
        self.kept = true;
        state.waiting.push_back((self.bytes, taken));
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.hand.state();
        if !self.granted {
            state.passing -= 1;
        } else if !self.kept {
            state.count -= 1;
            state.bytes -= self.bytes;
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use runner_controller::{SystemClock, SystemIds};
    use runner_store::{Maintenance, MemoryStore, Store};
    use serde_json::json;

    use super::super::{Bus, NewEvent, Note, Taken, stream};
    use super::*;

    fn bus() -> Bus {
        Bus::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock), Arc::new(SystemIds))
    }

    /// Another process on the same store, which knows whether the first is dead.
    fn other(bus: &Bus, first_is_dead: bool) -> Bus {
        let fresh = Bus::new(Arc::clone(bus.store()), Arc::new(SystemClock), Arc::new(SystemIds));
        fresh.named("other".to_owned(), Arc::new(move |_| first_is_dead))
    }

    fn event(n: usize, bytes: usize) -> NewEvent {
        let data = json!({"body": {"n": n, "padding": "x".repeat(bytes)}});
        let named = |text: &str| text.to_owned();
        NewEvent { namespace: named("n"), source: named("s"), name: named("e"), data, ..NewEvent::default() }
    }

    fn numbers(taken: &[Taken]) -> Vec<u64> {
        taken.iter().map(|one| one.history.event.data["body"]["n"].as_u64().unwrap()).collect()
    }

    async fn is_closed(bus: &Bus, id: &str) -> bool {
        Maintenance::stream(bus.store().as_ref() as &dyn Store, &stream(id).unwrap())
            .await
            .unwrap()
            .unwrap()
            .closed
    }

    #[tokio::test]
    async fn what_is_published_where_it_is_judged_is_at_hand_and_leased() {
        let bus = bus();
        bus.stay();
        assert!(bus.take(8).await.unwrap().is_empty());
        let id = bus.publish(event(1, 0)).await.unwrap().id;
        assert!(other(&bus, false).take(8).await.unwrap().is_empty(), "it is leased");
        let taken = bus.take(8).await.unwrap().remove(0);
        assert_eq!(taken.history, bus.history(&id).await.unwrap(), "as if it had been read");
        bus.settle(taken, &[Note::Settled { gated: false }]).await.unwrap();
        assert!(is_closed(&bus, &id).await);
        assert!(bus.take(8).await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn f41_what_was_at_hand_of_a_dead_process_is_taken_again() {
        let bus = bus();
        bus.stay();
        bus.take(8).await.unwrap();
        bus.publish(event(1, 0)).await.unwrap();
        assert_eq!(numbers(&other(&bus, true).take(8).await.unwrap()), [1]);
        // And the first cannot settle it any more, should it live after all.
        let late = bus.take(8).await.unwrap().remove(0);
        assert!(bus.settle(late, &[]).await.is_err());
    }

    #[tokio::test]
    async fn f41_a_sender_that_goes_away_in_the_middle_leaves_nothing_behind() {
        let bus = bus();
        bus.stay();
        bus.take(8).await.unwrap();
        {
            let mut publishing = std::pin::pin!(bus.publish(event(1, 0)));
            assert!(futures_util::poll!(&mut publishing).is_pending(), "it has only begun");
        }
        tokio::task::yield_now().await;
        assert_eq!(numbers(&bus.take(8).await.unwrap()), [1]);
    }

    #[tokio::test]
    async fn f47_what_does_not_fit_goes_by_the_store_and_the_order_holds() {
        let bus = bus();
        bus.stay();
        bus.take(8).await.unwrap();
        for n in 0..12 {
            bus.publish(event(n, 1 << 20)).await.unwrap();
        }
        assert!(bus.hand.state().bytes <= BYTES);
        let mut seen = Vec::new();
        for n in 12..40 {
            let taken = bus.take(3).await.unwrap();
            seen.extend(numbers(&taken));
            for one in taken {
                bus.settle(one, &[]).await.unwrap();
            }
            bus.publish(event(n, 0)).await.unwrap();
        }
        while let Some(taken) = Some(bus.take(3).await.unwrap()).filter(|taken| !taken.is_empty()) {
            seen.extend(numbers(&taken));
            for one in taken {
                bus.settle(one, &[]).await.unwrap();
            }
        }
        assert_eq!(seen, (0..40).collect::<Vec<_>>());
        let left = bus.hand.state();
        assert_eq!((left.bytes, left.count, left.passing), (0, 0, 0));
    }

    #[tokio::test]
    async fn under_constant_load_events_come_to_hand_and_the_order_holds() {
        let hand = Hand::default();
        hand.open();
        let now = Timestamp::UNIX_EPOCH;
        // One is on its way into the store whenever it is looked at.
        let first = hand.offer(1);
        hand.look(now);
        hand.looked(true);
        assert!(!first.is_at_hand());
        let second = hand.offer(1);
        assert!(second.is_at_hand() && hand.is_look_due(now, SignedDuration::from_secs(9)));
        assert_eq!(hand.state().way, Way::Turning, "the second waits for the first");
        drop(first);
        hand.look(now);
        let third = hand.offer(1);
        hand.looked(true);
        assert!(third.is_at_hand());
        assert_eq!(hand.state().way, Way::Hand);
        assert!(!hand.is_look_due(now, SignedDuration::from_secs(9)));
    }

    #[tokio::test]
    async fn whoever_leaves_gives_back_what_is_at_hand() {
        let bus = bus();
        bus.stay();
        bus.take(8).await.unwrap();
        bus.publish(event(1, 0)).await.unwrap();
        let (taken, late) = (bus.take(1).await.unwrap().remove(0), bus.hand.offer(1));
        assert!(late.is_at_hand());
        bus.publish(event(2, 0)).await.unwrap();
        bus.leave().await.unwrap();
        // One that becomes durable only now is not put where nobody takes it.
        bus.put_back(late.keep(taken).unwrap(), &[], bus.now()).await.unwrap();
        bus.publish(event(3, 0)).await.unwrap();
        let mut all = numbers(&other(&bus, false).take(8).await.unwrap());
        all.sort_unstable();
        assert_eq!(all, [1, 2, 3]);
        assert_eq!(bus.hand.state().count, 0);
    }
}
