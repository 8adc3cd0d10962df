//! The ports through which time and made-up names enter: everything else in this crate asks them.
//! Deliberately no other file reads a clock, sleeps or draws a random number.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_store::BoxFuture;

/// Time as the controller sees it. A simulator has its own.
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> Timestamp;

    /// Returns at that moment or soon after; at once when it has passed. Calendar time: a machine that was
    /// suspended wakes up late, not longer asleep.
    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()>;
}

/// Ids and suffixes that must not repeat.
pub trait Ids: Send + Sync {
    /// A new unique id for a workflow; sorts by time of creation.
    fn uid(&self, now: Timestamp) -> String;

    /// Five lower-case letters or digits for `generateName`, from Kubernetes' alphabet.
    fn suffix(&self) -> String;
}

/// The machine's own clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

/// Longest single sleep: after each the calendar is read again, because timers of the runtime stand still while
/// the machine is suspended and know nothing of a clock that was set (P8).
const LONGEST_SLEEP: Duration = Duration::from_secs(20);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep_until(&self, at: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            loop {
                let left = between(Timestamp::now(), at);
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
            }
        })
    }
}

/// Ids from the system's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemIds;

/// Letters and digits that cannot be misread or spell words, as Kubernetes uses for generated names.
pub const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
/// Length of a generated suffix, as Kubernetes'.
pub const SUFFIX_LENGTH: usize = 5;

impl Ids for SystemIds {
    fn uid(&self, now: Timestamp) -> String {
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let nanoseconds = u32::try_from(now.subsec_nanosecond()).unwrap_or(0);
        let at = uuid::Timestamp::from_unix(uuid::NoContext, seconds, nanoseconds);
        uuid::Uuid::new_v7(at).to_string()
    }

    fn suffix(&self) -> String {
        suffix_from(uuid::Uuid::new_v4().as_u128())
    }
}

/// A suffix from random bits; also for simulators that have their own source.
#[must_use]
pub fn suffix_from(mut bits: u128) -> String {
    let base = SUFFIX_ALPHABET.len() as u128;
    let mut text = String::with_capacity(SUFFIX_LENGTH);
    // The fixed version and variant bits of a UUID are in the middle; the low 62 bits are all random.
    bits &= (1 << 62) - 1;
    for _ in 0..SUFFIX_LENGTH {
        let place = usize::try_from(bits % base).unwrap_or(0);
        text.push(char::from(SUFFIX_ALPHABET.get(place).copied().unwrap_or(b'x')));
        bits /= base;
    }
    text
}

/// Time from `from` to `to`; zero when `to` has passed.
#[must_use]
pub(crate) fn between(from: Timestamp, to: Timestamp) -> Duration {
    Duration::try_from(to.duration_since(from)).unwrap_or(Duration::ZERO)
}

/// `at + by`, or the end of time.
#[must_use]
pub(crate) fn after(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

/// Sleeps for a while on a clock.
pub(crate) async fn sleep(clock: &Arc<dyn Clock>, by: Duration) {
    let at = after(clock.now(), by);
    clock.sleep_until(at).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suffixes_have_kubernetes_shape() {
        let ids = SystemIds;
        let suffix = ids.suffix();
        assert_eq!(suffix.len(), SUFFIX_LENGTH);
        assert!(suffix.bytes().all(|b| SUFFIX_ALPHABET.contains(&b)), "{suffix}");
        assert_eq!(suffix_from(0), "bbbbb");
        assert_ne!(suffix_from(1), suffix_from(2));
    }

    #[test]
    fn uids_sort_by_time() {
        let ids = SystemIds;
        let early = ids.uid(Timestamp::UNIX_EPOCH);
        let late = ids.uid(after(Timestamp::UNIX_EPOCH, Duration::from_secs(1)));
        assert!(early < late, "{early} {late}");
    }
}
