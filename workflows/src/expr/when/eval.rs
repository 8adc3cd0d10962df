//! Evaluates a `when`: numbers are floats, strings are not numbers, `in` needs a list.
//! It has no functions.

use super::parser::Node;
use crate::expr::error::ExprError;
use crate::expr::fuel::Fuel;
use crate::expr::lang::regexes::Regexes;
use crate::expr::{Value, gofmt};

type Lookup<'a> = &'a dyn Fn(&str) -> Option<Value>;

/// The value of a condition.
pub(super) fn run(root: &Node, lookup: Lookup<'_>, fuel: &mut Fuel) -> Result<Value, ExprError> {
    let mut run = Run { lookup, fuel, regexes: Regexes::default() };
    run.eval(root)
}

/// A value for a message.
pub(super) fn describe(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(s) => super::shown(s),
        other => super::shown(&gofmt::json_text(other)),
    }
}

struct Run<'a> {
    lookup: Lookup<'a>,
    fuel: &'a mut Fuel,
    regexes: Regexes,
}

fn number(value: f64) -> Value {
    serde_json::Number::from_f64(value).map_or(Value::Null, Value::Number)
}

fn wrong(value: &Value, what: &str, op: &str, wanted: &str) -> ExprError {
    let message =
        format!("Value '{}' cannot be used with the {what} '{op}', it is not a {wanted}", describe(value));
    ExprError::types(message)
}

impl Run<'_> {
    fn eval(&mut self, node: &Node) -> Result<Value, ExprError> {
        self.fuel.spend(1)?;
        match node {
            Node::Number(n) => Ok(number(*n)),
            Node::Bool(b) => Ok(Value::Bool(*b)),
            Node::Str(s) => {
                self.fuel.alloc(s.len() as u64)?;
                Ok(Value::String(s.clone()))
            }
            Node::Empty => Ok(Value::Null),
            Node::Variable { name, at } => match (self.lookup)(name) {
                Some(value) => Ok(value),
                None => Err(ExprError::unknown(name, format!("No parameter '{name}' found.")).at(*at)),
            },
            Node::Prefix { op, inner, at } => {
                let value = self.eval(inner)?;
                prefix(op, &value).map_err(|e| e.at(*at))
            }
            Node::List(items) => {
                let mut list = Vec::new();
                for item in items {
                    list.push(self.eval(item)?);
                }
                Ok(Value::Array(list))
            }
            Node::If { condition, yes, no, at } => match self.eval(condition)? {
                Value::Bool(true) => self.eval(yes),
                Value::Bool(false) => no.as_ref().map_or(Ok(Value::Null), |n| self.eval(n)),
                other => Err(wrong(&other, "ternary operator", "?", "bool").at(*at)),
            },
            Node::Chain { first, links } => self.chain(first, links),
        }
    }

    fn chain(&mut self, first: &Node, links: &[(&'static str, Node, usize)]) -> Result<Value, ExprError> {
        let mut left = self.eval(first)?;
        for (op, node, at) in links {
            left = match *op {
                "&&" | "||" => match left {
                    Value::Bool(b) if b == (*op == "||") => left,
                    Value::Bool(_) => match self.eval(node)? {
                        right @ Value::Bool(_) => right,
                        other => return Err(wrong(&other, "logical operator", op, "bool").at(*at)),
                    },
                    other => return Err(wrong(&other, "logical operator", op, "bool").at(*at)),
                },
                "??" => {
                    if left.is_null() {
                        self.eval(node)?
                    } else {
                        left
                    }
                }
                _ => {
                    let right = self.eval(node)?;
                    self.binary(op, &left, &right).map_err(|e| e.at(*at))?
                }
            };
        }
        Ok(left)
    }

    fn binary(&mut self, op: &str, a: &Value, b: &Value) -> Result<Value, ExprError> {
        self.fuel.spend(1)?;
        match op {
            "==" => Ok(Value::Bool(equal(a, b))),
            "!=" => Ok(Value::Bool(!equal(a, b))),
            ">" | ">=" | "<" | "<=" => order(op, a, b),
            "in" => match b {
                Value::Array(items) => {
                    self.fuel.spend(items.len() as u64)?;
                    Ok(Value::Bool(items.iter().any(|i| equal(i, a))))
                }
                other => Err(wrong(other, "comparator", op, "array")),
            },
            "=~" | "!~" => {
                let Value::String(text) = a else { return Err(wrong(a, "comparator", op, "string")) };
                let Value::String(pattern) = b else { return Err(wrong(b, "comparator", op, "string")) };
                let regex = self.regexes.get(pattern, text.len(), self.fuel)?;
                Ok(Value::Bool(regex.is_match(text) == (op == "=~")))
            }
            "+" if a.is_string() || b.is_string() => {
                let text = format!("{}{}", v_text(a), v_text(b));
                self.fuel.alloc(text.len() as u64)?;
                Ok(Value::String(text))
            }
            _ => arithmetic(op, a, b),
        }
    }
}

/// Go's `%v`.
fn v_text(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(s) => s.clone(),
        Value::Number(n) => gofmt::v_float(n.as_f64().unwrap_or(f64::NAN)),
        other => gofmt::json_text(other),
    }
}

/// Deep equality; all numbers are floats, and a number is never a string.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y)),
        _ => a == b,
    }
}

fn order(op: &str, a: &Value, b: &Value) -> Result<Value, ExprError> {
    let ordering = match (a, b) {
        (Value::String(x), Value::String(y)) => Some(x.cmp(y)),
        (Value::Number(x), Value::Number(y)) => x.as_f64().partial_cmp(&y.as_f64()),
        (Value::Number(_), other) | (other, _) => {
            return Err(wrong(other, "comparator", op, "number"));
        }
    };
    let Some(ordering) = ordering else { return Ok(Value::Bool(false)) };
    Ok(Value::Bool(match op {
        ">" => ordering.is_gt(),
        ">=" => ordering.is_ge(),
        "<" => ordering.is_lt(),
        _ => ordering.is_le(),
    }))
}

fn prefix(op: &str, value: &Value) -> Result<Value, ExprError> {
    match (op, value) {
        ("!", Value::Bool(b)) => Ok(Value::Bool(!b)),
        ("!", other) => Err(wrong(other, "prefix", op, "bool")),
        (_, Value::Number(n)) => {
            let n = n.as_f64().unwrap_or(f64::NAN);
            Ok(number(if op == "-" { -n } else { from_int(!to_int(n)) }))
        }
        (_, other) => Err(wrong(other, "prefix", op, "number")),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "Go converts in the same way; out of range saturates")]
fn to_int(n: f64) -> i64 {
    n as i64
}

#[expect(clippy::cast_precision_loss, reason = "govaluate's numbers are floats")]
fn from_int(n: i64) -> f64 {
    n as f64
}

fn arithmetic(op: &str, a: &Value, b: &Value) -> Result<Value, ExprError> {
    let Some(x) = a.as_f64() else { return Err(wrong(a, "modifier", op, "number")) };
    let Some(y) = b.as_f64() else { return Err(wrong(b, "modifier", op, "number")) };
    let shift = u32::try_from(to_int(y)).unwrap_or(u32::MAX);
    Ok(number(match op {
        "+" => x + y,
        "-" => x - y,
        "*" => x * y,
        "/" => x / y,
        "%" => x % y,
        "**" => x.powf(y),
        "&" => from_int(to_int(x) & to_int(y)),
        "|" => from_int(to_int(x) | to_int(y)),
        "^" => from_int(to_int(x) ^ to_int(y)),
        "<<" => from_int(to_int(x).checked_shl(shift).unwrap_or(0)),
        ">>" => from_int(to_int(x).checked_shr(shift).unwrap_or(0)),
        _ => return Err(ExprError::syntax(0, format!("unknown operator '{op}'"))),
    }))
}
