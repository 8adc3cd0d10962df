//! Where the streams of events end that this process settled lately: what its triggers did is written there at once.
//! May be wrong when another process wrote since; the store notices.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use runner_store::Seq;
use tokio::sync::Notify;

/// Events that are remembered.
const EVENTS: usize = 4096;

/// The ends of streams by the ids of their events. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled {
    ends: Arc<Mutex<Ends>>,
    over: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Ends {
    /// None while it is being settled.
    by_id: BTreeMap<String, Option<Seq>>,
    order: VecDeque<String>,
}

/// An event that is being settled. Dropped, that is over.
#[derive(Debug)]
pub(super) struct Settling {
    settled: Settled,
    id: String,
    end: Option<Seq>,
}

impl Settled {
    fn ends(&self) -> MutexGuard<'_, Ends> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event is being settled from now on.
    pub(super) fn begin(&self, id: &str) -> Settling {
        self.settling(&mut self.ends(), id)
    }

    fn settling(&self, ends: &mut Ends, id: &str) -> Settling {
        if ends.by_id.insert(id.to_owned(), None).is_none() {
            ends.order.push_back(id.to_owned());
        }
        // An id that was forgotten in between stands there twice, and goes the earlier.
        while ends.order.len() > EVENTS {
            if let Some(old) = ends.order.pop_front() {
                ends.by_id.remove(&old);
            }
        }
        Settling { settled: self.clone(), id: id.to_owned(), end: None }
    }

    /// The same once nobody else settles it, with the end of its stream where that is known.
    pub(super) async fn turn(&self, id: &str) -> (Option<Seq>, Settling) {
        loop {
            let mut over = std::pin::pin!(self.over.notified());
            over.as_mut().enable();
            {
                let mut ends = self.ends();
                match ends.by_id.get(id).copied() {
                    Some(None) => {}
                    known => return (known.flatten(), self.settling(&mut ends, id)),
                }
            }
            over.await;
        }
    }
}

impl Settling {
    /// It is settled, and this is the last record.
    pub(super) fn done(mut self, end: Seq) {
        self.end = Some(end);
    }
}

impl Drop for Settling {
    fn drop(&mut self) {
        {
            let mut ends = self.settled.ends();
            match (ends.by_id.get_mut(&self.id), self.end) {
                (Some(place), Some(end)) => *place = Some(end),
                (Some(_), None) => drop(ends.by_id.remove(&self.id)),
                (None, _) => {}
            }
        }
        self.settled.over.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_settles_an_event_at_a_time() {
        let settled = Settled::default();
        let first = settled.begin("a");
        let mut second = std::pin::pin!(settled.turn("a"));
        assert!(futures_util::poll!(&mut second).is_pending());
        first.done(Seq(3));
        let (end, settling) = second.await;
        assert_eq!(end, Some(Seq(3)));
        // One that fails leaves nothing known, and the next goes on.
        drop(settling);
        assert_eq!(settled.turn("a").await.0, None);
    }

    #[tokio::test]
    async fn only_so_many_are_remembered() {
        let settled = Settled::default();
        for number in 0..2 * EVENTS {
            settled.begin(&number.to_string()).done(Seq(1));
        }
        assert_eq!(settled.ends().by_id.len(), EVENTS);
        assert_eq!(settled.turn("0").await.0, None);
        assert_eq!(settled.turn(&(2 * EVENTS - 1).to_string()).await.0, Some(Seq(1)));
    }
}
