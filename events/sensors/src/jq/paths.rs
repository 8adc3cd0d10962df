//! Reading, writing and deleting by path (`getpath`, `setpath`, `delpaths`), for assignments.
//! Does not find paths: `eval` does.

use std::rc::Rc;

use super::ops;
use super::value::{Fields, J};

/// Furthest element that an assignment may create.
const INDEX_LIMIT: usize = 100_000;

pub(super) fn get(value: &J, path: &[J]) -> Result<J, String> {
    let mut value = value.clone();
    for key in path {
        if matches!(value, J::Null) {
            return Ok(J::Null);
        }
        value = ops::index(&value, key)?;
    }
    Ok(value)
}

/// The value with the one at the path replaced by what `update` makes of it.
pub(super) fn update(
    value: &J,
    path: &[J],
    update: &mut dyn FnMut(&J) -> Result<J, String>,
) -> Result<J, String> {
    let Some((key, rest)) = path.split_first() else { return update(value) };
    match (value, key) {
        (J::Obj(_) | J::Null, J::Str(name)) => {
            let mut fields = match value {
                J::Obj(map) => map.inner.clone(),
                _ => Fields::new(),
            };
            let old = fields.remove(name).unwrap_or(J::Null);
            fields.insert(Rc::clone(name), self::update(&old, rest, update)?);
            J::map(fields)
        }
        (J::Arr(_) | J::Null, key) if key.as_i64().is_some() => {
            let mut list = items(value);
            let index = key.as_i64().unwrap_or(0);
            let at = ops::position(list.len(), index).ok_or("out of bounds negative array index")?;
            if at >= list.len() {
                if at > INDEX_LIMIT {
                    return Err(format!("the index {at} is too large"));
                }
                list.resize(at + 1, J::Null);
            }
            if let Some(slot) = list.get_mut(at) {
                *slot = self::update(slot, rest, update)?;
            }
            J::list(list)
        }
        (J::Arr(_) | J::Null, J::Obj(range)) => {
            let mut list = items(value);
            let end = |name: &str| range.inner.get(name).cloned().unwrap_or(J::Null);
            let (from, to) = ops::bounds(list.len(), &end("start"), &end("end"))?;
            let part = J::list(list.get(from..to).unwrap_or_default().to_vec())?;
            match self::update(&part, rest, update)? {
                J::Arr(new) => {
                    list.splice(from..to, new.inner.iter().cloned());
                    J::list(list)
                }
                other => Err(format!("a slice can only be assigned an array, not {}", other.shown())),
            }
        }
        _ => Err(format!("cannot index {} with {}", value.type_name(), key.shown())),
    }
}

fn items(value: &J) -> Vec<J> {
    match value {
        J::Arr(list) => list.inner.clone(),
        _ => Vec::new(),
    }
}

/// The value without what is at the paths; what is not there is no error.
pub(super) fn delete(value: &J, mut paths: Vec<Vec<J>>) -> Result<J, String> {
    let order = |a: &Vec<J>, b: &Vec<J>| {
        let unequal = a.iter().zip(b).map(|(a, b)| a.compare(b)).find(|order| order.is_ne());
        unequal.unwrap_or_else(|| a.len().cmp(&b.len()))
    };
    paths.sort_by(order);
    // the last first, so that the indices of the others stay right
    let mut value = value.clone();
    for path in paths.iter().rev() {
        value = delete_one(&value, path)?;
    }
    Ok(value)
}

fn delete_one(value: &J, path: &[J]) -> Result<J, String> {
    let Some((key, rest)) = path.split_first() else { return Ok(J::Null) };
    if !rest.is_empty() {
        let inner = match value {
            J::Null => return Ok(J::Null),
            value => ops::index(value, key)?,
        };
        if matches!(inner, J::Null) {
            return Ok(value.clone());
        }
        return update(value, std::slice::from_ref(key), &mut |inner| delete_one(inner, rest));
    }
    match (value, key) {
        (J::Null, _) => Ok(J::Null),
        (J::Obj(map), J::Str(name)) => {
            let mut fields = map.inner.clone();
            fields.remove(name);
            J::map(fields)
        }
        (J::Arr(list), key) if key.as_i64().is_some() => {
            let mut items = list.inner.clone();
            let at = ops::position(items.len(), key.as_i64().unwrap_or(0));
            if let Some(at) = at.filter(|at| *at < items.len()) {
                items.remove(at);
            }
            J::list(items)
        }
        (J::Arr(list), J::Obj(range)) => {
            let end = |name: &str| range.inner.get(name).cloned().unwrap_or(J::Null);
            let (from, to) = ops::bounds(list.inner.len(), &end("start"), &end("end"))?;
            let mut items = list.inner.clone();
            items.drain(from..to);
            J::list(items)
        }
        _ => Err(format!("cannot delete {} of {}", key.shown(), value.type_name())),
    }
}
