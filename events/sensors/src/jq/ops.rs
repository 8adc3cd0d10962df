//! What operators and paths do with values.
//! Does not evaluate filters.

use std::rc::Rc;

use super::ast::Op;
use super::value::{Fields, J};

/// Most bytes of a text that an operator makes.
const TEXT_LIMIT: usize = 8 << 20;

fn wrong(a: &J, b: &J, what: &str) -> String {
    format!("{} and {} cannot be {what}", a.shown(), b.shown())
}

pub(super) fn binary(op: Op, a: &J, b: &J) -> Result<J, String> {
    let order = || a.compare(b);
    Ok(match op {
        Op::Eq => J::Bool(order().is_eq()),
        Op::Ne => J::Bool(order().is_ne()),
        Op::Lt => J::Bool(order().is_lt()),
        Op::Le => J::Bool(order().is_le()),
        Op::Gt => J::Bool(order().is_gt()),
        Op::Ge => J::Bool(order().is_ge()),
        Op::Add => return add(a, b),
        Op::Sub => return subtract(a, b),
        Op::Mul => return multiply(a, b),
        Op::Div => return divide(a, b),
        Op::Rem => return remainder(a, b),
    })
}

fn numbers(a: &J, b: &J) -> Option<(f64, f64)> {
    Some((a.as_f64()?, b.as_f64()?))
}

pub(super) fn add(a: &J, b: &J) -> Result<J, String> {
    match (a, b) {
        (J::Null, other) | (other, J::Null) => Ok(other.clone()),
        (J::Int(x), J::Int(y)) if x.checked_add(*y).is_some() => Ok(J::Int(x.saturating_add(*y))),
        (J::Str(x), J::Str(y)) => {
            if x.len() + y.len() > TEXT_LIMIT {
                return Err("the text is too long".to_owned());
            }
            Ok(J::str(&format!("{x}{y}")))
        }
        (J::Arr(x), J::Arr(y)) => J::list(x.inner.iter().chain(&y.inner).cloned().collect()),
        (J::Obj(x), J::Obj(y)) => {
            let mut map = x.inner.clone();
            map.extend(y.inner.iter().map(|(key, value)| (Rc::clone(key), value.clone())));
            J::map(map)
        }
        _ => match numbers(a, b) {
            Some((x, y)) => Ok(J::number(x + y)),
            None => Err(wrong(a, b, "added")),
        },
    }
}

fn subtract(a: &J, b: &J) -> Result<J, String> {
    match (a, b) {
        (J::Int(x), J::Int(y)) if x.checked_sub(*y).is_some() => Ok(J::Int(x.saturating_sub(*y))),
        (J::Arr(x), J::Arr(y)) => {
            if x.inner.len().saturating_mul(y.inner.len()) > 10_000_000 {
                return Err("the lists are too long to subtract".to_owned());
            }
            let left = x.inner.iter().filter(|item| y.inner.iter().all(|other| item.compare(other).is_ne()));
            J::list(left.cloned().collect())
        }
        _ => match numbers(a, b) {
            Some((x, y)) => Ok(J::number(x - y)),
            None => Err(wrong(a, b, "subtracted")),
        },
    }
}

fn multiply(a: &J, b: &J) -> Result<J, String> {
    match (a, b) {
        (J::Int(x), J::Int(y)) if x.checked_mul(*y).is_some() => Ok(J::Int(x.saturating_mul(*y))),
        (J::Str(text), times) | (times, J::Str(text)) if times.as_f64().is_some() => repeat(text, times),
        (J::Obj(_), J::Obj(_)) => merge(a, b),
        _ => match numbers(a, b) {
            Some((x, y)) => Ok(J::number(x * y)),
            None => Err(wrong(a, b, "multiplied")),
        },
    }
}

/// A text as often as a number says; null for zero and less.
fn repeat(text: &str, times: &J) -> Result<J, String> {
    let times = times.as_f64().unwrap_or(0.0);
    if times <= 0.0 || times.is_nan() {
        return Ok(J::Null);
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
    let times = if times < 1.0 { 1 } else { times as usize };
    if text.len().saturating_mul(times) > TEXT_LIMIT {
        return Err("the text is too long".to_owned());
    }
    Ok(J::str(&text.repeat(times)))
}

/// Maps in maps are merged, everything else is replaced.
fn merge(a: &J, b: &J) -> Result<J, String> {
    let (J::Obj(x), J::Obj(y)) = (a, b) else { return Ok(b.clone()) };
    let mut map = x.inner.clone();
    for (key, value) in &y.inner {
        let merged = match map.get(key) {
            Some(old) => merge(old, value)?,
            None => value.clone(),
        };
        map.insert(Rc::clone(key), merged);
    }
    J::map(map)
}

fn divide(a: &J, b: &J) -> Result<J, String> {
    match (a, b) {
        (J::Str(text), J::Str(by)) => split(text, by),
        _ => match numbers(a, b) {
            Some((_, 0.0)) => {
                Err(format!("{} and {} cannot be divided because the divisor is zero", a.shown(), b.shown()))
            }
            Some((x, y)) => Ok(J::number(x / y)),
            None => Err(wrong(a, b, "divided")),
        },
    }
}

pub(super) fn split(text: &str, by: &str) -> Result<J, String> {
    if text.is_empty() {
        return J::list(Vec::new());
    }
    if by.is_empty() {
        return J::list(text.chars().map(|c| J::str(c.encode_utf8(&mut [0; 4]))).collect());
    }
    J::list(text.split(by).map(J::str).collect())
}

fn remainder(a: &J, b: &J) -> Result<J, String> {
    #[expect(clippy::cast_possible_truncation, reason = "jq truncates, and the cast saturates")]
    let whole = |value: &J| value.as_f64().map(|number| number as i64);
    match (whole(a), whole(b)) {
        (Some(_), Some(0)) => {
            Err(format!("{} and {} cannot be divided because the divisor is zero", a.shown(), b.shown()))
        }
        (Some(x), Some(y)) => Ok(J::Int(x.wrapping_rem(y.wrapping_abs()))),
        _ => Err(wrong(a, b, "divided")),
    }
}

/// `.[key]`.
pub(super) fn index(target: &J, key: &J) -> Result<J, String> {
    match (target, key) {
        (J::Obj(map), J::Str(name)) => Ok(map.inner.get(name).cloned().unwrap_or(J::Null)),
        (J::Arr(list), key) if key.as_i64().is_some() => {
            let found = position(list.inner.len(), key.as_i64().unwrap_or(0));
            Ok(found.and_then(|at| list.inner.get(at)).cloned().unwrap_or(J::Null))
        }
        (J::Null, J::Str(_) | J::Null) => Ok(J::Null),
        (J::Null, key) if key.as_f64().is_some() => Ok(J::Null),
        (J::Arr(_) | J::Null | J::Str(_), J::Obj(range)) => {
            let end = |name: &str| range.inner.get(name).cloned().unwrap_or(J::Null);
            slice(target, &end("start"), &end("end"))
        }
        (J::Arr(list), J::Arr(wanted)) => {
            if list.inner.len().saturating_mul(wanted.inner.len()) > 10_000_000 {
                return Err("the lists are too long to search".to_owned());
            }
            let windows = list.inner.windows(wanted.inner.len().max(1)).enumerate();
            let same = |window: &[J]| window.iter().zip(&wanted.inner).all(|(a, b)| a.compare(b).is_eq());
            let found = windows.filter(|(_, window)| !wanted.inner.is_empty() && same(window));
            J::list(found.map(|(at, _)| J::Int(i64::try_from(at).unwrap_or(i64::MAX))).collect())
        }
        _ => Err(format!("cannot index {} with {}", target.type_name(), key.shown())),
    }
}

/// An index from the front, or from the back if it is negative.
pub(super) fn position(length: usize, index: i64) -> Option<usize> {
    if index >= 0 {
        return usize::try_from(index).ok();
    }
    length.checked_sub(usize::try_from(index.unsigned_abs()).ok()?)
}

/// `.[from:to]` of lists and texts.
pub(super) fn slice(target: &J, from: &J, to: &J) -> Result<J, String> {
    match target {
        J::Null => Ok(J::Null),
        J::Arr(list) => {
            let (from, to) = bounds(list.inner.len(), from, to)?;
            J::list(list.inner.get(from..to).unwrap_or_default().to_vec())
        }
        J::Str(text) => {
            let (from, to) = bounds(text.chars().count(), from, to)?;
            let part: String = text.chars().skip(from).take(to - from).collect();
            Ok(J::str(&part))
        }
        other => Err(format!("cannot slice {}", other.type_name())),
    }
}

pub(super) fn bounds(length: usize, from: &J, to: &J) -> Result<(usize, usize), String> {
    let end = |value: &J, default: usize, up: bool| -> Result<usize, String> {
        if matches!(value, J::Null) {
            return Ok(default);
        }
        let number = value.as_f64().ok_or("the ends of a slice must be numbers")?;
        let number = if up { number.ceil() } else { number.floor() };
        #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
        let at = number as i64;
        let at =
            if at < 0 { at.saturating_add(i64::try_from(length).unwrap_or(i64::MAX)).max(0) } else { at };
        Ok(usize::try_from(at).unwrap_or(usize::MAX).min(length))
    };
    let from = end(from, 0, false)?;
    Ok((from, end(to, length, true)?.max(from)))
}

/// The keys of a map, or the indices of a list.
pub(super) fn keys(value: &J) -> Result<Vec<J>, String> {
    match value {
        J::Obj(map) => Ok(map.inner.keys().map(|key| J::Str(Rc::clone(key))).collect()),
        J::Arr(list) => {
            Ok((0..list.inner.len()).map(|at| J::Int(i64::try_from(at).unwrap_or(i64::MAX))).collect())
        }
        other => Err(format!("{} has no keys", other.shown())),
    }
}

/// The values of a map or list.
pub(super) fn values(value: &J) -> Result<Vec<J>, String> {
    match value {
        J::Obj(map) => Ok(map.inner.values().cloned().collect()),
        J::Arr(list) => Ok(list.inner.clone()),
        other => Err(format!("cannot iterate over {}", other.shown())),
    }
}

/// A map of texts to values.
pub(super) fn map_of(entries: Vec<(J, J)>) -> Result<J, String> {
    let mut fields = Fields::new();
    for (key, value) in entries {
        let J::Str(name) = key else {
            return Err(format!("object keys must be strings, not {}", key.shown()));
        };
        fields.insert(name, value);
    }
    J::map(fields)
}
