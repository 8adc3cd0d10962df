//! sprig's regular expression functions over the bounded linear-time engine (V5).
//! Patterns come first, as in sprig.

use crate::expr::builtins::{Call, Entry};
use crate::expr::error::ExprError;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("regexMatch", 2, 2, |c| {
        let (regex, s) = pattern(c)?;
        Ok(Val::Bool(regex.is_match(&s)))
    }),
    ("regexFind", 2, 2, |c| {
        let (regex, s) = pattern(c)?;
        c.text(regex.find(&s).map_or("", |m| m.as_str()))
    }),
    ("regexFindAll", 3, 3, |c| {
        let (regex, s) = pattern(c)?;
        let limit = limit(c.int(2)?);
        c.texts(regex.find_iter(&s).take(limit).map(|m| m.as_str()))
    }),
    ("regexReplaceAll", 3, 3, |c| replace(c, false)),
    ("regexReplaceAllLiteral", 3, 3, |c| replace(c, true)),
    ("regexSplit", 3, 3, |c| {
        let (regex, s) = pattern(c)?;
        match c.int(2)? {
            0 => c.items(Vec::new()),
            n if n < 0 => c.texts(regex.split(&s)),
            n => c.texts(regex.splitn(&s, usize::try_from(n).unwrap_or(usize::MAX))),
        }
    }),
    ("regexQuoteMeta", 1, 1, |c| {
        let s = c.str(0)?;
        c.text(regex::escape(&s))
    }),
];

fn limit(n: i64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn pattern(c: &mut Call<'_, '_>) -> Result<(regex::Regex, std::sync::Arc<str>), ExprError> {
    let (pattern, s) = (c.str(0)?, c.str(1)?);
    let regex = c.eval.regexes.get(&pattern, s.len(), c.eval.fuel)?;
    Ok((regex, s))
}

/// Replaces every match; `$1` and `${name}` stand for groups unless literal.
fn replace(c: &mut Call<'_, '_>, literal: bool) -> Result<Val, ExprError> {
    let (regex, s) = pattern(c)?;
    let replacement = c.str(2)?;
    let mut out = String::new();
    let mut at = 0;
    for captures in regex.captures_iter(&s) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(s.get(at..whole.start()).unwrap_or_default());
        let before = out.len();
        if literal {
            out.push_str(&replacement);
        } else {
            // A replacement of n bytes names at most n/2 groups, none longer than the match.
            let most = (replacement.len() as u64).saturating_mul(1 + whole.len() as u64);
            if most > c.eval.fuel.bytes_left() {
                return Err(ExprError::fuel("the replacement builds too large a text"));
            }
            captures.expand(&replacement, &mut out);
        }
        c.fuel().alloc(8 + (out.len() - before) as u64)?;
        at = whole.end();
    }
    out.push_str(s.get(at..).unwrap_or_default());
    c.text(out)
}
