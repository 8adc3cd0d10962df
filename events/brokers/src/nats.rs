//! `nats`: messages of a subject, from core NATS as they fly by, or from a durable consumer of JetStream.
//! JetStream as a bus between sources and sensors is not here.

use std::collections::BTreeMap;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::{self, AckKind};
use async_nats::{Client, ConnectOptions, Event, HeaderMap, ServerAddr};
use futures_util::StreamExt;
use runner_sensors::spec::{NatsAuth, NatsEventsSource};
use serde_json::{Map, Value, json};

use crate::consumer::{Delivery, Keep, refused};
use crate::{About, Access, BATCH, Tls, payload};

/// After which JetStream delivers a message again that was not acknowledged.
const ACK_WAIT: Duration = Duration::from_secs(30);

/// How to log in. `Debug` shows no secret.
#[derive(Clone)]
pub(crate) enum Login {
    Nobody,
    Basic(String, String),
    Token(String),
    Nkey(String),
    Credentials(String),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Login")
    }
}

impl Login {
    pub(crate) fn new(auth: Option<&NatsAuth>, access: &Access) -> Result<Self, String> {
        let Some(auth) = auth else { return Ok(Self::Nobody) };
        if let Some(basic) = &auth.basic {
            let user = access.optional(basic.username.as_ref())?.unwrap_or_default();
            return Ok(Self::Basic(user, access.optional(basic.password.as_ref())?.unwrap_or_default()));
        }
        if let Some(token) = access.optional(auth.token.as_ref())? {
            return Ok(Self::Token(token));
        }
        if let Some(seed) = access.optional(auth.nkey.as_ref())? {
            return Ok(Self::Nkey(seed.trim().to_owned()));
        }
        // the library reads no last line without an end
        let credentials = access.optional(auth.credential.as_ref())?.map(|text| format!("{text}\n"));
        Ok(credentials.map_or(Self::Nobody, Self::Credentials))
    }
}

/// Connects; the client connects again by itself later.
pub(crate) async fn connect(url: &str, login: &Login, tls: Option<&Tls>) -> Result<Client, String> {
    let addresses: Result<Vec<ServerAddr>, _> = url.split(',').map(|one| one.trim().parse()).collect();
    let addresses = addresses.map_err(|error| format!("nats: url: {error}"))?;
    let mut options = match login.clone() {
        Login::Nobody => ConnectOptions::new(),
        Login::Basic(user, password) => ConnectOptions::with_user_and_password(user, password),
        Login::Token(token) => ConnectOptions::with_token(token),
        Login::Nkey(seed) => ConnectOptions::with_nkey(seed),
        Login::Credentials(text) => ConnectOptions::with_credentials(&text)
            .map_err(|error| format!("nats: the credentials cannot be read: {error}"))?,
    };
    if let Some(tls) = tls {
        options = options.require_tls(true).tls_client_config(tls.client_config()?);
    }
    let options = options.name("runner").event_callback(|event| async move {
        match event {
            Event::SlowConsumer(_) => {
                tracing::error!(
                    "nats: messages were dropped by the client: they come faster than they can be kept"
                );
            }
            Event::Connected => tracing::info!("nats: connected"),
            other => tracing::warn!(event = %other, "nats"),
        }
    });
    async_nats::connect_with_options(addresses, options).await.map_err(|error| format!("nats: {error}"))
}

/// The settings of an event.
#[derive(Debug)]
pub(crate) struct Source {
    url: String,
    subject: String,
    queue: String,
    login: Login,
    tls: Option<Tls>,
    json_body: bool,
    metadata: BTreeMap<String, String>,
    /// Stream of JetStream, and the name of a consumer that exists.
    jetstream: Option<(String, Option<String>)>,
    /// Name of the durable consumer that is made otherwise.
    durable: String,
}

impl Source {
    pub(crate) fn new(source: &NatsEventsSource, about: &About, access: &Access) -> Result<Self, String> {
        if source.url.is_empty() || source.subject.is_empty() {
            return Err("nats: url and subject are needed".to_owned());
        }
        let jetstream = about.jetstream.as_ref().map(|text| match text.split_once('/') {
            Some((stream, consumer)) => (stream.to_owned(), Some(consumer.to_owned())),
            None => (text.clone(), None),
        });
        // names of consumers have no dots
        let durable =
            format!("runner-{}-{}-{}", about.namespace, about.source, about.event).replace('.', "_");
        Ok(Self {
            url: source.url.clone(),
            subject: source.subject.clone(),
            queue: source.queue.clone(),
            login: Login::new(source.auth.as_ref(), access)?,
            tls: access.tls(source.tls.as_ref())?,
            json_body: source.json_body,
            metadata: source.metadata.clone(),
            jetstream,
            durable: if source.queue.is_empty() { durable } else { source.queue.clone() },
        })
    }

    pub(crate) async fn session(&self, keep: &impl Keep) -> Result<(), String> {
        let client = connect(&self.url, &self.login, self.tls.as_ref()).await?;
        match &self.jetstream {
            None => self.core(&client, keep).await,
            Some((stream, consumer)) => self.durable(client, stream, consumer.as_deref(), keep).await,
        }
    }

    async fn core(&self, client: &Client, keep: &impl Keep) -> Result<(), String> {
        let subject = self.subject.clone();
        let messages = if self.queue.is_empty() {
            client.subscribe(subject).await
        } else {
            client.queue_subscribe(subject, self.queue.clone()).await
        };
        let messages = messages.map_err(|error| format!("nats: subject {}: {error}", self.subject))?;
        client.flush().await.map_err(|error| format!("nats: {error}"))?;
        let mut batches = messages.ready_chunks(BATCH);
        while let Some(batch) = batches.next().await {
            let data = batch.iter().filter_map(|message| {
                let data = self.data(&message.subject, message.headers.as_ref(), &message.payload);
                data.inspect_err(|why| refused(&message.subject, why)).ok()
            });
            keep.keep(data.map(|data| Delivery { data, key: None }).collect()).await;
        }
        Ok(())
    }

    async fn durable(
        &self,
        client: Client,
        stream: &str,
        consumer: Option<&str>,
        keep: &impl Keep,
    ) -> Result<(), String> {
        let context = jetstream::new(client);
        let failed = |what: String| format!("nats: JetStream stream {stream}: {what}");
        let consumer: PullConsumer = match consumer {
            Some(name) => context
                .get_consumer_from_stream(name, stream)
                .await
                .map_err(|error| failed(format!("consumer {name}: {error}")))?,
            None => context
                .create_consumer_on_stream(self.consumer(), stream)
                .await
                .map_err(|error| failed(error.to_string()))?,
        };
        let messages = consumer.messages().await.map_err(|error| failed(error.to_string()))?;
        let mut batches = Box::pin(messages.ready_chunks(BATCH));
        while let Some(batch) = batches.next().await {
            let (mut good, mut kept) = (Vec::new(), Vec::new());
            for message in batch {
                let message = message.map_err(|error| failed(error.to_string()))?;
                match self.data(&message.subject, message.headers.as_ref(), &message.payload) {
                    Ok(data) => {
                        let key = message.info().ok().map(|info| {
                            let at = info.published.unix_timestamp_nanos();
                            format!("jetstream {} {} {at}", info.stream, info.stream_sequence)
                        });
                        kept.push(Delivery { data, key });
                        good.push(message);
                    }
                    Err(why) => {
                        refused(&message.subject, &why);
                        message.ack_with(AckKind::Term).await.map_err(|error| failed(error.to_string()))?;
                    }
                }
            }
            keep.keep(kept).await;
            for message in good {
                message.ack().await.map_err(|error| failed(error.to_string()))?;
            }
        }
        Ok(())
    }

    /// The consumer that is made: it sees what comes after it was made first.
    fn consumer(&self) -> pull::Config {
        pull::Config {
            durable_name: Some(self.durable.clone()),
            filter_subject: self.subject.clone(),
            deliver_policy: DeliverPolicy::New,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            ..pull::Config::default()
        }
    }

    fn data(&self, subject: &str, headers: Option<&HeaderMap>, bytes: &[u8]) -> Result<Value, String> {
        let mut data = Map::new();
        data.insert("subject".to_owned(), json!(subject));
        data.insert("body".to_owned(), payload::body(bytes, self.json_body)?);
        if let Some(headers) = headers.filter(|headers| !headers.is_empty()) {
            let all = headers.iter().map(|(name, values)| {
                let values: Vec<&str> = values.iter().map(async_nats::HeaderValue::as_str).collect();
                (name.to_string(), json!(values))
            });
            data.insert("header".to_owned(), Value::Object(all.collect()));
        }
        Ok(payload::data(data, &self.metadata))
    }
}
