//! Evaluates what follows an operand: members, indices, slices, methods, pipes.
//! How a missing variable is taken (error, nil, unresolved) is decided here.

use std::sync::Arc;

use super::ast::{Expr, Kind, Postfix, PostfixKind};
use super::eval::Eval;
use crate::expr::error::ExprError;
use crate::expr::val::Val;
use crate::expr::{gotime, sprig};

fn is_optional(postfix: Option<&Postfix>) -> bool {
    match postfix.map(|p| &p.kind) {
        Some(PostfixKind::Member { optional, .. } | PostfixKind::Index { optional, .. }) => *optional,
        Some(PostfixKind::Slice { .. } | PostfixKind::Method { .. } | PostfixKind::Pipe(_)) | None => false,
    }
}

impl Eval<'_> {
    pub(super) fn postfix(&mut self, base: &Expr, list: &[Postfix]) -> Result<Val, ExprError> {
        let mut value = match &base.kind {
            Kind::Name(name) => self.name(name, base.at, is_optional(list.first()))?,
            _ => self.eval(base)?,
        };
        // The path of a variable that is not there, while it still reads nil.
        let mut missing: Option<String> = None;
        for (i, postfix) in list.iter().enumerate() {
            self.fuel.spend(1).map_err(|e| e.at(postfix.at))?;
            let soft = is_optional(list.get(i + 1));
            match &postfix.kind {
                PostfixKind::Member { key, optional } => {
                    if matches!(value, Val::Nil) && *optional {
                        return Ok(Val::Nil);
                    }
                    value = self.member(value, key, soft || *optional, &mut missing, postfix.at)?;
                }
                PostfixKind::Index { key, optional } => {
                    if matches!(value, Val::Nil) && *optional {
                        return Ok(Val::Nil);
                    }
                    let key = self.value(key)?;
                    value = self.index(value, &key, soft || *optional, &mut missing, postfix.at)?;
                }
                PostfixKind::Slice { from, to } => {
                    let from = from.as_ref().map(|e| self.value(e)).transpose()?;
                    let to = to.as_ref().map(|e| self.value(e)).transpose()?;
                    value =
                        slice(&value, from.as_ref(), to.as_ref(), self.fuel).map_err(|e| e.at(postfix.at))?;
                }
                PostfixKind::Method { name, args } => {
                    let mut values = Vec::with_capacity(args.len());
                    for arg in args {
                        values.push(self.value(arg)?);
                    }
                    value = match sprig::field(&value, name) {
                        Some(part) if values.is_empty() => part.clone(),
                        _ => gotime::method(&value, name, &values).map_err(|e| e.at(postfix.at))?,
                    };
                }
                PostfixKind::Pipe(call) => {
                    let first = self.read_out(value)?;
                    value = self.call(call, Some(first))?;
                }
            }
        }
        Ok(value)
    }

    fn read_out(&mut self, value: Val) -> Result<Val, ExprError> {
        match value {
            Val::Scope(_) => self.value(&Expr { kind: Kind::Literal(value.clone()), at: 0 }),
            other => Ok(other),
        }
    }

    fn member(
        &mut self,
        value: Val,
        key: &Arc<str>,
        soft: bool,
        missing: &mut Option<String>,
        at: usize,
    ) -> Result<Val, ExprError> {
        match value {
            Val::Scope(path) => {
                if let Some(found) = self.variable(&path, key).map_err(|e| e.at(at))? {
                    return Ok(found);
                }
                let name = if path.is_empty() { key.to_string() } else { format!("{path}.{key}") };
                if soft || self.guard > 0 {
                    return Ok(Val::Nil);
                }
                if self.strict {
                    return Err(self.unknown_member(&path, key, &name).at(at));
                }
                *missing = Some(name);
                Ok(Val::Nil)
            }
            Val::Map(map) => Ok(map.get(key.as_ref()).cloned().unwrap_or(Val::Nil)),
            Val::Nil => {
                if self.guard > 0 || soft {
                    return Ok(Val::Nil);
                }
                if let Some(name) = missing {
                    return Err(ExprError::unknown(name, format!("unknown name '{name}'")).at(at));
                }
                Err(ExprError::types(format!("cannot read '{key}' of nil; use '?.' or '??'")).at(at))
            }
            other => {
                let message = format!("cannot read '{key}' of a value of type {}", other.type_name());
                Err(ExprError::types(message).at(at))
            }
        }
    }

    fn unknown_member(&self, path: &str, key: &str, name: &str) -> ExprError {
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let under = self.vars.under(&prefix);
        let siblings = under
            .keys()
            .map(|n| n.get(prefix.len()..).unwrap_or_default().split('.').next().unwrap_or_default());
        let hint = crate::expr::suggest::did_you_mean(key, siblings);
        ExprError::unknown(name, format!("unknown name '{name}'{hint}"))
    }

    fn index(
        &mut self,
        value: Val,
        key: &Val,
        soft: bool,
        missing: &mut Option<String>,
        at: usize,
    ) -> Result<Val, ExprError> {
        match (&value, key) {
            (Val::List(items), Val::Int(_) | Val::Float(_)) => {
                let place = position(key, items.len()).map_err(|e| e.at(at))?;
                match items.get(place) {
                    Some(item) => Ok(item.clone()),
                    None => Err(out_of_range(key, items.len()).at(at)),
                }
            }
            (Val::Str(text), Val::Int(_) | Val::Float(_)) => {
                let place = position(key, text.len()).map_err(|e| e.at(at))?;
                match text.as_bytes().get(place) {
                    Some(byte) => Ok(Val::Int(i64::from(*byte))),
                    None => Err(out_of_range(key, text.len()).at(at)),
                }
            }
            (Val::Scope(_) | Val::Map(_) | Val::Nil, Val::Str(name)) => {
                let name = Arc::clone(name);
                self.member(value, &name, soft, missing, at)
            }
            // groupBy gives keys of any kind; here they are texts.
            (Val::Map(map), Val::Int(_) | Val::Float(_) | Val::Bool(_) | Val::Nil) => {
                let name = crate::expr::gofmt::v_text(key, self.fuel).map_err(|e| e.at(at))?;
                Ok(map.get(&name).cloned().unwrap_or(Val::Nil))
            }
            (Val::Map(_) | Val::Scope(_), other) => {
                let message = format!("a map is read by a string key, found {}", other.type_name());
                Err(ExprError::types(message).at(at))
            }
            (Val::Nil, _) if soft || self.guard > 0 => Ok(Val::Nil),
            (other, key) => {
                let message = format!("cannot index {} by {}", other.type_name(), key.type_name());
                Err(ExprError::types(message).at(at))
            }
        }
    }
}

fn out_of_range(key: &Val, len: usize) -> ExprError {
    let shown = match key {
        Val::Int(n) => n.to_string(),
        _ => "?".to_owned(),
    };
    ExprError::value(format!("index {shown} is out of range, the length is {len}"))
}

/// A place counted from the start, or from the end when negative; one past the end means outside.
fn position(key: &Val, len: usize) -> Result<usize, ExprError> {
    let n = match key {
        Val::Int(n) => Some(*n),
        Val::Float(f) => crate::expr::val::whole(*f),
        _ => None,
    };
    let Some(n) = n else { return Err(ExprError::types("an index must be a whole number")) };
    let place = if n < 0 { n.saturating_add(i64::try_from(len).unwrap_or(i64::MAX)) } else { n };
    usize::try_from(place).map_err(|_| out_of_range(key, len))
}

/// `[from:to]`, cut to the length; negative places count from the end.
pub(crate) fn slice(
    value: &Val,
    from: Option<&Val>,
    to: Option<&Val>,
    fuel: &mut crate::expr::fuel::Fuel,
) -> Result<Val, ExprError> {
    let len = match value {
        Val::List(items) => items.len(),
        Val::Str(text) => text.len(),
        other => return Err(ExprError::types(format!("cannot slice {}", other.type_name()))),
    };
    let bound = |at: Option<&Val>, default: usize| match at {
        None => Ok(default),
        Some(Val::Int(n)) => {
            let size = i64::try_from(len).unwrap_or(i64::MAX);
            let place = if *n < 0 { n.saturating_add(size) } else { *n };
            Ok(usize::try_from(place.clamp(0, size)).unwrap_or(0))
        }
        Some(other) => {
            Err(ExprError::types(format!("a slice needs whole numbers, found {}", other.type_name())))
        }
    };
    let to = bound(to, len)?;
    let from = bound(from, 0)?.min(to);
    match value {
        Val::List(items) => {
            fuel.alloc_items(to - from)?;
            Ok(Val::list(items.get(from..to).unwrap_or_default().to_vec()))
        }
        Val::Str(text) => {
            fuel.alloc((to - from) as u64)?;
            Ok(Val::str(String::from_utf8_lossy(text.as_bytes().get(from..to).unwrap_or_default())))
        }
        _ => Ok(Val::Nil),
    }
}
