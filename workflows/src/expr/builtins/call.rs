//! The arguments of one function call, with typed access and messages that name the function.
//! It knows no function.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::expr::error::ExprError;
use crate::expr::fuel::Fuel;
use crate::expr::lang::eval::Eval;
use crate::expr::val::{Nested, Val, as_f64, whole};

/// A call of a plain function.
pub(crate) struct Call<'c, 'e> {
    pub name: &'c str,
    pub args: Vec<Val>,
    pub eval: &'c mut Eval<'e>,
}

impl Call<'_, '_> {
    pub(crate) fn fuel(&mut self) -> &mut Fuel {
        self.eval.fuel
    }

    pub(crate) fn len(&self) -> usize {
        self.args.len()
    }

    pub(crate) fn arg(&self, i: usize) -> Val {
        self.args.get(i).cloned().unwrap_or(Val::Nil)
    }

    pub(crate) fn wrong(&self, i: usize, wanted: &str) -> ExprError {
        let found = self.args.get(i).map_or("nothing", Val::type_name);
        ExprError::types(format!("argument {} of {} must be {wanted}, found {found}", i + 1, self.name))
    }

    /// A text; reading it is charged.
    pub(crate) fn str(&mut self, i: usize) -> Result<Arc<str>, ExprError> {
        match self.args.get(i) {
            Some(Val::Str(s)) => {
                let text = Arc::clone(s);
                self.fuel().touch(text.len())?;
                Ok(text)
            }
            _ => Err(self.wrong(i, "a string")),
        }
    }

    /// A text, or `default` when the argument is not given.
    pub(crate) fn str_or(&mut self, i: usize, default: &str) -> Result<Arc<str>, ExprError> {
        if i < self.len() { self.str(i) } else { Ok(Arc::from(default)) }
    }

    pub(crate) fn int(&self, i: usize) -> Result<i64, ExprError> {
        match self.args.get(i) {
            Some(Val::Int(n)) => Ok(*n),
            Some(Val::Float(f)) => whole(*f).ok_or_else(|| self.wrong(i, "a whole number")),
            _ => Err(self.wrong(i, "a whole number")),
        }
    }

    pub(crate) fn float(&self, i: usize) -> Result<f64, ExprError> {
        self.args.get(i).and_then(as_f64).ok_or_else(|| self.wrong(i, "a number"))
    }

    /// A list; walking it is charged.
    pub(crate) fn list(&mut self, i: usize) -> Result<Arc<Nested<Vec<Val>>>, ExprError> {
        match self.args.get(i) {
            Some(Val::List(items)) => {
                let items = Arc::clone(items);
                self.fuel().spend(1 + items.len() as u64)?;
                Ok(items)
            }
            _ => Err(self.wrong(i, "a list")),
        }
    }

    /// A map; walking it is charged.
    pub(crate) fn map(&mut self, i: usize) -> Result<Arc<Nested<BTreeMap<String, Val>>>, ExprError> {
        match self.args.get(i) {
            Some(Val::Map(map)) => {
                let map = Arc::clone(map);
                self.fuel().spend(1 + map.len() as u64)?;
                Ok(map)
            }
            _ => Err(self.wrong(i, "a map")),
        }
    }

    /// A text as the result; its memory is charged.
    pub(crate) fn text(&mut self, text: impl AsRef<str>) -> Result<Val, ExprError> {
        self.fuel().alloc(text.as_ref().len() as u64)?;
        Ok(Val::str(text))
    }

    /// A list as the result; its memory is charged.
    pub(crate) fn items(&mut self, items: Vec<Val>) -> Result<Val, ExprError> {
        self.fuel().alloc_items(items.len())?;
        Ok(Val::list(items))
    }

    /// Texts as the result.
    pub(crate) fn texts<S: AsRef<str>>(&mut self, parts: impl Iterator<Item = S>) -> Result<Val, ExprError> {
        let mut list = Vec::new();
        for part in parts {
            self.fuel().alloc(24 + part.as_ref().len() as u64)?;
            list.push(Val::str(part));
        }
        Ok(Val::list(list))
    }

    /// Refuses a result of `count` times `each` bytes before it is built.
    pub(crate) fn reserve(&mut self, count: i64, each: usize) -> Result<usize, ExprError> {
        let count = usize::try_from(count)
            .map_err(|_| ExprError::value(format!("{}: the count must not be negative", self.name)))?;
        self.fuel().alloc((count as u64).saturating_mul(each as u64))?;
        Ok(count)
    }
}
