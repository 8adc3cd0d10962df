//! The event daemon: event sources of the store in effect, the server, the sensors, and forgetting what is old.
//! Knows no command line; a daemon that runs is [`Daemon::run`].

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;

use jiff::SignedDuration;
use runner_controller::{Clock, Controller, Ids, IsDead};
use runner_runners::typed::HttpPolicy;
use runner_runners::{Cluster, Objects};
use runner_sensors::machine::Gate;
use runner_sensors::spec::EventSource;
use runner_store::{Catalog, Inbox, Manifest};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::bus::{Bus, RETENTION_DAYS, Routes};
use crate::carriers::{self, Carriers};
use crate::devctl::Rules;
use crate::hooks::{Hooks, Pace};
use crate::ingress::endpoint::{Endpoint, VERIFY, endpoint, receives};
use crate::ingress::handle::Shared;
use crate::ingress::limits::{Allowed, Limits};
use crate::ingress::server::Server;
use crate::ingress::sns::{Confirmations, Fetch};
use crate::ingress::table::Table;
use crate::ingress::webhooks::{Hook, Webhooks};
use crate::sensors::{Options, Sensors};
use crate::sources;
use crate::triggers::Hands;

/// Kind of the manifests of event sources.
pub const KIND: &str = "EventSource";
/// How often changes of manifests are looked for.
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(500);
/// How often renewed secrets and certificates are looked for.
const RENEW_EVERY: std::time::Duration = std::time::Duration::from_secs(2);
/// How often old events are forgotten, and how many at once.
const FORGET_EVERY: std::time::Duration = std::time::Duration::from_secs(60);
const FORGET_AT_ONCE: usize = 500;

/// How a daemon behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Main address; its host is that of the ports of event sources too.
    pub listen: SocketAddr,
    /// How sensors are driven.
    pub sensors: Options,
    /// Days for which events are kept.
    pub retention_days: i64,
    /// Sources of `POST /webhooks/SOURCE`.
    pub hooks: Vec<Hook>,
    /// Those of them that need no secret although the daemon is reached from other machines.
    pub open_hooks: Vec<String>,
    /// What senders may ask for.
    pub allowed: Allowed,
    /// Triggers of a configuration file.
    pub rules: Option<Arc<Rules>>,
    /// Workflows are only recorded, for an engine in another process.
    pub detached: bool,
    /// Where the kubeconfig of this process is, for triggers on objects of a cluster.
    pub cluster: Cluster,
    /// What `http` triggers may reach.
    pub http: HttpPolicy,
    /// How often webhooks at providers are looked at.
    pub webhook_pace: Pace,
    /// Where Slack's API is, when it is not Slack's own.
    pub slack_api: Option<String>,
    /// Name in leases, when it is not that of the process (tests with several daemons in one).
    pub owner: Option<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 2748)),
            sensors: Options::default(),
            retention_days: RETENTION_DAYS,
            hooks: Vec::new(),
            open_hooks: Vec::new(),
            allowed: Allowed::default(),
            rules: None,
            detached: false,
            cluster: Cluster::default(),
            http: HttpPolicy::default(),
            webhook_pace: Pace::default(),
            slack_api: None,
            owner: None,
        }
    }
}

/// What a daemon works with.
#[derive(Clone)]
pub struct Parts {
    /// Runs workflows.
    pub controller: Controller,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Ids of events.
    pub ids: Arc<dyn Ids>,
    /// ConfigMaps and Secrets.
    pub objects: Arc<dyn Objects>,
    /// How certificates of SNS are fetched.
    pub fetch: Arc<dyn Fetch>,
    /// Proof that the owner of a lease is dead.
    pub is_dead: IsDead,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// A daemon.
#[derive(Debug)]
pub struct Daemon {
    bus: Bus,
    parts: Parts,
    settings: Settings,
    server: Server,
    hands: Hands,
    news: Arc<Notify>,
    versions: BTreeMap<String, u64>,
    sources: JoinSet<()>,
    carriers: Carriers,
    carrying: carriers::Running,
    /// Webhooks at providers.
    hooks: Hooks,
    manifests: Vec<Manifest>,
    /// What is wrong with endpoints, as it was said last.
    closed: Vec<String>,
}

impl Daemon {
    /// Opens the main address and puts the event sources of the store into effect. Answers the daemon and what is wrong
    /// with event sources, one sentence each; those are not in effect.
    ///
    /// # Errors
    /// A sentence for people: the address, TLS, or the store.
    pub async fn start(parts: Parts, settings: Settings) -> Result<(Self, Vec<String>), String> {
        let store = Arc::clone(parts.controller.store());
        let owner = settings.owner.clone().unwrap_or_else(runner_controller::this_process);
        let bus = Bus::new(store, Arc::clone(&parts.clock), Arc::clone(&parts.ids));
        let bus = bus.named(owner, Arc::clone(&parts.is_dead));
        let news = Arc::new(Notify::new());
        let (controller, objects) = (parts.controller.clone(), Arc::clone(&parts.objects));
        let mut hands = Hands::new(controller, bus.clone(), objects, settings.detached, settings.http)?;
        hands.cluster = settings.cluster.clone();
        if let Some(api) = &settings.slack_api {
            hands.slack_api.clone_from(api);
        }
        let webhooks = Webhooks::default();
        let mut hooks = settings.hooks.clone();
        let closed = close(&mut hooks, &settings);
        webhooks.set(hooks);
        let sns = Confirmations::new(Arc::clone(&parts.fetch));
        let limits = Arc::new(Limits::new(settings.allowed));
        let (bus_, news_) = (bus.clone(), Arc::clone(&news));
        let shared = Arc::new(Shared { bus: bus_, news: news_, sns, webhooks, limits });
        let server = Server::start(settings.listen, shared).await;
        let server = server.map_err(|error| format!("cannot listen on {}: {error}", settings.listen))?;
        let (versions, sources) = (BTreeMap::new(), JoinSet::new());
        let (carriers, carrying) = (Carriers::default(), carriers::Running::default());
        let (objects, clock) = (Arc::clone(&parts.objects), Arc::clone(&parts.clock));
        let gated = settings.sensors.gate == Gate::Closed;
        let hooks = Hooks::new(settings.webhook_pace.clone(), objects, clock, gated);
        let mut daemon = Self {
            bus,
            parts,
            settings,
            server,
            hands,
            news,
            versions,
            sources,
            carriers,
            carrying,
            hooks,
            manifests: Vec::new(),
            closed: Vec::new(),
        };
        let mut problems = daemon.refresh().await.map_err(|error| error.to_string())?;
        problems.extend(closed);
        Ok((daemon, problems))
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Its bus.
    #[must_use]
    pub fn bus(&self) -> &Bus {
        &self.bus
    }

    /// Runs until `stop`. Nothing that was acknowledged is lost then or at any other moment.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let (ended, mut end) = tokio::sync::watch::channel(false);
        let sensors = Sensors::new(
            self.bus.clone(),
            Arc::clone(&self.parts.clock),
            self.hands.clone(),
            Arc::clone(&self.news),
            self.settings.sensors,
        )
        .with_rules(self.settings.rules.clone())
        .with_carriers(self.carriers.clone());
        let driver = tokio::spawn(sensors.run(async move {
            // an error is the end of the daemon as well
            drop(end.wait_for(|ended| *ended).await);
        }));
        let mut stop = std::pin::pin!(stop);
        let mut seen = None;
        let mut forgotten = tokio::time::Instant::now();
        let mut renewed = forgotten;
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let changes = Inbox::changes(self.bus.store().as_ref()).await.ok();
            if changes != seen {
                seen = changes;
                match self.refresh().await {
                    Ok(problems) => {
                        problems.iter().for_each(|problem| tracing::warn!(problem, "event source"))
                    }
                    Err(error) => tracing::warn!(%error, "event sources could not be read"),
                }
            }
            if renewed.elapsed() >= RENEW_EVERY {
                renewed = tokio::time::Instant::now();
                self.renew().await;
            }
            if forgotten.elapsed() >= FORGET_EVERY {
                forgotten = tokio::time::Instant::now();
                self.forget().await;
            }
        }
        self.hooks.finish().await;
        drop(self.server);
        drop(self.carrying);
        self.sources.abort_all();
        ended.send_replace(true);
        if let Err(error) = driver.await {
            tracing::error!(%error, "the driver of sensors ended badly");
        }
    }

    async fn forget(&self) {
        let days = SignedDuration::from_hours(24 * self.settings.retention_days.max(1));
        let before = self.bus.now().checked_sub(days).unwrap_or(jiff::Timestamp::MIN);
        if let Err(error) = self.bus.forget(before, FORGET_AT_ONCE).await {
            tracing::warn!(%error, "old events could not be forgotten");
        }
    }

    /// Puts the event sources of the store into effect, if they changed. What is wrong with them, one sentence each.
    async fn refresh(&mut self) -> Result<Vec<String>, runner_store::Error> {
        let manifests = Catalog::list_manifests(self.bus.store().as_ref(), KIND, None).await?;
        let buses = Catalog::list_manifests(self.bus.store().as_ref(), carriers::KIND, None).await?;
        let version =
            |one: &Manifest| (format!("{} {}/{}", one.kind, one.namespace, one.name), one.generation);
        let versions: BTreeMap<String, u64> = manifests.iter().chain(&buses).map(version).collect();
        if versions == self.versions && !self.versions.is_empty() {
            return Ok(Vec::new());
        }
        self.versions = versions;
        let (bus, news, objects) = (&self.bus, &self.news, &self.parts.objects);
        let (carry, mut problems) = self.carriers.apply(&mut self.carrying, &buses, bus, news, objects).await;
        self.bus.set_routes(routes(&manifests, &carry));
        let mut sources = JoinSet::new();
        for manifest in &manifests {
            self.watch(manifest, &mut sources, &mut problems);
        }
        if let Some(rules) = &self.settings.rules {
            for trigger in rules.scheduled() {
                let (bus, news) = (&self.bus, &self.news);
                let started = sources::tick(
                    &mut sources,
                    bus,
                    news,
                    &rules.namespace,
                    &trigger.name,
                    &trigger.schedule,
                );
                problems.extend(started.err().map(|why| format!("trigger {}: {why}", trigger.name)));
            }
        }
        // the old ones are aborted with the set
        self.sources = sources;
        self.manifests = manifests;
        self.closed = self.receive().await;
        problems.extend(self.closed.iter().cloned());
        Ok(problems)
    }

    /// Opens what receives requests, with the secrets and certificates as they are now, and keeps its webhooks at the
    /// providers. What is wrong, one sentence each.
    async fn receive(&mut self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut endpoints = Vec::new();
        for manifest in &self.manifests {
            self.open(manifest, &mut endpoints, &mut problems);
        }
        let name = |one: &Endpoint| (one.namespace.clone(), one.source.clone(), one.name.clone());
        let listening: BTreeSet<_> = endpoints.iter().map(name).collect();
        let table = match Table::new(endpoints.clone()) {
            Ok(table) => table,
            Err(collisions) => {
                problems.extend(collisions.iter().map(ToString::to_string));
                let canonical = endpoints.into_iter().map(|one| Endpoint { port: None, ..one });
                Table::new(canonical.collect()).unwrap_or_default()
            }
        };
        for (port, why) in self.server.apply(table).await {
            problems.push(format!("port {port} cannot be listened on: {why}"));
        }
        problems.extend(self.hooks.apply(&self.manifests, &listening));
        problems
    }

    /// Looks whether secrets or certificates were renewed, and says what is wrong since.
    async fn renew(&mut self) {
        let problems = self.receive().await;
        for problem in problems.iter().filter(|problem| !self.closed.contains(problem)) {
            tracing::warn!(problem, "event source");
        }
        self.closed = problems;
    }

    fn open(&self, manifest: &Manifest, endpoints: &mut Vec<Endpoint>, problems: &mut Vec<String>) {
        let name = format!("EventSource {}/{}", manifest.namespace, manifest.name);
        // what cannot be read was said when it was stored
        let Ok(source) = serde_json::from_slice::<EventSource>(&manifest.body) else { return };
        for event in source.spec.events() {
            match endpoint(&source, &event, &manifest.namespace, self.parts.objects.as_ref()) {
                Ok(Some(endpoint)) => {
                    let loopback = self.server.address().ip().is_loopback();
                    let chosen = source.metadata.annotations.keys().any(|name| name.starts_with(VERIFY));
                    if endpoint.is_open() && !loopback && !chosen {
                        problems.push(format!(
                            "{name}, event {}: it has no secret, and the daemon is reached from other machines: anybody \
                             could send, so it is not opened. Give it a secret, or say that you want that by the \
                             annotation {VERIFY}: none",
                            event.name
                        ));
                        continue;
                    }
                    endpoints.push(endpoint);
                }
                Ok(None) => {}
                Err(unusable) => problems.push(unusable.to_string()),
            }
        }
    }

    /// Starts what goes and looks by itself.
    fn watch(&self, manifest: &Manifest, sources: &mut JoinSet<()>, problems: &mut Vec<String>) {
        let name = format!("EventSource {}/{}", manifest.namespace, manifest.name);
        let source: EventSource = match serde_json::from_slice(&manifest.body) {
            Ok(source) => source,
            Err(error) => return problems.push(format!("{name}: {error}")),
        };
        for event in source.spec.events().into_iter().filter(|event| !receives(event)) {
            let (bus, news, objects) = (&self.bus, &self.news, &self.parts.objects);
            let started = sources::start(sources, bus, news, &manifest.namespace, &source, &event, objects);
            if let Err(why) = started {
                problems.push(format!("{name}, event {}: {why}", event.name));
            }
        }
    }
}

/// Closes the sources of `POST /webhooks/SOURCE` to which anybody could send from other machines (V21). What to tell the
/// person who starts the daemon.
fn close(hooks: &mut [Hook], settings: &Settings) -> Vec<String> {
    if settings.listen.ip().is_loopback() {
        return Vec::new();
    }
    let mut out = Vec::new();
    for hook in hooks {
        if !hook.is_open() || settings.open_hooks.contains(&hook.source) {
            continue;
        }
        let name = &hook.source;
        hook.closed = Some(format!("{name} is closed: it has no secret"));
        out.push(format!(
            "/webhooks/{name} has no secret, and the daemon is reached from other machines: anybody could send, so it is \
             closed. Give it a secret (DEVCTL_{}_WEBHOOK_SECRET), or say that you want that in config.toml: \
             [events] open_webhooks = [\"{name}\"]",
            name.to_uppercase()
        ));
    }
    out
}

/// Which event sources use which of the EventBuses that carry events.
fn routes(sources: &[Manifest], carry: &[String]) -> Routes {
    let all = sources.iter().filter_map(|manifest| {
        let source: EventSource = serde_json::from_slice(&manifest.body).ok()?;
        let name = match source.spec.event_bus_name.as_str() {
            "" => carriers::DEFAULT,
            name => name,
        };
        let carrier = format!("{}/{name}", manifest.namespace);
        let source = format!("{}/{}", manifest.namespace, manifest.name);
        carry.contains(&carrier).then_some((source, carrier))
    });
    all.collect()
}
