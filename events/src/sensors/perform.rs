//! Firings: begun durably, performed beside everything else, and what came of them told to the machine.
//! Neither tries again nor gives up: the machine decides that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use runner_sensors::machine::{Action, Fact, Input, Replay, firing_key, outstanding};
use tokio::task::JoinError;

use super::error::Result;
use super::{BESIDE, HANDS, Sensors};
use crate::bus::{History, Note, Outcome};
use crate::triggers::{Done, Failed, Hands, Order};

/// A firing that is over, or the panic that ended it.
pub(super) type Over = std::result::Result<Performed, JoinError>;

/// A firing that was performed.
#[derive(Debug)]
pub(super) struct Performed {
    sensor: String,
    key: String,
    order: Order,
    result: std::result::Result<Done, Failed>,
}

impl Sensors {
    /// Begins what a sensor owes, as far as there are hands.
    pub(super) async fn start(&mut self, name: &str, now: Timestamp) -> Result<()> {
        let Some(known) = self.known.get_mut(name) else { return Ok(()) };
        let free = HANDS.saturating_sub(self.performing.len());
        let due = outstanding(&known.status, now).into_iter().filter_map(|action| match action {
            Action::Perform { key, .. } => (!self.busy.contains(&busy(name, &key))).then_some(key),
        });
        let due: Vec<String> = due.take(free).collect();
        if due.is_empty() {
            return Ok(());
        }
        let begin = due.iter().map(|key| Input::Begin { key: key.clone() }).collect();
        known.turn(self.store.as_ref(), begin, now).await?;
        for key in due {
            let Some(firing) = known.status.firings.get(&key).cloned() else { continue };
            let (namespace, sensor) = (known.status.namespace.clone(), known.status.name.clone());
            let base = firing_key(&namespace, &sensor, &firing.trigger, &firing.events, Replay::No);
            let made = if firing.dead_letter { format!("{base}/dlq") } else { base };
            let order = Order { namespace, sensor, key: made, firing };
            self.busy.insert(busy(name, &key));
            self.performing.spawn(perform(self.hands.clone(), name.to_owned(), key, order));
        }
        Ok(())
    }

    /// The firings that are over, beginning with one that was waited for.
    pub(super) fn over(&mut self, first: Over) -> Vec<Over> {
        let mut all = vec![first];
        while let Some(next) = self.performing.try_join_next() {
            all.push(next);
        }
        all
    }

    /// Tells the machines what came of firings, and notes it with the events. All of them at once, so that they share
    /// commits.
    pub(super) async fn note(&mut self, over: Vec<Over>) {
        let mut sensors: BTreeMap<String, Vec<Performed>> = BTreeMap::new();
        for one in over {
            match one {
                Ok(done) => {
                    self.busy.remove(&busy(&done.sensor, &done.key));
                    sensors.entry(done.sensor.clone()).or_default().push(done);
                }
                // its firing stays busy until the next start, where the machine decides what to do with it
                Err(error) => tracing::error!(%error, "a trigger panicked"),
            }
        }
        // an event is held while notes are added to it: all of one event go together
        let mut events: BTreeMap<String, Vec<Note>> = BTreeMap::new();
        for (name, all) in sensors {
            for (done, outcome) in self.tell(&name, all).await {
                for id in done.order.firing.events.values() {
                    events.entry(id.clone()).or_default().push(Note::Acted(outcome.clone()));
                }
            }
        }
        for (id, notes) in events {
            let bus = self.bus.clone();
            self.beside.spawn(async move {
                let noted = bus.annotate(&id, &notes).await;
                noted.unwrap_or_else(|error| tracing::warn!(event = id, %error, "not noted with the event"));
            });
        }
        self.catch_up(BESIDE).await;
    }

    /// Tells one machine; what each firing means for its events.
    async fn tell(&mut self, name: &str, all: Vec<Performed>) -> Vec<(Performed, Outcome)> {
        let Some(known) = self.known.get_mut(name) else { return Vec::new() };
        let now = self.clock.now();
        let facts = match known.turn(self.store.as_ref(), all.iter().map(input).collect(), now).await {
            Ok(facts) => facts,
            Err(error) => {
                tracing::warn!(sensor = name, %error, "what triggers did could not be kept");
                self.known.remove(name);
                return Vec::new();
            }
        };
        let told = all.into_iter().zip(facts).map(|(done, facts)| {
            let again = facts.iter().any(|fact| matches!(fact, Fact::AttemptFailed { .. }));
            let outcome = outcome(&done, again);
            tracing::info!(
                sensor = name,
                trigger = outcome.trigger,
                ok = outcome.ok,
                message = outcome.message,
                "trigger performed"
            );
            (done, outcome)
        });
        told.collect()
    }
}

/// What the machine is told of a firing.
fn input(done: &Performed) -> Input {
    match &done.result {
        Ok(ok) => Input::Succeeded { key: done.key.clone(), result: ok.message.clone() },
        Err(failed) => Input::Failed {
            key: done.key.clone(),
            message: failed.message.clone(),
            retriable: failed.retriable,
        },
    }
}

fn busy(sensor: &str, key: &str) -> String {
    format!("{sensor} {key}")
}

fn outcome(done: &Performed, again: bool) -> Outcome {
    let (ok, message, workflow) = match &done.result {
        Ok(ok) => (true, ok.message.clone(), ok.workflow.clone()),
        Err(failed) => (false, failed.message.clone(), None),
    };
    Outcome {
        sensor: done.sensor.clone(),
        trigger: done.order.firing.trigger.clone(),
        firing: done.order.key.clone(),
        ok,
        dead: !ok && !again,
        message,
        workflow,
    }
}

async fn perform(hands: Hands, sensor: String, key: String, order: Order) -> Performed {
    // a replayed firing that worked before is not done again
    let result = match worked(&hands, &order, &key).await {
        Some(before) => Ok(before),
        None => hands.perform(&order).await,
    };
    Performed { sensor, key, order, result }
}

async fn worked(hands: &Hands, order: &Order, key: &str) -> Option<Done> {
    if order.key == key {
        return None;
    }
    let id = order.firing.events.values().next()?;
    let history: History = hands.bus.history(id).await.ok()?;
    let last = history.outcomes().filter(|outcome| outcome.firing == order.key).last()?;
    let message =
        format!("{} (before; not done again)", last.message.trim_end_matches(" (before; not done again)"));
    last.ok.then(|| Done { message, workflow: last.workflow.clone() })
}
