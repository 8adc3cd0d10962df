//! Event sources of message brokers: what `runner_brokers` consumes becomes events, and is acknowledged when they are durable.
//! Speaks to no broker.

use std::sync::Arc;

use futures_util::future::join_all;
use runner_brokers::{About, Access, Consumer, Delivery, Keep, Kept};
use runner_runners::Objects;
use runner_sensors::kinds::SourceEvent;
use tokio::sync::Notify;

use super::{Origin, publish};
use crate::bus::{Bus, NewEvent};

/// Annotation: messages of a NATS subject come from a durable consumer of JetStream, `STREAM` or `STREAM/CONSUMER`; for one
/// event `runner/jetstream.EVENT`.
pub const JETSTREAM: &str = "runner/jetstream";

/// Keeps messages as events of one origin.
struct Keeper {
    origin: Origin,
    bus: Bus,
    news: Arc<Notify>,
}

impl Keep for Keeper {
    fn keep(&self, batch: Vec<Delivery>) -> Kept<'_> {
        // polled in order, so that ids, which are given before the first wait, are in the order of the messages
        let all = batch.into_iter().filter_map(|one| self.origin.event(one.data, one.key));
        let all: Vec<_> = all.map(|event| self.one(event)).collect();
        Box::pin(async move { drop(join_all(all).await) })
    }
}

impl Keeper {
    async fn one(&self, event: NewEvent) {
        if publish(&self.bus, &self.news, event.clone()).await {
            // other content under a name that was used before is another message
            publish(&self.bus, &self.news, NewEvent { key: None, ..event }).await;
        }
    }
}

/// The consumer of an event, if its type is one of a broker.
///
/// # Errors
/// As [`Consumer::new`].
pub(super) fn consumer(
    event: &SourceEvent<'_>,
    origin: &Origin,
    annotation: Option<&str>,
    objects: &Arc<dyn Objects>,
) -> Result<Option<Consumer>, String> {
    let about = About {
        namespace: origin.namespace.clone(),
        source: origin.source.clone(),
        event: origin.name.clone(),
        jetstream: annotation.map(str::to_owned),
    };
    Consumer::new(event.config, about, &Access::new(Arc::clone(objects), origin.namespace.clone()))
}

/// Consumes until it is dropped.
pub(super) async fn run(consumer: Consumer, origin: Origin, bus: Bus, news: Arc<Notify>) {
    consumer.run(Keeper { origin, bus, news }).await;
}
