//! Which variables an expression names, for lint and for dependency tracking.
//! It is static: a name in a branch that is never taken counts too.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::ast::{Call, Expr, Kind, Postfix, PostfixKind};

/// All dotted paths, sorted.
pub(super) fn of(root: &Expr) -> Vec<String> {
    let mut walk = Walk { found: BTreeSet::new(), locals: Vec::new() };
    walk.expr(root);
    walk.found.into_iter().collect()
}

struct Walk {
    found: BTreeSet<String>,
    locals: Vec<Arc<str>>,
}

impl Walk {
    fn expr(&mut self, expr: &Expr) {
        match &expr.kind {
            Kind::Literal(_) | Kind::Pointer(_) | Kind::Env => {}
            Kind::Name(name) => {
                if !self.locals.contains(name) {
                    self.found.insert(name.to_string());
                }
            }
            Kind::List(items) | Kind::Sequence(items) => items.iter().for_each(|e| self.expr(e)),
            Kind::Map(pairs) => pairs.iter().for_each(|(k, v)| {
                self.expr(k);
                self.expr(v);
            }),
            Kind::Unary(_, inner) => self.expr(inner),
            Kind::Chain(first, links) => {
                self.expr(first);
                links.iter().for_each(|l| self.expr(&l.right));
            }
            Kind::Power(a, b) | Kind::Elvis(a, b) => {
                self.expr(a);
                self.expr(b);
            }
            Kind::If(a, b, c) => {
                self.expr(a);
                self.expr(b);
                self.expr(c);
            }
            Kind::Let(name, value, body) => {
                self.expr(value);
                self.locals.push(Arc::clone(name));
                self.expr(body);
                self.locals.pop();
            }
            Kind::Call(call) => self.call(call),
            Kind::Postfix(base, list) => self.postfix(base, list),
        }
    }

    fn call(&mut self, call: &Call) {
        call.args.iter().for_each(|a| self.expr(a));
    }

    fn postfix(&mut self, base: &Expr, list: &[Postfix]) {
        let mut path = match &base.kind {
            Kind::Name(name) if !self.locals.contains(name) => Some(name.to_string()),
            Kind::Env => Some(String::new()),
            _ => {
                self.expr(base);
                None
            }
        };
        for postfix in list {
            match &postfix.kind {
                PostfixKind::Member { key, .. } => {
                    if let Some(path) = &mut path {
                        if !path.is_empty() {
                            path.push('.');
                        }
                        path.push_str(key);
                    }
                    continue;
                }
                PostfixKind::Index { key, .. } => self.expr(key),
                PostfixKind::Slice { from, to } => from.iter().chain(to).for_each(|e| self.expr(e)),
                PostfixKind::Method { args, .. } => args.iter().for_each(|a| self.expr(a)),
                PostfixKind::Pipe(call) => self.call(call),
            }
            self.add(path.take());
        }
        self.add(path);
    }

    fn add(&mut self, path: Option<String>) {
        if let Some(path) = path.filter(|p| !p.is_empty()) {
            self.found.insert(path);
        }
    }
}
