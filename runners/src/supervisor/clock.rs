//! Time of one attempt: wall clock for records, suspend-aware monotonic clock for durations (P8).
//! Sets no timers.

use std::time::Duration;

use jiff::Timestamp;
use rustix::time::{ClockId, Timespec, clock_gettime};

/// The clock of an attempt, started with it.
pub(super) struct Clock {
    /// Wall time of the start.
    pub(super) started_at: Timestamp,
    start: Duration,
}

impl Clock {
    /// Starts now.
    pub(super) fn start() -> Self {
        Self { started_at: Timestamp::now(), start: since_boot() }
    }

    /// Wall time.
    pub(super) fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// Time since the start, suspended time included.
    pub(super) fn elapsed(&self) -> Duration {
        since_boot().saturating_sub(self.start)
    }
}

fn since_boot() -> Duration {
    let now = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(now.tv_sec).unwrap_or(0), u32::try_from(now.tv_nsec).unwrap_or(0))
}

/// A duration as the kernel takes it.
pub(super) fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(duration.subsec_nanos()),
    }
}
