//! `redisStream`: entries of streams through a consumer group; what was delivered and not acknowledged comes first.
//! Channels of Redis are not here.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::streams::{StreamId, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, AsyncConnectionConfig, ErrorKind, RedisError};
use runner_sensors::spec::RedisStreamEventSource;
use serde_json::{Map, Value, json};

use crate::consumer::{Delivery, Keep};
use crate::redis_client::Server;
use crate::{Access, payload};

/// Names that Argo Events uses, so that a group goes on where an event source of a cluster left it.
const GROUP: &str = "argo-events-cg";
const CONSUMER: &str = "argo-events-worker";
/// Entries per read unless the settings say otherwise, as in Argo Events.
const COUNT: usize = 10;
/// How long a read waits for entries, and how long an answer may take.
const BLOCK: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(15);

/// The settings of an event.
#[derive(Debug)]
pub(crate) struct Source {
    server: Server,
    streams: Vec<String>,
    group: String,
    count: usize,
    metadata: BTreeMap<String, String>,
}

impl Source {
    pub(crate) fn new(source: &RedisStreamEventSource, access: &Access) -> Result<Self, String> {
        if source.streams.is_empty() {
            return Err("redisStream: streams are needed".to_owned());
        }
        let tls = access.tls(source.tls.as_ref())?;
        let (address, password) = (&source.host_address, source.password.as_ref());
        let server = Server::new(address, source.db, &source.username, password, tls, access)?;
        let group = if source.consumer_group.is_empty() { GROUP } else { &source.consumer_group };
        let count = source.max_msg_count_per_read.and_then(|count| usize::try_from(count).ok());
        let (streams, metadata) = (source.streams.clone(), source.metadata.clone());
        let count = count.filter(|count| *count > 0).unwrap_or(COUNT);
        Ok(Self { server, streams, group: group.to_owned(), count, metadata })
    }

    fn failed(&self) -> impl Fn(RedisError) -> String {
        |error| format!("redis {}: {error}", self.server.address())
    }

    pub(crate) async fn session(&self, keep: &impl Keep) -> Result<(), String> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(ANSWER));
        let client = self.server.client()?;
        let connection = client.get_multiplexed_async_connection_with_config(&config).await;
        let mut connection = connection.map_err(self.failed())?;
        for stream in &self.streams {
            self.group(&mut connection, stream).await?;
        }
        // first what was delivered before and not acknowledged, then (`>`) what is new
        let mut after: BTreeMap<&str, String> =
            self.streams.iter().map(|stream| (stream.as_str(), "0-0".to_owned())).collect();
        loop {
            let mut options = StreamReadOptions::default().group(&self.group, CONSUMER).count(self.count);
            if after.values().all(|id| id == ">") {
                options = options.block(usize::try_from(BLOCK.as_millis()).unwrap_or(2000));
            }
            let (names, ids): (Vec<&str>, Vec<&str>) =
                after.iter().map(|(name, id)| (*name, id.as_str())).unzip();
            let found: Option<StreamReadReply> =
                connection.xread_options(&names, &ids, &options).await.map_err(self.failed())?;
            let found: HashMap<String, Vec<StreamId>> =
                found.into_iter().flat_map(|reply| reply.keys).map(|one| (one.key, one.ids)).collect();
            for (stream, id) in &mut after {
                let entries = found.get(*stream).map_or(&[][..], Vec::as_slice);
                match entries.last() {
                    // nothing is pending any more
                    None => id.replace_range(.., ">"),
                    Some(last) if id != ">" => id.clone_from(&last.id),
                    Some(_) => {}
                }
                self.take(&mut connection, stream, entries, keep).await?;
            }
        }
    }

    /// Makes the group, and the stream if it does not exist yet. A new group sees what comes from now on.
    async fn group(&self, connection: &mut MultiplexedConnection, stream: &str) -> Result<(), String> {
        let made: Result<(), RedisError> = connection.xgroup_create_mkstream(stream, &self.group, "$").await;
        match made {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            Err(error) if error.kind() == ErrorKind::Io => Err(self.failed()(error)),
            made => made.map_err(|error| format!("redis stream {stream}, group {}: {error}", self.group)),
        }
    }

    /// Keeps entries, then acknowledges them. One that was deleted from the stream meanwhile is only acknowledged.
    async fn take(
        &self,
        connection: &mut MultiplexedConnection,
        stream: &str,
        entries: &[StreamId],
        keep: &impl Keep,
    ) -> Result<(), String> {
        if entries.is_empty() {
            return Ok(());
        }
        let there = entries.iter().filter(|entry| !entry.map.is_empty());
        let kept = there.map(|entry| Delivery {
            data: self.data(stream, entry),
            key: Some(format!("{} {stream} {}", self.server.address(), entry.id)),
        });
        keep.keep(kept.collect()).await;
        let ids: Vec<&str> = entries.iter().map(|entry| entry.id.as_str()).collect();
        let _count: i64 = connection.xack(stream, &self.group, &ids).await.map_err(self.failed())?;
        Ok(())
    }

    fn data(&self, stream: &str, entry: &StreamId) -> Value {
        let values = entry.map.iter().map(|(name, value)| {
            let text: Option<Vec<u8>> = redis::from_redis_value_ref(value).ok();
            (name.clone(), json!(String::from_utf8_lossy(&text.unwrap_or_default())))
        });
        let mut data = Map::new();
        data.insert("stream".to_owned(), json!(stream));
        data.insert("message_id".to_owned(), json!(entry.id));
        data.insert("values".to_owned(), Value::Object(values.collect()));
        payload::data(data, &self.metadata)
    }
}
