//! How long to wait before another attempt (`retryStrategy`) and between firings (`rateLimit`).
//! Reads no clock and rolls no dice: jitter follows from the key of the firing.

use jiff::SignedDuration;
use sha2::{Digest, Sha256};

use crate::duration;
use crate::spec::{Backoff, RateLimit};

/// Longest wait.
const LONGEST: SignedDuration = SignedDuration::from_hours(24);

/// Attempts in all; at least one.
#[must_use]
pub fn attempts(backoff: Option<&Backoff>) -> u32 {
    let steps = backoff.and_then(|backoff| backoff.steps).unwrap_or(1);
    u32::try_from(steps).unwrap_or(1).max(1)
}

/// The wait after the failed attempt of that number, from 1. Argo's defaults: one second, factor 1, no jitter.
#[must_use]
pub fn wait(backoff: Option<&Backoff>, attempt: u32, key: &str) -> SignedDuration {
    let first = backoff.and_then(|backoff| backoff.duration.as_ref());
    let first = first.and_then(|value| duration::of(value).ok()).unwrap_or(SignedDuration::from_secs(1));
    let factor = backoff.and_then(|backoff| backoff.factor).map_or(1.0, |amount| amount.0.max(0.0));
    let jitter = backoff.and_then(|backoff| backoff.jitter).map_or(0.0, |amount| amount.0.clamp(0.0, 10.0));
    let grown = factor.powi(i32::try_from(attempt.saturating_sub(1).min(1000)).unwrap_or(1000));
    let seconds = first.as_secs_f64().max(0.0) * grown * (1.0 + jitter * share(key, attempt));
    SignedDuration::try_from_secs_f64(seconds).map_or(LONGEST, |wait| wait.min(LONGEST))
}

/// A share between 0 and 1 that looks random and is always the same.
fn share(key: &str, attempt: u32) -> f64 {
    let digest = Sha256::new().chain_update(key).chain_update(attempt.to_be_bytes()).finalize();
    let number = digest.iter().take(4).fold(0_u32, |number, byte| number << 8 | u32::from(*byte));
    f64::from(number) / f64::from(u32::MAX)
}

/// The time between two firings.
pub(super) fn spacing(limit: &RateLimit) -> SignedDuration {
    let unit: i64 = match limit.unit.as_str() {
        "Hour" => 3_600_000_000_000,
        "Minute" => 60_000_000_000,
        _ => 1_000_000_000,
    };
    SignedDuration::from_nanos(unit / limit.requests_per_unit.unwrap_or(1).max(1))
}
