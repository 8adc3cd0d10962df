//! Durations as Argo's YAML writes them: bare seconds or Go's `1h2m3.5s`.
//! Does not know what they are for.

/// Parses seconds (`"30"`) or a Go duration (`"1m30s"`, `"300ms"`). Negative durations are kept.
///
/// # Errors
/// A text for people when it is neither.
pub fn parse_duration(text: &str) -> Result<jiff::SignedDuration, String> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<i64>() {
        return Ok(jiff::SignedDuration::from_secs(seconds));
    }
    let (negative, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let bad =
        || format!("`{text}` is not a duration: write seconds, or a text such as `1h30m`, `45s` or `300ms`");
    if rest.is_empty() {
        return Err(bad());
    }
    let mut nanos: f64 = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let unit_len = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let scale = match &rest[..unit_len] {
            "h" => 3.6e12,
            "m" => 6e10,
            "s" => 1e9,
            "ms" => 1e6,
            "us" | "µs" | "μs" => 1e3,
            "ns" => 1.0,
            _ => return Err(bad()),
        };
        nanos += number * scale;
        rest = &rest[unit_len..];
    }
    if !nanos.is_finite() || nanos > 9.2e18 {
        return Err(format!("`{text}` is too long a duration"));
    }
    let nanos = if negative { -nanos } else { nanos };
    #[expect(clippy::cast_possible_truncation, reason = "bounded just above")]
    Ok(jiff::SignedDuration::from_nanos(nanos as i64))
}

/// A duration in words, two units at most: `5 seconds`, `1 minute 10 seconds`, `2 hours 0 minutes`.
pub fn format_duration(duration: jiff::SignedDuration) -> String {
    let seconds = duration.as_secs().max(0);
    let word = |n: i64, unit: &str| if n == 1 { format!("{n} {unit}") } else { format!("{n} {unit}s") };
    match seconds {
        0..60 => word(seconds, "second"),
        60..3600 => format!("{} {}", word(seconds / 60, "minute"), word(seconds % 60, "second")),
        3600..86_400 => format!("{} {}", word(seconds / 3600, "hour"), word(seconds % 3600 / 60, "minute")),
        _ => format!("{} {}", word(seconds / 86_400, "day"), word(seconds % 86_400 / 3600, "hour")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_go_texts() {
        assert_eq!(parse_duration("10").unwrap().as_secs(), 10);
        assert_eq!(parse_duration("1m30s").unwrap().as_secs(), 90);
        assert_eq!(parse_duration("300ms").unwrap().as_millis(), 300);
        assert_eq!(parse_duration("1.5h").unwrap().as_secs(), 5400);
        for bad in ["", "x", "1x", "1m2", "--1s", "1e300h"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words() {
        assert_eq!(format_duration(jiff::SignedDuration::from_secs(1)), "1 second");
        assert_eq!(format_duration(jiff::SignedDuration::from_secs(65)), "1 minute 5 seconds");
    }
}
