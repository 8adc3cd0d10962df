//! DOES: drives the sensor machine over the bus. Takes events, lets every sensor judge them, performs what fired.
//! Decides nothing: `runner_sensors::machine` does.
//!
//! A sensor is the stream `sensor/<namespace>/<name>`, leased by the one process that drives it. An event is settled
//! only after the facts of every sensor are durable; taken again after a crash, a sensor knows it by its id.

mod error;
pub mod explain;
mod judge;
mod known;
mod lead;
mod modes;
mod perform;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use runner_controller::Clock;
use runner_sensors::machine::{Compat, Gate, Input, next_wakeup};
use runner_sensors::spec::Sensor;
use runner_store::{Catalog, Changes, Inbox, Journal, Lease, Manifest, Store};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::bus::Bus;
use crate::carriers::Carriers;
use crate::devctl::Rules;
use crate::triggers::Hands;

pub use error::{Error, Result};
pub use judge::why;
use known::Known;
pub use known::load;
pub use modes::{MODE_KIND, SetMode, mode_name};
use perform::Performed;

/// Kind of the manifests.
pub const KIND: &str = "Sensor";
/// How often other processes' changes are looked for.
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(250);
/// After something failed.
const TRY_AGAIN: SignedDuration = SignedDuration::from_secs(1);
/// Life of the lease on a sensor; renewed after a third of it.
const TTL: std::time::Duration = std::time::Duration::from_secs(15);
/// Events that are judged together: their facts share commits.
const BATCH: usize = 64;
/// Notes that may be on their way into the store while events are judged.
const BESIDE: usize = 512;
/// Firings performed at the same time.
const HANDS: usize = 64;

/// How sensors are driven.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Whether firings are performed (`[fuses] cicd`).
    pub gate: Gate,
    /// Reading of upstream's defects.
    pub compat: Compat,
}

/// Drives the sensors of a store. Several processes may: each sensor is driven by one of them.
pub struct Sensors {
    bus: Bus,
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    hands: Hands,
    news: Arc<Notify>,
    owner: String,
    options: Options,
    /// That this process drives the sensors, and no other.
    lead: Option<Lease>,
    /// Another process does, and that was said.
    stands_by: bool,
    known: BTreeMap<String, Known>,
    /// All sensors that there are. One that is not known now has to be waited for.
    wanted: BTreeMap<String, Sensor>,
    performing: JoinSet<Performed>,
    /// Notes on their way into the store.
    beside: JoinSet<()>,
    busy: BTreeSet<String>,
    renewed: Timestamp,
    modes: BTreeMap<String, SetMode>,
    rules: Option<Arc<Rules>>,
    carriers: Carriers,
}

impl std::fmt::Debug for Sensors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sensors")
            .field("owner", &self.owner)
            .field("known", &self.known.len())
            .finish_non_exhaustive()
    }
}

impl Sensors {
    /// A driver. `news` is said whenever this process publishes an event.
    #[must_use]
    pub fn new(bus: Bus, clock: Arc<dyn Clock>, hands: Hands, news: Arc<Notify>, options: Options) -> Self {
        Self {
            store: Arc::clone(bus.store()),
            owner: bus.owner().to_owned(),
            bus,
            renewed: clock.now(),
            clock,
            hands,
            news,
            options,
            lead: None,
            stands_by: false,
            known: BTreeMap::new(),
            wanted: BTreeMap::new(),
            performing: JoinSet::new(),
            beside: JoinSet::new(),
            busy: BTreeSet::new(),
            modes: BTreeMap::new(),
            rules: None,
            carriers: Carriers::default(),
        }
    }

    /// With EventBuses by which events travel before they are judged.
    #[must_use]
    pub fn with_carriers(self, carriers: Carriers) -> Self {
        Self { carriers, ..self }
    }

    /// With the triggers of a configuration file besides the sensors.
    #[must_use]
    pub fn with_rules(self, rules: Option<Arc<Rules>>) -> Self {
        Self { rules, ..self }
    }

    /// Drives until `stop`. What fails is tried again.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let (mut seen, mut refreshed): (Option<Changes>, _) = (None, Timestamp::MIN);
        loop {
            let now = self.clock.now();
            let changes = Inbox::changes(self.store.as_ref()).await.ok();
            // a manifest counts for the very next event; what else other processes do may wait a little
            let manifests = |changes: Option<Changes>| changes.map(|changes| changes.manifests);
            let moved = manifests(changes).is_none() || manifests(seen) != manifests(changes);
            let is_late = later(refreshed, LOOK_EVERY) <= now || now < refreshed;
            let refresh = moved || (seen != changes && is_late);
            let looked = self.round(refresh).await;
            if refresh {
                (seen, refreshed) = (changes, now);
            }
            let (next, more) = match looked {
                Ok(round) => round,
                Err(error) => {
                    tracing::warn!(%error, "sensors could not be driven");
                    seen = None;
                    (later(now, TRY_AGAIN), false)
                }
            };
            if more {
                continue;
            }
            let until = next.min(later(self.clock.now(), LOOK_EVERY));
            let news = Arc::clone(&self.news);
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(done) = self.performing.join_next() => {
                    let over = self.over(done);
                    self.note(over).await;
                }
                () = news.notified() => {}
                () = self.clock.sleep_until(until) => {}
            }
        }
        self.leave().await;
    }

    /// One look at everything: manifests, events, firings. Answers when something is due next, and whether more events
    /// wait already.
    async fn round(&mut self, changed: bool) -> Result<(Timestamp, bool)> {
        let now = self.clock.now();
        self.renew(now).await?;
        let leads = self.lead.is_some();
        if !leads && !self.takes_the_lead(now).await? {
            return Ok((later(now, LOOK_EVERY), false));
        }
        if changed || !leads {
            self.refresh().await?;
        }
        let taken = self.bus.take(BATCH).await?;
        let more = taken.len() >= BATCH;
        let taken = self.carriers.pass(&self.bus, taken);
        if !taken.is_empty() {
            self.judge(taken).await?;
        }
        if let Some(done) = self.performing.try_join_next() {
            let over = self.over(done);
            self.note(over).await;
        }
        let mut next = Timestamp::MAX;
        for name in self.known.keys().cloned().collect::<Vec<_>>() {
            let found = match self.care(&name).await {
                Ok(found) => found,
                Err(error) => {
                    tracing::warn!(sensor = name, %error, "sensor dropped; it is taken up again");
                    self.known.remove(&name);
                    Some(later(now, TRY_AGAIN))
                }
            };
            next = next.min(found.unwrap_or(Timestamp::MAX));
        }
        Ok((next, more))
    }

    /// Whether this process drives the sensors from now on.
    async fn takes_the_lead(&mut self, now: Timestamp) -> Result<bool> {
        let dead = self.bus.dead_owners().await?;
        self.lead = lead::lead(self.store.as_ref(), &self.owner, now, dead).await?;
        let leads = self.lead.is_some();
        if leads {
            self.bus.stay();
        }
        if leads && std::mem::take(&mut self.stands_by) {
            tracing::warn!("this process drives the sensors now");
        } else if !leads && !std::mem::replace(&mut self.stands_by, true) {
            tracing::warn!(
                "another process drives the sensors of this store; this one keeps events and stands by"
            );
        }
        Ok(leads)
    }

    /// What one sensor needs now.
    async fn care(&mut self, name: &str) -> Result<Option<Timestamp>> {
        let now = self.clock.now();
        if let Some(known) = self.known.get_mut(name) {
            known.turn(self.store.as_ref(), vec![Input::Tick], now).await?;
        }
        self.start(name, now).await?;
        Ok(self.known.get(name).and_then(|known| next_wakeup(&known.status, now)))
    }

    /// Reads the manifests: new sensors are taken up, changed ones are told, deleted ones are let go.
    async fn refresh(&mut self) -> Result<()> {
        self.modes = modes::all(self.store.as_ref()).await?;
        let manifests = Catalog::list_manifests(self.store.as_ref(), KIND, None).await?;
        let wanted: BTreeSet<String> = manifests.iter().map(key).collect();
        let gone: Vec<String> = self.known.keys().filter(|name| !wanted.contains(*name)).cloned().collect();
        for name in gone {
            if let Some(known) = self.known.remove(&name) {
                Journal::release(self.store.as_ref(), &[known.lease]).await?;
            }
        }
        self.wanted.clear();
        for manifest in &manifests {
            if let Ok(sensor) = serde_json::from_slice::<Sensor>(&manifest.body) {
                self.wanted.insert(key(manifest), sensor);
            }
            if let Err(error) = self.apply(manifest).await {
                tracing::warn!(sensor = key(manifest), %error, "not driven");
            }
        }
        self.set_modes().await
    }

    /// Tells the sensors what people want of their triggers, before they see another event.
    async fn set_modes(&mut self) -> Result<()> {
        let now = self.clock.now();
        let names: Vec<String> = self.known.keys().cloned().collect();
        for name in &names {
            let Some(known) = self.known.get_mut(name) else { continue };
            let set = self.modes.values().filter(|mode| mode.sensor == *name);
            let inputs = set.map(|mode| Input::SetMode {
                trigger: mode.trigger.clone(),
                mode: mode.mode,
                by: mode.by.clone(),
            });
            if let Err(error) = known.turn(self.store.as_ref(), inputs.collect(), now).await {
                self.known.remove(name);
                return Err(error);
            }
        }
        Ok(())
    }

    async fn apply(&mut self, manifest: &Manifest) -> Result<()> {
        let name = key(manifest);
        let now = self.clock.now();
        let generation = format!("{}.{}", manifest.created_at.as_nanosecond(), manifest.generation);
        if self.known.get(&name).is_some_and(|known| known.status.generation == generation) {
            return Ok(());
        }
        let sensor: Sensor = serde_json::from_slice(&manifest.body)
            .map_err(|error| Error::Manifest { name: name.clone(), why: error.to_string() })?;
        if !self.known.contains_key(&name) {
            let dead = self.bus.dead_owners().await?;
            let opened = Known::open(self.store.as_ref(), manifest, &self.owner, now, dead).await?;
            // another process drives it
            let Some(mut known) = opened else { return Ok(()) };
            known.turn(self.store.as_ref(), vec![Input::Restarted], now).await?;
            self.known.insert(name.clone(), known);
        }
        let Some(known) = self.known.get_mut(&name) else { return Ok(()) };
        let apply = Input::Apply {
            namespace: manifest.namespace.clone(),
            name: manifest.name.clone(),
            generation,
            spec: Box::new(sensor.spec),
            compat: self.options.compat,
        };
        known.turn(self.store.as_ref(), vec![apply], now).await?;
        tracing::info!(sensor = name, "sensor in effect");
        Ok(())
    }

    async fn renew(&mut self, now: Timestamp) -> Result<()> {
        if now < later(self.renewed, SignedDuration::from_secs(5)) && now >= self.renewed {
            return Ok(());
        }
        self.renewed = now;
        let known = self.known.values().map(|known| known.lease.clone());
        let leases: Vec<Lease> = known.chain(self.lead.clone()).collect();
        if leases.is_empty() {
            return Ok(());
        }
        let lost = Journal::renew(self.store.as_ref(), &self.owner, &leases, TTL, now).await?;
        self.known.retain(|name, known| {
            let keep = !lost.contains(&known.lease);
            if !keep {
                tracing::warn!(sensor = name, "another process drives this sensor now");
            }
            keep
        });
        if self.lead.as_ref().is_some_and(|lead| lost.contains(lead)) {
            tracing::warn!("another process drives the sensors now");
            self.lead = None;
            let leases: Vec<Lease> =
                std::mem::take(&mut self.known).into_values().map(|known| known.lease).collect();
            Journal::release(self.store.as_ref(), &leases).await?;
            self.bus.leave().await?;
        }
        Ok(())
    }

    /// Gives everything back. Firings that are being performed are waited for, a while.
    async fn leave(mut self) {
        let deadline = later(self.clock.now(), SignedDuration::from_secs(5));
        while !self.performing.is_empty() {
            tokio::select! {
                biased;
                Some(done) = self.performing.join_next() => {
                    let over = self.over(done);
                    self.note(over).await;
                }
                () = self.clock.sleep_until(deadline) => break,
            }
        }
        self.catch_up(0).await;
        if let Err(error) = self.bus.leave().await {
            tracing::warn!(%error, "events could not be given back; they are taken when their leases end");
        }
        let known = self.known.into_values().map(|known| known.lease);
        let leases: Vec<Lease> = known.chain(self.lead).collect();
        if let Err(error) = Journal::release(self.store.as_ref(), &leases).await {
            tracing::warn!(%error, "leases could not be given back; they will run out");
        }
    }
}

fn key(manifest: &Manifest) -> String {
    format!("{}/{}", manifest.namespace, manifest.name)
}

/// A moment later.
fn later(now: Timestamp, by: SignedDuration) -> Timestamp {
    now.checked_add(by).unwrap_or(Timestamp::MAX)
}
