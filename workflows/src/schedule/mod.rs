//! The schedule language: robfig's five fields, descriptors, `@every`, `TZ=` prefixes, and when they are due.
//! Reads no clock: both ends of every question are given.
//!
//! Fields become sets of bits (`field`), and the calendar is jiff's (`search`). A crate for cron would bring a second
//! calendar and a second parser: robfig's rules (`5/15`, `?`, no `7`, the star rule) have to be parsed here in any case.

mod field;
mod search;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use field::Fields;

/// Why a text is no schedule, for people.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// When something is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    rule: Rule,
    zone: TimeZone,
    zone_name: String,
}

#[derive(Clone, Debug)]
enum Rule {
    /// `@every`: whole seconds after the anchor.
    Every(i64),
    /// Five fields.
    Fields(Fields),
}

/// Zone of schedules that name none. Argo takes that of the machine, which is UTC wherever its controller runs in
/// a container; here it is always UTC, so that a schedule means the same everywhere.
const DEFAULT_ZONE: &str = "UTC";

impl Schedule {
    /// Reads a schedule. `zone` is the IANA name of the field `timezone`, or empty; a `TZ=` or `CRON_TZ=` prefix wins.
    ///
    /// # Errors
    /// [`Invalid`] with what is wrong; the same texts are wrong as for robfig's standard parser.
    pub fn parse(text: &str, zone: &str) -> Result<Self, Invalid> {
        let text = text.trim();
        let prefixed = text.strip_prefix("CRON_TZ=").or_else(|| text.strip_prefix("TZ="));
        let (zone, text) = match prefixed {
            Some(rest) => rest
                .split_once(char::is_whitespace)
                .ok_or_else(|| Invalid(format!("`{text}` has a time zone and no schedule")))?,
            None => (zone, text),
        };
        let zone_name = if zone.is_empty() { DEFAULT_ZONE } else { zone };
        let zone = TimeZone::get(zone_name).map_err(|_| {
            Invalid(format!(
                "`{zone_name}` is not a time zone: use a name of the IANA data base, e.g. Europe/Berlin"
            ))
        })?;
        Ok(Self { rule: rule(text.trim())?, zone, zone_name: zone_name.to_owned() })
    }

    /// Name of the zone that the fields are in.
    #[must_use]
    pub fn zone_name(&self) -> &str {
        &self.zone_name
    }

    /// The zone that the fields are in.
    #[must_use]
    pub fn zone(&self) -> &TimeZone {
        &self.zone
    }

    /// The first time it is due after `after`, whole seconds; none when it never is again. `anchor` is what `@every`
    /// counts from.
    ///
    /// Summer time: a schedule for certain hours is due exactly once for each local time. A local time that is left
    /// out is due at the first instant after the gap; one that comes twice is due the first time. A schedule for
    /// every hour (`*/5 * * * *`) goes by elapsed time: no pause and no heap at either change.
    #[must_use]
    pub fn next_after(&self, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
        match &self.rule {
            Rule::Every(seconds) => every(*seconds, after, anchor),
            Rule::Fields(fields) => search::next(fields, &self.zone, after),
        }
    }
}

fn rule(text: &str) -> Result<Rule, Invalid> {
    let Some(name) = text.strip_prefix('@') else { return Fields::parse(text).map(Rule::Fields) };
    let fields = match name {
        "yearly" | "annually" => "0 0 1 1 *",
        "monthly" => "0 0 1 * *",
        "weekly" => "0 0 * * 0",
        "daily" | "midnight" => "0 0 * * *",
        "hourly" => "0 * * * *",
        _ => {
            let length = name.strip_prefix("every ").ok_or_else(|| {
                Invalid(format!(
                    "unknown descriptor `@{name}`: use @every 1h30m, @hourly, @daily, @midnight, @weekly, @monthly, \
                     @yearly or @annually"
                ))
            })?;
            return period(length.trim()).map(Rule::Every);
        }
    };
    Fields::parse(fields).map(Rule::Fields)
}

/// Whole seconds, at least one, as robfig rounds.
fn period(text: &str) -> Result<i64, Invalid> {
    let bad = || Invalid(format!("`@every {text}` needs a duration such as 1h30m, 45s or 300ms"));
    if text.parse::<f64>().is_ok() {
        return Err(bad());
    }
    let length = crate::duration::parse(text).map_err(|_| bad())?;
    if length < SignedDuration::ZERO {
        return Err(bad());
    }
    Ok(length.as_secs().max(1))
}

fn every(seconds: i64, after: Timestamp, anchor: Timestamp) -> Option<Timestamp> {
    let anchor = anchor.as_second();
    let passed = after.as_second().checked_sub(anchor)?;
    let count = passed.div_euclid(seconds).checked_add(1)?.max(1);
    Timestamp::from_second(anchor.checked_add(seconds.checked_mul(count)?)?).ok()
}

#[cfg(test)]
mod tests;
