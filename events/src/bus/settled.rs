//! Where the streams of events end that this process settled lately: what its triggers did is written there at once.
//! May be wrong when another process wrote since; the store notices.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use runner_store::Seq;

/// Events that are remembered.
const EVENTS: usize = 4096;

/// The ends of streams by the ids of their events. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Settled(Arc<Mutex<Ends>>);

#[derive(Debug, Default)]
struct Ends {
    by_id: BTreeMap<String, Seq>,
    order: VecDeque<String>,
}

impl Settled {
    /// The end of the stream of an event; it is forgotten until it is known again.
    pub(super) fn take(&self, id: &str) -> Option<Seq> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_id.remove(id)
    }

    /// The last record of an event that is settled.
    pub(super) fn set(&self, id: &str, end: Seq) {
        let mut ends = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ends.by_id.insert(id.to_owned(), end).is_none() {
            ends.order.push_back(id.to_owned());
        }
        // An id that was taken in between stands there twice, and goes the earlier.
        while ends.order.len() > EVENTS {
            if let Some(old) = ends.order.pop_front() {
                ends.by_id.remove(&old);
            }
        }
    }
}
