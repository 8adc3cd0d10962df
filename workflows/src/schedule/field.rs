//! The five fields of a schedule as sets of bits, with robfig's grammar.
//! Does not know time; what a set means on a calendar is in `search`.

use jiff::civil::Date;

use super::Invalid;

/// What each field allows; bit n is the value n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) minutes: u64,
    pub(super) hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Day of month or day of week was a star: then both must fit, else one is enough (as robfig and crontab).
    star: bool,
}

const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
const EVERY_HOUR: u64 = (1 << 24) - 1;

/// One field: its name for people, its bounds, names of its values from the lower bound on.
struct Bounds {
    name: &'static str,
    low: u32,
    high: u32,
    names: &'static [&'static str],
}

impl Fields {
    pub(super) fn parse(text: &str) -> Result<Self, Invalid> {
        let parts: Vec<&str> = text.split_whitespace().collect();
        let [minute, hour, day, month, weekday] = parts.as_slice() else {
            return Err(Invalid(format!("expected exactly 5 fields, found {}: [{text}]", parts.len())));
        };
        let plain = |name, low, high| Bounds { name, low, high, names: &[] };
        let (days, day_star) = plain("day of month", 1, 31).set(day)?;
        let (weekdays, weekday_star) =
            Bounds { name: "day of week", low: 0, high: 6, names: &WEEKDAYS }.set(weekday)?;
        Ok(Self {
            minutes: plain("minute", 0, 59).set(minute)?.0,
            hours: plain("hour", 0, 23).set(hour)?.0,
            days,
            months: Bounds { name: "month", low: 1, high: 12, names: &MONTHS }.set(month)?.0,
            weekdays,
            star: day_star || weekday_star,
        })
    }

    /// Whether all hours are allowed: then it goes by elapsed time.
    pub(super) fn is_hourly(&self) -> bool {
        self.hours == EVERY_HOUR
    }

    /// Whether the month is allowed.
    pub(super) fn in_month(&self, date: Date) -> bool {
        has(self.months, date.month())
    }

    /// Whether the day is allowed, its month aside.
    pub(super) fn on_day(&self, date: Date) -> bool {
        let day = has(self.days, date.day());
        let weekday = has(self.weekdays, date.weekday().to_sunday_zero_offset());
        if self.star { day && weekday } else { day || weekday }
    }
}

/// Whether a set has a value.
pub(super) fn has(set: u64, value: i8) -> bool {
    u32::try_from(value).is_ok_and(|value| value < 64 && set & (1 << value) != 0)
}

impl Bounds {
    /// The set of a field, and whether a star is in it.
    fn set(&self, text: &str) -> Result<(u64, bool), Invalid> {
        let (mut set, mut star) = (0, false);
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (more, starred) = self.part(part)?;
            set |= more;
            star |= starred;
        }
        if set == 0 { Err(self.bad(text, "it is empty")) } else { Ok((set, star)) }
    }

    /// `*`, `?`, `n`, `a-b`, each with `/step`; `n/step` goes to the end.
    fn part(&self, text: &str) -> Result<(u64, bool), Invalid> {
        let (range, step) = match text.split_once('/') {
            Some((range, step)) => (range, Some(self.number(text, step)?)),
            None => (text, None),
        };
        let (from, to, star) = if matches!(range, "*" | "?") {
            (self.low, self.high, true)
        } else if let Some((from, to)) = range.split_once('-') {
            (self.value(text, from)?, self.value(text, to)?, false)
        } else {
            let from = self.value(text, range)?;
            (from, if step.is_some() { self.high } else { from }, false)
        };
        if from < self.low || to > self.high {
            return Err(self.bad(text, &format!("values are {} to {}", self.low, self.high)));
        }
        if from > to {
            return Err(self.bad(text, "the range ends before it begins"));
        }
        let step = step.unwrap_or(1);
        if step == 0 {
            return Err(self.bad(text, "a step must be positive"));
        }
        let mut set = 0;
        let mut value = from;
        while value <= to {
            set |= 1 << value;
            value = value.saturating_add(step);
        }
        // a star with a step counts as a list of values, as for robfig
        Ok((set, star && step == 1))
    }

    fn value(&self, whole: &str, text: &str) -> Result<u32, Invalid> {
        let lower = text.to_ascii_lowercase();
        let named = self.names.iter().position(|name| *name == lower);
        match named.and_then(|at| u32::try_from(at).ok()) {
            Some(at) => Ok(at + self.low),
            None => self.number(whole, text),
        }
    }

    fn number(&self, whole: &str, text: &str) -> Result<u32, Invalid> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits
            .then(|| text.parse().ok())
            .flatten()
            .ok_or_else(|| self.bad(whole, &format!("`{text}` is not a number")))
    }

    fn bad(&self, text: &str, why: &str) -> Invalid {
        Invalid(format!("`{text}` is no {}: {why}", self.name))
    }
}
