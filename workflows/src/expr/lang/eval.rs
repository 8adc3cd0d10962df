//! Evaluates the syntax tree: names, operators, predicates.
//! Plain functions are in `builtins` and `sprig`; it has no way to reach the outside (V4).

use std::sync::Arc;

use super::ast::{Call, Expr, Function, Kind, Link, Op, Pointer, Unary};
use super::ops;
use super::regexes::Regexes;
use crate::expr::builtins;
use crate::expr::error::ExprError;
use crate::expr::fuel::Fuel;
use crate::expr::val::Val;
use crate::expr::vars::{Var, Vars};
use crate::expr::{Value, suggest};

/// One evaluation.
pub(crate) struct Eval<'a> {
    pub vars: &'a Vars,
    pub fuel: &'a mut Fuel,
    pub regexes: Regexes,
    /// In template texts every missing name counts; elsewhere a missing last key is nil, as in Go.
    pub strict: bool,
    /// Inside the left of `??` and beside `nil`: missing names read nil.
    pub guard: usize,
    /// Absent outputs that were read.
    pub absent: Vec<String>,
    pub locals: Vec<(Arc<str>, Val)>,
    pub frames: Vec<Frame>,
}

/// The element a predicate looks at.
pub(crate) struct Frame {
    pub item: Val,
    pub index: usize,
    pub acc: Val,
}

impl<'a> Eval<'a> {
    pub(crate) fn new(vars: &'a Vars, fuel: &'a mut Fuel, strict: bool) -> Self {
        Self {
            vars,
            fuel,
            regexes: Regexes::default(),
            strict,
            guard: 0,
            absent: Vec::new(),
            locals: Vec::new(),
            frames: Vec::new(),
        }
    }

    /// The value with scopes read out.
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<Val, ExprError> {
        let raw = self.eval(expr)?;
        self.read(raw).map_err(|e| e.at(expr.at))
    }

    fn read(&mut self, raw: Val) -> Result<Val, ExprError> {
        let Val::Scope(path) = &raw else { return Ok(raw) };
        let prefix = if path.is_empty() { String::new() } else { format!("{path}.") };
        let json = self.vars.nested_under(&prefix);
        Val::from_json(&json, self.fuel)
    }

    /// The value, possibly a scope.
    pub(super) fn eval(&mut self, expr: &Expr) -> Result<Val, ExprError> {
        self.fuel.spend(1).map_err(|e| e.at(expr.at))?;
        match &expr.kind {
            Kind::Literal(value) => Ok(value.clone()),
            Kind::Name(name) => self.name(name, expr.at, false),
            Kind::Env => Ok(Val::Scope(Arc::from(""))),
            Kind::Pointer(pointer) => self.pointer(*pointer, expr.at),
            Kind::List(items) => self.list(items, expr.at),
            Kind::Map(pairs) => self.map(pairs, expr.at),
            Kind::Unary(op, inner) => self.unary(*op, inner, expr.at),
            Kind::Chain(first, links) => self.chain(first, links),
            Kind::Power(a, b) => {
                let (a, b) = (self.value(a)?, self.value(b)?);
                ops::power(&a, &b).map_err(|e| e.at(expr.at))
            }
            Kind::Postfix(base, list) => self.postfix(base, list),
            Kind::Call(call) => self.call(call, None),
            Kind::If(condition, yes, no) => {
                let branch = if self.truth(condition, "a condition")? { yes } else { no };
                self.eval(branch)
            }
            Kind::Elvis(condition, no) => {
                let value = self.value(condition)?;
                match value {
                    Val::Bool(true) => Ok(value),
                    Val::Bool(false) => self.eval(no),
                    other => Err(not_bool("a condition", &other).at(condition.at)),
                }
            }
            Kind::Let(name, value, body) => {
                let value = self.eval(value)?;
                self.locals.push((Arc::clone(name), value));
                let result = self.eval(body);
                self.locals.pop();
                result
            }
            Kind::Sequence(all) => {
                let mut last = Val::Nil;
                for one in all {
                    last = self.eval(one)?;
                }
                Ok(last)
            }
        }
    }

    /// A name that stands alone or begins a path; `optional`: what follows accepts nil.
    pub(super) fn name(&mut self, name: &Arc<str>, at: usize, optional: bool) -> Result<Val, ExprError> {
        if let Some((_, value)) = self.locals.iter().rev().find(|(n, _)| n == name) {
            return Ok(value.clone());
        }
        if let Some(found) = self.variable("", name)? {
            return Ok(found);
        }
        if optional || self.guard > 0 {
            return Ok(Val::Nil);
        }
        let names = self.vars.names();
        let roots = names.iter().map(|n| n.split('.').next().unwrap_or_default());
        let hint = suggest::did_you_mean(name, roots);
        Err(ExprError::unknown(name, format!("unknown name '{name}'{hint}")).at(at))
    }

    /// The variable `key` below the dotted name `prefix`, when any scope has it.
    pub(super) fn variable(&mut self, prefix: &str, key: &str) -> Result<Option<Val>, ExprError> {
        let path = if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") };
        if self.vars.has_under(&format!("{path}.")) {
            return Ok(Some(Val::Scope(Arc::from(path))));
        }
        match self.vars.get(&path) {
            Some(Var::Value(value)) => return Val::from_json(value, self.fuel).map(Some),
            Some(Var::Absent) => {
                self.absent.push(path);
                return Ok(Some(Val::Nil));
            }
            None => {}
        }
        match self.vars.get(prefix) {
            Some(Var::Value(Value::Object(map))) => match map.get(key) {
                Some(value) => Val::from_json(value, self.fuel).map(Some),
                None => Ok(None),
            },
            Some(Var::Absent) => {
                self.absent.push(prefix.to_owned());
                Ok(Some(Val::Nil))
            }
            Some(Var::Value(_)) | None => Ok(None),
        }
    }

    fn pointer(&mut self, pointer: Pointer, at: usize) -> Result<Val, ExprError> {
        let Some(frame) = self.frames.last() else {
            return Err(ExprError::syntax(at, "'#' has a meaning only inside a predicate"));
        };
        Ok(match pointer {
            Pointer::Item => frame.item.clone(),
            Pointer::Index => Val::int(frame.index),
            Pointer::Acc => frame.acc.clone(),
        })
    }

    fn list(&mut self, items: &[Expr], at: usize) -> Result<Val, ExprError> {
        self.fuel.alloc_items(items.len()).map_err(|e| e.at(at))?;
        let mut list = Vec::with_capacity(items.len());
        for item in items {
            list.push(self.value(item)?);
        }
        Val::list(list).bounded().map_err(|e| e.at(at))
    }

    fn map(&mut self, pairs: &[(Expr, Expr)], at: usize) -> Result<Val, ExprError> {
        self.fuel.alloc_items(pairs.len() * 2).map_err(|e| e.at(at))?;
        let mut map = std::collections::BTreeMap::new();
        for (key, value) in pairs {
            let Val::Str(name) = self.value(key)? else {
                return Err(ExprError::types("a map key must be a string").at(key.at));
            };
            map.insert(name.as_ref().to_owned(), self.value(value)?);
        }
        Val::map(map).bounded().map_err(|e| e.at(at))
    }

    fn unary(&mut self, op: Unary, inner: &Expr, at: usize) -> Result<Val, ExprError> {
        let value = self.value(inner)?;
        match (op, &value) {
            (Unary::Not, Val::Bool(b)) => Ok(Val::Bool(!b)),
            (Unary::Minus, Val::Int(n)) => Ok(Val::Int(n.wrapping_neg())),
            (Unary::Minus, Val::Float(f)) => Ok(Val::Float(-f)),
            (Unary::Minus, Val::Duration(d)) => Ok(Val::Duration(d.saturating_neg())),
            (Unary::Plus, Val::Int(_) | Val::Float(_)) => Ok(value),
            (Unary::Not, other) => Err(not_bool("'!'", other).at(at)),
            (Unary::Minus | Unary::Plus, other) => {
                let message = format!("a sign needs a number, found {}", other.type_name());
                Err(ExprError::types(message).at(at))
            }
        }
    }

    /// A boolean operand.
    pub(super) fn truth(&mut self, expr: &Expr, of: &str) -> Result<bool, ExprError> {
        match self.value(expr)? {
            Val::Bool(b) => Ok(b),
            other => Err(not_bool(of, &other).at(expr.at)),
        }
    }

    fn chain(&mut self, first: &Expr, links: &[Link]) -> Result<Val, ExprError> {
        match links.first().map(|l| l.op) {
            Some(Op::Or) => self.logic(first, links, true),
            Some(Op::And) => self.logic(first, links, false),
            Some(Op::Coalesce) => self.coalesce(first, links),
            _ => self.fold(first, links),
        }
    }

    fn logic(&mut self, first: &Expr, links: &[Link], stop: bool) -> Result<Val, ExprError> {
        let name = if stop { "'||'" } else { "'&&'" };
        let mut value = self.truth(first, name)?;
        for link in links {
            if value == stop {
                break;
            }
            value = self.truth(&link.right, name)?;
        }
        Ok(Val::Bool(value))
    }

    fn coalesce(&mut self, first: &Expr, links: &[Link]) -> Result<Val, ExprError> {
        let mut value = self.guarded(first)?;
        for (i, link) in links.iter().enumerate() {
            if !matches!(value, Val::Nil) {
                break;
            }
            let last = i + 1 == links.len();
            value = if last { self.eval(&link.right)? } else { self.guarded(&link.right)? };
        }
        Ok(value)
    }

    fn guarded(&mut self, expr: &Expr) -> Result<Val, ExprError> {
        self.guard += 1;
        let result = self.value(expr);
        self.guard -= 1;
        result
    }

    /// Left to right; `a < b < c` means `a < b && b < c`.
    fn fold(&mut self, first: &Expr, links: &[Link]) -> Result<Val, ExprError> {
        let is_nil = |e: &Expr| matches!(e.kind, Kind::Literal(Val::Nil));
        let equality = |op: Op| matches!(op, Op::Equal | Op::NotEqual);
        let beside_nil = links.first().is_some_and(|l| equality(l.op) && is_nil(&l.right));
        let mut left = if beside_nil { self.guarded(first)? } else { self.value(first)? };
        let mut middle: Option<(Val, bool)> = None;
        for link in links {
            let nil_left = equality(link.op) && matches!(left, Val::Nil) && is_nil(first);
            let right = if nil_left { self.guarded(&link.right)? } else { self.value(&link.right)? };
            let compares = matches!(link.op, Op::Less | Op::LessEqual | Op::Greater | Op::GreaterEqual);
            let (operand, so_far) = match middle.take() {
                Some((operand, so_far)) if compares => (operand, so_far),
                _ => (left, true),
            };
            let result = ops::binary(link.op, &operand, &right, self.fuel, &mut self.regexes)
                .map_err(|e| e.at(link.at))?;
            left = match result {
                Val::Bool(b) if link.negated => Val::Bool(!b),
                Val::Bool(b) => Val::Bool(b && so_far),
                other => other,
            };
            if compares {
                middle = Some((right, matches!(left, Val::Bool(true))));
            }
        }
        Ok(left)
    }

    /// Calls a function; a piped value becomes the first argument.
    pub(super) fn call(&mut self, call: &Call, piped: Option<Val>) -> Result<Val, ExprError> {
        let result = match call.function {
            Function::Predicate(kind) => self.predicate_call(kind, call, piped),
            Function::Plain(function) => {
                let mut args = Vec::with_capacity(call.args.len() + 1);
                args.extend(piped);
                for arg in &call.args {
                    args.push(self.value(arg)?);
                }
                let mut context = builtins::Call { name: &call.name, args, eval: self };
                function(&mut context)
            }
        };
        result.and_then(Val::bounded).map_err(|e| e.at(call.at))
    }
}

pub(super) fn not_bool(of: &str, found: &Val) -> ExprError {
    ExprError::types(format!("{of} needs a boolean, found {}", found.type_name()))
}
