//! sprig's functions on lists.
//! They never change a list in place.

use crate::expr::builtins::{Call, Entry, MANY, has};
use crate::expr::error::ExprError;
use crate::expr::gofmt;
use crate::expr::lang::access::slice;
use crate::expr::limits;
use crate::expr::sprig::convert::is_empty;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("list", 0, MANY, |c| {
        let items = std::mem::take(&mut c.args);
        c.items(items)
    }),
    ("tuple", 0, MANY, |c| {
        let items = std::mem::take(&mut c.args);
        c.items(items)
    }),
    ("first", 1, 1, |c| Ok(c.list(0)?.first().cloned().unwrap_or(Val::Nil))),
    ("last", 1, 1, |c| Ok(c.list(0)?.last().cloned().unwrap_or(Val::Nil))),
    ("rest", 1, 1, |c| {
        let list = c.list(0)?;
        c.items(list.iter().skip(1).cloned().collect())
    }),
    ("initial", 1, 1, |c| {
        let list = c.list(0)?;
        c.items(list.iter().take(list.len().saturating_sub(1)).cloned().collect())
    }),
    ("append", 2, 2, append),
    ("push", 2, 2, append),
    ("prepend", 2, 2, |c| {
        let list = c.list(0)?;
        let items = std::iter::once(c.arg(1)).chain(list.iter().cloned()).collect();
        c.items(items)
    }),
    ("concat", 1, MANY, |c| {
        let mut out = Vec::new();
        for i in 0..c.len() {
            let list = c.list(i)?;
            c.fuel().alloc_items(list.len())?;
            out.extend(list.iter().cloned());
        }
        Ok(Val::list(out))
    }),
    ("reverse", 1, 1, |c| {
        let list = c.list(0)?;
        c.items(list.iter().rev().cloned().collect())
    }),
    ("uniq", 1, 1, |c| {
        let list = c.list(0)?;
        let mut out: Vec<Val> = Vec::new();
        for item in list.iter() {
            if !has(c, &out, item)? {
                out.push(item.clone());
            }
        }
        c.items(out)
    }),
    ("without", 1, MANY, |c| {
        let list = c.list(0)?;
        let unwanted: Vec<Val> = c.args.iter().skip(1).cloned().collect();
        let mut out = Vec::new();
        for item in list.iter() {
            if !has(c, &unwanted, item)? {
                out.push(item.clone());
            }
        }
        c.items(out)
    }),
    ("has", 2, 2, |c| {
        let (needle, list) = (c.arg(0), c.list(1)?);
        Ok(Val::Bool(has(c, &list, &needle)?))
    }),
    ("compact", 1, 1, |c| {
        let list = c.list(0)?;
        c.items(list.iter().filter(|v| !is_empty(v)).cloned().collect())
    }),
    ("slice", 1, 3, |c| {
        let list = Val::List(c.list(0)?);
        let bounds = (c.args.get(1).cloned(), c.args.get(2).cloned());
        slice(&list, bounds.0.as_ref(), bounds.1.as_ref(), c.fuel())
    }),
    ("chunk", 2, 2, |c| {
        let (n, list) = (c.int(0)?, c.list(1)?);
        let Ok(n) = usize::try_from(n) else {
            return Err(ExprError::value("sprig.chunk needs a positive size"));
        };
        if n == 0 {
            return Err(ExprError::value("sprig.chunk needs a positive size"));
        }
        c.fuel().alloc_items(list.len() * 2)?;
        c.items(list.chunks(n).map(|part| Val::list(part.to_vec())).collect())
    }),
    ("sortAlpha", 1, 1, |c| {
        let list = c.list(0)?;
        let mut texts = Vec::new();
        for item in list.iter() {
            texts.push(gofmt::v_text(item, c.fuel())?);
        }
        c.fuel().spend(texts.len() as u64 * 20)?;
        texts.sort();
        c.texts(texts.into_iter())
    }),
    ("toStrings", 1, 1, |c| {
        let list = c.list(0)?;
        let mut texts = Vec::new();
        for item in list.iter() {
            texts.push(gofmt::v_text(item, c.fuel())?);
        }
        c.texts(texts.into_iter())
    }),
    ("until", 1, 1, |c| {
        let n = c.int(0)?;
        steps(c, 0, n, if n < 0 { -1 } else { 1 })
    }),
    ("untilStep", 3, 3, |c| {
        let (start, stop, step) = (c.int(0)?, c.int(1)?, c.int(2)?);
        steps(c, start, stop, step)
    }),
    ("seq", 0, 3, seq),
];

fn append(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let list = c.list(0)?;
    let items = list.iter().cloned().chain(std::iter::once(c.arg(1))).collect();
    c.items(items)
}

/// From `start` up to, and without, `stop`; empty when the step leads away.
fn steps(c: &mut Call<'_, '_>, start: i64, stop: i64, step: i64) -> Result<Val, ExprError> {
    let distance = i128::from(stop) - i128::from(start);
    let count = match i128::from(step) {
        0 => 0,
        step if (step > 0) != (distance > 0) => 0,
        step => (distance.abs() + step.abs() - 1) / step.abs(),
    };
    if count > i128::from(limits::MAX_RANGE) {
        return Err(ExprError::fuel(format!("a list of {count} elements is too large")));
    }
    let mut out = Vec::new();
    c.fuel().alloc_items(usize::try_from(count).unwrap_or(0))?;
    let mut at = start;
    for _ in 0..count {
        out.push(Val::Int(at));
        at = at.saturating_add(step);
    }
    Ok(Val::list(out))
}

/// As the shell's `seq`: a text of numbers with spaces between.
fn seq(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let (start, step, stop) = match c.len() {
        0 => return c.text(""),
        1 => {
            let stop = c.int(0)?;
            (1, if stop < 1 { -1 } else { 1 }, stop)
        }
        2 => {
            let (start, stop) = (c.int(0)?, c.int(1)?);
            (start, if stop < start { -1 } else { 1 }, stop)
        }
        _ => (c.int(0)?, c.int(1)?, c.int(2)?),
    };
    let past = stop.saturating_add(if step < 0 { -1 } else { 1 });
    let Val::List(items) = steps(c, start, past, step)? else { return Ok(Val::Nil) };
    crate::expr::builtins::join(c, &items, " ")
}
