//! Go's duration texts (`1h30m`, `250ms`).
//! Does not know what they are for; `policies` judges those of policies, which may be bare seconds too.

use jiff::SignedDuration;

const UNITS: [(&str, f64); 8] =
    [("ns", 1.0), ("us", 1e3), ("µs", 1e3), ("μs", 1e3), ("ms", 1e6), ("s", 1e9), ("m", 60e9), ("h", 3600e9)];

/// Reads a text as Go's `time.ParseDuration` does.
///
/// # Errors
/// A sentence for people.
pub fn parse(text: &str) -> Result<SignedDuration, String> {
    let wrong = || format!("`{text}` is not a duration: write e.g. 90s, 1h30m or 250ms");
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(SignedDuration::ZERO);
    }
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut nanoseconds = 0.0_f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, behind) = rest.split_at(digits);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        let end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(end);
        let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
        nanoseconds += number * factor;
        rest = behind;
    }
    if nanoseconds > 9.2e18 {
        return Err(format!("`{text}` is too long"));
    }
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    let nanoseconds = nanoseconds.round() as i64;
    Ok(SignedDuration::from_nanos(if negative { -nanoseconds } else { nanoseconds }))
}
