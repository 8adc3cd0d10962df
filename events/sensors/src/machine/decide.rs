//! What an input means to a sensor: the facts that follow from it.
//! [`decide`] changes no status but its own copy; [`advance`] folds what it decides.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::backoff;
use super::fact::{Fact, Gate, IllegalFact, Input, Judgement, Mode};
use super::firing::Stage;
use super::fold::fold;
use super::names::{Replay, firing_key};
use super::status::{Status, performs_once};
use crate::event::Event;
use crate::filter;

/// The facts that an input means, in order. Inputs that say nothing new mean none.
///
/// # Errors
/// [`IllegalFact`] when a fact does not fit the status: a mistake of this module.
pub fn decide(status: &Status, input: Input, now: Timestamp) -> Result<Vec<Fact>, IllegalFact> {
    advance(&mut status.clone(), input, now)
}

/// [`decide`] and [`fold`] in one, without a copy of the status: for a driver that drops the status and replays when
/// the facts cannot be appended.
///
/// # Errors
/// As [`decide`]; the status is then useless.
pub fn advance(status: &mut Status, input: Input, now: Timestamp) -> Result<Vec<Fact>, IllegalFact> {
    let mut turn = Turn { status, facts: Vec::new(), now };
    let status = &*turn.status;
    match input {
        Input::Apply { namespace, name, generation, spec, compat } => {
            if generation != status.generation || compat != status.compat {
                turn.say(Fact::SensorApplied { namespace, name, generation, spec, compat, at: now })?;
            }
        }
        Input::Arrived { seq, event, gate } => {
            if status.cursor.is_none_or(|cursor| cursor < seq) {
                turn.event(&event, Some(seq), Replay::No, gate)?;
            }
        }
        Input::Replay { token, event, gate } => {
            if !status.replays.contains(&token) && !token.is_empty() {
                turn.event(&event, None, Replay::Token(&token), gate)?;
            }
        }
        Input::Tick => turn.resets()?,
        Input::Begin { key } => turn.begin(key)?,
        Input::Succeeded { key, result } => {
            if status.firings.contains_key(&key) {
                turn.say(Fact::FiringSucceeded { key, result })?;
            }
        }
        Input::Failed { key, message, retriable } => turn.failed(key, message, retriable)?,
        Input::Restarted => turn.restarted()?,
        Input::SetMode { trigger, mode, by } => {
            if status.triggers.get(&trigger).is_some_and(|state| state.mode != mode) {
                turn.say(Fact::ModeSet { trigger, mode, by })?;
            }
        }
    }
    Ok(turn.facts)
}

struct Turn<'a> {
    status: &'a mut Status,
    facts: Vec<Fact>,
    now: Timestamp,
}

impl Turn<'_> {
    fn say(&mut self, fact: Fact) -> Result<(), IllegalFact> {
        fold(self.status, &fact)?;
        self.facts.push(fact);
        Ok(())
    }

    /// Judges an event for each dependency that names it, and offers it to the triggers of those that it passed.
    fn event(
        &mut self,
        event: &Event,
        seq: Option<u64>,
        replay: Replay<'_>,
        gate: Gate,
    ) -> Result<(), IllegalFact> {
        self.resets()?;
        let spec = std::sync::Arc::clone(&self.status.spec);
        let named = spec.dependencies.iter().filter(|dependency| {
            dependency.event_source_name == event.context.source
                && dependency.event_name == event.context.subject
        });
        let judged: Vec<Judgement> = named
            .map(|dependency| Judgement {
                dependency: dependency.name.clone(),
                verdict: filter::admit(dependency, event).1,
            })
            .collect();
        if judged.is_empty() {
            return Ok(());
        }
        let passed = judged.iter().filter(|judgement| judgement.verdict.passed);
        let passed: Vec<String> = passed.map(|judgement| judgement.dependency.clone()).collect();
        let token = match replay {
            Replay::No => String::new(),
            Replay::Token(token) => token.to_owned(),
        };
        let id = event.context.id.clone();
        self.say(Fact::EventTaken { seq, replay: token, event: id.clone(), judged, at: self.now })?;
        let triggers: Vec<String> = self.status.compiled.keys().cloned().collect();
        for trigger in triggers {
            for dependency in &passed {
                self.offer(&trigger, dependency, &id, replay, gate)?;
            }
        }
        Ok(())
    }

    /// One event for one trigger.
    fn offer(
        &mut self,
        trigger: &str,
        dependency: &str,
        event: &str,
        replay: Replay<'_>,
        gate: Gate,
    ) -> Result<(), IllegalFact> {
        let Some(compiled) = self.status.compiled.get(trigger) else { return Ok(()) };
        let Some(state) = self.status.triggers.get(trigger) else { return Ok(()) };
        let conditions = &compiled.conditions;
        if state.mode == Mode::Disabled || !conditions.names().iter().any(|name| name == dependency) {
            return Ok(());
        }
        let mut events = BTreeMap::new();
        if conditions.collects() {
            events.extend(state.collected.iter().map(|(name, kept)| (name.clone(), kept.event.clone())));
        }
        events.insert(dependency.to_owned(), event.to_owned());
        if conditions.hold(&|name| events.contains_key(name)) {
            return self.fire(trigger, events, replay, gate);
        }
        if conditions.collects() {
            return self.say(Fact::EventCollected {
                trigger: trigger.to_owned(),
                dependency: dependency.to_owned(),
                event: event.to_owned(),
                at: self.now,
            });
        }
        Ok(())
    }

    fn fire(
        &mut self,
        trigger: &str,
        events: BTreeMap<String, String>,
        replay: Replay<'_>,
        gate: Gate,
    ) -> Result<(), IllegalFact> {
        let key = firing_key(&self.status.namespace, &self.status.name, trigger, &events, replay);
        if self.status.firings.contains_key(&key) {
            return Ok(());
        }
        let definition =
            self.status.spec.triggers.iter().find(|candidate| {
                candidate.template.as_ref().is_some_and(|template| template.name == trigger)
            });
        let spacing = definition.and_then(|trigger| trigger.rate_limit.as_ref()).map(backoff::spacing);
        let last = self.status.triggers.get(trigger).and_then(|state| state.next_slot);
        let not_before = match (spacing, last) {
            (Some(spacing), Some(last)) => {
                last.checked_add(spacing).map_or(self.now, |slot| slot.max(self.now))
            }
            _ => self.now,
        };
        let trigger = trigger.to_owned();
        self.say(Fact::TriggerFired { key: key.clone(), trigger, events, at: self.now, not_before })?;
        if gate == Gate::Closed {
            let why = "the fuse is off: events are recorded and explained, nothing is executed".to_owned();
            self.say(Fact::FiringWithheld { key, why })?;
        }
        Ok(())
    }

    /// Forgets collected events that are older than the last tick of a `conditionsReset`, however long ago it was.
    fn resets(&mut self) -> Result<(), IllegalFact> {
        let mut due = Vec::new();
        for (name, state) in &self.status.triggers {
            let Some(compiled) = self.status.compiled.get(name) else { continue };
            // the newest event that a tick has passed decides: everything older goes with it
            let mut latest = None;
            for collected in state.collected.values() {
                let ticks =
                    compiled.resets.iter().filter_map(|reset| reset.next_after(collected.at, collected.at));
                latest = latest.max(ticks.filter(|tick| *tick <= self.now).min());
            }
            due.extend(latest.map(|tick| (name.clone(), tick)));
        }
        for (trigger, tick) in due {
            self.say(Fact::ConditionsReset { trigger, tick })?;
        }
        Ok(())
    }

    fn begin(&mut self, key: String) -> Result<(), IllegalFact> {
        let Some(firing) = self.status.firings.get(&key) else { return Ok(()) };
        match firing.stage {
            Stage::Waiting { .. } => {
                let attempt = firing.attempts + 1;
                self.say(Fact::AttemptStarted { key, attempt, at: self.now })
            }
            Stage::Running => Ok(()),
        }
    }

    /// Another attempt, the `dlqTrigger`, or the end.
    fn failed(&mut self, key: String, message: String, retriable: bool) -> Result<(), IllegalFact> {
        let Some(firing) = self.status.firings.get(&key) else { return Ok(()) };
        let Some(definition) = firing.definition() else {
            return self.say(Fact::FiringFailed { key, message });
        };
        let strict = self.status.compat.fire_and_forget && !definition.at_least_once;
        let strategy = definition.retry_strategy.as_ref().filter(|_| !strict);
        if retriable && firing.attempts < backoff::attempts(strategy) {
            let wait = backoff::wait(strategy, firing.attempts, &key);
            let retry_at = self.now.checked_add(wait).unwrap_or(Timestamp::MAX);
            return self.say(Fact::AttemptFailed { key, message, retry_at });
        }
        if definition.dlq_trigger.is_some() && !firing.dead_letter && !strict {
            let dead_letter = format!("{key}/dlq");
            return self.say(Fact::DeadLettered { key, dead_letter, message, at: self.now });
        }
        self.say(Fact::FiringFailed { key, message })
    }

    /// A firing that was being performed is performed again if that does it once, or at least once is wanted.
    fn restarted(&mut self) -> Result<(), IllegalFact> {
        let running = self.status.firings.iter().filter(|(_, firing)| firing.stage == Stage::Running);
        let lost = running.filter(|(_, firing)| {
            firing.definition().is_none_or(|definition| {
                !definition.at_least_once && !definition.template.as_ref().is_some_and(performs_once)
            })
        });
        let lost: Vec<String> = lost.map(|(key, _)| key.clone()).collect();
        for key in lost {
            let message =
                "the engine stopped while this was sent, and whether it arrived is not known; with \
                           atLeastOnce: true it would be sent again"
                    .to_owned();
            self.say(Fact::FiringLost { key, message })?;
        }
        Ok(())
    }
}
