//! Finds the next instant that fits five fields in a time zone.
//! Does not parse; all loops are bounded.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{SignedDuration, Timestamp};

use super::field::{Fields, has};

/// Years that are searched: 29 February is at most eight years away.
const YEARS: i16 = 9;
/// Turns of a search by elapsed time: whole days that do not fit are skipped in one.
const TURNS: usize = 20_000;
const MINUTE: SignedDuration = SignedDuration::from_mins(1);

/// The first instant after `after`.
pub(super) fn next(fields: &Fields, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    if fields.is_hourly() { by_elapsed_time(fields, zone, after) } else { by_local_time(fields, zone, after) }
}

/// Every local time once: the dates in order, and on each the times in order.
fn by_local_time(fields: &Fields, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let local = zone.to_datetime(after);
    // instants never go back while local times go on, so everything before `local` is over
    let mut date = next_date(fields, local.date(), local.date())?;
    loop {
        let first = if date == local.date() { local.time() } else { Time::midnight() };
        for hour in (first.hour()..24).filter(|hour| has(fields.hours, *hour)) {
            for minute in (0..60).filter(|minute| has(fields.minutes, *minute)) {
                let at = instant(zone, date.at(hour, minute, 0, 0))?;
                if at > after {
                    return Some(at);
                }
            }
        }
        date = next_date(fields, date.tomorrow().ok()?, local.date())?;
    }
}

/// The instant of a local time: the first of two; the end of the gap when there is none.
fn instant(zone: &TimeZone, local: DateTime) -> Option<Timestamp> {
    let ambiguous = zone.to_ambiguous_timestamp(local);
    match ambiguous.offset() {
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => ambiguous.compatible().ok(),
        AmbiguousOffset::Gap { .. } => {
            // with the offset before the gap the time lies at or behind its end
            let behind = ambiguous.compatible().ok()?;
            let soon = behind.checked_add(SignedDuration::from_secs(1)).ok()?;
            zone.preceding(soon).next().map(|transition| transition.timestamp())
        }
    }
}

/// Every fitting minute that passes.
fn by_elapsed_time(fields: &Fields, zone: &TimeZone, after: Timestamp) -> Option<Timestamp> {
    let from = zone.to_datetime(after).date();
    let second = i64::from(zone.to_datetime(after).second());
    let whole = Timestamp::from_second(after.as_second()).ok()?;
    // before 1970 whole seconds lie behind, not before
    let whole = if whole > after { whole.checked_sub(SignedDuration::from_secs(1)).ok()? } else { whole };
    let mut at = whole.checked_add(SignedDuration::from_secs(60 - second)).ok()?;
    for _ in 0..TURNS {
        let local = zone.to_datetime(at);
        if !(fields.in_month(local.date()) && fields.on_day(local.date())) {
            let date = next_date(fields, local.date().tomorrow().ok()?, from)?;
            at = date.to_zoned(zone.clone()).ok()?.timestamp();
            continue;
        }
        if has(fields.minutes, local.minute()) {
            return Some(at);
        }
        at = at.checked_add(MINUTE).ok()?;
    }
    None
}

/// The first fitting date from `date` on, within some years of `start`.
fn next_date(fields: &Fields, mut date: Date, start: Date) -> Option<Date> {
    let last = start.year().saturating_add(YEARS);
    while date.year() <= last {
        if !fields.in_month(date) {
            date = date.last_of_month().tomorrow().ok()?;
        } else if fields.on_day(date) {
            return Some(date);
        } else {
            date = date.tomorrow().ok()?;
        }
    }
    None
}
