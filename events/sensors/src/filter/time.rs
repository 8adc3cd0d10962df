//! Time filters: the time of day of an event, from `start` up to but not including `stop`.
//! Reads no clock: the event says when it was seen.

use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::{Clause, Outcome};
use crate::event::Event;
use crate::spec::TimeFilter;

/// Start, stop and zone of a filter.
///
/// # Errors
/// A sentence for people: no time `HH:MM:SS`, no IANA zone.
pub fn times(filter: &TimeFilter) -> Result<(Time, Time, TimeZone), String> {
    let zone = if filter.timezone.is_empty() {
        TimeZone::UTC
    } else {
        TimeZone::get(&filter.timezone).map_err(|_| format!("invalid timezone '{}'", filter.timezone))?
    };
    Ok((time(&filter.start)?, time(&filter.stop)?, zone))
}

fn time(text: &str) -> Result<Time, String> {
    let wrong = || format!("`{text}` is not a time: write HH:MM:SS");
    let parts: Vec<&str> = text.split(':').collect();
    let [hours, minutes, seconds] = parts.as_slice() else { return Err(wrong()) };
    let number = |text: &str, digits: std::ops::RangeInclusive<usize>| -> Result<i8, String> {
        let good = digits.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        good.then(|| text.parse().ok()).flatten().ok_or_else(wrong)
    };
    Time::new(number(hours, 1..=2)?, number(minutes, 2..=2)?, number(seconds, 2..=2)?, 0).map_err(|_| wrong())
}

pub(super) fn evaluate(filter: &TimeFilter, event: &Event) -> Outcome {
    let zone = if filter.timezone.is_empty() { "UTC" } else { &filter.timezone };
    let wanted = format!("time from {} until {} {zone}", filter.start, filter.stop);
    let result = times(filter).and_then(|times| Ok((times, event.time()?)));
    match result {
        Err(why) => {
            let clause = Clause { wanted, passed: false, reason: why.clone(), ..Clause::default() };
            Outcome { clause, error: Some(format!("time filter error ({why})")) }
        }
        Ok(((start, stop, zone), at)) => {
            let local = at.to_zoned(zone).datetime().time();
            let passed =
                if start < stop { start <= local && local < stop } else { start <= local || local < stop };
            let actual = Some(local.strftime("%H:%M:%S").to_string());
            Outcome { clause: Clause { wanted, passed, actual, ..Clause::default() }, error: None }
        }
    }
}
