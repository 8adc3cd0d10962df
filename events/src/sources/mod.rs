//! Event sources that go and look, instead of being called: the clock and files. Each publishes what it sees on the bus;
//! two processes that see the same thing publish it once.
//! Receives no HTTP: `ingress` does.

mod calendar;
mod file;

use runner_sensors::kinds::{SourceConfig, SourceEvent};
use runner_store::Store;
use serde_json::Value;
use tokio::task::JoinSet;

use crate::bus::{Bus, NewEvent};

/// Types that are built in; the others load, validate and say that they are not.
pub const BUILT_IN: [&str; 12] = [
    "bitbucket",
    "bitbucketserver",
    "calendar",
    "file",
    "gerrit",
    "github",
    "gitlab",
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
    source: &str,
    event: &SourceEvent<'_>,
) -> Result<(), String> {
    let origin = Origin {
        namespace: namespace.to_owned(),
        source: source.to_owned(),
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
        _ if BUILT_IN.contains(&event.kind.field()) => Ok(()),
        _ => Err(format!(
            "sources of type {} are not built in: nothing is consumed. Events can be sent by hand: runner events send",
            event.kind.field()
        )),
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

/// Publishes, again and again until it is durable.
pub(crate) async fn publish(bus: &Bus, news: &tokio::sync::Notify, event: NewEvent) {
    loop {
        match bus.publish(event.clone()).await {
            Ok(_) => return news.notify_one(),
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
