//! A stream of NATS JetStream as a bus: made as its settings say, published to, and consumed by one durable consumer.
//! Keeps no outbox: who publishes keeps an event until it was consumed.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, PullConsumer, pull};
use async_nats::jetstream::stream::{DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, AckKind, Context, stream};
use async_nats::{Client, HeaderMap};
use futures_util::StreamExt;
use runner_sensors::duration;
use serde_json::Value;

use crate::nats::{self, Login};
use crate::{BATCH, Tls};

/// Name of the stream unless another is wanted, and first part of the subjects, as in Argo Events.
pub const STREAM: &str = "default";
/// After which a message that was not acknowledged is delivered again, and how soon one that was given back.
const ACK_WAIT: Duration = Duration::from_secs(30);
const GIVEN_BACK: Duration = Duration::from_millis(500);
/// How long the server may take to say that it has a message.
const ANSWER: Duration = Duration::from_secs(5);

/// What became of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Took {
    /// It was consumed, and that is durable.
    Done,
    /// It is to be delivered again.
    Again,
    /// It can never be consumed.
    Never,
}

/// What [`Take::take`] answers.
pub type Taking<'a> = Pin<Box<dyn Future<Output = Took> + Send + 'a>>;

/// Whoever consumes messages of the bus.
pub trait Take: Send + Sync {
    /// Returns after it is durable that the message was consumed; only then is it acknowledged.
    fn take<'a>(&'a self, subject: &'a str, payload: &'a [u8]) -> Taking<'a>;
}

/// Where a bus is, how to log in, and what its stream is like.
#[derive(Clone, Debug)]
pub struct Place {
    url: String,
    login: Login,
    tls: Option<Tls>,
    stream: stream::Config,
}

impl Place {
    /// A bus at `url`. `secret` is what the access secret says: a token, or YAML with `token`, or with `username` and
    /// `password`. `settings` is `streamConfig`, YAML: `maxMsgs`, `maxAge`, `maxBytes`, `replicas`, `duplicates`,
    /// `retention`, `discard`. `replicas` is how many servers the bus has; a stream has at most one copy on each.
    ///
    /// # Errors
    /// A sentence for people: what cannot be read.
    pub fn new(
        url: &str,
        secret: Option<&str>,
        tls: Option<Tls>,
        name: &str,
        settings: &str,
        replicas: Option<i64>,
    ) -> Result<Self, String> {
        let stream = config(name, settings, replicas)?;
        Ok(Self { url: url.to_owned(), login: secret.map_or(Login::Nobody, login), tls, stream })
    }
}

/// Reads an access secret as Argo Events does: YAML with a login, else the token itself.
fn login(secret: &str) -> Login {
    let map: Result<Value, _> = serde_saphyr::from_str(secret);
    let text = |map: &Value, name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
    match &map {
        Ok(map) if text(map, "token").is_some() => Login::Token(text(map, "token").unwrap_or_default()),
        Ok(map) if text(map, "username").is_some() => {
            Login::Basic(text(map, "username").unwrap_or_default(), text(map, "password").unwrap_or_default())
        }
        Ok(_) | Err(_) => Login::Token(secret.trim().to_owned()),
    }
}

fn config(name: &str, settings: &str, replicas: Option<i64>) -> Result<stream::Config, String> {
    let given: Value = match settings.trim() {
        "" => Value::Null,
        text => serde_saphyr::from_str(text).map_err(|error| format!("streamConfig is no YAML: {error}"))?,
    };
    let number = |name: &str, default: i64| match given.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::String(text)) => {
            text.trim().parse().map_err(|_| format!("streamConfig.{name}: `{text}` is no number"))
        }
        Some(value) => value.as_i64().ok_or_else(|| format!("streamConfig.{name}: {value} is no number")),
    };
    let time = |name: &str, default: Duration| match given.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => {
            let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let wait = duration::parse(text.trim()).map_err(|why| format!("streamConfig.{name}: {why}"))?;
            Duration::try_from(wait).map_err(|_| format!("streamConfig.{name} is negative"))
        }
    };
    let servers = replicas.unwrap_or(1).max(1);
    let copies = number("replicas", servers.min(3))?.clamp(1, servers.max(number("replicas", 1)?));
    Ok(stream::Config {
        name: name.to_owned(),
        subjects: vec![format!("{name}.*.*")],
        max_messages: number("maxMsgs", 1_000_000)?,
        max_bytes: number("maxBytes", -1)?,
        max_age: time("maxAge", Duration::from_secs(168 * 3600))?,
        duplicate_window: time("duplicates", Duration::from_secs(300))?,
        num_replicas: usize::try_from(copies).unwrap_or(1),
        retention: match number("retention", 0)? {
            1 => RetentionPolicy::Interest,
            2 => RetentionPolicy::WorkQueue,
            _ => RetentionPolicy::Limits,
        },
        discard: if number("discard", 0)? == 1 { DiscardPolicy::New } else { DiscardPolicy::Old },
        storage: StorageType::File,
        ..stream::Config::default()
    })
}

/// A bus that is connected. Cheap to clone.
#[derive(Clone, Debug)]
pub struct JetStream {
    context: Context,
    name: String,
    consumer: PullConsumer,
    client: Client,
}

impl JetStream {
    /// Connects, and makes the stream and the durable consumer, which sees what is published from then on.
    ///
    /// # Errors
    /// A sentence for people: the server cannot be reached, or refuses.
    pub async fn connect(place: &Place, durable: &str) -> Result<Self, String> {
        let client = nats::connect(&place.url, &place.login, place.tls.as_ref()).await?;
        let mut context = jetstream::new(client.clone());
        context.set_timeout(ANSWER);
        let name = place.stream.name.clone();
        let made = context.create_or_update_stream(place.stream.clone()).await;
        made.map_err(|error| format!("JetStream stream {name}: {error}"))?;
        let config = pull::Config {
            durable_name: Some(durable.to_owned()),
            deliver_policy: DeliverPolicy::New,
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            ..pull::Config::default()
        };
        let consumer = context.create_consumer_on_stream(config, &name).await;
        let consumer = consumer.map_err(|error| format!("JetStream consumer {durable}: {error}"))?;
        Ok(Self { context, name, consumer, client })
    }

    /// Whether there is a connection just now.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        matches!(self.client.connection_state(), async_nats::connection::State::Connected)
    }

    /// Publishes a message on the subject of a source and an event; when this returns the server has it. Two with the
    /// same id within the window of `duplicates` are one.
    ///
    /// # Errors
    /// A sentence for people; whether the server has the message is not known then.
    pub async fn publish(&self, source: &str, event: &str, id: &str, payload: Vec<u8>) -> Result<(), String> {
        let subject = format!("{}.{}.{}", self.name, token(source), token(event));
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Msg-Id", id);
        let sent = self.context.publish_with_headers(subject, headers, payload.into()).await;
        let sent = sent.map_err(|error| format!("JetStream: {error}"))?;
        sent.await.map(drop).map_err(|error| format!("JetStream: {error}"))
    }

    /// Consumes until the connection ends.
    ///
    /// # Errors
    /// Why it ended.
    pub async fn consume(&self, take: &impl Take) -> Result<(), String> {
        let failed = |error: &dyn std::fmt::Display| format!("JetStream: {error}");
        let messages = self.consumer.messages().await.map_err(|error| failed(&error))?;
        let mut batches = Box::pin(messages.ready_chunks(BATCH));
        while let Some(batch) = batches.next().await {
            let batch: Result<Vec<_>, _> = batch.into_iter().collect();
            let batch = batch.map_err(|error| failed(&error))?;
            // together, so that what they change shares commits
            let taken = batch.iter().map(|message| take.take(&message.subject, &message.payload));
            let taken = futures_util::future::join_all(taken).await;
            for (message, took) in batch.iter().zip(taken) {
                let kind = match took {
                    Took::Done => AckKind::Ack,
                    Took::Again => AckKind::Nak(Some(GIVEN_BACK)),
                    Took::Never => AckKind::Term,
                };
                message.ack_with(kind).await.map_err(|error| failed(&error))?;
            }
        }
        Ok(())
    }
}

/// A name as one part of a subject.
fn token(name: &str) -> String {
    name.replace(|c: char| c.is_whitespace() || matches!(c, '.' | '*' | '>'), "_")
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_stream_is_as_its_settings_say() {
        let text = "maxMsgs: 50000\nmaxAge: 168h\nmaxBytes: \"-1\"\nreplicas: 3\nduplicates: 300s\nretention: 1\ndiscard: 1\n";
        let made = config("default", text, Some(3)).unwrap();
        assert_eq!((made.max_messages, made.max_bytes, made.num_replicas), (50_000, -1, 3));
        assert_eq!((made.max_age.as_secs(), made.duplicate_window.as_secs()), (604_800, 300));
        assert_eq!((made.retention, made.discard), (RetentionPolicy::Interest, DiscardPolicy::New));
        assert_eq!(made.subjects, ["default.*.*"]);
        assert_eq!(config("default", "", None).unwrap().num_replicas, 1);
        assert_eq!(config("default", "", Some(5)).unwrap().num_replicas, 3);
        assert_eq!(config("default", "replicas: 3", None).unwrap().num_replicas, 3);
        assert!(config("default", "maxAge: soon", None).is_err());
        assert!(config("default", "maxMsgs: many", None).is_err());
    }

    #[test]
    fn access_secrets_are_tokens_or_yaml() {
        assert!(matches!(login("abc\n"), Login::Token(token) if token == "abc"));
        assert!(matches!(login("token: abc"), Login::Token(token) if token == "abc"));
        assert!(
            matches!(login("username: u\npassword: p"), Login::Basic(u, p) if (u.as_str(), p.as_str()) == ("u", "p"))
        );
    }

    #[test]
    fn names_are_one_part_of_a_subject() {
        assert_eq!(token("a.b *>c"), "a_b___c");
    }
}
