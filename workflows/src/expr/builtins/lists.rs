//! Functions on lists and maps.
//! Those with predicates are in `lang/predicates.rs`.

use std::collections::BTreeMap;

use super::{Call, Entry, MANY};
use crate::expr::error::ExprError;
use crate::expr::gofmt;
use crate::expr::lang::predicates::{descending, sort_pairs};
use crate::expr::limits;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("len", 1, 1, len),
    ("first", 1, 1, |c| Ok(c.list(0)?.first().cloned().unwrap_or(Val::Nil))),
    ("last", 1, 1, |c| Ok(c.list(0)?.last().cloned().unwrap_or(Val::Nil))),
    ("take", 2, 2, |c| {
        let list = c.list(0)?;
        let n = usize::try_from(c.int(1)?)
            .map_err(|_| ExprError::value("take needs a count that is not negative"))?;
        c.items(list.iter().take(n).cloned().collect())
    }),
    ("get", 2, 2, get),
    ("reverse", 1, 1, |c| {
        let list = c.list(0)?;
        c.items(list.iter().rev().cloned().collect())
    }),
    ("flatten", 1, 1, |c| {
        let list = c.list(0)?;
        let mut out = Vec::new();
        flatten(c, &list, &mut out, 0)?;
        Ok(Val::list(out))
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
    ("concat", 1, MANY, |c| {
        let mut out = Vec::new();
        for i in 0..c.len() {
            let list = c.list(i)?;
            c.fuel().alloc_items(list.len())?;
            out.extend(list.iter().cloned());
        }
        Ok(Val::list(out))
    }),
    ("join", 1, 2, |c| {
        let list = c.list(0)?;
        let sep = c.str_or(1, "")?;
        join(c, &list, &sep)
    }),
    ("sort", 1, 2, |c| {
        let list = c.list(0)?;
        let order = (c.len() > 1).then(|| c.arg(1));
        let pairs = list.iter().map(|v| (v.clone(), v.clone())).collect();
        c.fuel().alloc_items(list.len() * 2)?;
        let down = descending(order.as_ref())?;
        Ok(Val::list(sort_pairs(pairs, down, c.fuel())?))
    }),
    ("keys", 1, 1, |c| {
        let map = c.map(0)?;
        c.texts(map.keys())
    }),
    ("values", 1, 1, |c| {
        let map = c.map(0)?;
        c.items(map.values().cloned().collect())
    }),
    ("toPairs", 1, 1, |c| {
        let map = c.map(0)?;
        c.fuel().alloc_items(map.len() * 3)?;
        c.items(map.iter().map(|(k, v)| Val::list(vec![Val::str(k), v.clone()])).collect())
    }),
    ("fromPairs", 1, 1, from_pairs),
];

/// Whether a list holds an equal element.
pub(crate) fn has(c: &mut Call<'_, '_>, list: &[Val], item: &Val) -> Result<bool, ExprError> {
    for other in list {
        if other.equals(item, c.fuel())? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Characters of a string, elements of a list, keys of a map.
pub(crate) fn len(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    match c.arg(0) {
        Val::Str(s) => {
            c.fuel().touch(s.len())?;
            Ok(Val::int(s.chars().count()))
        }
        Val::List(items) => Ok(Val::int(items.len())),
        Val::Map(map) => Ok(Val::int(map.len())),
        _ => Err(c.wrong(0, "a string, list or map")),
    }
}

fn get(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    match (c.arg(0), c.arg(1)) {
        (Val::Map(map), Val::Str(key)) => Ok(map.get(key.as_ref()).cloned().unwrap_or(Val::Nil)),
        (Val::List(items), Val::Int(i)) => {
            let i = if i < 0 { i.saturating_add(i64::try_from(items.len()).unwrap_or(i64::MAX)) } else { i };
            let found = usize::try_from(i).ok().and_then(|i| items.get(i)).cloned();
            Ok(found.unwrap_or(Val::Nil))
        }
        (Val::Nil, _) => Ok(Val::Nil),
        (Val::Map(_) | Val::List(_), _) => Err(c.wrong(1, "a string for a map, a whole number for a list")),
        _ => Err(c.wrong(0, "a map or a list")),
    }
}

fn flatten(c: &mut Call<'_, '_>, list: &[Val], out: &mut Vec<Val>, depth: usize) -> Result<(), ExprError> {
    if depth > limits::MAX_VALUE_DEPTH {
        return Err(ExprError::fuel("a value nests too deep"));
    }
    for item in list {
        match item {
            Val::List(inner) => flatten(c, inner, out, depth + 1)?,
            other => {
                c.fuel().alloc_items(1)?;
                out.push(other.clone());
            }
        }
    }
    Ok(())
}

/// Elements as text, with a separator between.
pub(crate) fn join(c: &mut Call<'_, '_>, list: &[Val], sep: &str) -> Result<Val, ExprError> {
    let mut out = String::new();
    for (i, item) in list.iter().enumerate() {
        if i > 0 {
            c.fuel().alloc(sep.len() as u64)?;
            out.push_str(sep);
        }
        out.push_str(&gofmt::v_text(item, c.fuel())?);
    }
    c.text(out)
}

fn from_pairs(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let list = c.list(0)?;
    c.fuel().alloc_items(list.len() * 2)?;
    let mut map = BTreeMap::new();
    for pair in list.iter() {
        let Val::List(pair) = pair else {
            return Err(ExprError::types("fromPairs needs a list of [key, value] pairs"));
        };
        let [key, value] = pair.as_slice() else {
            return Err(ExprError::types("fromPairs needs a list of [key, value] pairs"));
        };
        map.insert(gofmt::v_text(key, c.fuel())?, value.clone());
    }
    Ok(Val::map(map))
}
