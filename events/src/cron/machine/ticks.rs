//! Which ticks of all schedules together are due, late or missed.
//! Knows no policies but those of time.

use jiff::{SignedDuration, Timestamp};
use runner_workflows::spec::CronWorkflowSpec;

use super::status::{Phase, Status};
use crate::cron::{Invalid, Schedule};

/// A tick that is at most so late is on time: the engine was busy, or was restarted at that moment.
pub const ON_TIME: SignedDuration = SignedDuration::from_secs(10);
/// Where counting of missed ticks stops.
pub const MISSED_LIMIT: u32 = 100;
const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// The schedules of a spec, legacy spelling included.
///
/// # Errors
/// [`Invalid`] for the first that is none, and when there is none at all.
pub fn schedules(spec: &CronWorkflowSpec) -> Result<Vec<Schedule>, Invalid> {
    let legacy = Some(&spec.schedule).filter(|text| !text.is_empty());
    let all: Vec<_> =
        legacy.into_iter().chain(&spec.schedules).map(|text| Schedule::parse(text, &spec.timezone)).collect();
    if all.is_empty() {
        return Err(Invalid("a cron workflow must have at least one schedule".to_owned()));
    }
    all.into_iter().collect()
}

/// When the next tick is due; it may have passed. None while it is suspended, when it was stopped, or when no
/// schedule is ever due again.
#[must_use]
pub fn next_tick(status: &Status) -> Option<Timestamp> {
    if status.suspended || status.phase == Phase::Stopped { None } else { next(status, status.cursor) }
}

/// The first tick of any schedule after a moment, whether or not it would fire.
#[must_use]
pub fn next(status: &Status, after: Timestamp) -> Option<Timestamp> {
    status.schedules.iter().filter_map(|schedule| schedule.next_after(after, status.anchor)).min()
}

/// The last tick in `(after, until]`: looks back from `until` in steps that grow.
fn last(status: &Status, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
    let mut reach = SignedDuration::from_secs(60);
    loop {
        let from = until.checked_sub(reach).map_or(after, |from| from.max(after));
        let mut found = None;
        let mut at = from;
        while let Some(tick) = next(status, at).filter(|tick| *tick <= until) {
            (found, at) = (Some(tick), tick);
        }
        if found.is_some() || from == after {
            return found;
        }
        reach = reach.saturating_mul(4);
    }
}

/// Ticks that passed without a chance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Missed {
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
    pub(super) count: u32,
}

/// The ticks after the cursor that are not in the future: those that may still start, and those that may not.
pub(super) fn due(status: &Status, now: Timestamp) -> (Option<Missed>, Vec<Timestamp>) {
    let Some(first) = next_tick(status).filter(|first| *first <= now) else { return (None, Vec::new()) };
    let mut due = Vec::new();
    let late = now.checked_sub(ON_TIME).unwrap_or(Timestamp::MIN);
    let mut at = status.cursor.max(late.checked_sub(SECOND).unwrap_or(late));
    while let Some(tick) = next(status, at).filter(|tick| *tick <= now) {
        if tick >= late {
            due.push(tick);
        }
        at = tick;
    }
    if due.is_empty() {
        let deadline = SignedDuration::from_secs(status.spec.starting_deadline_seconds.unwrap_or(0));
        let latest = last(status, status.cursor, now);
        due.extend(latest.filter(|latest| now.duration_since(*latest) <= deadline));
    }
    let until = match due.first() {
        Some(tick) => tick.checked_sub(SECOND).unwrap_or(*tick),
        None => now,
    };
    (missed(status, first, until), due)
}

fn missed(status: &Status, first: Timestamp, until: Timestamp) -> Option<Missed> {
    if first > until {
        return None;
    }
    let last = last(status, status.cursor, until)?;
    let (mut count, mut at) = (1, first);
    while count < MISSED_LIMIT
        && let Some(tick) = next(status, at).filter(|tick| *tick <= last)
    {
        count += 1;
        at = tick;
    }
    Some(Missed { first, last, count })
}
