//! `redis`: messages of channels. Redis keeps none: what is published while nobody listens is gone.
//! Streams of Redis are not here.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use runner_sensors::spec::RedisEventSource;
use serde_json::{Map, Value, json};

use crate::consumer::{Delivery, Keep, refused};
use crate::redis_client::Server;
use crate::{Access, BATCH, payload};

/// The settings of an event.
#[derive(Debug)]
pub(crate) struct Source {
    server: Server,
    channels: Vec<String>,
    json_body: bool,
    metadata: BTreeMap<String, String>,
}

impl Source {
    pub(crate) fn new(source: &RedisEventSource, access: &Access) -> Result<Self, String> {
        if source.channels.is_empty() {
            return Err("redis: channels are needed".to_owned());
        }
        let tls = access.tls(source.tls.as_ref())?;
        let (address, password) = (&source.host_address, source.password.as_ref());
        let server = Server::new(address, source.db, &source.username, password, tls, access)?;
        let (channels, metadata) = (source.channels.clone(), source.metadata.clone());
        Ok(Self { server, channels, json_body: source.json_body, metadata })
    }

    pub(crate) async fn session(&self, keep: &impl Keep) -> Result<(), String> {
        let failed = |error: redis::RedisError| format!("redis {}: {error}", self.server.address());
        let mut subscription = self.server.client()?.get_async_pubsub().await.map_err(failed)?;
        subscription.subscribe(&self.channels).await.map_err(failed)?;
        let mut batches = Box::pin(subscription.on_message().ready_chunks(BATCH));
        while let Some(batch) = batches.next().await {
            let data = batch.iter().filter_map(|message| {
                let data = self.data(message.get_channel_name(), message.get_payload_bytes());
                data.inspect_err(|why| refused(message.get_channel_name(), why)).ok()
            });
            keep.keep(data.map(|data| Delivery { data, key: None }).collect()).await;
        }
        Ok(())
    }

    /// Unlike those of other brokers the body is plain text without `jsonBody`, as in Argo Events.
    fn data(&self, channel: &str, bytes: &[u8]) -> Result<Value, String> {
        let body = match self.json_body {
            true => payload::body(bytes, true)?,
            false => json!(String::from_utf8_lossy(bytes)),
        };
        let mut data = Map::new();
        data.insert("channel".to_owned(), json!(channel));
        data.insert("pattern".to_owned(), json!(""));
        data.insert("body".to_owned(), body);
        Ok(payload::data(data, &self.metadata))
    }
}
