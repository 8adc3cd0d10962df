//! When the task of a workflow has to look at the clock again.
//! Deliberately keeps no list of timers: the status has it, and the store has the earliest.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::after;
use crate::options::LONGEST_PAUSE;

/// First wait after a tick that changed nothing.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The next tick of one workflow. A timer that is due but not acted on (the run is suspended, for example) is
/// asked again later and later instead of at once.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    fruitless: Option<(Timestamp, Duration)>,
}

impl Timers {
    /// When to send the next tick, given the machine's earliest timer.
    pub(crate) fn next(&self, earliest: Option<Timestamp>) -> Option<Timestamp> {
        let earliest = earliest?;
        Some(self.fruitless.map_or(earliest, |(not_before, _)| earliest.max(not_before)))
    }

    /// A tick changed something.
    pub(crate) fn fruitful(&mut self) {
        self.fruitless = None;
    }

    /// A tick changed nothing.
    pub(crate) fn fruitless(&mut self, now: Timestamp) {
        let pause = self.fruitless.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(LONGEST_PAUSE));
        self.fruitless = Some((after(now, pause), pause));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timer_that_nobody_acts_on_does_not_spin() {
        let mut timers = Timers::default();
        let due = Timestamp::UNIX_EPOCH;
        assert_eq!(timers.next(None), None);
        assert_eq!(timers.next(Some(due)), Some(due));
        timers.fruitless(due);
        assert_eq!(timers.next(Some(due)), Some(after(due, FIRST_PAUSE)));
        timers.fruitless(due);
        assert_eq!(timers.next(Some(due)), Some(after(due, FIRST_PAUSE * 2)));
        timers.fruitful();
        assert_eq!(timers.next(Some(due)), Some(due));
    }
}
