//! What a fact means for the status.
//! Decides nothing; a fact that does not fit is refused.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::fact::{Fact, IllegalFact, Judgement};
use super::firing::{Collected, Firing, Stage};
use super::status::{REPLAYS, Status, TriggerState, compile};

/// Applies a fact.
///
/// # Errors
/// [`IllegalFact`] when it does not fit; the status is then useless.
pub fn fold(status: &mut Status, fact: &Fact) -> Result<(), IllegalFact> {
    match fact {
        Fact::SensorApplied { namespace, name, generation, spec, compat, at: _ } => {
            namespace.clone_into(&mut status.namespace);
            name.clone_into(&mut status.name);
            generation.clone_into(&mut status.generation);
            status.spec = Arc::new((**spec).clone());
            status.compat = *compat;
            applied(status);
        }
        Fact::EventTaken { seq, replay, judged, .. } => {
            taken(status, *seq, replay)?;
            count(status, judged);
        }
        Fact::EventCollected { trigger, dependency, event, at } => {
            let collected = Collected { event: event.clone(), at: *at };
            state(status, trigger)?.collected.insert(dependency.clone(), collected);
        }
        Fact::ConditionsReset { trigger, tick } => {
            state(status, trigger)?.collected.retain(|_, collected| collected.at > *tick);
        }
        Fact::TriggerFired { key, trigger, events, at, not_before } => {
            fired(status, key, trigger, events, (*at, *not_before))?;
        }
        Fact::FiringWithheld { key, .. } => {
            take(status, key)?;
            status.counts.withheld += 1;
        }
        Fact::AttemptStarted { key, attempt, .. } => {
            let firing = firing(status, key)?;
            if *attempt != firing.attempts + 1 || firing.stage == Stage::Running {
                return Err(IllegalFact(format!(
                    "attempt {attempt} of {key} follows attempt {}",
                    firing.attempts
                )));
            }
            firing.attempts = *attempt;
            firing.stage = Stage::Running;
        }
        Fact::AttemptFailed { key, message, retry_at } => {
            let firing = firing(status, key)?;
            message.clone_into(&mut firing.message);
            firing.stage = Stage::Waiting { not_before: *retry_at };
        }
        Fact::FiringSucceeded { key, .. } => {
            take(status, key)?;
            status.counts.succeeded += 1;
        }
        Fact::FiringFailed { key, .. } | Fact::FiringLost { key, .. } => {
            let firing = take(status, key)?;
            failed(status, &firing.trigger);
        }
        Fact::DeadLettered { key, dead_letter, message, at } => {
            dead_lettered(status, key, dead_letter, message, *at)?;
        }
        Fact::ModeSet { trigger, mode, .. } => state(status, trigger)?.mode = *mode,
    }
    Ok(())
}

fn taken(status: &mut Status, seq: Option<u64>, replay: &str) -> Result<(), IllegalFact> {
    if let Some(seq) = seq {
        if status.cursor.is_some_and(|cursor| cursor >= seq) {
            return Err(IllegalFact(format!("event {seq} was taken before")));
        }
        status.cursor = Some(seq);
    }
    if !replay.is_empty() {
        if status.replays.len() >= REPLAYS {
            status.replays.pop_front();
        }
        status.replays.push_back(replay.to_owned());
    }
    status.counts.events += 1;
    Ok(())
}

/// Says for each trigger whether an event that one of its dependencies names passed.
fn count(status: &mut Status, judged: &[Judgement]) {
    for (name, state) in &mut status.triggers {
        let Some(compiled) = status.compiled.get(name) else { continue };
        let mut mine =
            judged.iter().filter(|one| compiled.conditions.names().contains(&one.dependency)).peekable();
        if mine.peek().is_none() {
            continue;
        }
        if mine.any(|one| one.verdict.passed) {
            state.counts.matched += 1;
        } else {
            state.counts.dropped += 1;
        }
    }
}

fn failed(status: &mut Status, trigger: &str) {
    status.counts.failed += 1;
    // the trigger may be gone since
    if let Some(state) = status.triggers.get_mut(trigger) {
        state.counts.failed += 1;
    }
}

fn fired(
    status: &mut Status,
    key: &str,
    trigger: &str,
    events: &BTreeMap<String, String>,
    (at, not_before): (Timestamp, Timestamp),
) -> Result<(), IllegalFact> {
    let state = state(status, trigger)?;
    state.collected.clear();
    state.next_slot = Some(not_before);
    state.counts.fired += 1;
    state.counts.last_fired = Some(at);
    let firing = Firing {
        trigger: trigger.to_owned(),
        dead_letter: false,
        spec: Arc::clone(&status.spec),
        events: events.clone(),
        at,
        attempts: 0,
        stage: Stage::Waiting { not_before },
        message: String::new(),
    };
    status.counts.fired += 1;
    insert(status, key, firing)
}

/// A new spec: triggers keep what they collected for dependencies that are still there.
fn applied(status: &mut Status) {
    status.compiled = compile(&status.spec);
    let mut before = std::mem::take(&mut status.triggers);
    let names = status.spec.triggers.iter().filter_map(|trigger| trigger.template.as_ref());
    for name in names.map(|template| &template.name) {
        let mut state: TriggerState = before.remove(name).unwrap_or_default();
        let compiled = status.compiled.get(name);
        state.collected.retain(|dependency, _| {
            compiled.is_some_and(|compiled| compiled.conditions.names().contains(dependency))
        });
        status.triggers.insert(name.clone(), state);
    }
}

fn dead_lettered(
    status: &mut Status,
    key: &str,
    dead_letter: &str,
    message: &str,
    at: Timestamp,
) -> Result<(), IllegalFact> {
    let before = take(status, key)?;
    failed(status, &before.trigger);
    let firing = Firing {
        dead_letter: true,
        attempts: 0,
        at,
        stage: Stage::Waiting { not_before: at },
        message: message.to_owned(),
        ..before
    };
    insert(status, dead_letter, firing)
}

fn state<'a>(status: &'a mut Status, trigger: &str) -> Result<&'a mut TriggerState, IllegalFact> {
    status.triggers.get_mut(trigger).ok_or_else(|| IllegalFact(format!("there is no trigger {trigger}")))
}

fn firing<'a>(status: &'a mut Status, key: &str) -> Result<&'a mut Firing, IllegalFact> {
    status.firings.get_mut(key).ok_or_else(|| IllegalFact(format!("there is no open firing {key}")))
}

fn take(status: &mut Status, key: &str) -> Result<Firing, IllegalFact> {
    status.firings.remove(key).ok_or_else(|| IllegalFact(format!("there is no open firing {key}")))
}

fn insert(status: &mut Status, key: &str, firing: Firing) -> Result<(), IllegalFact> {
    match status.firings.insert(key.to_owned(), firing) {
        None => Ok(()),
        Some(_) => Err(IllegalFact(format!("{key} fired before"))),
    }
}
