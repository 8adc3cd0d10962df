//! The functions that look at each element of a list through a predicate: filter, map, reduce...
//! Functions of plain values are in `builtins`.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::ast::{Call, Expr, PredicateFn};
use super::eval::{Eval, Frame, not_bool};
use crate::expr::error::ExprError;
use crate::expr::gofmt;
use crate::expr::val::{Val, as_f64, compare};

impl Eval<'_> {
    pub(super) fn predicate_call(
        &mut self,
        kind: PredicateFn,
        call: &Call,
        piped: Option<Val>,
    ) -> Result<Val, ExprError> {
        let mut args = call.args.iter();
        let list = match piped {
            Some(value) => value,
            None => match args.next() {
                Some(first) => self.value(first)?,
                None => return Err(ExprError::syntax(call.at, format!("{} needs a list", call.name))),
            },
        };
        let predicate = args.next();
        let extra = args.next();
        let Val::List(items) = &list else {
            let message = format!("{} needs a list, found {}", call.name, list.type_name());
            return Err(ExprError::types(message));
        };
        match (kind, predicate) {
            (PredicateFn::Count, None) => self.count(&call.name, items, None),
            (PredicateFn::Sum, None) => sum(&call.name, items.iter().cloned().map(Ok)),
            (_, None) => Err(ExprError::syntax(call.at, format!("{} needs a predicate", call.name))),
            (PredicateFn::Reduce, Some(body)) => self.reduce(items, body, extra),
            (PredicateFn::SortBy, Some(body)) => self.sort_by(items, body, extra),
            (PredicateFn::Count, some) => self.count(&call.name, items, some),
            (_, Some(body)) => self.over(kind, &call.name, items, body),
        }
    }

    fn over(&mut self, kind: PredicateFn, name: &str, items: &[Val], body: &Expr) -> Result<Val, ExprError> {
        match kind {
            PredicateFn::All => Ok(Val::Bool(self.position(name, items, body, false, false)?.is_none())),
            PredicateFn::Any => Ok(Val::Bool(self.position(name, items, body, true, false)?.is_some())),
            PredicateFn::None => Ok(Val::Bool(self.position(name, items, body, true, false)?.is_none())),
            PredicateFn::One => {
                let count = self.count(name, items, Some(body))?;
                Ok(Val::Bool(matches!(count, Val::Int(1))))
            }
            PredicateFn::Find | PredicateFn::FindLast => {
                let backwards = kind == PredicateFn::FindLast;
                let found = self.position(name, items, body, true, backwards)?;
                Ok(found.and_then(|i| items.get(i)).cloned().unwrap_or(Val::Nil))
            }
            PredicateFn::FindIndex | PredicateFn::FindLastIndex => {
                let backwards = kind == PredicateFn::FindLastIndex;
                Ok(self.position(name, items, body, true, backwards)?.map_or(Val::Nil, Val::int))
            }
            PredicateFn::Map => {
                self.fuel.alloc_items(items.len())?;
                let mapped = self.each(items, body)?;
                Ok(Val::list(mapped))
            }
            PredicateFn::Filter => {
                self.fuel.alloc_items(items.len())?;
                let mut kept = Vec::new();
                for (i, item) in items.iter().enumerate() {
                    if self.test(name, item, i, body)? {
                        kept.push(item.clone());
                    }
                }
                Ok(Val::list(kept))
            }
            PredicateFn::Sum => {
                let mapped = self.each(items, body)?;
                sum(name, mapped.into_iter().map(Ok))
            }
            PredicateFn::GroupBy => self.group_by(items, body),
            PredicateFn::Count | PredicateFn::SortBy | PredicateFn::Reduce => Ok(Val::Nil),
        }
    }

    fn with(&mut self, item: &Val, index: usize, acc: Val, body: &Expr) -> Result<Val, ExprError> {
        self.frames.push(Frame { item: item.clone(), index, acc });
        let result = self.value(body);
        self.frames.pop();
        result
    }

    fn test(&mut self, name: &str, item: &Val, index: usize, body: &Expr) -> Result<bool, ExprError> {
        match self.with(item, index, Val::Nil, body)? {
            Val::Bool(b) => Ok(b),
            other => Err(not_bool(&format!("the predicate of {name}"), &other).at(body.at)),
        }
    }

    fn each(&mut self, items: &[Val], body: &Expr) -> Result<Vec<Val>, ExprError> {
        let mut mapped = Vec::new();
        for (i, item) in items.iter().enumerate() {
            mapped.push(self.with(item, i, Val::Nil, body)?);
        }
        Ok(mapped)
    }

    /// Where the predicate first (or last) gives `wanted`.
    fn position(
        &mut self,
        name: &str,
        items: &[Val],
        body: &Expr,
        wanted: bool,
        backwards: bool,
    ) -> Result<Option<usize>, ExprError> {
        for step in 0..items.len() {
            let i = if backwards { items.len() - 1 - step } else { step };
            let Some(item) = items.get(i) else { continue };
            if self.test(name, item, i, body)? == wanted {
                return Ok(Some(i));
            }
        }
        Ok(None)
    }

    /// How many satisfy the predicate; without one, how many are true.
    fn count(&mut self, name: &str, items: &[Val], body: Option<&Expr>) -> Result<Val, ExprError> {
        let mut count = 0i64;
        for (i, item) in items.iter().enumerate() {
            let yes = match body {
                Some(body) => self.test(name, item, i, body)?,
                None => match item {
                    Val::Bool(b) => *b,
                    other => return Err(not_bool("count without a predicate", other)),
                },
            };
            count += i64::from(yes);
        }
        Ok(Val::Int(count))
    }

    fn group_by(&mut self, items: &[Val], body: &Expr) -> Result<Val, ExprError> {
        self.fuel.alloc_items(items.len() * 2)?;
        let mut groups: BTreeMap<String, Vec<Val>> = BTreeMap::new();
        for (i, item) in items.iter().enumerate() {
            let key = self.with(item, i, Val::Nil, body)?;
            let key = gofmt::v_text(&key, self.fuel)?;
            groups.entry(key).or_default().push(item.clone());
        }
        Ok(Val::map(groups.into_iter().map(|(k, v)| (k, Val::list(v))).collect()))
    }

    fn sort_by(&mut self, items: &[Val], body: &Expr, order: Option<&Expr>) -> Result<Val, ExprError> {
        let order = order.map(|e| self.value(e)).transpose()?;
        let keys = self.each(items, body)?;
        self.fuel.alloc_items(items.len() * 2)?;
        let pairs: Vec<(Val, Val)> = keys.into_iter().zip(items.iter().cloned()).collect();
        let sorted = sort_pairs(pairs, descending(order.as_ref())?, self.fuel)?;
        Ok(Val::list(sorted))
    }

    fn reduce(&mut self, items: &[Val], body: &Expr, initial: Option<&Expr>) -> Result<Val, ExprError> {
        let mut rest = items.iter().enumerate();
        let mut acc = match initial {
            Some(expr) => self.value(expr)?,
            None => match rest.next() {
                Some((_, first)) => first.clone(),
                None => return Err(ExprError::value("reduce of an empty list needs an initial value")),
            },
        };
        for (i, item) in rest {
            acc = self.with(item, i, acc, body)?.bounded()?;
        }
        Ok(acc)
    }
}

/// The sum of numbers: an int as long as all are ints.
pub(crate) fn sum(name: &str, items: impl Iterator<Item = Result<Val, ExprError>>) -> Result<Val, ExprError> {
    let mut total = Val::Int(0);
    for item in items {
        let item = item?;
        total = match (&total, &item) {
            (Val::Int(a), Val::Int(b)) => Val::Int(a.wrapping_add(*b)),
            (a, b) => match (as_f64(a), as_f64(b)) {
                (Some(x), Some(y)) => Val::Float(x + y),
                _ => {
                    return Err(ExprError::types(format!(
                        "{name} needs numbers, found {}",
                        item.type_name()
                    )));
                }
            },
        };
    }
    Ok(total)
}

/// Whether an order argument says "desc".
pub(crate) fn descending(order: Option<&Val>) -> Result<bool, ExprError> {
    match order {
        None => Ok(false),
        Some(Val::Str(s)) if s.as_ref() == "asc" => Ok(false),
        Some(Val::Str(s)) if s.as_ref() == "desc" => Ok(true),
        Some(_) => Err(ExprError::value("the order must be \"asc\" or \"desc\"")),
    }
}

/// Sorts by key, stable; keys must be of one comparable type.
pub(crate) fn sort_pairs(
    mut pairs: Vec<(Val, Val)>,
    descending: bool,
    fuel: &mut crate::expr::fuel::Fuel,
) -> Result<Vec<Val>, ExprError> {
    let count = pairs.len() as u64;
    let bytes: usize = pairs.iter().map(|(k, _)| if let Val::Str(s) = k { s.len() } else { 8 }).sum();
    let rounds = u64::from(64 - count.leading_zeros());
    fuel.spend(count * rounds + (bytes as u64 / 64) * rounds)?;
    if let Some((first, _)) = pairs.first()
        && let Some((other, _)) = pairs.iter().find(|(k, _)| compare(first, k).is_none())
    {
        let message = format!("cannot sort {} together with {}", first.type_name(), other.type_name());
        return Err(ExprError::types(message));
    }
    pairs.sort_by(|(a, _), (b, _)| {
        let ordering = compare(a, b).unwrap_or(Ordering::Equal);
        if descending { ordering.reverse() } else { ordering }
    });
    Ok(pairs.into_iter().map(|(_, item)| item).collect())
}
