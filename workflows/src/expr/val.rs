//! The values an evaluation works on: JSON, with Go's ints and floats apart, times and durations.
//! It holds no operators; those are `ops.rs` and the function tables.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::error::ExprError;
use super::fuel::Fuel;
use super::{Value, limits};

/// A runtime value. Cloning is cheap.
#[derive(Clone, Debug)]
pub(crate) enum Val {
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Arc<str>),
    List(Arc<Nested<Vec<Val>>>),
    Map(Arc<Nested<BTreeMap<String, Val>>>),
    Time(Arc<jiff::Zoned>),
    /// Nanoseconds, as Go's `time.Duration`.
    Duration(i64),
    /// The variables below a dotted name, not read yet.
    Scope(Arc<str>),
}

/// A list or map that knows how deep it nests: a deep value would overflow the stack when dropped.
#[derive(Clone, Debug)]
pub(crate) struct Nested<T> {
    inner: T,
    depth: usize,
}

impl<T> std::ops::Deref for Nested<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.inner
    }
}

impl Val {
    pub(crate) fn str(text: impl AsRef<str>) -> Self {
        Self::Str(Arc::from(text.as_ref()))
    }

    pub(crate) fn list(items: Vec<Val>) -> Self {
        let depth = 1 + items.iter().map(Val::depth).max().unwrap_or(0);
        Self::List(Arc::new(Nested { inner: items, depth }))
    }

    pub(crate) fn map(map: BTreeMap<String, Val>) -> Self {
        let depth = 1 + map.values().map(Val::depth).max().unwrap_or(0);
        Self::Map(Arc::new(Nested { inner: map, depth }))
    }

    /// How many lists and maps enclose each other in it.
    pub(crate) fn depth(&self) -> usize {
        match self {
            Self::List(items) => items.depth,
            Self::Map(map) => map.depth,
            _ => 0,
        }
    }

    /// Refuses a value that nests too deep.
    pub(crate) fn bounded(self) -> Result<Self, ExprError> {
        if self.depth() > limits::MAX_VALUE_DEPTH {
            return Err(ExprError::fuel("a value nests too deep"));
        }
        Ok(self)
    }

    pub(crate) fn int(n: usize) -> Self {
        Self::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// The type's name as expr's `type()` gives it.
    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Str(_) => "string",
            Self::List(_) => "array",
            Self::Map(_) | Self::Scope(_) => "map",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
        }
    }

    /// A JSON value as a runtime value; the memory is charged.
    pub(crate) fn from_json(value: &Value, fuel: &mut Fuel) -> Result<Self, ExprError> {
        from_json(value, fuel, 0)
    }

    /// The JSON value, as Go would marshal it: whole floats print without a fraction.
    pub(crate) fn to_json(&self, fuel: &mut Fuel) -> Result<Value, ExprError> {
        to_json(self, fuel, 0)
    }

    /// Equality as expr's: numbers across int and float, everything else by kind and content.
    pub(crate) fn equals(&self, other: &Val, fuel: &mut Fuel) -> Result<bool, ExprError> {
        fuel.spend(1)?;
        Ok(match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Int(_) | Self::Float(_), Self::Int(_) | Self::Float(_)) => {
                compare_numbers(self, other) == Some(Ordering::Equal)
            }
            (Self::Str(a), Self::Str(b)) => {
                fuel.touch(a.len().min(b.len()))?;
                a == b
            }
            (Self::Time(a), Self::Time(b)) => a.timestamp() == b.timestamp(),
            (Self::List(a), Self::List(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for (x, y) in a.iter().zip(b.iter()) {
                    if !x.equals(y, fuel)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Self::Map(a), Self::Map(b)) => {
                if a.len() != b.len() {
                    return Ok(false);
                }
                for ((k, x), (l, y)) in a.iter().zip(b.iter()) {
                    if k != l || !x.equals(y, fuel)? {
                        return Ok(false);
                    }
                }
                true
            }
            (
                Self::Nil
                | Self::Bool(_)
                | Self::Int(_)
                | Self::Float(_)
                | Self::Str(_)
                | Self::List(_)
                | Self::Map(_)
                | Self::Time(_)
                | Self::Duration(_)
                | Self::Scope(_),
                _,
            ) => false,
        })
    }
}

/// The number as a float.
pub(crate) fn as_f64(value: &Val) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "Go converts in the same way")]
        Val::Int(n) => Some(*n as f64),
        Val::Float(f) => Some(*f),
        _ => None,
    }
}

/// Order of two numbers; none for other types and NaN.
pub(crate) fn compare_numbers(a: &Val, b: &Val) -> Option<Ordering> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => Some(a.cmp(b)),
        _ => as_f64(a)?.partial_cmp(&as_f64(b)?),
    }
}

/// Order of two values of one comparable type: numbers, strings, times, durations.
pub(crate) fn compare(a: &Val, b: &Val) -> Option<Ordering> {
    match (a, b) {
        (Val::Str(a), Val::Str(b)) => Some(a.cmp(b)),
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (Val::Time(a), Val::Time(b)) => Some(a.timestamp().cmp(&b.timestamp())),
        (Val::Duration(a), Val::Duration(b)) => Some(a.cmp(b)),
        _ => compare_numbers(a, b),
    }
}

/// The whole number a float stands for, when it is one that a float holds exactly.
pub(crate) fn whole(f: f64) -> Option<i64> {
    const LIMIT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
    (f.is_finite() && f.fract() == 0.0 && f.abs() <= LIMIT).then_some(f as i64)
}

fn from_json(value: &Value, fuel: &mut Fuel, depth: usize) -> Result<Val, ExprError> {
    if depth > limits::MAX_VALUE_DEPTH {
        return Err(ExprError::fuel("a value nests too deep"));
    }
    Ok(match value {
        Value::Null => Val::Nil,
        Value::Bool(b) => Val::Bool(*b),
        Value::Number(n) => match n.as_i64() {
            Some(int) => Val::Int(int),
            None => Val::Float(n.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(s) => {
            fuel.alloc(s.len() as u64)?;
            Val::str(s)
        }
        Value::Array(items) => {
            fuel.alloc_items(items.len())?;
            let mut list = Vec::with_capacity(items.len());
            for item in items {
                list.push(from_json(item, fuel, depth + 1)?);
            }
            Val::list(list)
        }
        Value::Object(map) => {
            fuel.alloc_items(map.len() * 2)?;
            let mut out = BTreeMap::new();
            for (key, item) in map {
                fuel.alloc(key.len() as u64)?;
                out.insert(key.clone(), from_json(item, fuel, depth + 1)?);
            }
            Val::map(out)
        }
    })
}

fn to_json(value: &Val, fuel: &mut Fuel, depth: usize) -> Result<Value, ExprError> {
    if depth > limits::MAX_VALUE_DEPTH {
        return Err(ExprError::fuel("a value nests too deep"));
    }
    Ok(match value {
        Val::Nil => Value::Null,
        Val::Bool(b) => Value::Bool(*b),
        Val::Int(n) | Val::Duration(n) => Value::from(*n),
        Val::Float(f) => match whole(*f) {
            Some(int) => Value::from(int),
            None => match serde_json::Number::from_f64(*f) {
                Some(number) => Value::Number(number),
                None => return Err(ExprError::value("the number is infinite or not a number")),
            },
        },
        Val::Str(s) => {
            fuel.alloc(s.len() as u64)?;
            Value::String(s.as_ref().to_owned())
        }
        Val::Time(t) => Value::String(super::gotime::rfc3339(t)),
        Val::List(items) => {
            fuel.alloc_items(items.len())?;
            let mut list = Vec::with_capacity(items.len());
            for item in items.iter() {
                list.push(to_json(item, fuel, depth + 1)?);
            }
            Value::Array(list)
        }
        Val::Map(map) => {
            fuel.alloc_items(map.len() * 2)?;
            let mut out = serde_json::Map::new();
            for (key, item) in map.iter() {
                fuel.alloc(key.len() as u64)?;
                out.insert(key.clone(), to_json(item, fuel, depth + 1)?);
            }
            Value::Object(out)
        }
        Val::Scope(name) => {
            return Err(ExprError::types(format!("'{name}' was not read")));
        }
    })
}
