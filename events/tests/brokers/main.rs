//! Sources of brokers, and EventBuses, against the real servers: NATS with JetStream, Redis, Mosquitto, RabbitMQ;
//! `kafka` against a FAKE of a broker; and `resource` against a FAKE of a Kubernetes API, or a real one when it is named.
//! A server that is not installed is named, and its tests are skipped.
#![expect(clippy::unwrap_used, reason = "tests")]

mod amqp;
mod bus;
mod fake_api;
mod fake_kafka;
mod kafka;
mod lab;
mod logins;
mod mqtt;
mod nats;
mod redis;
mod resource;
mod servers;
