//! What an input means: the facts that follow from it.
//! Changes no status but its own copy.

use jiff::{SignedDuration, Timestamp};

use super::condition::{may_run, must_stop};
use super::fact::{Fact, How, IllegalFact, Input, Reason};
use super::fold::fold;
use super::names::child_name;
use super::status::{Phase, Policy, Status};
use super::ticks::due;

/// A clock that is behind the last tick by more than this was set back on purpose; ticks are counted from there.
/// Until then they wait, so that none fires twice (F25).
const SET_BACK: SignedDuration = SignedDuration::from_hours(24);

/// The facts that an input means, in order. Inputs that say nothing new mean none.
///
/// # Errors
/// [`IllegalFact`] when a fact does not fit the status: a mistake of this module.
pub fn decide(status: &Status, input: Input, now: Timestamp) -> Result<Vec<Fact>, IllegalFact> {
    let mut turn = Turn { status: status.clone(), facts: Vec::new(), now };
    match input {
        Input::Apply { namespace, name, generation, labels, annotations, spec } => {
            if generation != status.generation {
                turn.say(Fact::CronApplied {
                    namespace,
                    name,
                    generation,
                    at: now,
                    labels,
                    annotations,
                    spec,
                })?;
            }
        }
        Input::Tick => turn.tick()?,
        Input::Fire { slot, how } => {
            if !status.has_fired(slot) {
                turn.say(Fact::TickFired { slot, how, replaces: Vec::new() })?;
            }
        }
        Input::Suspend { by } => {
            if !status.suspended {
                turn.say(Fact::Suspended { by })?;
            }
        }
        Input::Resume { by } => {
            if status.suspended {
                turn.say(Fact::Resumed { by, at: now })?;
            }
        }
        Input::Submitted { slot, uid } => {
            if status.pending.contains_key(&slot) {
                let name = child_name(&status.name, slot);
                turn.say(Fact::ChildSubmitted { slot, name, uid })?;
            }
        }
        Input::Refused { slot, message } => {
            if status.pending.contains_key(&slot) {
                turn.say(Fact::ChildRefused { slot, message })?;
            }
        }
        Input::Ended { name, phase } => {
            if status.active.contains_key(&name) {
                turn.say(Fact::ChildEnded { name, phase })?;
                // a condition that cannot be evaluated is told at the next tick
                turn.stop()?.unwrap_or_default();
            }
        }
    }
    Ok(turn.facts)
}

struct Turn {
    status: Status,
    facts: Vec<Fact>,
    now: Timestamp,
}

impl Turn {
    /// Records a fact and goes on with what it means.
    fn say(&mut self, fact: Fact) -> Result<(), IllegalFact> {
        fold(&mut self.status, &fact)?;
        self.facts.push(fact);
        Ok(())
    }

    /// Whether it is stopped now, or why that cannot be told.
    fn stop(&mut self) -> Result<Result<bool, String>, IllegalFact> {
        if self.status.phase == Phase::Stopped {
            return Ok(Ok(true));
        }
        let stop = must_stop(&self.status, self.now);
        if stop == Ok(true) {
            let expression = self.status.spec.stop_strategy.as_ref().map(|stop| stop.expression.clone());
            self.say(Fact::Stopped { message: expression.unwrap_or_default() })?;
        }
        Ok(stop)
    }

    fn tick(&mut self) -> Result<(), IllegalFact> {
        let back = self.status.cursor.duration_since(self.now);
        if self.status.generation > 0 && back > SET_BACK {
            self.say(Fact::ClockWentBack { to: self.now })?;
        }
        let (missed, due) = due(&self.status, self.now);
        if let Some(missed) = missed {
            self.say(Fact::TicksMissed { first: missed.first, last: missed.last, count: missed.count })?;
        }
        for slot in due {
            let fact = match self.stop()? {
                Ok(true) => return Ok(()),
                Ok(false) => self.one(slot),
                Err(message) => Fact::TickSkipped { slot, reason: Reason::Condition, message },
            };
            self.say(fact)?;
        }
        Ok(())
    }

    /// What becomes of a tick that is due.
    fn one(&self, slot: Timestamp) -> Fact {
        let status = &self.status;
        let skipped = |reason, message: String| Fact::TickSkipped { slot, reason, message };
        if status.has_fired(slot) {
            return skipped(Reason::AlreadyFired, String::new());
        }
        match may_run(status, self.now) {
            Ok(true) => {}
            Ok(false) => return skipped(Reason::When, String::new()),
            Err(message) => return skipped(Reason::Condition, message),
        }
        let owed = status.pending.keys().map(|slot| child_name(&status.name, *slot));
        let going: Vec<String> = status.active.keys().cloned().chain(owed).collect();
        match status.policy() {
            Policy::Forbid if !going.is_empty() => skipped(Reason::Forbid, String::new()),
            Policy::Replace => Fact::TickFired { slot, how: How::Schedule, replaces: going },
            Policy::Allow | Policy::Forbid => {
                Fact::TickFired { slot, how: How::Schedule, replaces: Vec::new() }
            }
        }
    }
}
