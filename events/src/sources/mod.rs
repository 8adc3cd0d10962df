//! Event sources that go and look, instead of being called: the clock, files, brokers of messages and APIs of
//! Kubernetes. Each publishes what it sees on the bus; what has a name (a tick, a change of a file, an entry of a stream) is one event however many
//! processes see it.
//! Receives no HTTP: `ingress` does.

mod broker;
mod calendar;
mod file;
mod resource;

use runner_runners::Objects;
use runner_sensors::kinds::{SourceConfig, SourceEvent};
use runner_sensors::spec::EventSource;
use runner_store::Store;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::bus::{Bus, NewEvent};

pub use broker::JETSTREAM;

/// Types that are built in; the others load, validate and say that they are not.
pub const BUILT_IN: [&str; 19] = [
    "amqp",
    "bitbucket",
    "bitbucketserver",
    "calendar",
    "file",
    "gerrit",
    "github",
    "gitlab",
    "kafka",
    "mqtt",
    "nats",
    "redis",
    "redisStream",
    "resource",
    "slack",
    "sns",
    "storageGrid",
    "stripe",
    "webhook",
];

/// Where an event comes from.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub(crate) namespace: String,
    pub(crate) source: String,
    pub(crate) name: String,
    pub(crate) kind: &'static str,
    pub(crate) filter: Option<String>,
}

impl Origin {
    /// The event, unless the source's filter drops it.
    pub(crate) fn event(&self, data: Value, key: Option<String>) -> Option<NewEvent> {
        if let Some(expression) = &self.filter {
            match runner_sensors::source_filter::keeps(expression, &data) {
                Ok(true) => {}
                Ok(false) => return None,
                Err(why) => {
                    tracing::warn!(
                        source = self.source,
                        event = self.name,
                        why,
                        "the filter of the source failed"
                    );
                    return None;
                }
            }
        }
        Some(NewEvent {
            namespace: self.namespace.clone(),
            source: self.source.clone(),
            name: self.name.clone(),
            kind: self.kind.to_owned(),
            data,
            key,
            ..NewEvent::default()
        })
    }
}

/// Starts the source of an event in the background, if it is one that goes and looks. Dropping the set stops it.
///
/// # Errors
/// A sentence for people: its settings cannot be used, or its type is not built in.
pub fn start(
    running: &mut JoinSet<()>,
    bus: &Bus,
    news: &std::sync::Arc<tokio::sync::Notify>,
    namespace: &str,
    source: &EventSource,
    event: &SourceEvent<'_>,
    objects: &std::sync::Arc<dyn Objects>,
) -> Result<(), String> {
    let origin = Origin {
        namespace: namespace.to_owned(),
        source: source.metadata.name.clone(),
        name: event.name.to_owned(),
        kind: event.kind.event_type(),
        filter: event.expression().map(str::to_owned),
    };
    let (bus, news) = (bus.clone(), std::sync::Arc::clone(news));
    match event.config {
        SourceConfig::Calendar(calendar) => {
            let calendar = calendar::Calendar::new(calendar, origin)?;
            running.spawn(calendar.run(bus, news));
            Ok(())
        }
        SourceConfig::File(file) => {
            let file = file::Watch::new(file, origin)?;
            running.spawn(file.run(bus, news));
            Ok(())
        }
        SourceConfig::Resource(resource) => {
            let resource = resource::Resource::new(resource, source, origin, objects)?;
            running.spawn(resource.run(bus, news));
            Ok(())
        }
        _ => {
            let annotations = &source.metadata.annotations;
            let jetstream = annotations.get(&format!("{JETSTREAM}.{}", event.name));
            let jetstream = jetstream.or_else(|| annotations.get(JETSTREAM)).map(String::as_str);
            if let Some(consumer) = broker::consumer(event, &origin, jetstream, objects)? {
                running.spawn(broker::run(consumer, origin, bus, news));
                return Ok(());
            }
            if BUILT_IN.contains(&event.kind.field()) {
                return Ok(());
            }
            Err(format!(
                "sources of type {} are not built in: nothing is consumed. Events can be sent by hand: runner events send",
                event.kind.field()
            ))
        }
    }
}

/// Starts the clock of a trigger of a configuration file.
///
/// # Errors
/// A sentence for people: the schedule cannot be read.
pub(crate) fn tick(
    running: &mut JoinSet<()>,
    bus: &Bus,
    news: &std::sync::Arc<tokio::sync::Notify>,
    namespace: &str,
    name: &str,
    schedule: &str,
) -> Result<(), String> {
    let origin = Origin {
        namespace: namespace.to_owned(),
        source: crate::devctl::SCHEDULER.to_owned(),
        name: name.to_owned(),
        kind: crate::ingress::webhooks::KIND,
        filter: None,
    };
    let settings = runner_sensors::spec::CalendarEventSource {
        schedule: schedule.to_owned(),
        ..runner_sensors::spec::CalendarEventSource::default()
    };
    running.spawn(calendar::Calendar::new(&settings, origin)?.run(bus.clone(), std::sync::Arc::clone(news)));
    Ok(())
}

/// Publishes, again and again until it is durable. Answers whether nothing was published because another event, with other
/// content, has its key.
pub(crate) async fn publish(bus: &Bus, news: &tokio::sync::Notify, event: NewEvent) -> bool {
    loop {
        match bus.publish(event.clone()).await {
            Ok(receipt) => {
                news.notify_one();
                return receipt.conflict;
            }
            Err(error) => {
                tracing::warn!(source = event.source, %error, "an event could not be kept; trying again");
                tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            }
        }
    }
}

/// The store of a bus, for what a source remembers.
pub(crate) fn store(bus: &Bus) -> &dyn Store {
    bus.store().as_ref()
}
