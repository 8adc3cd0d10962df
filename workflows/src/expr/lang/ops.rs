//! Binary operators on values, with Go's ints and floats apart.
//! Short-circuiting operators are in `eval.rs`.

use super::ast::Op;
use super::regexes::Regexes;
use crate::expr::error::ExprError;
use crate::expr::fuel::Fuel;
use crate::expr::val::{Val, as_f64, compare};
use crate::expr::{gotime, limits};

fn mismatch(op: &str, a: &Val, b: &Val) -> ExprError {
    let hint = match (a, b) {
        (Val::Str(_), Val::Int(_) | Val::Float(_)) | (Val::Int(_) | Val::Float(_), Val::Str(_)) => {
            "; parameters are strings: use asInt(...) or asFloat(...)"
        }
        _ => "",
    };
    ExprError::types(format!("'{op}' cannot be used with {} and {}{hint}", a.type_name(), b.type_name()))
}

/// Applies an operator that needs both operands.
pub(crate) fn binary(
    op: Op,
    a: &Val,
    b: &Val,
    fuel: &mut Fuel,
    regexes: &mut Regexes,
) -> Result<Val, ExprError> {
    fuel.spend(1)?;
    match op {
        Op::Equal => Ok(Val::Bool(equal(a, b, fuel)?)),
        Op::NotEqual => Ok(Val::Bool(!equal(a, b, fuel)?)),
        Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual => order(op, a, b, fuel),
        Op::In => contains_item(a, b, fuel).map(Val::Bool),
        Op::Matches => match (a, b) {
            (Val::Nil, _) | (_, Val::Nil) => Ok(Val::Bool(false)),
            (Val::Str(text), Val::Str(pattern)) => {
                let regex = regexes.get(pattern, text.len(), fuel)?;
                Ok(Val::Bool(regex.is_match(text)))
            }
            _ => Err(mismatch("matches", a, b)),
        },
        Op::Contains => strings("contains", a, b, fuel, |x, y| x.contains(y)),
        Op::StartsWith => strings("startsWith", a, b, fuel, |x, y| x.starts_with(y)),
        Op::EndsWith => strings("endsWith", a, b, fuel, |x, y| x.ends_with(y)),
        Op::Range => range(a, b, fuel),
        Op::Add => add(a, b, fuel),
        Op::Subtract => subtract(a, b),
        Op::Multiply => arithmetic("*", a, b, i64::wrapping_mul, |x, y| x * y),
        Op::Divide => match (as_f64(a), as_f64(b)) {
            (Some(x), Some(y)) => Ok(Val::Float(x / y)),
            _ => Err(mismatch("/", a, b)),
        },
        Op::Modulo => modulo(a, b),
        Op::Or | Op::And | Op::Coalesce => Err(ExprError::types("not a value operator")),
    }
}

fn equal(a: &Val, b: &Val, fuel: &mut Fuel) -> Result<bool, ExprError> {
    match gotime::same_kind(a, b) {
        Some((a, b)) => a.equals(&b, fuel),
        None => a.equals(b, fuel),
    }
}

fn order(op: Op, a: &Val, b: &Val, fuel: &mut Fuel) -> Result<Val, ExprError> {
    if let (Val::Str(x), Val::Str(y)) = (a, b) {
        fuel.touch(x.len().min(y.len()))?;
    }
    let symbol = match op {
        Op::Less => "<",
        Op::LessEqual => "<=",
        Op::Greater => ">",
        _ => ">=",
    };
    if matches!(a, Val::Bool(_)) {
        return Err(mismatch(symbol, a, b));
    }
    let coerced = gotime::same_kind(a, b);
    let (x, y) = coerced.as_ref().map_or((a, b), |(x, y)| (x, y));
    let Some(ordering) = compare(x, y) else {
        // NaN compares false with every number.
        if as_f64(x).is_some() && as_f64(y).is_some() {
            return Ok(Val::Bool(false));
        }
        return Err(mismatch(symbol, a, b));
    };
    Ok(Val::Bool(match op {
        Op::Less => ordering.is_lt(),
        Op::LessEqual => ordering.is_le(),
        Op::Greater => ordering.is_gt(),
        _ => ordering.is_ge(),
    }))
}

fn contains_item(needle: &Val, container: &Val, fuel: &mut Fuel) -> Result<bool, ExprError> {
    match container {
        Val::Nil => Ok(false),
        Val::List(items) => {
            for item in items.iter() {
                if item.equals(needle, fuel)? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Val::Map(map) => match needle {
            Val::Nil => Ok(false),
            Val::Str(key) => Ok(map.contains_key(key.as_ref())),
            other => {
                Err(ExprError::types(format!("'in' a map needs a string key, found {}", other.type_name())))
            }
        },
        other => Err(ExprError::types(format!("'in' needs a list or a map, found {}", other.type_name()))),
    }
}

fn strings(
    name: &str,
    a: &Val,
    b: &Val,
    fuel: &mut Fuel,
    test: fn(&str, &str) -> bool,
) -> Result<Val, ExprError> {
    match (a, b) {
        (Val::Nil, _) | (_, Val::Nil) => Ok(Val::Bool(false)),
        (Val::Str(x), Val::Str(y)) => {
            fuel.touch(x.len() + y.len())?;
            Ok(Val::Bool(test(x, y)))
        }
        _ => Err(mismatch(name, a, b)),
    }
}

/// Whole numbers from `from` to `to`, both included; empty when `to` is smaller.
fn range(a: &Val, b: &Val, fuel: &mut Fuel) -> Result<Val, ExprError> {
    let (Val::Int(from), Val::Int(to)) = (a, b) else { return Err(mismatch("..", a, b)) };
    let count = (i128::from(*to) - i128::from(*from) + 1).max(0);
    if count > i128::from(limits::MAX_RANGE) {
        return Err(ExprError::fuel(format!("a range of {count} elements is too large")));
    }
    fuel.alloc_items(usize::try_from(count).unwrap_or(usize::MAX))?;
    Ok(Val::list((*from..=*to).map(Val::Int).collect()))
}

fn add(a: &Val, b: &Val, fuel: &mut Fuel) -> Result<Val, ExprError> {
    match (a, b) {
        (Val::Str(x), Val::Str(y)) => {
            fuel.alloc((x.len() + y.len()) as u64)?;
            let mut text = String::with_capacity(x.len() + y.len());
            text.push_str(x);
            text.push_str(y);
            Ok(Val::str(text))
        }
        (Val::Duration(x), Val::Duration(y)) => Ok(Val::Duration(x.saturating_add(*y))),
        (Val::Time(t), Val::Duration(d)) | (Val::Duration(d), Val::Time(t)) => gotime::shift(t, *d),
        _ => arithmetic("+", a, b, i64::wrapping_add, |x, y| x + y),
    }
}

fn subtract(a: &Val, b: &Val) -> Result<Val, ExprError> {
    let coerced = gotime::same_kind(a, b);
    let (a, b) = coerced.as_ref().map_or((a, b), |(x, y)| (x, y));
    match (a, b) {
        (Val::Time(x), Val::Time(y)) => Ok(Val::Duration(gotime::between(y, x))),
        (Val::Time(t), Val::Duration(d)) => gotime::shift(t, d.saturating_neg()),
        (Val::Duration(x), Val::Duration(y)) => Ok(Val::Duration(x.saturating_sub(*y))),
        _ => arithmetic("-", a, b, i64::wrapping_sub, |x, y| x - y),
    }
}

fn arithmetic(
    symbol: &str,
    a: &Val,
    b: &Val,
    ints: fn(i64, i64) -> i64,
    floats: fn(f64, f64) -> f64,
) -> Result<Val, ExprError> {
    if let (Val::Int(x), Val::Int(y)) = (a, b) {
        return Ok(Val::Int(ints(*x, *y)));
    }
    match (as_f64(a), as_f64(b)) {
        (Some(x), Some(y)) => Ok(Val::Float(floats(x, y))),
        _ => Err(mismatch(symbol, a, b)),
    }
}

fn modulo(a: &Val, b: &Val) -> Result<Val, ExprError> {
    match (a, b) {
        (Val::Int(_), Val::Int(0)) => Err(ExprError::value("integer divide by zero")),
        (Val::Int(x), Val::Int(y)) => Ok(Val::Int(x.wrapping_rem(*y))),
        (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => {
            let whole = |v: &Val| match v {
                Val::Int(n) => Some(*n),
                Val::Float(f) => crate::expr::val::whole(*f),
                _ => None,
            };
            match (whole(a), whole(b)) {
                (Some(x), Some(y)) if y != 0 => Ok(Val::Int(x.wrapping_rem(y))),
                _ => Err(ExprError::types("'%' needs two whole numbers")),
            }
        }
        _ => Err(mismatch("%", a, b)),
    }
}

/// `a ** b`, always a float.
pub(crate) fn power(a: &Val, b: &Val) -> Result<Val, ExprError> {
    match (as_f64(a), as_f64(b)) {
        (Some(x), Some(y)) => Ok(Val::Float(x.powf(y))),
        _ => Err(mismatch("**", a, b)),
    }
}
