//! Parses what follows an operand: members, indices, slices, methods; and calls and predicates.
//! Known function names come from the function tables.

use std::sync::Arc;

use super::ast::{Call, Expr, Function, Kind, Postfix, PostfixKind};
use super::lexer::Token;
use super::parser::Parser;
use crate::expr::builtins;
use crate::expr::error::ExprError;

impl Parser {
    /// An operand with everything that follows it.
    pub(super) fn operand(&mut self) -> Result<Expr, ExprError> {
        let base = self.primary()?;
        let mut list = Vec::new();
        self.postfixes(&mut list)?;
        let at = base.at;
        Ok(if list.is_empty() { base } else { Expr { kind: Kind::Postfix(Box::new(base), list), at } })
    }

    /// Everything that follows an operand or a piped call.
    pub(super) fn postfixes(&mut self, list: &mut Vec<Postfix>) -> Result<(), ExprError> {
        loop {
            let at = self.offset();
            let kind = if self.is(".") || self.is("?.") {
                let optional = self.is("?.");
                self.advance();
                if optional && self.take("[") { self.index(true)? } else { self.member(optional)? }
            } else if self.is("[") {
                self.advance();
                self.index(false)?
            } else {
                return Ok(());
            };
            list.push(Postfix { kind, at });
        }
    }

    fn member(&mut self, optional: bool) -> Result<PostfixKind, ExprError> {
        let key = match self.peek() {
            Token::Name(name) => Arc::clone(name),
            other => {
                let message = format!(
                    "expected a name after '.', found {}; write ['...'] for other names",
                    other.describe()
                );
                return Err(ExprError::syntax(self.offset(), message));
            }
        };
        self.advance();
        if self.is("(") {
            let args = self.arguments()?;
            return Ok(PostfixKind::Method { name: key, args });
        }
        Ok(PostfixKind::Member { key, optional })
    }

    /// After the `[`.
    fn index(&mut self, optional: bool) -> Result<PostfixKind, ExprError> {
        if self.take(":") {
            let to = if self.is("]") { None } else { Some(self.expression()?) };
            self.expect("]")?;
            return Ok(PostfixKind::Slice { from: None, to });
        }
        let first = self.expression()?;
        if self.take(":") {
            let to = if self.is("]") { None } else { Some(self.expression()?) };
            self.expect("]")?;
            return Ok(PostfixKind::Slice { from: Some(first), to });
        }
        self.expect("]")?;
        Ok(match first.kind {
            Kind::Literal(crate::expr::val::Val::Str(key)) => PostfixKind::Member { key, optional },
            _ => PostfixKind::Index { key: first, optional },
        })
    }

    /// `(a, b)`.
    pub(super) fn arguments(&mut self) -> Result<Vec<Expr>, ExprError> {
        self.expect("(")?;
        let mut args = Vec::new();
        while !self.take(")") {
            args.push(self.expression()?);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(args)
    }

    /// After a `|`: a function name and its arguments.
    pub(super) fn piped_call(&mut self) -> Result<Call, ExprError> {
        let at = self.offset();
        let mut name = match self.peek() {
            Token::Name(name) => name.to_string(),
            other => {
                let message = format!("expected a function after '|', found {}", other.describe());
                return Err(ExprError::syntax(at, message));
            }
        };
        self.advance();
        while self.is(".") {
            let Token::Name(next) = self.peek_at(1) else { break };
            name = format!("{name}.{next}");
            self.advance();
            self.advance();
        }
        self.call(&name, at, 1)
    }

    /// The call of a function whose name was read; `given` arguments come from a pipe.
    pub(super) fn call(&mut self, name: &str, at: usize, given: usize) -> Result<Call, ExprError> {
        let (function, min, max) = builtins::function(name).map_err(|e| e.at(at))?;
        let args = match function {
            Function::Plain(_) => self.arguments()?,
            Function::Predicate(_) => self.predicate_arguments(given)?,
        };
        let count = args.len() + given;
        if count < min || count > max {
            let wanted = match (min, max) {
                (min, max) if min == max => format!("{min}"),
                (min, builtins::MANY) => format!("at least {min}"),
                (min, max) => format!("{min} to {max}"),
            };
            return Err(ExprError::syntax(at, format!("{name} takes {wanted} arguments, found {count}")));
        }
        Ok(Call { function, name: Arc::from(name), args, at })
    }

    /// The list, then predicates in braces or bare; the last of `reduce` is a plain value.
    fn predicate_arguments(&mut self, given: usize) -> Result<Vec<Expr>, ExprError> {
        self.expect("(")?;
        let mut args = Vec::new();
        while !self.take(")") {
            let arg = match args.len() + given {
                0 => self.expression()?,
                1 => {
                    self.predicates += 1;
                    let arg = self.predicate()?;
                    self.predicates -= 1;
                    arg
                }
                _ => self.expression()?,
            };
            args.push(arg);
            if !self.take(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(args)
    }

    fn predicate(&mut self) -> Result<Expr, ExprError> {
        if self.take("{") {
            let body = self.sequence(&Token::Sym("}"))?;
            self.expect("}")?;
            return Ok(body);
        }
        self.expression()
    }
}
