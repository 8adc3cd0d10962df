//! Sends what waits in the store by its EventBus, and offers it again until the bus brought it.
//! Judges nothing.

use jiff::{SignedDuration, Timestamp};
use runner_brokers::jetstream::JetStream;

use super::{Carriers, message};
use crate::bus::{Bus, Taken};

/// After which an event that was sent and not brought back is sent again; doubled with its age.
const AGAIN: SignedDuration = SignedDuration::from_secs(30);
/// After which it is tried again while the bus is not there.
const DOWN: SignedDuration = SignedDuration::from_secs(2);

impl Carriers {
    /// Sends those that travel by a bus, in the background; answers the others, which sensors may judge. One whose
    /// EventBus is gone is judged at once.
    pub(crate) fn pass(&self, bus: &Bus, taken: Vec<Taken>) -> Vec<Taken> {
        let mut ready = Vec::with_capacity(taken.len());
        for one in taken {
            let link = one.history.awaited_from().and_then(|name| self.link(name));
            let Some(link) = link else {
                ready.push(one);
                continue;
            };
            let stream = link.read().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
            tokio::spawn(send(bus.clone(), stream.filter(JetStream::is_connected), one));
        }
        ready
    }
}

/// Sends one, then gives it back to the store: it comes up again unless it was brought before.
async fn send(bus: Bus, stream: Option<JetStream>, taken: Taken) {
    let event = &taken.history.event;
    let id = event.id.clone();
    let age = bus.now().duration_since(event.time).max(SignedDuration::ZERO);
    let wait = match stream {
        None => DOWN,
        Some(stream) => {
            // one that is sent again must not be taken for the first, which the bus may have lost
            let name = if age < AGAIN { id.clone() } else { format!("{id}.{}", age.as_secs()) };
            match stream.publish(&event.source, &event.name, &name, message::write(event)).await {
                Ok(()) => AGAIN.max(age),
                Err(why) => {
                    tracing::warn!(event = id, why, "not sent by its EventBus; it is tried again");
                    DOWN
                }
            }
        }
    };
    let at = bus.now().checked_add(wait).unwrap_or(Timestamp::MAX);
    if let Err(error) = bus.put_back(taken, &[], at).await {
        tracing::warn!(event = id, %error, "not given back; it comes up again when its lease ends");
    }
}
