//! What the world still owes a sensor.
//! Remembers nothing: it is asked again after every turn and after every crash.

use jiff::Timestamp;

use super::fact::Mode;
use super::firing::Stage;
use super::status::Status;

/// Firings that may be open before no more events are taken.
pub const OPEN_LIMIT: usize = 1000;

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Perform a firing: say [`super::Input::Begin`], wait until that is durable, do it, say what came of it.
    Perform {
        /// The firing; the same key must not do it twice where that can be helped.
        key: String,
        /// It began in an earlier life of the process, and may have been done.
        again: bool,
    },
}

/// Whether the next event may be taken: with too many open firings the bus keeps it (back-pressure).
#[must_use]
pub fn accepts(status: &Status) -> bool {
    status.firings.len() < OPEN_LIMIT
}

/// What is to be done now, the oldest first.
#[must_use]
pub fn outstanding(status: &Status, now: Timestamp) -> Vec<Action> {
    let mut due: Vec<(Timestamp, &String, bool)> = Vec::new();
    for (key, firing) in &status.firings {
        let paused = status.triggers.get(&firing.trigger).is_some_and(|state| state.mode == Mode::Paused);
        match firing.stage {
            Stage::Waiting { not_before } if not_before <= now && !paused => {
                due.push((firing.at, key, false))
            }
            Stage::Waiting { .. } => {}
            Stage::Running => due.push((firing.at, key, true)),
        }
    }
    due.sort();
    due.into_iter().map(|(_, key, again)| Action::Perform { key: key.clone(), again }).collect()
}

/// When to say [`super::Input::Tick`] at the latest, or to look again: the next retry, rate limit or reset.
#[must_use]
pub fn next_wakeup(status: &Status, now: Timestamp) -> Option<Timestamp> {
    let waiting = status.firings.values().filter_map(|firing| match firing.stage {
        Stage::Waiting { not_before } if not_before > now => Some(not_before),
        Stage::Waiting { .. } | Stage::Running => None,
    });
    let resets = status.triggers.iter().filter_map(|(name, state)| {
        let oldest = state.collected.values().map(|collected| collected.at).min()?;
        let resets = &status.compiled.get(name)?.resets;
        resets.iter().filter_map(|schedule| schedule.next_after(oldest, oldest)).min()
    });
    waiting.chain(resets).min()
}
