//! sprig's date functions on explicit values: a time, Unix seconds, or the text of a time.
//! There is no clock: what sprig takes as "now" is an error here.

use std::sync::Arc;

use jiff::{Timestamp, Zoned};

use crate::expr::builtins::{Call, Entry};
use crate::expr::error::ExprError;
use crate::expr::gotime;
use crate::expr::sprig::convert::to_int;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("date", 2, 2, |c| {
        let (layout, time) = (c.str(0)?, time(c, 1)?);
        c.text(gotime::format_layout(&time, &layout))
    }),
    ("dateInZone", 3, 3, in_zone),
    ("date_in_zone", 3, 3, in_zone),
    ("dateModify", 2, 2, modify),
    ("date_modify", 2, 2, modify),
    ("toDate", 2, 2, |c| {
        let (layout, text) = (c.str(0)?, c.str(1)?);
        gotime::parse_layout(&text, &layout, "UTC")
    }),
    ("unixEpoch", 1, 1, |c| {
        let time = time(c, 0)?;
        c.text(time.timestamp().as_second().to_string())
    }),
    ("htmlDate", 1, 1, |c| {
        let time = time(c, 0)?;
        c.text(gotime::format_layout(&time, "2006-01-02"))
    }),
    ("htmlDateInZone", 2, 2, |c| {
        let (time, zone) = (time(c, 0)?, c.str(1)?);
        let time = time.with_time_zone(gotime::zone(&zone)?);
        c.text(gotime::format_layout(&time, "2006-01-02"))
    }),
    ("duration", 1, 1, |c| {
        let seconds = to_int(&c.arg(0));
        c.text(gotime::duration_text(seconds.saturating_mul(1_000_000_000)))
    }),
    ("durationRound", 1, 1, |c| {
        let nanos = match c.arg(0) {
            Val::Duration(d) | Val::Int(d) => d,
            Val::Str(text) => gotime::parse_duration(&text).unwrap_or(0),
            _ => return Err(c.wrong(0, "a duration")),
        };
        c.text(rounded(nanos))
    }),
];

fn time(c: &Call<'_, '_>, i: usize) -> Result<Arc<Zoned>, ExprError> {
    let utc = |seconds: i64| {
        let t = Timestamp::from_second(seconds).map_err(|_| ExprError::value("the time is out of range"))?;
        Ok(Arc::new(t.to_zoned(jiff::tz::TimeZone::UTC)))
    };
    match c.arg(i) {
        Val::Time(t) => Ok(t),
        Val::Int(seconds) => utc(seconds),
        Val::Float(_) => utc(c.int(i)?),
        Val::Str(text) => match gotime::parse_any(&text)? {
            Val::Time(t) => Ok(t),
            _ => Err(c.wrong(i, "a time")),
        },
        _ => Err(c.wrong(i, "a time, Unix seconds or the text of a time")),
    }
}

fn in_zone(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let (layout, time, zone) = (c.str(0)?, time(c, 1)?, c.str(2)?);
    let zone = gotime::zone(&zone).unwrap_or(jiff::tz::TimeZone::UTC);
    c.text(gotime::format_layout(&time.with_time_zone(zone), &layout))
}

fn modify(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let (by, time) = (c.str(0)?, time(c, 1)?);
    match gotime::parse_duration(&by) {
        Ok(nanos) => gotime::shift(&time, nanos),
        Err(error) if c.name.starts_with("sprig.must") => Err(error),
        Err(_) => Ok(Val::Time(time)),
    }
}

/// The largest unit alone: `2h`, `3d`, `5mo`.
fn rounded(nanos: i64) -> String {
    const UNITS: &[(u64, &str)] =
        &[(365 * 24 * 3600, "y"), (30 * 24 * 3600, "mo"), (24 * 3600, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let seconds = nanos.unsigned_abs() / 1_000_000_000;
    let sign = if nanos < 0 { "-" } else { "" };
    match UNITS.iter().find(|(unit, _)| seconds >= *unit) {
        Some((unit, name)) => format!("{sign}{}{name}", seconds / unit),
        None => "0s".to_owned(),
    }
}
