//! `mqtt`: messages of a topic. With a `clientId` the broker keeps the session and what comes while nobody is there.
//! Speaks MQTT 3.1.1, not over websockets.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{
    AsyncClient, Event, EventLoop, MqttOptions, Packet, Publish, QoS, TlsConfiguration, Transport,
};
use runner_sensors::spec::MqttEventSource;
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use crate::consumer::{Delivery, Keep, refused};
use crate::{Access, BATCH, MESSAGE_MAX_BYTES, Tls, payload};

/// Messages that wait to be kept; then nothing more is read from the broker.
const WAITING: usize = 512;
/// Acknowledgements that wait to be sent: more than a broker leaves open, so that one never waits for the other.
const REQUESTS: usize = 70_000;

/// The settings of an event.
pub(crate) struct Source {
    host: String,
    port: u16,
    topic: String,
    client_id: String,
    login: Option<(String, String)>,
    tls: Option<Tls>,
    json_body: bool,
    metadata: BTreeMap<String, String>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("host", &self.host).field("topic", &self.topic).finish_non_exhaustive()
    }
}

impl Source {
    pub(crate) fn new(source: &MqttEventSource, access: &Access) -> Result<Self, String> {
        let url = url::Url::parse(&source.url).map_err(|error| format!("mqtt: url: {error}"))?;
        let secure = match url.scheme() {
            "mqtt" | "tcp" => false,
            "mqtts" | "ssl" | "tls" | "tcps" => true,
            other => return Err(format!("mqtt: url: `{other}` is not built in; use tcp or ssl")),
        };
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("mqtt: url: no host")?;
        if source.topic.is_empty() {
            return Err("mqtt: topic is needed".to_owned());
        }
        let tls = access.tls(source.tls.as_ref())?;
        let default = || secure.then_some(Tls { ca: None, identity: None, insecure: false });
        let tls = tls.or_else(default);
        let login = match &source.auth {
            None => None,
            Some(auth) => Some((
                access.optional(auth.username.as_ref())?.unwrap_or_default(),
                access.optional(auth.password.as_ref())?.unwrap_or_default(),
            )),
        };
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: url.port().unwrap_or(if tls.is_some() { 8883 } else { 1883 }),
            topic: source.topic.clone(),
            client_id: source.client_id.clone(),
            login,
            tls,
            json_body: source.json_body,
            metadata: source.metadata.clone(),
        })
    }

    fn options(&self) -> Result<MqttOptions, String> {
        let mut options = MqttOptions::new(&self.client_id, &self.host, self.port);
        options.set_keep_alive(Duration::from_secs(20));
        options.set_clean_session(self.client_id.is_empty());
        options.set_manual_acks(true);
        options.set_max_packet_size(MESSAGE_MAX_BYTES, MESSAGE_MAX_BYTES);
        if let Some((user, password)) = &self.login {
            options.set_credentials(user, password);
        }
        if let Some(tls) = &self.tls {
            let config = TlsConfiguration::Rustls(Arc::new(tls.client_config()?));
            options.set_transport(Transport::tls_with_config(config));
        }
        Ok(options)
    }

    pub(crate) async fn session(&self, keep: &impl Keep) -> Result<(), String> {
        let (client, events) = AsyncClient::new(self.options()?, REQUESTS);
        // at least once; a sender that publishes with less gets less
        let subscribed = client.subscribe(&self.topic, QoS::AtLeastOnce).await;
        subscribed.map_err(|error| format!("mqtt: topic {}: {error}", self.topic))?;
        let (sender, mut receiver) = mpsc::channel(WAITING);
        let reading = read(events, sender);
        let keeping = async {
            let mut batch = Vec::new();
            while receiver.recv_many(&mut batch, BATCH).await > 0 {
                self.take(&client, std::mem::take(&mut batch), keep).await?;
            }
            // the reader says why
            std::future::pending().await
        };
        tokio::select! {
            ended = reading => ended.map_err(|why| format!("mqtt {}:{}: {why}", self.host, self.port)),
            ended = keeping => ended,
        }
    }

    async fn take(&self, client: &AsyncClient, batch: Vec<Publish>, keep: &impl Keep) -> Result<(), String> {
        let data = batch
            .iter()
            .filter_map(|message| self.data(message).inspect_err(|why| refused(&message.topic, why)).ok());
        keep.keep(data.map(|data| Delivery { data, key: None }).collect()).await;
        for message in &batch {
            client.ack(message).await.map_err(|error| format!("mqtt: {error}"))?;
        }
        Ok(())
    }

    fn data(&self, message: &Publish) -> Result<Value, String> {
        let mut data = Map::new();
        data.insert("topic".to_owned(), json!(message.topic));
        data.insert("messageId".to_owned(), json!(message.pkid));
        data.insert("body".to_owned(), payload::body(&message.payload, self.json_body)?);
        Ok(payload::data(data, &self.metadata))
    }
}

/// Drives the connection to its end, and hands on what comes.
async fn read(mut events: EventLoop, sender: mpsc::Sender<Publish>) -> Result<(), String> {
    loop {
        match events.poll().await.map_err(|error| error.to_string())? {
            Event::Incoming(Packet::Publish(message)) => {
                if sender.send(message).await.is_err() {
                    return Ok(());
                }
            }
            Event::Incoming(Packet::SubAck(answer)) => {
                let good = |code: &rumqttc::SubscribeReasonCode| {
                    matches!(code, rumqttc::SubscribeReasonCode::Success(_))
                };
                if !answer.return_codes.iter().all(good) {
                    return Err("the broker refuses the subscription".to_owned());
                }
            }
            Event::Incoming(_) | Event::Outgoing(_) => {}
        }
    }
}
