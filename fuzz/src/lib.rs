//! What the fuzz targets share: the feeds, and the limit on the time that an input may take.
//! Does not choose inputs: that is libFuzzer's part (`cargo xtask fuzz`).

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

pub mod feed;

/// Slower than this for each MiB of input is a finding.
const SLOW_PER_MIB: f64 = 1.0;
/// What any input may take, however short: expressions run on fuel, and fuel is not a matter of length.
const ALLOWANCE: Duration = Duration::from_millis(250);

/// Feeds an input.
///
/// # Panics
/// If it takes more processor time than its length allows. Time of the processor and not of the clock on the wall:
/// neighbours on a busy machine are not a finding.
pub fn timed(input: &str, feed: fn(&str)) {
    let before = spent();
    feed(input);
    let took = spent().saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "a length of an input")]
    let size_mib = input.len() as f64 / (1024.0 * 1024.0);
    let limit = ALLOWANCE + Duration::from_secs_f64(SLOW_PER_MIB * size_mib);
    assert!(took <= limit, "{took:?} of processor time for {} bytes, {limit:?} are allowed", input.len());
}

/// Processor time of this thread so far.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}
