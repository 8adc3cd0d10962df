//! Times and durations as text.
//! Does not read clocks: `now` comes in.

use jiff::{SignedDuration, Timestamp};

/// A duration in a column: `0.3s`, `12s`, `3m5s`, `2h10m`, `4d3h`.
pub fn short(duration: SignedDuration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        i64::MIN..0 => "0s".to_owned(),
        0..10 => {
            let tenths = duration.as_millis() / 100;
            if tenths % 10 == 0 && tenths > 0 {
                format!("{seconds}s")
            } else {
                format!("{}.{}s", tenths / 10, tenths % 10)
            }
        }
        10..60 => format!("{seconds}s"),
        60..3600 => two(seconds / 60, "m", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds % 3600 / 60, "m"),
        _ => two(seconds / 86_400, "d", seconds % 86_400 / 3600, "h"),
    }
}

/// An age in a list: one unit, no fractions.
pub fn age(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m", seconds / 60),
        3600..86_400 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

fn two(a: i64, a_unit: &str, b: i64, b_unit: &str) -> String {
    if b == 0 { format!("{a}{a_unit}") } else { format!("{a}{a_unit}{b}{b_unit}") }
}

/// A duration in words, two units at most, as in the header of `get`.
pub fn words(duration: SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let word = |n: i64, unit: &str| if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") };
    let pair = |a: String, n: i64, unit: &str| if n == 0 { a } else { format!("{a} {}", word(n, unit)) };
    match seconds {
        0..60 => word(seconds, "second"),
        60..3600 => pair(word(seconds / 60, "minute"), seconds % 60, "second"),
        3600..86_400 => pair(word(seconds / 3600, "hour"), seconds % 3600 / 60, "minute"),
        _ => pair(word(seconds / 86_400, "day"), seconds % 86_400 / 3600, "hour"),
    }
}

/// A point in time and how long ago it was: `2026-01-02T03:04:05Z (5 seconds ago)`.
pub fn ago(at: Timestamp, now: Timestamp) -> String {
    let shown = whole(at);
    let passed = now.duration_since(at);
    if passed.is_negative() {
        format!("{shown} ({} from now)", words(-passed))
    } else {
        format!("{shown} ({} ago)", words(passed))
    }
}

/// Whole seconds, as Kubernetes prints times.
pub fn whole(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

/// Parses `2h`, `90s`, `7d`, `1h30m`, or bare seconds.
///
/// # Errors
/// A text for people.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let trimmed = text.trim();
    if let Ok(seconds) = trimmed.parse::<u32>() {
        return Ok(SignedDuration::from_secs(i64::from(seconds)));
    }
    let bad = || format!("`{text}` is not a duration: write for example 90s, 10m, 1h30m or 7d");
    let mut total = SignedDuration::ZERO;
    let mut rest = trimmed;
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
        let number: i64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let millis: i64 = match &rest[..unit] {
            "ms" => 1,
            "s" => 1000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            "w" => 604_800_000,
            _ => return Err(bad()),
        };
        let part = number.checked_mul(millis).map(SignedDuration::from_millis).ok_or_else(bad)?;
        total = total.checked_add(part).ok_or_else(bad)?;
        rest = &rest[unit..];
    }
    Ok(total)
}
