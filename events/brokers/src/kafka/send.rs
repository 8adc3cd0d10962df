//! One message to a topic of Kafka, acknowledged as `requiredAcks` says.
//! Does not try again.

use std::time::Duration;

use krafka::producer::Acks;
use krafka::{Compression, Record};
use runner_sensors::spec::KafkaTrigger;

use super::{ANSWER, Cluster, declined};
use crate::Access;

/// Time for the message to be taken.
const DELIVERY: Duration = Duration::from_secs(15);

/// A message.
#[derive(Clone, Debug, Default)]
pub struct Message {
    /// Its value.
    pub payload: Vec<u8>,
    /// Its headers.
    pub headers: Vec<(String, String)>,
}

/// Why a message was not sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// In a sentence.
    pub message: String,
    /// Whether trying again can help.
    pub retriable: bool,
}

/// Sends messages as a trigger says.
#[derive(Debug)]
pub struct Sender {
    cluster: Cluster,
    topic: String,
    key: Option<String>,
    partition: Option<i32>,
    acks: Acks,
    compression: Compression,
}

impl Sender {
    /// A sender. Connects not yet.
    ///
    /// # Errors
    /// A sentence for people: what is wrong with the settings, or a secret that is missing.
    pub fn new(trigger: &KafkaTrigger, access: &Access) -> Result<Self, String> {
        declined(trigger.schema_registry.is_some(), false)?;
        if trigger.topic.is_empty() {
            return Err("kafka: topic is needed".to_owned());
        }
        let acks = match trigger.required_acks {
            Some(-1) => Acks::All,
            // Argo's documentation says that 1 is the default
            None | Some(1) => Acks::Leader,
            Some(0) => Acks::None,
            Some(other) => return Err(format!("kafka: requiredAcks: {other} is none of -1, 0, 1")),
        };
        let partition = trigger.partition.map(|partition| {
            let good = i32::try_from(partition).ok().filter(|partition| *partition >= 0);
            good.ok_or_else(|| format!("kafka: partition: {partition} is no partition"))
        });
        let key = Some(trigger.partitioning_key.clone()).filter(|key| !key.is_empty());
        Ok(Self {
            cluster: Cluster::new(&trigger.url, trigger.sasl.as_ref(), trigger.tls.as_ref(), access)?,
            topic: trigger.topic.clone(),
            partition: partition.transpose()?.filter(|_| key.is_none()),
            key,
            acks,
            compression: if trigger.compress { Compression::Snappy } else { Compression::None },
        })
    }

    /// Sends one message, and says where it is.
    ///
    /// # Errors
    /// Why it was not sent, or may not have been.
    pub async fn send(&self, message: Message) -> Result<String, Unsent> {
        let mut record = Record::new(&self.topic, message.payload);
        if let Some(key) = &self.key {
            record = record.key(key.clone());
        }
        if let Some(partition) = self.partition {
            record = record.partition(partition);
        }
        for (name, value) in message.headers {
            record = record.header(name, value);
        }
        let kafka = self.cluster.connect().await.map_err(|message| Unsent { message, retriable: true })?;
        let builder = kafka.producer().acks(self.acks).idempotent(self.acks == Acks::All);
        let builder = builder.compression(self.compression).linger(Duration::ZERO).metrics_push(false);
        let builder = builder.delivery_timeout(DELIVERY).max_block(ANSWER);
        let failed = |error: krafka::KrafkaError| Unsent {
            retriable: !matches!(error, krafka::KrafkaError::Config { .. }),
            message: self.cluster.failed("not sent")(error),
        };
        let producer = builder.build().await.map_err(failed)?;
        let sent = producer.send(record).await.map_err(failed);
        if let Err(error) = producer.close().await {
            tracing::debug!(%error, "kafka: the connection was not closed well");
        }
        let sent = sent?;
        Ok(match self.acks {
            Acks::None => format!("message sent to {}, unacknowledged", self.topic),
            _ => format!(
                "message sent to {}, partition {}, offset {}",
                self.topic, sent.partition, sent.offset
            ),
        })
    }
}
