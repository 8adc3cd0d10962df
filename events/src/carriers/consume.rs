//! What the EventBus brings: an event of this store leaves the outbox, one of others is kept; then it is acknowledged.
//! Lets no sensor judge it: the driver takes it from the store.

use std::sync::Arc;
use std::time::Duration;

use runner_brokers::jetstream::{Take, Taking, Took};
use tokio::sync::Notify;

use super::message;
use crate::bus::{Bus, Error};

/// The sender may still hold the event when the bus brings it: so often and so long it is waited for.
const TRIES: u32 = 40;
const WAIT: Duration = Duration::from_millis(25);

/// Takes messages of one EventBus.
#[derive(Debug)]
pub(super) struct Brings {
    carrier: String,
    bus: Bus,
    news: Arc<Notify>,
}

impl Brings {
    pub(super) fn new(carrier: String, bus: Bus, news: Arc<Notify>) -> Self {
        Self { carrier, bus, news }
    }

    pub(super) fn name(&self) -> &str {
        &self.carrier
    }

    async fn one(&self, subject: &str, payload: &[u8]) -> Took {
        let (id, event) = match message::read(payload, &self.carrier) {
            Ok(read) => read,
            Err(why) => {
                tracing::warn!(bus = self.carrier, subject, why, "a message of the EventBus is dropped");
                return Took::Never;
            }
        };
        for _ in 0..TRIES {
            let done = match self.bus.carried(&id).await {
                Ok(false) => self.bus.publish(event.clone()).await.map(drop),
                done => done.map(drop),
            };
            match done {
                Ok(()) => {
                    self.news.notify_one();
                    return Took::Done;
                }
                Err(Error::Busy(_)) => tokio::time::sleep(WAIT).await,
                Err(error) => {
                    tracing::warn!(bus = self.carrier, event = id, %error, "not kept; the EventBus brings it again");
                    return Took::Again;
                }
            }
        }
        Took::Again
    }
}

impl Take for Brings {
    fn take<'a>(&'a self, subject: &'a str, payload: &'a [u8]) -> Taking<'a> {
        Box::pin(self.one(subject, payload))
    }
}
