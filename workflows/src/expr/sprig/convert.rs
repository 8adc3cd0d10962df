//! sprig's conversions, defaults and type questions; conversions give zero where they cannot.
//! expr's own `int` and `float`, which fail instead, are in `builtins/numbers.rs`.

use crate::expr::builtins::{Call, Entry, MANY};
use crate::expr::error::ExprError;
use crate::expr::gofmt;
use crate::expr::val::{Val, whole};

pub(super) const FUNCTIONS: &[Entry] = &[
    ("int", 1, 1, |c| Ok(Val::Int(to_int(&c.arg(0))))),
    ("int64", 1, 1, |c| Ok(Val::Int(to_int(&c.arg(0))))),
    ("float64", 1, 1, |c| Ok(Val::Float(to_float(&c.arg(0))))),
    ("atoi", 1, 1, |c| {
        let s = c.str(0)?;
        Ok(Val::Int(s.parse().unwrap_or(0)))
    }),
    ("toDecimal", 1, 1, |c| {
        let text = gofmt::v_text(&c.arg(0), c.fuel())?;
        Ok(Val::Int(i64::from_str_radix(text.trim(), 8).unwrap_or(0)))
    }),
    ("toString", 1, 1, |c| {
        let text = gofmt::v_text(&c.arg(0), c.fuel())?;
        Ok(Val::str(text))
    }),
    ("default", 1, 2, |c| Ok(if c.len() < 2 || is_empty(&c.arg(1)) { c.arg(0) } else { c.arg(1) })),
    ("empty", 1, 1, |c| Ok(Val::Bool(is_empty(&c.arg(0))))),
    ("coalesce", 0, MANY, |c| Ok(c.args.iter().find(|v| !is_empty(v)).cloned().unwrap_or(Val::Nil))),
    ("all", 0, MANY, |c| Ok(Val::Bool(c.args.iter().all(|v| !is_empty(v))))),
    ("any", 0, MANY, |c| Ok(Val::Bool(c.args.iter().any(|v| !is_empty(v))))),
    ("ternary", 3, 3, |c| match c.arg(2) {
        Val::Bool(yes) => Ok(c.arg(usize::from(!yes))),
        _ => Err(c.wrong(2, "a boolean")),
    }),
    ("fail", 1, 1, |c| {
        let message = c.str(0)?;
        Err(ExprError::value(message.chars().take(400).collect::<String>()))
    }),
    ("typeOf", 1, 1, |c| Ok(Val::str(go_type(&c.arg(0))))),
    ("kindOf", 1, 1, |c| Ok(Val::str(go_kind(&c.arg(0))))),
    ("typeIs", 2, 2, |c| {
        let name = c.str(0)?;
        Ok(Val::Bool(go_type(&c.arg(1)) == name.as_ref()))
    }),
    ("typeIsLike", 2, 2, |c| {
        let name = c.str(0)?;
        Ok(Val::Bool(go_type(&c.arg(1)) == name.trim_start_matches('*')))
    }),
    ("kindIs", 2, 2, |c| {
        let name = c.str(0)?;
        Ok(Val::Bool(go_kind(&c.arg(1)) == name.as_ref()))
    }),
    ("deepEqual", 2, 2, deep_equal),
];

fn deep_equal(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let (a, b) = (c.arg(0), c.arg(1));
    Ok(Val::Bool(go_kind(&a) == go_kind(&b) && a.equals(&b, c.fuel())?))
}

/// Whether Go templates call it empty: zero, "", nil, false, no elements.
pub(super) fn is_empty(value: &Val) -> bool {
    match value {
        Val::Nil => true,
        Val::Bool(b) => !b,
        Val::Int(n) | Val::Duration(n) => *n == 0,
        Val::Float(f) => *f == 0.0,
        Val::Str(s) => s.is_empty(),
        Val::List(items) => items.is_empty(),
        Val::Map(map) => map.is_empty(),
        Val::Time(_) | Val::Scope(_) => false,
    }
}

/// The whole number in a value, 0 when there is none; text may be hexadecimal or octal by prefix.
pub(super) fn to_int(value: &Val) -> i64 {
    match value {
        Val::Int(n) | Val::Duration(n) => *n,
        Val::Float(f) => whole(f.trunc()).unwrap_or(0),
        Val::Bool(b) => i64::from(*b),
        Val::Str(s) => text_to_int(s),
        Val::Nil | Val::List(_) | Val::Map(_) | Val::Time(_) | Val::Scope(_) => 0,
    }
}

fn text_to_int(text: &str) -> i64 {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    };
    // "3.0" counts as 3; "007" as 7.
    let digits = match digits.split_once('.') {
        Some((head, tail)) if tail.bytes().all(|b| b == b'0') => head,
        _ => digits,
    };
    let parsed = if let Some(hex) = digits.strip_prefix("0x") {
        i64::from_str_radix(hex, 16)
    } else if let Some(binary) = digits.strip_prefix("0b") {
        i64::from_str_radix(binary, 2)
    } else {
        digits.parse()
    };
    parsed.map_or(0, |n| n.wrapping_mul(sign))
}

/// The number in a value, 0 when there is none.
pub(super) fn to_float(value: &Val) -> f64 {
    match value {
        Val::Float(f) => *f,
        Val::Str(s) => s.parse().unwrap_or(0.0),
        #[expect(clippy::cast_precision_loss, reason = "Go converts in the same way")]
        other => to_int(other) as f64,
    }
}

fn go_kind(value: &Val) -> &'static str {
    match value {
        Val::Nil => "invalid",
        Val::Bool(_) => "bool",
        Val::Int(_) => "int",
        Val::Float(_) => "float64",
        Val::Str(_) => "string",
        Val::List(_) => "slice",
        Val::Map(_) | Val::Scope(_) => "map",
        Val::Time(_) => "struct",
        Val::Duration(_) => "int64",
    }
}

fn go_type(value: &Val) -> &'static str {
    match value {
        Val::Nil => "<nil>",
        Val::List(_) => "[]interface {}",
        Val::Map(_) | Val::Scope(_) => "map[string]interface {}",
        Val::Time(_) => "time.Time",
        Val::Duration(_) => "time.Duration",
        other => go_kind(other),
    }
}
