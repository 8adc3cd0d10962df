//! Times and durations in Go's formats: RFC 3339, layouts like `2006-01-02`, `1h30m`.
//! It reads no clock and no zone files; zones come from the bundled table.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, Zoned};

use super::error::ExprError;
use super::val::Val;

mod layout;

pub(crate) use layout::{format_layout, parse_layout};

/// RFC 3339 with the fraction as short as it goes, as Go marshals a time.
pub(crate) fn rfc3339(t: &Zoned) -> String {
    format_layout(t, "2006-01-02T15:04:05.999999999Z07:00")
}

/// Go's `String()` of a time.
pub(crate) fn default_text(t: &Zoned) -> String {
    format_layout(t, "2006-01-02 15:04:05.999999999 -0700 MST")
}

/// Go's `String()` of a duration: `1h2m3.5s`, `15ms`, `0s`.
pub(crate) fn duration_text(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let n = nanos.unsigned_abs();
    let small = |unit: u64, name: &str| {
        let whole = n / unit;
        let text = format!("{whole}.{:0width$}", n % unit, width = unit.to_string().len() - 1);
        let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
        format!("{sign}{text}{name}")
    };
    match n {
        0 => "0s".to_owned(),
        1..1_000 => format!("{sign}{n}ns"),
        1_000..1_000_000 => small(1_000, "µs"),
        1_000_000..1_000_000_000 => small(1_000_000, "ms"),
        _ => {
            let (hours, rest) = (n / 3_600_000_000_000, n % 3_600_000_000_000);
            let (minutes, rest) = (rest / 60_000_000_000, rest % 60_000_000_000);
            let mut out = sign.to_owned();
            if hours > 0 {
                let _ = write!(out, "{hours}h");
            }
            if hours > 0 || minutes > 0 {
                let _ = write!(out, "{minutes}m");
            }
            let fraction = format!("{}.{:09}", rest / 1_000_000_000, rest % 1_000_000_000);
            out.push_str(fraction.trim_end_matches('0').trim_end_matches('.'));
            out.push('s');
            out
        }
    }
}

/// A Go duration (`1h30m`, `1.5s`, `-10ms`) in nanoseconds.
pub(crate) fn parse_duration(text: &str) -> Result<i64, ExprError> {
    let bad =
        || ExprError::value(format!("{} is not a duration such as 1h30m", super::builtins::quoted(text)));
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Ok(0);
    }
    if rest.is_empty() {
        return Err(bad());
    }
    let mut total = 0.0f64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(bad)?;
        let amount: f64 = rest.get(..digits).and_then(|d| d.parse().ok()).ok_or_else(bad)?;
        rest = rest.get(digits..).unwrap_or_default();
        let end = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let unit = match rest.get(..end).unwrap_or_default() {
            "ns" => 1.0,
            "us" | "µs" | "μs" => 1e3,
            "ms" => 1e6,
            "s" => 1e9,
            "m" => 60e9,
            "h" => 3600e9,
            _ => return Err(bad()),
        };
        total += amount * unit;
        rest = rest.get(end..).unwrap_or_default();
    }
    #[expect(clippy::cast_precision_loss, reason = "a bound")]
    let fits = total < i64::MAX as f64;
    #[expect(clippy::cast_possible_truncation, reason = "checked to fit")]
    if fits { Ok((total * sign).round() as i64) } else { Err(bad()) }
}

/// A time in one of the usual forms; without a zone it is UTC.
pub(crate) fn parse_any(text: &str) -> Result<Val, ExprError> {
    let text = text.trim();
    if text.len() <= 64 {
        if let Ok(t) = text.parse::<Timestamp>() {
            let pieces = jiff::fmt::temporal::DateTimeParser::new().parse_pieces(text).ok();
            let zone = match pieces.and_then(|p| p.to_numeric_offset()) {
                Some(offset) if offset.seconds() != 0 => TimeZone::fixed(offset),
                Some(_) | None => TimeZone::UTC,
            };
            return Ok(Val::Time(Arc::new(t.to_zoned(zone))));
        }
        if let Ok(civil) = text.parse::<jiff::civil::DateTime>()
            && let Ok(zoned) = civil.to_zoned(TimeZone::UTC)
        {
            return Ok(Val::Time(Arc::new(zoned)));
        }
        const LAYOUTS: &[&str] =
            &["2006-01-02 15:04:05 -0700 MST", "Mon, 02 Jan 2006 15:04:05 MST", "Jan 2, 2006", "15:04"];
        for layout in LAYOUTS {
            if let Ok(found) = parse_layout(text, layout, "UTC") {
                return Ok(found);
            }
        }
    }
    Err(ExprError::value(format!("{} is not a date", super::builtins::quoted(text))))
}

/// Both as times when one is a time and the other the text of one.
pub(crate) fn same_kind(a: &Val, b: &Val) -> Option<(Val, Val)> {
    match (a, b) {
        (Val::Time(_), Val::Str(text)) => Some((a.clone(), parse_any(text).ok()?)),
        (Val::Str(text), Val::Time(_)) => Some((parse_any(text).ok()?, b.clone())),
        _ => None,
    }
}

/// The time moved by nanoseconds.
pub(crate) fn shift(t: &Zoned, nanos: i64) -> Result<Val, ExprError> {
    t.checked_add(SignedDuration::from_nanos(nanos))
        .map(|t| Val::Time(Arc::new(t)))
        .map_err(|_| ExprError::value("the time is out of range"))
}

/// Nanoseconds from one time to a later one; saturates at about 292 years.
pub(crate) fn between(from: &Zoned, to: &Zoned) -> i64 {
    let nanos = to.timestamp().as_nanosecond() - from.timestamp().as_nanosecond();
    i64::try_from(nanos).unwrap_or(if nanos < 0 { i64::MIN } else { i64::MAX })
}

/// The methods that Go's times and durations have.
pub(crate) fn method(value: &Val, name: &str, args: &[Val]) -> Result<Val, ExprError> {
    match value {
        Val::Duration(d) => duration_method(*d, name),
        Val::Time(t) => time_method(t, name, args),
        Val::Str(_) if name == "String" => Ok(value.clone()),
        other => Err(ExprError::new(
            super::ExprErrorKind::UnknownName,
            format!("{} has no function '{name}'", other.type_name()),
        )),
    }
}

fn duration_method(d: i64, name: &str) -> Result<Val, ExprError> {
    #[expect(clippy::cast_precision_loss, reason = "Go's Seconds() is a float too")]
    let float = d as f64;
    Ok(match name {
        "Hours" => Val::Float(float / 3600e9),
        "Minutes" => Val::Float(float / 60e9),
        "Seconds" => Val::Float(float / 1e9),
        "Milliseconds" => Val::Int(d / 1_000_000),
        "Microseconds" => Val::Int(d / 1_000),
        "Nanoseconds" => Val::Int(d),
        "Abs" => Val::Duration(d.saturating_abs()),
        "String" => Val::str(duration_text(d)),
        _ => {
            return Err(ExprError::new(
                super::ExprErrorKind::UnknownName,
                format!("a duration has no function '{name}'"),
            ));
        }
    })
}

fn time_method(t: &Zoned, name: &str, args: &[Val]) -> Result<Val, ExprError> {
    let int = |n: i64| Ok(Val::Int(n));
    match (name, args) {
        ("Unix", []) => int(t.timestamp().as_second()),
        ("UnixMilli", []) => int(t.timestamp().as_millisecond()),
        ("UnixNano", []) => int(i64::try_from(t.timestamp().as_nanosecond()).unwrap_or(i64::MAX)),
        ("Year", []) => int(t.year().into()),
        ("Month", []) => int(t.month().into()),
        ("Day", []) => int(t.day().into()),
        ("Hour", []) => int(t.hour().into()),
        ("Minute", []) => int(t.minute().into()),
        ("Second", []) => int(t.second().into()),
        ("Nanosecond", []) => int(t.subsec_nanosecond().into()),
        ("YearDay", []) => int(t.day_of_year().into()),
        ("Weekday", []) => int(t.weekday().to_sunday_zero_offset().into()),
        ("UTC", []) => Ok(Val::Time(Arc::new(t.with_time_zone(TimeZone::UTC)))),
        ("In", [Val::Str(name)]) => Ok(Val::Time(Arc::new(t.with_time_zone(zone(name)?)))),
        ("String", []) => Ok(Val::str(default_text(t))),
        ("Format", [Val::Str(layout)]) => Ok(Val::str(format_layout(t, layout))),
        ("Add", [Val::Duration(d)]) => shift(t, *d),
        ("Sub", [Val::Time(other)]) => Ok(Val::Duration(between(other, t))),
        ("Before", [Val::Time(other)]) => Ok(Val::Bool(t.timestamp() < other.timestamp())),
        ("After", [Val::Time(other)]) => Ok(Val::Bool(t.timestamp() > other.timestamp())),
        ("Equal", [Val::Time(other)]) => Ok(Val::Bool(t.timestamp() == other.timestamp())),
        ("AddDate", [Val::Int(y), Val::Int(m), Val::Int(d)]) => {
            let span =
                jiff::Span::new().try_years(*y).and_then(|s| s.try_months(*m)).and_then(|s| s.try_days(*d));
            span.and_then(|s| t.checked_add(s))
                .map(|t| Val::Time(Arc::new(t)))
                .map_err(|_| ExprError::value("the time is out of range"))
        }
        _ => Err(ExprError::new(
            super::ExprErrorKind::UnknownName,
            format!("a time has no function '{name}' for these arguments"),
        )),
    }
}

/// A time zone by its IANA name; `Local` is UTC.
pub(crate) fn zone(name: &str) -> Result<TimeZone, ExprError> {
    match name {
        "" | "UTC" | "Local" => Ok(TimeZone::UTC),
        _ => TimeZone::get(name)
            .map_err(|_| ExprError::value(format!("unknown time zone {}", super::builtins::quoted(name)))),
    }
}
