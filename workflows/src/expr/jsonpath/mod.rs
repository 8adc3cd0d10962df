//! JSONPath, bounded: names, indices, slices, wildcards, descent, unions and filters.
//! It has no script expressions and calls nothing. Reading paths is in `parse.rs`.

mod parse;

use std::cmp::Ordering;

use super::Value;
use super::builtins::floats;
use super::error::ExprError;
use super::fuel::Fuel;
use super::lang::regexes::Regexes;
use super::val::Val;
use parse::{Filter, Operand, Path, Select, Step};

/// The value of a definite path (an error when there is none), a list of all hits otherwise.
pub(super) fn query(document: &Value, path: &str, fuel: &mut Fuel) -> Result<Val, ExprError> {
    let path = parse::parse(path)?;
    let mut search = Search { root: document, fuel, regexes: Regexes::default() };
    let found = search.run(&path.steps, document)?;
    if path.definite() {
        return match found.first() {
            Some(value) => floats(value, search.fuel),
            None => Err(ExprError::value(format!(
                "jsonpath: nothing at {}",
                super::builtins::quoted(&path.source)
            ))),
        };
    }
    search.fuel.alloc_items(found.len())?;
    let mut list = Vec::with_capacity(found.len());
    for value in found {
        list.push(floats(value, search.fuel)?);
    }
    Ok(Val::list(list))
}

impl Path {
    fn definite(&self) -> bool {
        self.steps
            .iter()
            .all(|s| !s.descend && matches!(s.selects.as_slice(), [Select::Name(_) | Select::Index(_)]))
    }
}

struct Search<'v, 'f> {
    root: &'v Value,
    fuel: &'f mut Fuel,
    regexes: Regexes,
}

impl<'v> Search<'v, '_> {
    fn run(&mut self, steps: &[Step], from: &'v Value) -> Result<Vec<&'v Value>, ExprError> {
        let mut current = vec![from];
        for step in steps {
            let mut next = Vec::new();
            for value in current {
                if step.descend {
                    let mut stack = vec![value];
                    while let Some(value) = stack.pop() {
                        self.select(step, value, &mut next)?;
                        match value {
                            Value::Array(items) => stack.extend(items.iter().rev()),
                            Value::Object(map) => stack.extend(map.values().rev()),
                            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
                        }
                        self.fuel.spend(1)?;
                    }
                } else {
                    self.select(step, value, &mut next)?;
                }
            }
            self.fuel.alloc(8 * next.len() as u64)?;
            current = next;
        }
        Ok(current)
    }

    fn select(&mut self, step: &Step, value: &'v Value, out: &mut Vec<&'v Value>) -> Result<(), ExprError> {
        for select in &step.selects {
            self.fuel.spend(1)?;
            match (select, value) {
                (Select::Name(name), Value::Object(map)) => out.extend(map.get(name)),
                (Select::Name(_), _) => {}
                (Select::Index(i), Value::Array(items)) => {
                    let len = i64::try_from(items.len()).unwrap_or(i64::MAX);
                    let place = if *i < 0 { i.saturating_add(len) } else { *i };
                    out.extend(usize::try_from(place).ok().and_then(|p| items.get(p)));
                }
                (Select::Index(_), _) => {}
                (Select::All, _) => out.extend(self.children(value)?),
                (Select::Slice(from, to, step), Value::Array(items)) => {
                    self.fuel.spend(items.len() as u64)?;
                    slice(items, *from, *to, *step, out);
                }
                (Select::Slice(..), _) => {}
                (Select::Where(filter), _) => {
                    for child in self.children(value)? {
                        if self.holds(filter, child)? {
                            out.push(child);
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn children(&mut self, value: &'v Value) -> Result<Vec<&'v Value>, ExprError> {
        let all: Vec<&Value> = match value {
            Value::Array(items) => items.iter().collect(),
            Value::Object(map) => map.values().collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
        };
        self.fuel.spend(all.len() as u64)?;
        Ok(all)
    }

    fn holds(&mut self, filter: &Filter, at: &'v Value) -> Result<bool, ExprError> {
        self.fuel.spend(1)?;
        Ok(match filter {
            Filter::Not(inner) => !self.holds(inner, at)?,
            Filter::All(all) => {
                for one in all {
                    if !self.holds(one, at)? {
                        return Ok(false);
                    }
                }
                true
            }
            Filter::Any(all) => {
                for one in all {
                    if self.holds(one, at)? {
                        return Ok(true);
                    }
                }
                false
            }
            Filter::Test(operand) => match operand {
                Operand::Literal(Value::Bool(b)) => *b,
                Operand::Literal(_) => true,
                Operand::Path { .. } => self.operand(operand, at)?.is_some(),
            },
            Filter::Compare(a, op, b) => {
                let (a, b) = (self.operand(a, at)?, self.operand(b, at)?);
                self.compare(a.as_ref(), op, b.as_ref())?
            }
        })
    }

    fn operand(&mut self, operand: &Operand, at: &'v Value) -> Result<Option<Value>, ExprError> {
        match operand {
            Operand::Literal(value) => Ok(Some(value.clone())),
            Operand::Path { root, steps } => {
                let from = if *root { self.root } else { at };
                let found = self.run(steps, from)?;
                let Some(first) = found.first() else { return Ok(None) };
                if let Value::String(s) = first {
                    self.fuel.touch(s.len())?;
                }
                Ok(Some((*first).clone()))
            }
        }
    }

    fn compare(&mut self, a: Option<&Value>, op: &str, b: Option<&Value>) -> Result<bool, ExprError> {
        if op == "=~" {
            let (Some(Value::String(text)), Some(Value::String(pattern))) = (a, b) else { return Ok(false) };
            let regex = self.regexes.get(pattern, text.len(), self.fuel)?;
            return Ok(regex.is_match(text));
        }
        let ordering = match (a, b) {
            (Some(Value::Number(x)), Some(Value::Number(y))) => x.as_f64().partial_cmp(&y.as_f64()),
            (Some(Value::String(x)), Some(Value::String(y))) => Some(x.cmp(y)),
            _ => (a == b).then_some(Ordering::Equal),
        };
        Ok(match op {
            "==" => ordering == Some(Ordering::Equal),
            "!=" => ordering != Some(Ordering::Equal),
            "<" => ordering.is_some_and(Ordering::is_lt),
            "<=" => ordering.is_some_and(Ordering::is_le),
            ">" => ordering.is_some_and(Ordering::is_gt),
            _ => ordering.is_some_and(Ordering::is_ge),
        })
    }
}

fn slice<'v>(items: &'v [Value], from: Option<i64>, to: Option<i64>, step: i64, out: &mut Vec<&'v Value>) {
    let len = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { at.saturating_add(len) } else { at };
    let get = |at: i64| usize::try_from(at).ok().and_then(|at| items.get(at));
    if step > 0 {
        let mut at = place(from.unwrap_or(0)).clamp(0, len);
        let end = place(to.unwrap_or(len)).clamp(0, len);
        while at < end {
            out.extend(get(at));
            at = at.saturating_add(step);
        }
    } else if step < 0 {
        let mut at = place(from.unwrap_or(len - 1)).clamp(-1, len - 1);
        let end = to.map_or(-1, |to| place(to).clamp(-1, len - 1));
        while at > end {
            out.extend(get(at));
            at = at.saturating_add(step);
        }
    }
}
