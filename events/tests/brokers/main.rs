//! Sources of brokers, and EventBuses, against the real servers: NATS with JetStream, Redis, Mosquitto, RabbitMQ.
//! A server that is not installed is named, and its tests are skipped.
#![expect(clippy::unwrap_used, reason = "tests")]

mod amqp;
mod bus;
mod lab;
mod mqtt;
mod nats;
mod redis;
mod servers;
