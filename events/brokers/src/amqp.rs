//! `amqp`: messages of a queue of RabbitMQ or another broker of AMQP 0.9.1, acknowledged after they were kept.
//! Publishes nothing.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use lapin::message::Delivery as Message;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicQosOptions, BasicRejectOptions, ExchangeDeclareOptions,
    QueueBindOptions, QueueDeclareOptions,
};
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::types::{AMQPValue, FieldTable};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Channel, Connection, ConnectionProperties, Consumer, ExchangeKind};
use runner_sensors::spec::{
    AmqpConsumeConfig, AmqpEventSource, AmqpExchangeDeclareConfig, AmqpQueueDeclareConfig,
};
use serde_json::{Map, Value, json};

use crate::consumer::{Delivery, Keep, refused};
use crate::{Access, BATCH, payload};

/// Messages that are delivered before they are acknowledged.
const PREFETCH: u16 = 256;

/// The settings of an event.
pub(crate) struct Source {
    uri: AMQPUri,
    tls: OwnedTLSConfig,
    exchange: String,
    exchange_type: String,
    exchange_declare: AmqpExchangeDeclareConfig,
    routing_key: String,
    queue: AmqpQueueDeclareConfig,
    arguments: FieldTable,
    bind_no_wait: bool,
    consume: AmqpConsumeConfig,
    json_body: bool,
    metadata: BTreeMap<String, String>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("exchange", &self.exchange).finish_non_exhaustive()
    }
}

impl Source {
    pub(crate) fn new(source: &AmqpEventSource, access: &Access) -> Result<Self, String> {
        let url = match &source.url_secret {
            Some(secret) => access.text(secret)?,
            None => source.url.clone(),
        };
        // the text may hold a password: it is not repeated
        let mut uri: AMQPUri = url.parse().map_err(|_| "amqp: the url cannot be read".to_owned())?;
        uri.query.heartbeat = uri.query.heartbeat.or(Some(10));
        if let Some(auth) = &source.auth {
            uri.authority.userinfo.username = access.optional(auth.username.as_ref())?.unwrap_or_default();
            uri.authority.userinfo.password = access.optional(auth.password.as_ref())?.unwrap_or_default();
        }
        let mut tls = OwnedTLSConfig::default();
        if let Some(given) = access.tls(source.tls.as_ref())? {
            if given.insecure {
                return Err(
                    "amqp: tls.insecureSkipVerify is not built in; give the authority of the broker's \
                            certificate as tls.caCertSecret"
                        .to_owned(),
                );
            }
            uri.scheme = AMQPScheme::AMQPS;
            tls.identity = given.identity.map(|(pem, key)| OwnedIdentity::PKCS8 { pem, key });
            tls.cert_chain = given.ca.map(|ca| String::from_utf8_lossy(&ca).into_owned());
        }
        let queue = source.queue_declare.clone();
        let queue = queue.unwrap_or(AmqpQueueDeclareConfig { exclusive: true, ..Default::default() });
        let declare = source.exchange_declare.clone();
        Ok(Self {
            uri,
            tls,
            exchange: source.exchange_name.clone(),
            exchange_type: source.exchange_type.clone(),
            exchange_declare: declare
                .unwrap_or(AmqpExchangeDeclareConfig { durable: true, ..Default::default() }),
            routing_key: source.routing_key.clone(),
            arguments: arguments(&queue.arguments)?,
            queue,
            bind_no_wait: source.queue_bind.as_ref().is_some_and(|bind| bind.no_wait),
            // unlike in Argo Events the default is to acknowledge after the event was kept
            consume: source.consume.clone().unwrap_or_default(),
            json_body: source.json_body,
            metadata: source.metadata.clone(),
        })
    }

    fn failed(&self, what: &str) -> impl Fn(lapin::Error) -> String {
        let place = format!("amqp {}:{}", self.uri.authority.host, self.uri.authority.port);
        let what = what.to_owned();
        move |error| format!("{place}: {what}: {error}")
    }

    pub(crate) async fn session(&self, keep: &impl Keep) -> Result<(), String> {
        let runtime = lapin::runtime::default_runtime().map_err(|error| format!("amqp: {error}"))?;
        if self.uri.scheme == AMQPScheme::AMQPS {
            // the library asks for a provider of the process
            let _installed_before = rustls::crypto::ring::default_provider().install_default();
        }
        let (uri, tls) = (self.uri.clone(), self.tls.clone());
        let connection =
            Connection::connect_uri_with_config(uri, ConnectionProperties::default(), tls, runtime);
        let connection = connection.await.map_err(self.failed("cannot connect"))?;
        let channel = connection.create_channel().await.map_err(self.failed("channel"))?;
        let messages = self.consumer(&channel).await?;
        let mut batches = messages.ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let batch: Result<Vec<Message>, _> = batch.into_iter().collect();
            self.take(batch.map_err(self.failed("message"))?, keep).await?;
        }
        Ok(())
    }

    async fn consumer(&self, channel: &Channel) -> Result<Consumer, String> {
        let qos = channel.basic_qos(PREFETCH, BasicQosOptions::default());
        qos.await.map_err(self.failed("prefetch"))?;
        let exchange = &self.exchange;
        // the exchange without a name is there already, and every queue is bound to it
        if !exchange.is_empty() {
            let kind = match self.exchange_type.as_str() {
                "direct" => ExchangeKind::Direct,
                "fanout" => ExchangeKind::Fanout,
                "headers" => ExchangeKind::Headers,
                "topic" => ExchangeKind::Topic,
                other => ExchangeKind::Custom(other.to_owned()),
            };
            let declare = &self.exchange_declare;
            let options = ExchangeDeclareOptions {
                passive: false,
                durable: declare.durable,
                auto_delete: declare.auto_delete,
                internal: declare.internal,
                nowait: declare.no_wait,
            };
            let declared =
                channel.exchange_declare(exchange.as_str().into(), kind, options, FieldTable::default());
            declared.await.map_err(self.failed(&format!("exchange {exchange}")))?;
        }
        let options = QueueDeclareOptions {
            passive: false,
            durable: self.queue.durable,
            exclusive: self.queue.exclusive,
            auto_delete: self.queue.auto_delete,
            nowait: self.queue.no_wait,
        };
        let name = &self.queue.name;
        let queue = channel.queue_declare(name.as_str().into(), options, self.arguments.clone()).await;
        let queue = queue.map_err(self.failed(&format!("queue {name}")))?;
        let name = queue.name().clone();
        if !exchange.is_empty() {
            let options = QueueBindOptions { nowait: self.bind_no_wait };
            let (place, key) = (exchange.as_str().into(), self.routing_key.as_str().into());
            let bound = channel.queue_bind(name.clone(), place, key, options, FieldTable::default());
            bound.await.map_err(self.failed("binding the queue"))?;
        }
        let options = BasicConsumeOptions {
            no_local: self.consume.no_local,
            no_ack: self.consume.auto_ack,
            exclusive: self.consume.exclusive,
            nowait: self.consume.no_wait,
        };
        let tag = self.consume.consumer_tag.as_str().into();
        let consumer = channel.basic_consume(name, tag, options, FieldTable::default());
        consumer.await.map_err(self.failed("consuming"))
    }

    async fn take(&self, batch: Vec<Message>, keep: &impl Keep) -> Result<(), String> {
        let (mut good, mut kept) = (Vec::new(), Vec::new());
        for message in batch {
            match self.data(&message) {
                Ok(data) => {
                    // the sender's name for it, if it gives one: AMQP itself has none that outlives a connection
                    let id = message.properties.message_id().as_ref().filter(|id| !id.as_str().is_empty());
                    kept.push(Delivery { data, key: id.map(|id| format!("amqp {}", id.as_str())) });
                    good.push(message);
                }
                Err(why) => {
                    refused(message.routing_key.as_str(), &why);
                    // to the dead letters of the queue, if it has any
                    let options = BasicRejectOptions { requeue: false };
                    if !self.consume.auto_ack {
                        message.acker.reject(options).await.map_err(self.failed("rejecting"))?;
                    }
                }
            }
        }
        keep.keep(kept).await;
        if !self.consume.auto_ack {
            for message in good {
                let acknowledged = message.acker.ack(BasicAckOptions::default());
                acknowledged.await.map_err(self.failed("acknowledging"))?;
            }
        }
        Ok(())
    }

    fn data(&self, message: &Message) -> Result<Value, String> {
        let of = &message.properties;
        let text = |value: &Option<lapin::types::ShortString>| {
            json!(value.as_ref().map(lapin::types::ShortString::as_str).unwrap_or_default())
        };
        let fields = [
            ("contentType", text(of.content_type())),
            ("contentEncoding", text(of.content_encoding())),
            ("deliveryMode", json!(of.delivery_mode().unwrap_or(0))),
            ("priority", json!(of.priority().unwrap_or(0))),
            ("correlationId", text(of.correlation_id())),
            ("replyTo", text(of.reply_to())),
            ("expiration", text(of.expiration())),
            ("messageId", text(of.message_id())),
            ("timestamp", json!(go_time(*of.timestamp()))),
            ("type", text(of.kind())),
            ("appId", text(of.app_id())),
            ("exchange", json!(message.exchange.as_str())),
            ("routingKey", json!(message.routing_key.as_str())),
            ("body", payload::body(&message.data, self.json_body)?),
        ];
        let fields: Map<String, Value> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Ok(payload::data(fields, &self.metadata))
    }
}

/// A time in seconds as Go prints it; without one its zero time.
fn go_time(seconds: Option<u64>) -> String {
    let at = seconds.and_then(|seconds| i64::try_from(seconds).ok());
    let at = at.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    at.map_or_else(
        || "0001-01-01 00:00:00 +0000 UTC".to_owned(),
        |at| at.strftime("%Y-%m-%d %H:%M:%S +0000 UTC").to_string(),
    )
}

/// Arguments of a queue: a YAML map in a text.
fn arguments(text: &str) -> Result<FieldTable, String> {
    let mut table = FieldTable::default();
    if text.trim().is_empty() {
        return Ok(table);
    }
    let map: BTreeMap<String, Value> = serde_saphyr::from_str(text)
        .map_err(|error| format!("amqp: queueDeclare.arguments is no map of YAML: {error}"))?;
    for (name, value) in map {
        let value = match value {
            Value::Bool(value) => AMQPValue::Boolean(value),
            Value::String(text) => AMQPValue::LongString(text.into()),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(number), _) => AMQPValue::LongLongInt(number),
                (None, Some(number)) => AMQPValue::Double(number),
                (None, None) => return Err(format!("amqp: queueDeclare.arguments: {name} is no number")),
            },
            Value::Null => AMQPValue::Void,
            Value::Array(_) | Value::Object(_) => {
                return Err(format!("amqp: queueDeclare.arguments: {name} must be a plain value"));
            }
        };
        table.insert(name.into(), value);
    }
    Ok(table)
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn arguments_are_a_map_of_yaml() {
        let table = arguments("x-queue-type: quorum\nx-max-length: 10\n").unwrap();
        assert_eq!(table.inner().get("x-queue-type"), Some(&AMQPValue::LongString("quorum".into())));
        assert_eq!(table.inner().get("x-max-length"), Some(&AMQPValue::LongLongInt(10)));
        assert!(arguments("x: [1]").is_err() && arguments("[1]").is_err());
        assert_eq!(arguments(" \n").unwrap(), FieldTable::default());
    }

    #[test]
    fn times_are_gos() {
        assert_eq!(go_time(None), "0001-01-01 00:00:00 +0000 UTC");
        assert_eq!(go_time(Some(1_763_622_000)), "2025-11-20 07:00:00 +0000 UTC");
    }
}
