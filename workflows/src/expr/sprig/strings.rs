//! sprig's basic string functions: trimming, cutting, replacing, quoting.
//! Case styles and wrapping are in `words.rs`.

use std::collections::BTreeMap;

use crate::expr::builtins::{Call, Entry, MANY, join, replace_n, split_n};
use crate::expr::error::ExprError;
use crate::expr::gofmt;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("trim", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(s.trim())
    }),
    ("trimAll", 2, 2, |c| {
        let (set, s) = (c.str(0)?, c.str(1)?);
        charge_set(c, &set, &s)?;
        c.text(s.trim_matches(|ch| set.contains(ch)))
    }),
    ("trimSuffix", 2, 2, |c| {
        let (p, s) = (c.str(0)?, c.str(1)?);
        c.text(s.strip_suffix(p.as_ref()).unwrap_or(&s))
    }),
    ("trimPrefix", 2, 2, |c| {
        let (p, s) = (c.str(0)?, c.str(1)?);
        c.text(s.strip_prefix(p.as_ref()).unwrap_or(&s))
    }),
    ("upper", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(s.to_uppercase())
    }),
    ("lower", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(s.to_lowercase())
    }),
    ("repeat", 2, 2, |c| {
        let (n, s) = (c.int(0)?, c.str(1)?);
        let n = c.reserve(n, s.len())?;
        Ok(Val::str(s.repeat(n)))
    }),
    ("substr", 3, 3, substr),
    ("trunc", 2, 2, |c| {
        let (n, s) = (c.int(0)?, c.str(1)?);
        let len = i64::try_from(s.len()).unwrap_or(i64::MAX);
        let bytes = s.as_bytes();
        let cut = match n {
            n if n < 0 && len.saturating_add(n) > 0 => bytes.get(size(len.saturating_add(n))..),
            n if n >= 0 && len > n => bytes.get(..size(n)),
            _ => Some(bytes),
        };
        c.text(String::from_utf8_lossy(cut.unwrap_or_default()))
    }),
    ("contains", 2, 2, |c| {
        let (p, s) = (c.str(0)?, c.str(1)?);
        Ok(Val::Bool(s.contains(p.as_ref())))
    }),
    ("hasPrefix", 2, 2, |c| {
        let (p, s) = (c.str(0)?, c.str(1)?);
        Ok(Val::Bool(s.starts_with(p.as_ref())))
    }),
    ("hasSuffix", 2, 2, |c| {
        let (p, s) = (c.str(0)?, c.str(1)?);
        Ok(Val::Bool(s.ends_with(p.as_ref())))
    }),
    ("replace", 3, 3, |c| {
        let (old, new, s) = (c.str(0)?, c.str(1)?, c.str(2)?);
        replace_n(c, &s, &old, &new, -1)
    }),
    ("quote", 0, MANY, |c| quoted(c, |s| gofmt::go_quote(&s))),
    ("squote", 0, MANY, |c| quoted(c, |s| format!("'{s}'"))),
    ("cat", 0, MANY, |c| {
        let parts: Vec<Val> = c.args.iter().filter(|v| !matches!(v, Val::Nil)).cloned().collect();
        join(c, &parts, " ")
    }),
    ("indent", 2, 2, |c| indent(c, false)),
    ("nindent", 2, 2, |c| indent(c, true)),
    ("plural", 3, 3, |c| Ok(if c.int(2)? == 1 { c.arg(0) } else { c.arg(1) })),
    ("nospace", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(s.chars().filter(|ch| !ch.is_whitespace()).collect::<String>())
    }),
    ("join", 2, 2, |c| {
        let sep = c.str(0)?;
        match c.arg(1) {
            Val::List(items) => join(c, &items, &sep),
            other => join(c, &[other], &sep),
        }
    }),
    ("split", 2, 2, |c| {
        let (sep, s) = (c.str(0)?, c.str(1)?);
        numbered(c, &split_n(&s, &sep, -1, false))
    }),
    ("splitn", 3, 3, |c| {
        let (sep, n, s) = (c.str(0)?, c.int(1)?, c.str(2)?);
        numbered(c, &split_n(&s, &sep, n, false))
    }),
    ("splitList", 2, 2, |c| {
        let (sep, s) = (c.str(0)?, c.str(1)?);
        c.texts(split_n(&s, &sep, -1, false).into_iter())
    }),
    ("hello", 0, 0, |c| c.text("Hello!")),
];

fn size(n: i64) -> usize {
    usize::try_from(n).unwrap_or(0)
}

fn charge_set(c: &mut Call<'_, '_>, set: &str, s: &str) -> Result<(), ExprError> {
    c.fuel().spend((s.len() as u64).saturating_mul(1 + set.len() as u64 / 16) / 16)
}

/// A negative start is 0; a negative or too large end is the end; bytes, as in Go.
fn substr(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let (start, end, s) = (c.int(0)?, c.int(1)?, c.str(2)?);
    let end = if end < 0 || size(end) > s.len() { s.len() } else { size(end) };
    let start = size(start.max(0));
    match s.as_bytes().get(start..end) {
        Some(bytes) => c.text(String::from_utf8_lossy(bytes)),
        None => Err(ExprError::value("sprig.substr: the start is after the end")),
    }
}

fn quoted(c: &mut Call<'_, '_>, quote: fn(String) -> String) -> Result<Val, ExprError> {
    let mut parts = Vec::new();
    for value in std::mem::take(&mut c.args) {
        if !matches!(value, Val::Nil) {
            let text = gofmt::v_text(&value, c.fuel())?;
            c.fuel().alloc(2 * text.len() as u64)?;
            parts.push(quote(text));
        }
    }
    c.text(parts.join(" "))
}

fn indent(c: &mut Call<'_, '_>, newline: bool) -> Result<Val, ExprError> {
    let (n, s) = (c.int(0)?, c.str(1)?);
    let lines = s.matches('\n').count() + 1;
    let n = c.reserve(n, lines)?;
    let pad = " ".repeat(n);
    let text = format!("{pad}{}", s.replace('\n', &format!("\n{pad}")));
    c.text(if newline { format!("\n{text}") } else { text })
}

/// sprig's `split` gives a map of `_0`, `_1`...
fn numbered(c: &mut Call<'_, '_>, parts: &[&str]) -> Result<Val, ExprError> {
    let mut map = BTreeMap::new();
    for (i, part) in parts.iter().enumerate() {
        c.fuel().alloc(64 + part.len() as u64)?;
        map.insert(format!("_{i}"), Val::str(part));
    }
    Ok(Val::map(map))
}
