//! The same content within a window of time is one event, wherever the window lies (S4.13).
//! Ids of senders are not here: they name one event for as long as it is kept.

use jiff::{SignedDuration, Timestamp};
use runner_store::Memo;
use serde::{Deserialize, Serialize};

use super::{Bus, Event, NewEvent, Receipt, Result, dedup_key};
use crate::ingress::identity::sha256;

/// Cache of the first events of their windows, and how many entries it has at most: a later content may take the place of
/// an earlier one, which then counts as new again at the edge of two windows.
const CACHE: &str = "runner-event-window";
const PLACES: u64 = 1 << 16;

/// The first event with a content.
#[derive(Serialize, Deserialize)]
struct First {
    key: String,
    id: String,
    at: Timestamp,
}

impl Bus {
    /// The event with this key that came less than `window_s` seconds ago.
    pub(super) async fn first(&self, new: &NewEvent, key: &str, now: Timestamp) -> Result<Option<Receipt>> {
        let key = dedup_key(new, key);
        let Some(entry) = Memo::get_memo(self.store().as_ref(), CACHE, &place(&key)).await? else {
            return Ok(None);
        };
        let Ok(first) = serde_json::from_slice::<First>(&entry.body) else { return Ok(None) };
        let window = SignedDuration::from_secs(new.window_s);
        let within = first.key == key && first.at <= now && now.duration_since(first.at) < window;
        Ok(within.then_some(Receipt { id: first.id, duplicate: true, conflict: false }))
    }

    /// Remembers an event as the first with its content. Of two that come at once the key in the journal decides, which
    /// holds for the part of time in which both lie.
    pub(super) async fn remember(&self, event: &Event, key: String) -> Result<()> {
        let first = First { key: key.clone(), id: event.id.clone(), at: event.time };
        let body = serde_json::to_vec(&first).unwrap_or_default();
        Ok(Memo::put_memo(self.store().as_ref(), CACHE, &place(&key), body, event.time).await?)
    }
}

/// The key of a content in the part of time in which `now` lies.
pub(super) fn part(key: &str, window_s: i64, now: Timestamp) -> String {
    format!("{key} {}", now.as_second().div_euclid(window_s.max(1)))
}

fn place(key: &str) -> String {
    let hash = sha256(key.as_bytes());
    let number = hash.get(..8).and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    (number % PLACES).to_string()
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::{Arc, Mutex};

    use runner_controller::{Clock, SystemIds};
    use runner_store::{BoxFuture, MemoryStore};
    use serde_json::json;

    use super::*;

    #[derive(Debug)]
    struct Hand(Mutex<i64>);

    impl Clock for Hand {
        fn now(&self) -> Timestamp {
            Timestamp::from_second(*self.0.lock().unwrap()).unwrap()
        }

        fn sleep_until(&self, _at: Timestamp) -> BoxFuture<'static, ()> {
            Box::pin(std::future::pending())
        }
    }

    #[tokio::test]
    async fn s4_13_a_window_counts_from_the_first_also_over_an_edge() {
        let clock = Arc::new(Hand(Mutex::new(0)));
        let bus =
            Bus::new(Arc::new(MemoryStore::new()), Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SystemIds));
        let publish = async |second: i64, n: u32| {
            *clock.0.lock().unwrap() = second;
            let new = NewEvent {
                namespace: "n".to_owned(),
                source: "grafana".to_owned(),
                name: "alert".to_owned(),
                data: json!({"body": {"n": n}}),
                key: Some(format!("content {n}")),
                window_s: 300,
                ..NewEvent::default()
            };
            bus.publish(new).await.unwrap()
        };
        let first = publish(299, 1).await;
        assert!(!first.duplicate);
        // the next part of time begins at 300
        let second = publish(301, 1).await;
        assert!(second.duplicate && second.id == first.id, "two seconds later is within five minutes");
        assert!(!publish(302, 2).await.duplicate, "other content");
        assert!(publish(598, 1).await.duplicate);
        let third = publish(599, 1).await;
        assert!(!third.duplicate && third.id != first.id, "300 seconds after the first it is a new one");
        assert!(publish(700, 1).await.duplicate);
    }
}
