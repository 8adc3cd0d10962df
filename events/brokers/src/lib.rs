//! MESSAGE BROKERS: consumes messages of NATS, Kafka, Redis, MQTT and AMQP, and acknowledges each after it was kept.
//! Keeps nothing: who made the consumer does, by [`Keep`]. A stream of JetStream as a bus is [`jetstream`].
//!
//! A [`Consumer`] runs until it is dropped. What ends its connection is logged and it connects again, after waits that
//! grow and differ from consumer to consumer.

mod access;
mod amqp;
mod backoff;
mod consumer;
pub mod jetstream;
pub mod kafka;
mod mqtt;
mod nats;
mod payload;
mod redis_channels;
mod redis_client;
mod redis_streams;

pub use access::{Access, Tls};
pub use backoff::Waits;
pub use consumer::{About, Consumer, Delivery, Keep, Kept};

/// Messages that are kept together: as many as are there, at most this many.
const BATCH: usize = 64;
/// Largest message, in bytes; as the largest body of a webhook.
const MESSAGE_MAX_BYTES: usize = 32 * 1024 * 1024;
