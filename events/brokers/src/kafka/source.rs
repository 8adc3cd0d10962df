//! `kafka`: messages of a topic, through a consumer group or of one partition; an offset is committed after the events
//! before it are durable.
//! Sends nothing.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use krafka::consumer::{
    AutoOffsetReset, Consumer, ConsumerRecord, OffsetAndMetadata, PartitionAssignmentStrategy as Strategy,
    TopicPartition,
};
use krafka::{CloseOptions, KrafkaError};
use runner_sensors::spec::KafkaEventSource;
use serde_json::{Map, Value, json};

use super::{Cluster, declined};
use crate::consumer::{Delivery, Keep, refused};
use crate::{Access, BATCH, payload};

/// How long one look for messages takes at most.
const LOOK: Duration = Duration::from_secs(1);
/// After which the group gives the partitions of a silent member to others.
const SESSION: Duration = Duration::from_secs(15);
/// Time to say farewell to the group.
const FAREWELL: Duration = Duration::from_secs(3);

/// Which partitions are consumed.
#[derive(Debug)]
enum Part {
    /// Those that the group gives to this member.
    Group { name: String, from: AutoOffsetReset, strategies: Vec<Strategy> },
    /// One; with the offset that comes next, for another connection of this process.
    One { partition: i32, next: Mutex<Option<i64>> },
}

/// The settings of an event.
#[derive(Debug)]
pub(crate) struct Source {
    cluster: Cluster,
    topic: String,
    part: Part,
    /// The shortest time that a message may take.
    pace: Option<Duration>,
    json_body: bool,
    metadata: BTreeMap<String, String>,
}

/// A consumer that says farewell to its group when it is dropped, so that others need not wait for its session to end.
struct Member(Option<Consumer>);

impl Drop for Member {
    fn drop(&mut self) {
        let (Some(consumer), Ok(runtime)) = (self.0.take(), tokio::runtime::Handle::try_current()) else {
            return;
        };
        drop(runtime.spawn(async move {
            let closed = consumer.close_with(CloseOptions::new().timeout(FAREWELL)).await;
            if let Err(error) = closed {
                tracing::debug!(%error, "kafka: no farewell");
            }
        }));
    }
}

impl Source {
    pub(crate) fn new(source: &KafkaEventSource, access: &Access) -> Result<Self, String> {
        declined(source.schema_registry.is_some(), source.aws_msk_iam_auth.is_some())?;
        if source.topic.is_empty() {
            return Err("kafka: topic is needed".to_owned());
        }
        let limit = source.limit_events_per_second.and_then(|limit| u32::try_from(limit).ok());
        Ok(Self {
            cluster: Cluster::new(&source.url, source.sasl.as_ref(), source.tls.as_ref(), access)?,
            topic: source.topic.clone(),
            part: part(source)?,
            pace: limit.filter(|limit| *limit > 0).map(|limit| Duration::from_secs(1) / limit),
            json_body: source.json_body,
            metadata: source.metadata.clone(),
        })
    }

    pub(crate) async fn session(&self, keep: &impl Keep) -> Result<(), String> {
        let member = Member(Some(self.consumer().await?));
        let Some(consumer) = &member.0 else { return Ok(()) };
        let grouped = matches!(self.part, Part::Group { .. });
        let mut kept: HashMap<i32, i64> = HashMap::new();
        let mut known = HashMap::new();
        loop {
            let records = consumer.poll(LOOK).await.map_err(self.cluster.failed("consuming"))?;
            let quiet = records.is_empty();
            if !quiet {
                self.take(records, &mut kept, keep).await;
            }
            if !grouped {
                self.remember(&mut kept);
                continue;
            }
            if !kept.is_empty() {
                self.commit(consumer, &mut kept).await?;
            }
            // a group without offsets begins where it is now, also after a kill before its first message
            if quiet && kept.is_empty() {
                let held = consumer.assignment().await;
                if held != known && consumer.commit().await.is_ok() {
                    known = held;
                }
            }
        }
    }

    async fn consumer(&self) -> Result<Consumer, String> {
        let kafka = self.cluster.connect().await?;
        let failed = self.cluster.failed("subscribing");
        let poll = i32::try_from(BATCH).unwrap_or(i32::MAX);
        match &self.part {
            Part::Group { name, from, strategies } => {
                let builder = kafka.consumer(name).auto_offset_reset(*from).enable_auto_commit(false);
                let builder = builder.session_timeout(SESSION).max_poll_records(poll).metrics_push(false);
                let builder = builder.partition_assignment_strategies(strategies.iter().copied());
                let consumer = builder.build().await.map_err(&failed)?;
                consumer.subscribe([&self.topic]).await.map_err(&failed)?;
                Ok(consumer)
            }
            Part::One { partition, next } => {
                let next = *next.lock().unwrap_or_else(PoisonError::into_inner);
                let start = next.map(|next| (TopicPartition::new(&self.topic, *partition), next));
                let builder = kafka.consumer_without_group().max_poll_records(poll).metrics_push(false);
                let builder = builder.auto_offset_reset(AutoOffsetReset::Latest).initial_offsets(start);
                let consumer = builder.build().await.map_err(&failed)?;
                consumer.assign(&self.topic, vec![*partition]).await.map_err(&failed)?;
                Ok(consumer)
            }
        }
    }

    /// Keeps messages, and notes the offsets that come next.
    async fn take(&self, records: Vec<ConsumerRecord>, next: &mut HashMap<i32, i64>, keep: &impl Keep) {
        let began = tokio::time::Instant::now();
        let count = u32::try_from(records.len()).unwrap_or(u32::MAX);
        let deliveries = records.iter().filter_map(|record| {
            let (partition, offset) = (record.partition, record.offset);
            let data = self.data(record);
            let data = data.inspect_err(|why| refused(&format!("{} {partition}:{offset}", self.topic), why));
            // as the id that Argo Events gives such an event
            let key = format!("kafka {}:{}:{partition}:{offset}", self.cluster.url, self.topic);
            Some(Delivery { data: data.ok()?, key: Some(key) })
        });
        keep.keep(deliveries.collect()).await;
        for record in &records {
            next.insert(record.partition, record.offset.saturating_add(1));
        }
        if let Some(pace) = self.pace {
            tokio::time::sleep_until(began + pace * count).await;
        }
    }

    fn remember(&self, kept: &mut HashMap<i32, i64>) {
        if let Part::One { partition, next } = &self.part
            && let Some(offset) = kept.remove(partition)
        {
            *next.lock().unwrap_or_else(PoisonError::into_inner) = Some(offset);
        }
    }

    /// Commits what was kept. What another member has got meanwhile is its: it gets those messages again, which are known
    /// by their keys.
    async fn commit(&self, consumer: &Consumer, kept: &mut HashMap<i32, i64>) -> Result<(), String> {
        let held = consumer.assignment().await.remove(&self.topic).unwrap_or_default();
        kept.retain(|partition, _| held.contains(partition));
        let offsets = kept.iter().map(|(partition, offset)| {
            (TopicPartition::new(&self.topic, *partition), OffsetAndMetadata::new(*offset))
        });
        match consumer.commit_offsets(offsets.collect::<Vec<_>>()).await {
            Ok(()) => kept.clear(),
            // the group is being divided anew, or its coordinator moved: the next look knows more
            Err(error) if error.is_retriable() || divided(&error) => {
                tracing::debug!(topic = self.topic, %error, "kafka: offsets are committed later");
            }
            Err(error) => return Err(self.cluster.failed("committing")(error)),
        }
        Ok(())
    }

    fn data(&self, record: &ConsumerRecord) -> Result<Value, String> {
        let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
        let headers = record.headers.iter().map(|(name, value)| {
            let value = text(value.as_ref().map(AsRef::as_ref));
            (name.to_string(), json!(value))
        });
        let mut data = Map::new();
        data.insert("topic".to_owned(), json!(self.topic));
        data.insert("key".to_owned(), json!(text(record.key.as_deref())));
        data.insert("partition".to_owned(), json!(record.partition));
        let body = payload::body(record.value.as_deref().unwrap_or_default(), self.json_body)?;
        data.insert("body".to_owned(), body);
        data.insert("timestamp".to_owned(), json!(go_time(record.timestamp)));
        data.insert("headers".to_owned(), Value::Object(headers.collect()));
        Ok(payload::data(data, &self.metadata))
    }
}

/// The group, or the partition.
fn part(source: &KafkaEventSource) -> Result<Part, String> {
    if let Some(group) = &source.consumer_group {
        if group.group_name.is_empty() {
            return Err("kafka: consumerGroup.groupName is needed".to_owned());
        }
        let strategies = match group.rebalance_strategy.as_str() {
            "sticky" => vec![Strategy::CooperativeSticky],
            "roundrobin" => vec![Strategy::RoundRobin],
            // anything else is range, as in Argo Events
            _ => vec![Strategy::Range],
        };
        let from = if group.oldest { AutoOffsetReset::Earliest } else { AutoOffsetReset::Latest };
        return Ok(Part::Group { name: group.group_name.clone(), from, strategies });
    }
    let partition = source.partition.parse().ok().filter(|partition| *partition >= 0);
    let partition = partition
        .ok_or_else(|| format!("kafka: `{}` is no partition; a consumerGroup takes all", source.partition))?;
    Ok(Part::One { partition, next: Mutex::default() })
}

/// Whether a commit failed because the group is being divided anew.
fn divided(error: &KrafkaError) -> bool {
    use krafka::error::ErrorCode::{IllegalGeneration, RebalanceInProgress, UnknownMemberId};
    matches!(
        error,
        KrafkaError::Broker { code: IllegalGeneration | RebalanceInProgress | UnknownMemberId, .. }
    )
}

/// Milliseconds as Go prints a time.
fn go_time(millis: i64) -> String {
    let at = Timestamp::from_millisecond(millis).unwrap_or(Timestamp::UNIX_EPOCH);
    at.strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_gos() {
        assert_eq!(go_time(1_763_622_000_000), "2025-11-20 07:00:00 +0000 UTC");
        assert_eq!(go_time(1_763_622_000_120), "2025-11-20 07:00:00.12 +0000 UTC");
    }
}
