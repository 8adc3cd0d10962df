//! The `events` section of `devctl.yaml`, or a file with its contents.
//! Does not judge the settings: `rules` does.

use std::collections::BTreeMap;

use runner_workflows::diagnostic::Diagnostic;
use runner_workflows::expr::Value;
use runner_workflows::parse::{Document, Limits, Origin, from_node, parse_trees};
use runner_workflows::spec::AnyString;
use serde::Deserialize;

/// Everything about events.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Whether the daemon does anything.
    pub enabled: bool,
    /// Events are recorded and routed, and workflows are started as a dry run.
    pub dry_run: bool,
    /// Where it listens.
    pub server: Server,
    /// Where events are kept.
    pub store: Store,
    /// Deliveries that are the same.
    pub deduplication: Deduplication,
    /// Where events come from.
    pub sources: Sources,
    /// What to do.
    pub triggers: Vec<Trigger>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            dry_run: false,
            server: Server::default(),
            store: Store::default(),
            deduplication: Deduplication::default(),
            sources: Sources::default(),
            triggers: Vec::new(),
        }
    }
}

/// Where the daemon listens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Server {
    /// Address; this machine alone when the file names none.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Requests handled at once; no effect here, the engine decides.
    pub workers: u32,
}

impl Default for Server {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: 8080, workers: 4 }
    }
}

/// Where events are kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Store {
    /// `sqlite` or `postgresql`.
    pub r#type: String,
    /// File of `sqlite`; `~` is the home directory.
    pub path: String,
    /// URL of `postgresql`.
    pub url: String,
    /// Days that events are kept.
    pub retention_days: u32,
}

impl Default for Store {
    fn default() -> Self {
        Self { r#type: "sqlite".to_owned(), path: String::new(), url: String::new(), retention_days: 30 }
    }
}

/// When a delivery is a duplicate.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Deduplication {
    /// Whether duplicates are dropped.
    pub enabled: bool,
    /// Within so many seconds.
    pub window_seconds: u32,
}

impl Default for Deduplication {
    fn default() -> Self {
        Self { enabled: true, window_seconds: 300 }
    }
}

/// Where events come from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Sources {
    /// CloudWatch alarms through SNS.
    pub cloudwatch: Cloudwatch,
    /// Alerts of Grafana.
    pub grafana: Source,
    /// Webhooks of GitHub.
    pub github: Github,
    /// Webhooks of PagerDuty.
    pub pagerduty: PagerDuty,
    /// Schedules.
    pub scheduler: Source,
}

/// A source without settings of its own.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Source {
    /// Whether it is listened to.
    pub enabled: bool,
}

/// CloudWatch through SNS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Cloudwatch {
    /// Whether it is listened to.
    pub enabled: bool,
    /// The only topic that is believed.
    pub sns_topic_arn: String,
}

/// GitHub.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Github {
    /// Whether it is listened to.
    pub enabled: bool,
    /// The secret, or `from_env`: then it is in `DEVCTL_GITHUB_WEBHOOK_SECRET`.
    pub webhook_secret: String,
}

/// PagerDuty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PagerDuty {
    /// Whether it is listened to.
    pub enabled: bool,
    /// The secret, or `from_env`: then it is in `DEVCTL_PAGERDUTY_WEBHOOK_SECRET`.
    pub webhook_secret: String,
}

/// What to do with which events.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Trigger {
    /// Name.
    pub name: String,
    /// Source of the events.
    pub source: String,
    /// Type of the events; any when empty.
    pub event_type: String,
    /// What must hold, all of it.
    pub conditions: BTreeMap<String, Value>,
    /// File of the workflow.
    pub workflow: String,
    /// Parameters of the workflow, as templates.
    pub variables: BTreeMap<String, AnyString>,
    /// Five fields of cron, with source `scheduler`.
    pub schedule: String,
}

/// Reads a file: `devctl.yaml` with a section `events`, or a file that is that section.
///
/// The value is none when there are errors.
#[must_use]
pub fn read(name: &str, text: &str) -> (Option<Document<Config>>, Vec<Diagnostic>) {
    let (origins, mut problems) = parse_trees(name, text, Limits::default());
    let Some(origin) = origins.into_iter().next() else {
        if problems.is_empty() {
            problems.push(
                Diagnostic::error("empty-file", format!("{name} is empty"))
                    .hint("it needs `events:` or `triggers:`"),
            );
        }
        return (None, problems);
    };
    let section = origin.root().get("events").filter(|node| node.entries().is_some()).cloned();
    let origin = section.map_or_else(|| origin.clone(), |node| Origin::new(origin.source().clone(), node));
    let (object, more) = from_node(origin.source(), origin.root());
    problems.extend(more);
    (object.map(|object| Document { object, origin }), problems)
}
