//! A batch of events and all sensors: what each says of each, durable, then noted with the event.
//! Filters nothing itself.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use runner_sensors::conditions::Conditions;
use runner_sensors::filter;
use runner_sensors::machine::{Fact, Gate, Input, Judgement, Mode, Status, accepts};
use runner_sensors::spec::Sensor;

use super::error::Result;
use super::known::Known;
use super::{BESIDE, Sensors, later};
use crate::bus::{Event, Note, Taken, TriggerVerdict, Verdict};
use crate::triggers::event_of;

/// After which an event that a full sensor could not take is offered again.
const FULL: SignedDuration = SignedDuration::from_millis(500);
/// The longest time after which an event is offered again that waits for a sensor which is not driven.
const ABSENT: SignedDuration = SignedDuration::from_secs(60);

/// Events, by their places, that are offered again, and after which time.
type Blocked = BTreeMap<usize, SignedDuration>;

impl Sensors {
    /// Lets every sensor judge every event, then settles the events.
    pub(super) async fn judge(&mut self, taken: Vec<Taken>) -> Result<()> {
        let mut notes: Vec<Vec<Note>> = vec![Vec::new(); taken.len()];
        let mut blocked = self.absent(&taken);
        let gate = self.options.gate;
        for name in self.known.keys().cloned().collect::<Vec<_>>() {
            let Some(known) = self.known.get_mut(&name) else { continue };
            let now = self.clock.now();
            let (mut inputs, mut whose) = (Vec::new(), Vec::new());
            for (place, one) in taken.iter().enumerate() {
                let event = &one.history.event;
                let listens = event.namespace == known.status.namespace
                    && known.status.listens_to(&event.source, &event.name);
                // offered again because of others
                let judged = one.history.verdicts().any(|verdict| verdict.sensor == name);
                if !listens || judged {
                    continue;
                }
                if let Some(input) = input(known, one, inputs.len(), gate) {
                    if !accepts(&known.status) {
                        blocked.insert(place, FULL);
                        continue;
                    }
                    inputs.push(input);
                    whose.push(place);
                } else if let Some(notes) = notes.get_mut(place) {
                    notes.push(Note::Judged(again(known, event)));
                }
            }
            match known.turn(self.store.as_ref(), inputs, now).await {
                Ok(facts) => {
                    for (place, facts) in whose.into_iter().zip(facts) {
                        if let Some(notes) = notes.get_mut(place) {
                            notes.push(Note::Judged(verdict(&known.status, &facts, gate)));
                        }
                    }
                }
                Err(error) => {
                    // it is taken up again from its journal, and offered the events once more
                    tracing::warn!(sensor = name, %error, "events could not be judged");
                    blocked.extend(whose.into_iter().map(|place| (place, FULL)));
                    self.known.remove(&name);
                }
            }
        }
        if let Some(rules) = &self.rules {
            for (place, (one, notes)) in taken.iter().zip(&mut notes).enumerate() {
                let judged = rules.judge(&self.hands, &one.history.event, gate).await;
                if judged.again {
                    blocked.entry(place).or_insert(FULL);
                }
                // they judge all of it again, if it is offered again
                if !blocked.contains_key(&place) {
                    notes.extend(judged.notes);
                }
            }
        }
        self.settle(taken, notes, &blocked).await
    }

    /// Events for which a sensor listens that is not driven at the moment: it is again soon, or it goes; until then nobody
    /// knows what it would say.
    fn absent(&self, taken: &[Taken]) -> Blocked {
        let now = self.clock.now();
        let absent: Vec<(&String, &Sensor)> =
            self.wanted.iter().filter(|(name, _)| !self.known.contains_key(*name)).collect();
        let blocked = taken.iter().enumerate().filter_map(|(place, one)| {
            let event = &one.history.event;
            let waits = absent.iter().any(|(name, sensor)| listens(name, sensor, event));
            waits.then(|| (place, now.duration_since(event.time).clamp(FULL, ABSENT)))
        });
        blocked.collect()
    }

    /// Settles what every sensor took, beside everything else: nobody waits for it.
    async fn settle(&mut self, taken: Vec<Taken>, notes: Vec<Vec<Note>>, blocked: &Blocked) -> Result<()> {
        let gated = self.options.gate == Gate::Closed;
        let now = self.clock.now();
        for (place, (one, mut notes)) in taken.into_iter().zip(notes).enumerate() {
            let bus = self.bus.clone();
            let id = one.history.event.id.clone();
            let failed = move |error| tracing::warn!(event = id, %error, "not settled; it is taken again");
            if let Some(wait) = blocked.get(&place) {
                let again = later(now, *wait);
                let back = async move { bus.put_back(one, &notes, again).await.unwrap_or_else(failed) };
                self.beside.spawn(back);
            } else {
                notes.push(Note::Settled { gated });
                let settled = bus.settle_beside(one, notes);
                self.beside.spawn(async move { settled.await.unwrap_or_else(failed) });
            }
        }
        self.catch_up(BESIDE).await;
        Ok(())
    }

    /// Waits until no more than so many notes are on their way into the store.
    pub(super) async fn catch_up(&mut self, most: usize) {
        while self.beside.len() > most && self.beside.join_next().await.is_some() {}
        while self.beside.try_join_next().is_some() {}
    }
}

/// Whether an event is for a sensor, by the name `<namespace>/<name>`.
fn listens(name: &str, sensor: &Sensor, event: &Event) -> bool {
    let here = name.split_once('/').is_some_and(|(namespace, _)| namespace == event.namespace);
    let mut named = sensor.spec.dependencies.iter();
    here && named.any(|one| one.event_source_name == event.source && one.event_name == event.name)
}

/// What an event says to a sensor; nothing when the sensor took it before and nobody asked for it again.
fn input(known: &Known, taken: &Taken, ahead: usize, gate: Gate) -> Option<Input> {
    let history = &taken.history;
    let event = event_of(&history.event);
    let replays = history.notes.iter().filter(|(_, note)| matches!(note, Note::Replayed { .. })).count();
    let Some(fired) = known.recent.fired(&history.event.id) else {
        let before = known.status.cursor.unwrap_or(0);
        let ahead = u64::try_from(ahead).unwrap_or(0);
        return Some(Input::Arrived { seq: before.saturating_add(ahead + 1), event, gate });
    };
    // a replay fires again where it fired; whatever was done then is found again under its key
    let token = format!("{}#{replays}", history.event.id);
    (replays > 0 && !fired.is_empty()).then_some(Input::Replay { token, event, gate })
}

/// The verdict on an event that was taken before, and of which the notes were lost in a crash.
fn again(known: &Known, event: &Event) -> Verdict {
    let status = &known.status;
    let judged = judgements(status, event);
    let fired = known.recent.fired(&event.id).unwrap_or_default();
    let mut verdict = assemble(status, &judged, fired, &[]);
    for trigger in &mut verdict.triggers {
        if trigger.fires {
            "it fired when the event came first".clone_into(&mut trigger.why);
        }
    }
    verdict
}

/// Filters of all dependencies that name an event, as explanations.
fn judgements(status: &Status, event: &Event) -> Vec<Judgement> {
    let seen = event_of(event);
    let named = status.spec.dependencies.iter().filter(|dependency| {
        dependency.event_source_name == event.source && dependency.event_name == event.name
    });
    let judge = |dependency: &runner_sensors::spec::EventDependency| Judgement {
        dependency: dependency.name.clone(),
        verdict: filter::admit(dependency, &seen).1,
    };
    named.map(judge).collect()
}

pub(super) fn verdict(status: &Status, facts: &[Fact], gate: Gate) -> Verdict {
    let (mut judged, mut fired, mut collected) = (Vec::new(), Vec::new(), Vec::new());
    for fact in facts {
        match fact {
            Fact::EventTaken { judged: found, .. } => judged.clone_from(found),
            Fact::TriggerFired { trigger, .. } => fired.push(trigger.clone()),
            Fact::EventCollected { trigger, .. } => collected.push(trigger.clone()),
            _ => {}
        }
    }
    let mut verdict = assemble(status, &judged, &fired, &collected);
    if gate == Gate::Closed {
        for trigger in verdict.triggers.iter_mut().filter(|trigger| trigger.fires) {
            "it would fire, but nothing is executed: [fuses] cicd = false".clone_into(&mut trigger.why);
        }
    }
    verdict
}

fn assemble(status: &Status, judged: &[Judgement], fired: &[String], collected: &[String]) -> Verdict {
    let each = |name: &String| TriggerVerdict {
        trigger: name.clone(),
        fires: fired.contains(name),
        why: if fired.contains(name) {
            "its conditions hold".to_owned()
        } else {
            why(status, name, judged, collected.contains(name))
        },
    };
    Verdict {
        sensor: format!("{}/{}", status.namespace, status.name),
        dependencies: judged.iter().filter_map(|one| serde_json::to_value(one).ok()).collect(),
        triggers: status.triggers.keys().map(each).collect(),
        problem: None,
    }
}

/// Why a trigger does not fire because of an event, in a sentence.
#[must_use]
pub fn why(status: &Status, trigger: &str, judged: &[Judgement], collected: bool) -> String {
    if status.triggers.get(trigger).is_some_and(|state| state.mode == Mode::Disabled) {
        return "the trigger is disabled".to_owned();
    }
    if collected {
        return "kept; the other dependencies of its conditions have no event yet".to_owned();
    }
    let conditions = status.template(trigger).map(|template| template.conditions.trim().to_owned());
    let conditions = match conditions.as_deref() {
        Some("") | None => Conditions::all(status.spec.dependencies.iter().map(|d| d.name.clone())),
        Some(text) => match Conditions::parse(text) {
            Ok(conditions) => conditions,
            Err(why) => return format!("its conditions cannot be read: {why}"),
        },
    };
    let mine: Vec<&Judgement> =
        judged.iter().filter(|one| conditions.names().contains(&one.dependency)).collect();
    if mine.is_empty() {
        return "none of its dependencies names this event".to_owned();
    }
    let said: Vec<String> = mine
        .iter()
        .filter(|one| !one.verdict.passed)
        .map(|one| match (&one.verdict.error, one.verdict.clauses.iter().find(|clause| !clause.passed)) {
            (Some(error), _) => format!("{}: {error}", one.dependency),
            (None, Some(clause)) => {
                let actual =
                    clause.actual.as_ref().map(|actual| format!(" (is {actual})")).unwrap_or_default();
                format!("{}: not {}{actual} {}", one.dependency, clause.wanted, clause.reason)
            }
            (None, None) => format!("{}: filtered out", one.dependency),
        })
        .map(|text| text.trim_end().to_owned())
        .collect();
    if said.is_empty() { "its conditions do not hold".to_owned() } else { said.join("; ") }
}
