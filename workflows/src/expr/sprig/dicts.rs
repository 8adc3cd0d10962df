//! sprig's functions on dicts; each gives a new dict and leaves its arguments as they are.
//! Lists are in `lists.rs`.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::expr::builtins::{Call, Entry, MANY};
use crate::expr::error::ExprError;
use crate::expr::gofmt;
use crate::expr::limits;
use crate::expr::sprig::convert::is_empty;
use crate::expr::val::Val;

pub(super) const FUNCTIONS: &[Entry] = &[
    ("dict", 0, MANY, |c| {
        let args = std::mem::take(&mut c.args);
        c.fuel().alloc_items(args.len())?;
        let mut map = BTreeMap::new();
        for pair in args.chunks(2) {
            let Some(key) = pair.first() else { continue };
            let key = gofmt::v_text(key, c.fuel())?;
            map.insert(key, pair.get(1).cloned().unwrap_or_else(|| Val::str("")));
        }
        Ok(Val::map(map))
    }),
    ("get", 2, 2, |c| {
        let (map, key) = (c.map(0)?, c.str(1)?);
        Ok(map.get(key.as_ref()).cloned().unwrap_or_else(|| Val::str("")))
    }),
    ("set", 3, 3, |c| {
        let (mut map, key) = (copy(c, 0)?, c.str(1)?);
        map.insert(key.as_ref().to_owned(), c.arg(2));
        Ok(Val::map(map))
    }),
    ("unset", 2, 2, |c| {
        let (mut map, key) = (copy(c, 0)?, c.str(1)?);
        map.remove(key.as_ref());
        Ok(Val::map(map))
    }),
    ("hasKey", 2, 2, |c| {
        let (map, key) = (c.map(0)?, c.str(1)?);
        Ok(Val::Bool(map.contains_key(key.as_ref())))
    }),
    ("pluck", 1, MANY, |c| {
        let key = c.str(0)?;
        let mut out = Vec::new();
        for i in 1..c.len() {
            out.extend(c.map(i)?.get(key.as_ref()).cloned());
        }
        c.items(out)
    }),
    ("keys", 0, MANY, |c| {
        let mut keys = Vec::new();
        for i in 0..c.len() {
            let map = c.map(i)?;
            c.fuel().alloc_items(map.len() * 2)?;
            keys.extend(map.keys().cloned());
        }
        c.texts(keys.into_iter())
    }),
    ("values", 1, 1, |c| {
        let map = c.map(0)?;
        c.items(map.values().cloned().collect())
    }),
    ("pick", 1, MANY, |c| {
        let names = names(c)?;
        let mut map = copy(c, 0)?;
        map.retain(|k, _| names.iter().any(|n| n.as_ref() == k));
        Ok(Val::map(map))
    }),
    ("omit", 1, MANY, |c| {
        let names = names(c)?;
        let mut map = copy(c, 0)?;
        map.retain(|k, _| names.iter().all(|n| n.as_ref() != k));
        Ok(Val::map(map))
    }),
    ("merge", 1, MANY, |c| merge_all(c, false)),
    ("mergeOverwrite", 1, MANY, |c| merge_all(c, true)),
    ("dig", 3, MANY, dig),
    ("deepCopy", 1, 1, |c| Ok(c.arg(0))),
];

fn copy(c: &mut Call<'_, '_>, i: usize) -> Result<BTreeMap<String, Val>, ExprError> {
    let map = c.map(i)?;
    c.fuel().alloc_items(map.len() * 2)?;
    Ok(BTreeMap::clone(&map))
}

/// The key arguments after the dict; walking them once per key is charged.
fn names(c: &mut Call<'_, '_>) -> Result<Vec<Arc<str>>, ExprError> {
    let entries = c.map(0)?.len() as u64;
    let mut names = Vec::new();
    for i in 1..c.len() {
        names.push(c.str(i)?);
    }
    c.fuel().spend(entries.saturating_mul(names.len() as u64) / 8)?;
    Ok(names)
}

fn merge_all(c: &mut Call<'_, '_>, overwrite: bool) -> Result<Val, ExprError> {
    let mut out = copy(c, 0)?;
    for i in 1..c.len() {
        let from = c.map(i)?;
        merge(c, &mut out, &from, overwrite, 0)?;
    }
    Ok(Val::map(out))
}

/// Deep merge: without `overwrite` only missing and empty values are filled in, as mergo does.
fn merge(
    c: &mut Call<'_, '_>,
    into: &mut BTreeMap<String, Val>,
    from: &BTreeMap<String, Val>,
    overwrite: bool,
    depth: usize,
) -> Result<(), ExprError> {
    if depth > limits::MAX_VALUE_DEPTH {
        return Err(ExprError::fuel("a value nests too deep"));
    }
    c.fuel().alloc_items(from.len() * 2)?;
    for (key, value) in from {
        match (into.get(key), value) {
            (Some(Val::Map(old)), Val::Map(new)) => {
                c.fuel().alloc_items(old.len() * 2)?;
                let mut inner = BTreeMap::clone(old);
                merge(c, &mut inner, new, overwrite, depth + 1)?;
                into.insert(key.clone(), Val::map(inner));
            }
            (Some(old), _) if is_empty(old) || (overwrite && !is_empty(value)) => {
                into.insert(key.clone(), value.clone());
            }
            (Some(_), _) => {}
            (None, _) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
    Ok(())
}

/// `dig "a" "b" default dict`.
fn dig(c: &mut Call<'_, '_>) -> Result<Val, ExprError> {
    let last = c.len() - 1;
    let mut at = Val::Map(c.map(last)?);
    let default = c.arg(last - 1);
    for i in 0..last - 1 {
        let key = c.str(i)?;
        at = match &at {
            Val::Map(map) => match map.get(key.as_ref()) {
                Some(found) => found.clone(),
                None => return Ok(default),
            },
            _ => return Ok(default),
        };
    }
    Ok(at)
}
