//! The values of a run: JSON with cheap copies, and a bound on nesting.
//! Does not compute: `ops` does.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use runner_workflows::expr::Value;

/// Deepest nesting of a value: a deeper one could not be dropped safely.
const NESTING: usize = 256;

/// A value.
#[derive(Clone, Debug)]
pub(super) enum J {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    Arr(Rc<Nested<Vec<J>>>),
    Obj(Rc<Nested<Fields>>),
}

/// The entries of a map.
pub(super) type Fields = BTreeMap<Rc<str>, J>;

/// A list or map that knows how deep it nests and how much is in it.
#[derive(Clone, Debug)]
pub(super) struct Nested<T> {
    pub(super) inner: T,
    depth: usize,
    weight: u64,
}

impl J {
    pub(super) fn str(text: &str) -> Self {
        Self::Str(Rc::from(text))
    }

    pub(super) fn list(items: Vec<J>) -> Result<Self, String> {
        let depth = bounded(items.iter().map(J::depth).max())?;
        let weight = weighed(items.iter().map(J::weight));
        Ok(Self::Arr(Rc::new(Nested { inner: items, depth, weight })))
    }

    pub(super) fn map(fields: Fields) -> Result<Self, String> {
        let depth = bounded(fields.values().map(J::depth).max())?;
        let weight = weighed(fields.iter().map(|(key, value)| weight_of(key).saturating_add(value.weight())));
        Ok(Self::Obj(Rc::new(Nested { inner: fields, depth, weight })))
    }

    /// Numbers that are whole are integers where these hold them.
    pub(super) fn number(number: f64) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        if number.fract() == 0.0 && number.abs() < 9.0e15 {
            return Self::Int(number as i64);
        }
        Self::Float(number)
    }

    fn depth(&self) -> usize {
        match self {
            Self::Arr(list) => list.depth,
            Self::Obj(map) => map.depth,
            _ => 0,
        }
    }

    /// How many values it is when it is written out; long texts count more.
    pub(super) fn weight(&self) -> u64 {
        match self {
            Self::Arr(list) => list.weight,
            Self::Obj(map) => map.weight,
            Self::Str(text) => weight_of(text),
            _ => 1,
        }
    }

    pub(super) fn truth(&self) -> bool {
        !matches!(self, Self::Null | Self::Bool(false))
    }

    pub(super) fn as_f64(&self) -> Option<f64> {
        match self {
            #[expect(clippy::cast_precision_loss, reason = "as every JSON number in jq")]
            Self::Int(number) => Some(*number as f64),
            Self::Float(number) => Some(*number),
            _ => None,
        }
    }

    /// A whole number, rounded down.
    pub(super) fn as_i64(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            #[expect(clippy::cast_possible_truncation, reason = "the cast saturates")]
            Self::Float(number) if !number.is_nan() => Some(number.floor() as i64),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "boolean",
            Self::Int(_) | Self::Float(_) => "number",
            Self::Str(_) => "string",
            Self::Arr(_) => "array",
            Self::Obj(_) => "object",
        }
    }

    /// What making this value costs in steps.
    pub(super) fn cost(&self) -> u64 {
        match self {
            Self::Str(text) => weight_of(text),
            Self::Arr(list) => 1 + list.inner.len() as u64,
            Self::Obj(map) => 1 + 2 * map.inner.len() as u64,
            _ => 1,
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(false) => 1,
            Self::Bool(true) => 2,
            Self::Int(_) | Self::Float(_) => 3,
            Self::Str(_) => 4,
            Self::Arr(_) => 5,
            Self::Obj(_) => 6,
        }
    }

    /// The order of all values: null, false, true, numbers, texts, lists, maps.
    pub(super) fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Int(a), Self::Int(b)) => a.cmp(b),
            (Self::Str(a), Self::Str(b)) => a.cmp(b),
            (Self::Arr(a), Self::Arr(b)) => {
                let unequal = a.inner.iter().zip(&b.inner).map(|(a, b)| a.compare(b)).find(|o| o.is_ne());
                unequal.unwrap_or_else(|| a.inner.len().cmp(&b.inner.len()))
            }
            (Self::Obj(a), Self::Obj(b)) => {
                let keys = a.inner.keys().cmp(b.inner.keys());
                let values = || a.inner.values().zip(b.inner.values()).map(|(a, b)| a.compare(b));
                keys.then_with(|| values().find(|o| o.is_ne()).unwrap_or(Ordering::Equal))
            }
            _ => match (self.as_f64(), other.as_f64()) {
                (Some(a), Some(b)) => a.partial_cmp(&b).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan())),
                _ => self.rank().cmp(&other.rank()),
            },
        }
    }

    pub(super) fn from_json(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::Null => Self::Null,
            Value::Bool(value) => Self::Bool(*value),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::number(number.as_f64().unwrap_or(0.0)),
            },
            Value::String(text) => Self::str(text),
            Value::Array(list) => Self::list(list.iter().map(Self::from_json).collect::<Result<_, _>>()?)?,
            Value::Object(map) => {
                let entry =
                    |(key, value): (&String, &Value)| Ok((Rc::from(key.as_str()), Self::from_json(value)?));
                Self::map(map.iter().map(entry).collect::<Result<_, String>>()?)?
            }
        })
    }

    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Null => Value::Null,
            Self::Bool(value) => Value::Bool(*value),
            Self::Int(number) => Value::from(*number),
            Self::Float(number) => {
                let clamped = number.clamp(f64::MIN, f64::MAX);
                serde_json::Number::from_f64(clamped).map_or(Value::Null, Value::Number)
            }
            Self::Str(text) => Value::String(text.to_string()),
            Self::Arr(list) => Value::Array(list.inner.iter().map(Self::to_json).collect()),
            Self::Obj(map) => Value::Object(
                map.inner.iter().map(|(key, value)| (key.to_string(), value.to_json())).collect(),
            ),
        }
    }

    /// A short text for messages.
    pub(super) fn shown(&self) -> String {
        let text = match self {
            Self::Arr(_) | Self::Obj(_) => return self.type_name().to_owned(),
            other => other.to_json().to_string(),
        };
        let cut: String = text.chars().take(40).collect();
        format!("{} ({cut})", self.type_name())
    }
}

fn weight_of(text: &str) -> u64 {
    1 + text.len() as u64 / 16
}

fn weighed(parts: impl Iterator<Item = u64>) -> u64 {
    parts.fold(1, u64::saturating_add)
}

fn bounded(inner: Option<usize>) -> Result<usize, String> {
    let depth = inner.map_or(1, |inner| inner + 1);
    if depth > NESTING { Err(format!("a value nests deeper than {NESTING} levels")) } else { Ok(depth) }
}
