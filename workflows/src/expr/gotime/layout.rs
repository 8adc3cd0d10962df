//! Go's time layouts: the reference time `Mon Jan 2 15:04:05 MST 2006` written as wished.
//! It knows no other format language.

use std::fmt::Write as _;
use std::sync::Arc;

use jiff::Zoned;
use jiff::civil::{DateTime, Time};
use jiff::tz::{Offset, TimeZone};

use crate::expr::error::ExprError;
use crate::expr::val::Val;

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

/// The pieces of a layout, longest first where one begins another.
const PIECES: &[&str] = &[
    "January",
    "Monday",
    "Jan",
    "Mon",
    "MST",
    "2006",
    "-07:00:00",
    "-07:00",
    "-0700",
    "-07",
    "Z07:00",
    "Z0700",
    "Z07",
    "002",
    "01",
    "02",
    "03",
    "04",
    "05",
    "06",
    "15",
    "_2",
    "PM",
    "pm",
    "1",
    "2",
    "3",
    "4",
    "5",
];

enum Piece<'a> {
    Known(&'static str),
    /// `.000` (fixed) or `.999` (as short as it goes), with the digits.
    Fraction {
        fixed: bool,
        digits: usize,
    },
    Literal(&'a str),
}

fn pieces(layout: &str) -> Vec<Piece<'_>> {
    let mut out = Vec::new();
    let mut rest = layout;
    while let Some(first) = rest.chars().next() {
        if let Some(known) = PIECES.iter().find(|p| rest.starts_with(**p)) {
            out.push(Piece::Known(known));
            rest = rest.get(known.len()..).unwrap_or_default();
            continue;
        }
        if first == '.' || first == ',' {
            let after = rest.get(1..).unwrap_or_default();
            let digit = after.chars().next().filter(|c| *c == '0' || *c == '9');
            if let Some(digit) = digit {
                let digits = after.len() - after.trim_start_matches(digit).len();
                let next_is_digit =
                    after.get(digits..).is_some_and(|r| r.starts_with(|c: char| c.is_ascii_digit()));
                if !next_is_digit {
                    out.push(Piece::Fraction { fixed: digit == '0', digits: digits.min(9) });
                    rest = after.get(digits..).unwrap_or_default();
                    continue;
                }
            }
        }
        let (literal, tail) = rest.split_at(first.len_utf8());
        out.push(Piece::Literal(literal));
        rest = tail;
    }
    out
}

/// The time in a layout.
pub(crate) fn format_layout(t: &Zoned, layout: &str) -> String {
    let mut out = String::new();
    for piece in pieces(layout) {
        match piece {
            Piece::Literal(text) => out.push_str(text),
            Piece::Known(known) => format_piece(t, known, &mut out),
            Piece::Fraction { fixed, digits } => {
                let all = format!("{:09}", t.subsec_nanosecond());
                let cut = all.get(..digits).unwrap_or(&all);
                let cut = if fixed { cut } else { cut.trim_end_matches('0') };
                if !cut.is_empty() {
                    out.push('.');
                    out.push_str(cut);
                }
            }
        }
    }
    out
}

fn name(list: &[&'static str], at: i8) -> &'static str {
    usize::try_from(at).ok().and_then(|i| list.get(i)).copied().unwrap_or_default()
}

fn format_piece(t: &Zoned, piece: &str, out: &mut String) {
    let hour12 = if t.hour() % 12 == 0 { 12 } else { t.hour() % 12 };
    let month = name(&MONTHS, t.month() - 1);
    let day = name(&DAYS, t.weekday().to_sunday_zero_offset());
    let _ = match piece {
        "2006" => write!(out, "{:04}", t.year()),
        "06" => write!(out, "{:02}", t.year().rem_euclid(100)),
        "January" => write!(out, "{month}"),
        "Jan" => write!(out, "{}", month.get(..3).unwrap_or(month)),
        "01" => write!(out, "{:02}", t.month()),
        "1" => write!(out, "{}", t.month()),
        "Monday" => write!(out, "{day}"),
        "Mon" => write!(out, "{}", day.get(..3).unwrap_or(day)),
        "02" => write!(out, "{:02}", t.day()),
        "_2" => write!(out, "{:2}", t.day()),
        "2" => write!(out, "{}", t.day()),
        "002" => write!(out, "{:03}", t.day_of_year()),
        "15" => write!(out, "{:02}", t.hour()),
        "03" => write!(out, "{hour12:02}"),
        "3" => write!(out, "{hour12}"),
        "04" => write!(out, "{:02}", t.minute()),
        "4" => write!(out, "{}", t.minute()),
        "05" => write!(out, "{:02}", t.second()),
        "5" => write!(out, "{}", t.second()),
        "PM" => write!(out, "{}", if t.hour() < 12 { "AM" } else { "PM" }),
        "pm" => write!(out, "{}", if t.hour() < 12 { "am" } else { "pm" }),
        "MST" => write!(out, "{}", t.strftime("%Z")),
        zone => write!(out, "{}", offset_text(t.offset().seconds(), zone)),
    };
}

fn offset_text(seconds: i32, piece: &str) -> String {
    if piece.starts_with('Z') && seconds == 0 {
        return "Z".to_owned();
    }
    let sign = if seconds < 0 { '-' } else { '+' };
    let s = seconds.unsigned_abs();
    let (h, m, s) = (s / 3600, s / 60 % 60, s % 60);
    match piece.trim_start_matches(['Z', '-']) {
        "07:00:00" => format!("{sign}{h:02}:{m:02}:{s:02}"),
        "07:00" => format!("{sign}{h:02}:{m:02}"),
        "07" => format!("{sign}{h:02}"),
        _ => format!("{sign}{h:02}{m:02}"),
    }
}

#[derive(Default)]
struct Fields {
    year: Option<i16>,
    month: Option<i8>,
    day: Option<i8>,
    hour: i8,
    pm: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    offset: Option<i32>,
}

/// A text read by a layout; without a zone of its own it is in `zone`.
pub(crate) fn parse_layout(text: &str, layout: &str, zone: &str) -> Result<Val, ExprError> {
    let bad = || {
        let (text, layout) = (crate::expr::builtins::quoted(text), crate::expr::builtins::quoted(layout));
        ExprError::value(format!("{text} is not a date of the form {layout}"))
    };
    let mut fields = Fields::default();
    let mut rest = text;
    let mut after_seconds = false;
    for piece in pieces(layout) {
        // Go takes a fraction after the seconds even when the layout has none.
        if after_seconds && !matches!(piece, Piece::Fraction { .. }) {
            rest = fraction(rest, None, &mut fields).unwrap_or(rest);
        }
        after_seconds = matches!(piece, Piece::Known("05" | "5"));
        rest = match piece {
            Piece::Literal(literal) => rest.strip_prefix(literal).ok_or_else(bad)?,
            Piece::Fraction { fixed, digits } => {
                fraction(rest, fixed.then_some(digits), &mut fields).ok_or_else(bad)?
            }
            Piece::Known(known) => parse_piece(rest, known, &mut fields).ok_or_else(bad)?,
        };
    }
    if after_seconds {
        rest = fraction(rest, None, &mut fields).unwrap_or(rest);
    }
    if !rest.is_empty() {
        return Err(bad());
    }
    let hour = match fields.pm {
        Some(true) if fields.hour < 12 => fields.hour + 12,
        Some(false) if fields.hour == 12 => 0,
        _ => fields.hour,
    };
    let time = Time::new(hour, fields.minute, fields.second, fields.nanos).map_err(|_| bad())?;
    let date =
        jiff::civil::Date::new(fields.year.unwrap_or(0), fields.month.unwrap_or(1), fields.day.unwrap_or(1))
            .map_err(|_| bad())?;
    let zone = match fields.offset {
        Some(0) => TimeZone::UTC,
        Some(seconds) => TimeZone::fixed(Offset::from_seconds(seconds).map_err(|_| bad())?),
        None => super::zone(zone)?,
    };
    let zoned = DateTime::from_parts(date, time).to_zoned(zone).map_err(|_| bad())?;
    Ok(Val::Time(Arc::new(zoned)))
}

fn fraction<'a>(rest: &'a str, fixed: Option<usize>, fields: &mut Fields) -> Option<&'a str> {
    let Some(after) = rest.strip_prefix('.') else { return if fixed.is_some() { None } else { Some(rest) } };
    let count = after.len() - after.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    if count == 0 || count > 9 || fixed.is_some_and(|n| n != count) {
        return None;
    }
    let digits: i32 = after.get(..count)?.parse().ok()?;
    fields.nanos = digits.checked_mul(10i32.checked_pow(u32::try_from(9 - count).ok()?)?)?;
    after.get(count..)
}

/// A number of `min` to `max` digits.
fn digits<T: std::str::FromStr>(rest: &str, min: usize, max: usize) -> Option<(T, &str)> {
    let count = rest.bytes().take(max).take_while(u8::is_ascii_digit).count();
    if count < min {
        return None;
    }
    Some((rest.get(..count)?.parse().ok()?, rest.get(count..)?))
}

fn named<'a>(rest: &'a str, names: &[&str], short: bool) -> Option<(i8, &'a str)> {
    names.iter().enumerate().find_map(|(i, name)| {
        let wanted = if short { name.get(..3)? } else { name };
        let head = rest.get(..wanted.len())?;
        let hit = head.eq_ignore_ascii_case(wanted);
        Some((i8::try_from(i).ok()?, rest.get(wanted.len()..)?)).filter(|_| hit)
    })
}

fn parse_piece<'a>(rest: &'a str, piece: &str, fields: &mut Fields) -> Option<&'a str> {
    let tail;
    match piece {
        "2006" => (fields.year, tail) = digits(rest, 4, 4).map(|(n, t)| (Some(n), t))?,
        "06" => {
            let (n, t) = digits::<i16>(rest, 2, 2)?;
            fields.year = Some(if n >= 69 { 1900 + n } else { 2000 + n });
            tail = t;
        }
        "January" | "Jan" => {
            let (n, t) = named(rest, &MONTHS, piece == "Jan")?;
            fields.month = Some(n + 1);
            tail = t;
        }
        "Monday" | "Mon" => tail = named(rest, &DAYS, piece == "Mon")?.1,
        "01" => (fields.month, tail) = digits(rest, 2, 2).map(|(n, t)| (Some(n), t))?,
        "1" => (fields.month, tail) = digits(rest, 1, 2).map(|(n, t)| (Some(n), t))?,
        "02" => (fields.day, tail) = digits(rest, 2, 2).map(|(n, t)| (Some(n), t))?,
        "_2" | "2" => {
            (fields.day, tail) = digits(rest.trim_start_matches(' '), 1, 2).map(|(n, t)| (Some(n), t))?
        }
        "002" => tail = digits::<i16>(rest, 3, 3)?.1,
        "15" => (fields.hour, tail) = digits(rest, 2, 2)?,
        "03" => (fields.hour, tail) = digits(rest, 2, 2)?,
        "3" => (fields.hour, tail) = digits(rest, 1, 2)?,
        "04" => (fields.minute, tail) = digits(rest, 2, 2)?,
        "4" => (fields.minute, tail) = digits(rest, 1, 2)?,
        "05" => (fields.second, tail) = digits(rest, 2, 2)?,
        "5" => (fields.second, tail) = digits(rest, 1, 2)?,
        "PM" | "pm" => {
            let head = rest.get(..2)?.to_ascii_uppercase();
            fields.pm = Some(match head.as_str() {
                "PM" => true,
                "AM" => false,
                _ => return None,
            });
            tail = rest.get(2..)?;
        }
        "MST" => {
            let count = rest.bytes().take(5).take_while(u8::is_ascii_uppercase).count();
            if count < 3 {
                return None;
            }
            fields.offset.get_or_insert(0);
            tail = rest.get(count..)?;
        }
        zone => tail = parse_zone(rest, zone, fields)?,
    }
    Some(tail)
}

/// `Z`, `+02:00`, `+0200` or `+02`, by the layout's piece.
fn parse_zone<'a>(rest: &'a str, piece: &str, fields: &mut Fields) -> Option<&'a str> {
    if piece.starts_with('Z')
        && let Some(after) = rest.strip_prefix('Z')
    {
        fields.offset = Some(0);
        return Some(after);
    }
    let sign = match rest.chars().next()? {
        '+' => 1,
        '-' => -1,
        _ => return None,
    };
    let (hours, mut tail) = digits::<i32>(rest.get(1..)?, 2, 2)?;
    let mut minutes = 0;
    if !piece.ends_with("07") {
        tail = tail.strip_prefix(':').unwrap_or(tail);
        (minutes, tail) = digits::<i32>(tail, 2, 2)?;
    }
    fields.offset = Some(sign * (hours * 3600 + minutes * 60));
    Some(tail)
}
