//! Functions on strings.
//! Operators on strings (`contains`, `+`) are in `lang/ops.rs`.

use super::{Call, Entry};
use crate::expr::error::ExprError;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("trim", 1, 2, |c| trim(c, true, true)),
    ("trimLeft", 1, 2, |c| trim(c, true, false)),
    ("trimRight", 1, 2, |c| trim(c, false, true)),
    ("trimPrefix", 1, 2, |c| {
        let (s, p) = (c.str(0)?, c.str_or(1, " ")?);
        c.text(s.strip_prefix(p.as_ref()).unwrap_or(&s))
    }),
    ("trimSuffix", 1, 2, |c| {
        let (s, p) = (c.str(0)?, c.str_or(1, " ")?);
        c.text(s.strip_suffix(p.as_ref()).unwrap_or(&s))
    }),
    ("upper", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(s.to_uppercase())
    }),
    ("lower", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(s.to_lowercase())
    }),
    ("split", 2, 3, |c| split(c, false)),
    ("splitAfter", 2, 3, |c| split(c, true)),
    ("replace", 3, 4, replace),
    ("repeat", 2, 2, |c| {
        let s = c.str(0)?;
        let n = c.int(1)?;
        let n = c.reserve(n, s.len())?;
        Ok(Val::str(s.repeat(n)))
    }),
    ("indexOf", 2, 2, |c| {
        let (s, p) = (c.str(0)?, c.str(1)?);
        Ok(s.find(p.as_ref()).map_or(Val::Int(-1), Val::int))
    }),
    ("lastIndexOf", 2, 2, |c| {
        let (s, p) = (c.str(0)?, c.str(1)?);
        Ok(s.rfind(p.as_ref()).map_or(Val::Int(-1), Val::int))
    }),
    ("hasPrefix", 2, 2, |c| {
        let (s, p) = (c.str(0)?, c.str(1)?);
        Ok(Val::Bool(s.starts_with(p.as_ref())))
    }),
    ("hasSuffix", 2, 2, |c| {
        let (s, p) = (c.str(0)?, c.str(1)?);
        Ok(Val::Bool(s.ends_with(p.as_ref())))
    }),
];

fn trim(c: &mut Call<'_, '_>, left: bool, right: bool) -> Result<Val, ExprError> {
    let s = c.str(0)?;
    let mut text: &str = &s;
    if c.len() > 1 {
        let set = c.str(1)?;
        c.fuel().spend((s.len() as u64).saturating_mul(1 + set.len() as u64 / 16) / 16)?;
        if left {
            text = text.trim_start_matches(|ch| set.contains(ch));
        }
        if right {
            text = text.trim_end_matches(|ch| set.contains(ch));
        }
    } else {
        if left {
            text = text.trim_start();
        }
        if right {
            text = text.trim_end();
        }
    }
    c.text(text)
}

/// Go's Split and SplitN: an empty separator gives the characters; `n` bounds the parts, 0 gives none.
fn split(c: &mut Call<'_, '_>, after: bool) -> Result<Val, ExprError> {
    let (s, sep) = (c.str(0)?, c.str(1)?);
    let n = if c.len() > 2 { c.int(2)? } else { -1 };
    let parts = split_n(&s, &sep, n, after);
    c.texts(parts.into_iter())
}

/// As Go's SplitN (SplitAfterN with `after`).
pub(crate) fn split_n<'a>(s: &'a str, sep: &str, n: i64, after: bool) -> Vec<&'a str> {
    let limit = match n {
        0 => return Vec::new(),
        n if n < 0 => usize::MAX,
        n => usize::try_from(n).unwrap_or(usize::MAX),
    };
    if sep.is_empty() {
        let mut starts: Vec<usize> = s.char_indices().map(|(i, _)| i).take(limit).collect();
        starts.push(s.len());
        return starts.windows(2).filter_map(|w| s.get(*w.first()?..*w.get(1)?)).collect();
    }
    if after {
        let mut parts = Vec::new();
        let mut rest = s;
        while parts.len() + 1 < limit {
            let Some(at) = rest.find(sep) else { break };
            let (head, tail) = rest.split_at(at + sep.len());
            parts.push(head);
            rest = tail;
        }
        parts.push(rest);
        return parts;
    }
    s.splitn(limit, sep).collect()
}

fn replace(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let (s, old, new) = (c.str(0)?, c.str(1)?, c.str(2)?);
    let n = if c.len() > 3 { c.int(3)? } else { -1 };
    replace_n(c, &s, &old, &new, n)
}

/// Go's Replace, with the result's size charged before it is built.
pub(crate) fn replace_n(
    c: &mut Call<'_, '_>,
    s: &str,
    old: &str,
    new: &str,
    n: i64,
) -> Result<Val, ExprError> {
    let limit = if n < 0 { usize::MAX } else { usize::try_from(n).unwrap_or(usize::MAX) };
    let hits = s.matches(old).take(limit).count();
    c.reserve(i64::try_from(hits).unwrap_or(i64::MAX), new.len())?;
    c.text(s.replacen(old, new, limit))
}
