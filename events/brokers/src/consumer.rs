//! A consumer of one event of an EventSource: which broker, and connecting again for as long as it is wanted.
//! Speaks no protocol: the files of the brokers do.

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, Instant};

use runner_sensors::kinds::SourceConfig;
use serde_json::Value;

use crate::{Access, Waits, amqp, kafka, mqtt, nats, redis_channels, redis_streams};

/// A connection that lasted this long was a good one: the next wait is a short one again.
const STEADY: Duration = Duration::from_secs(30);

/// A message as it becomes an event.
#[derive(Clone, Debug, PartialEq)]
pub struct Delivery {
    /// The data of the event, as Argo Events shapes it.
    pub data: Value,
    /// What names the message wherever and however often it is delivered; nothing when the broker has no such name.
    pub key: Option<String>,
}

/// What [`Keep::keep`] answers.
pub type Kept<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Whoever keeps messages.
pub trait Keep: Send + Sync {
    /// Returns after all of them are durable, or were dropped on purpose; only then are they acknowledged.
    fn keep(&self, batch: Vec<Delivery>) -> Kept<'_>;
}

/// Whose consumer it is.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Namespace of the EventSource.
    pub namespace: String,
    /// Its name.
    pub source: String,
    /// The event in it.
    pub event: String,
    /// `STREAM` or `STREAM/CONSUMER` of JetStream, when messages of a NATS subject are to be consumed from there.
    pub jetstream: Option<String>,
}

#[derive(Debug)]
enum Broker {
    Nats(nats::Source),
    Redis(redis_channels::Source),
    RedisStream(redis_streams::Source),
    Mqtt(mqtt::Source),
    Amqp(amqp::Source),
    Kafka(kafka::Source),
}

/// Consumes the messages of one event.
#[derive(Debug)]
pub struct Consumer {
    about: About,
    waits: Waits,
    broker: Broker,
}

impl Consumer {
    /// A consumer, unless the type of the event is none of a broker that is built in. Connects not yet.
    ///
    /// # Errors
    /// A sentence for people: what is wrong with the settings, or a secret that is missing.
    pub fn new(config: SourceConfig<'_>, about: About, access: &Access) -> Result<Option<Self>, String> {
        let (broker, backoff) = match config {
            SourceConfig::Nats(source) => {
                (Broker::Nats(nats::Source::new(source, &about, access)?), source.connection_backoff.as_ref())
            }
            SourceConfig::Redis(source) => {
                (Broker::Redis(redis_channels::Source::new(source, access)?), None)
            }
            SourceConfig::RedisStream(source) => {
                (Broker::RedisStream(redis_streams::Source::new(source, access)?), None)
            }
            SourceConfig::Mqtt(source) => {
                (Broker::Mqtt(mqtt::Source::new(source, access)?), source.connection_backoff.as_ref())
            }
            SourceConfig::Amqp(source) => {
                (Broker::Amqp(amqp::Source::new(source, access)?), source.connection_backoff.as_ref())
            }
            SourceConfig::Kafka(source) => {
                (Broker::Kafka(kafka::Source::new(source, access)?), source.connection_backoff.as_ref())
            }
            _ => return Ok(None),
        };
        Ok(Some(Self { waits: Waits::new(backoff)?, about, broker }))
    }

    /// Consumes until it is dropped.
    pub async fn run(mut self, keep: impl Keep) {
        loop {
            let began = Instant::now();
            let ended = self.session(&keep).await;
            if began.elapsed() > STEADY {
                self.waits.reset();
            }
            let wait = self.waits.next_wait();
            let why = ended.err().unwrap_or_else(|| "the broker ended the connection".to_owned());
            let About { namespace, source, event, .. } = &self.about;
            tracing::warn!(namespace, source, event, why, wait = ?wait, "not connected; trying again");
            tokio::time::sleep(wait).await;
        }
    }

    /// One connection, to its end.
    async fn session(&self, keep: &impl Keep) -> Result<(), String> {
        match &self.broker {
            Broker::Nats(source) => source.session(keep).await,
            Broker::Redis(source) => source.session(keep).await,
            Broker::RedisStream(source) => source.session(keep).await,
            Broker::Mqtt(source) => source.session(keep).await,
            Broker::Amqp(source) => source.session(keep).await,
            Broker::Kafka(source) => source.session(keep).await,
        }
    }
}

/// Says that a message cannot become an event and is not offered again.
pub(crate) fn refused(place: &str, why: &str) {
    tracing::warn!(place, why, "a message is dropped: it cannot become an event");
}
