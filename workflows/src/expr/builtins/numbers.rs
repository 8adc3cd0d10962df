//! Functions on numbers, and conversions between types.
//! Arithmetic operators are in `lang/ops.rs`.

use super::{Call, Entry, MANY};
use crate::expr::error::ExprError;
use crate::expr::gofmt;
use crate::expr::val::{Val, as_f64, compare_numbers, whole};

pub(super) const FUNCTIONS: &[Entry] = &[
    ("int", 1, 1, int),
    ("float", 1, 1, float),
    ("asInt", 1, 1, int),
    ("asFloat", 1, 1, float),
    ("string", 1, 1, |c| {
        let value = c.arg(0);
        let text = gofmt::v_text(&value, c.fuel())?;
        Ok(Val::str(text))
    }),
    ("type", 1, 1, |c| Ok(Val::str(c.arg(0).type_name()))),
    ("abs", 1, 1, |c| match c.arg(0) {
        Val::Int(n) => Ok(Val::Int(n.wrapping_abs())),
        Val::Float(f) => Ok(Val::Float(f.abs())),
        _ => Err(c.wrong(0, "a number")),
    }),
    ("ceil", 1, 1, |c| Ok(Val::Float(c.float(0)?.ceil()))),
    ("floor", 1, 1, |c| Ok(Val::Float(c.float(0)?.floor()))),
    ("round", 1, 1, |c| Ok(Val::Float(c.float(0)?.round()))),
    ("max", 1, MANY, |c| extreme(c, true)),
    ("min", 1, MANY, |c| extreme(c, false)),
    ("mean", 1, MANY, |c| {
        let all = numbers(c)?;
        let floats: Vec<f64> = all.iter().filter_map(as_f64).collect();
        Ok(Val::Float(if floats.is_empty() { 0.0 } else { floats.iter().sum::<f64>() / count(&floats) }))
    }),
    ("median", 1, MANY, |c| {
        let all = numbers(c)?;
        let mut floats: Vec<f64> = all.iter().filter_map(as_f64).collect();
        c.fuel().spend(floats.len() as u64 * 20)?;
        floats.sort_by(f64::total_cmp);
        let middle = floats.len() / 2;
        Ok(Val::Float(match (floats.len() % 2, floats.get(middle)) {
            (_, None) => 0.0,
            (0, Some(high)) => (floats.get(middle - 1).unwrap_or(high) + high) / 2.0,
            (_, Some(only)) => *only,
        }))
    }),
    ("bitand", 2, 2, |c| Ok(Val::Int(c.int(0)? & c.int(1)?))),
    ("bitor", 2, 2, |c| Ok(Val::Int(c.int(0)? | c.int(1)?))),
    ("bitxor", 2, 2, |c| Ok(Val::Int(c.int(0)? ^ c.int(1)?))),
    ("bitnand", 2, 2, |c| Ok(Val::Int(c.int(0)? & !c.int(1)?))),
    ("bitnot", 1, 1, |c| Ok(Val::Int(!c.int(0)?))),
    ("bitshl", 2, 2, |c| Ok(Val::Int(c.int(0)?.checked_shl(shift(c)?).unwrap_or(0)))),
    ("bitshr", 2, 2, |c| {
        let n = c.int(0)?;
        Ok(Val::Int(n.checked_shr(shift(c)?).unwrap_or(if n < 0 { -1 } else { 0 })))
    }),
    ("bitushr", 2, 2, |c| {
        let n = c.int(0)?.cast_unsigned();
        Ok(Val::Int(n.checked_shr(shift(c)?).unwrap_or(0).cast_signed()))
    }),
];

fn shift(c: &Call<'_, '_>) -> Result<u32, ExprError> {
    u32::try_from(c.int(1)?).map_err(|_| ExprError::value("a shift must not be negative"))
}

#[expect(clippy::cast_precision_loss, reason = "a count of list elements")]
fn count(floats: &[f64]) -> f64 {
    floats.len() as f64
}

/// As Go's `strconv.Atoi` for strings; a float loses its fraction.
fn int(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    match c.arg(0) {
        Val::Int(n) | Val::Duration(n) => Ok(Val::Int(n)),
        Val::Float(f) => match whole(f.trunc()) {
            Some(n) => Ok(Val::Int(n)),
            None => Err(ExprError::value(format!("{}: {f} does not fit a whole number", c.name))),
        },
        Val::Str(s) => match s.parse::<i64>() {
            Ok(n) => Ok(Val::Int(n)),
            Err(_) => Err(ExprError::value(format!("{}: {} is not a whole number", c.name, quoted(&s)))),
        },
        _ => Err(c.wrong(0, "a number or a string")),
    }
}

fn float(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    match c.arg(0) {
        value @ (Val::Int(_) | Val::Float(_)) => Ok(Val::Float(as_f64(&value).unwrap_or(f64::NAN))),
        Val::Str(s) => match s.parse::<f64>() {
            Ok(f) => Ok(Val::Float(f)),
            Err(_) => Err(ExprError::value(format!("{}: {} is not a number", c.name, quoted(&s)))),
        },
        _ => Err(c.wrong(0, "a number or a string")),
    }
}

/// A text for a message, cut to a length that can be read.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(40).collect();
    if short.len() < text.len() { format!("{short:?}...") } else { format!("{short:?}") }
}

/// The numbers among the arguments, lists opened.
fn numbers(c: &mut Call<'_, '_>) -> Result<Vec<Val>, ExprError> {
    let mut out = Vec::new();
    for i in 0..c.len() {
        match c.arg(i) {
            value @ (Val::Int(_) | Val::Float(_)) => out.push(value),
            Val::List(_) => {
                let list = c.list(i)?;
                c.fuel().alloc_items(list.len())?;
                for item in list.iter() {
                    if as_f64(item).is_none() {
                        let message = format!("{} needs numbers, found {}", c.name, item.type_name());
                        return Err(ExprError::types(message));
                    }
                    out.push(item.clone());
                }
            }
            _ => return Err(c.wrong(i, "a number or a list of numbers")),
        }
    }
    Ok(out)
}

fn extreme(c: &mut Call<'_, '_>, largest: bool) -> Result<Val, ExprError> {
    let mut best: Option<Val> = None;
    for value in numbers(c)? {
        let better = match &best {
            None => true,
            Some(b) => {
                compare_numbers(&value, b).is_some_and(|o| if largest { o.is_gt() } else { o.is_lt() })
            }
        };
        if better {
            best = Some(value);
        }
    }
    best.ok_or_else(|| ExprError::value(format!("{} of an empty list", c.name)))
}
