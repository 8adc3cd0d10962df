//! Parses operands: literals, names, calls, pointers, parentheses.
//! What follows an operand is in `postfix.rs`.

use std::sync::Arc;

use super::ast::{Expr, Kind, Pointer};
use super::lexer::Token;
use super::parser::Parser;
use crate::expr::error::ExprError;
use crate::expr::val::Val;

/// Words that are operators and cannot be operands.
const RESERVED: &[&str] = &["in", "or", "and", "matches", "contains", "startsWith", "endsWith", "else"];

impl Parser {
    pub(super) fn primary(&mut self) -> Result<Expr, ExprError> {
        let at = self.offset();
        let kind = match self.peek().clone() {
            Token::Int(n) => self.literal(Val::Int(n)),
            Token::Float(n) => self.literal(Val::Float(n)),
            Token::Str(s) => self.literal(Val::Str(s)),
            Token::Name(name) => self.name(&name)?,
            Token::Sym("(") => {
                self.advance();
                let inner = self.sequence(&Token::Sym(")"))?;
                self.expect(")")?;
                // A chain in parentheses must not merge with the one around it; the tree keeps it apart.
                return Ok(inner);
            }
            Token::Sym("[") => return self.list_literal(),
            Token::Sym("{") => return self.map_literal(),
            Token::Sym("#") => self.pointer()?,
            Token::Sym("." | "?.") if self.predicates > 0 => Kind::Pointer(Pointer::Item),
            // `::len(x)`: the function, whatever variables are called.
            Token::Sym(":") if *self.peek_at(1) == Token::Sym(":") => {
                self.advance();
                self.advance();
                let Token::Name(name) = self.peek().clone() else {
                    return Err(ExprError::syntax(self.offset(), "expected a function after '::'"));
                };
                self.advance();
                Kind::Call(self.call(&name, at, 0)?)
            }
            other => {
                return Err(ExprError::syntax(at, format!("expected a value, found {}", other.describe())));
            }
        };
        Ok(Expr { kind, at })
    }

    fn literal(&mut self, value: Val) -> Kind {
        self.advance();
        Kind::Literal(value)
    }

    fn pointer(&mut self) -> Result<Kind, ExprError> {
        let at = self.offset();
        if self.predicates == 0 {
            return Err(ExprError::syntax(
                at,
                "'#' has a meaning only inside a predicate, as in filter(list, # > 1)",
            ));
        }
        self.advance();
        let adjacent = self.offset() == at + 1;
        let pointer = match self.peek() {
            Token::Name(n) if adjacent && n.as_ref() == "index" => Pointer::Index,
            Token::Name(n) if adjacent && n.as_ref() == "acc" => Pointer::Acc,
            Token::Name(n) if adjacent => {
                return Err(ExprError::syntax(
                    at,
                    format!("unknown pointer '#{n}'; there are #, #index and #acc"),
                ));
            }
            _ => return Ok(Kind::Pointer(Pointer::Item)),
        };
        self.advance();
        Ok(Kind::Pointer(pointer))
    }

    fn name(&mut self, name: &Arc<str>) -> Result<Kind, ExprError> {
        let at = self.offset();
        if RESERVED.contains(&name.as_ref()) {
            return Err(ExprError::syntax(at, format!("expected a value, found the operator '{name}'")));
        }
        self.advance();
        match name.as_ref() {
            "true" => return Ok(Kind::Literal(Val::Bool(true))),
            "false" => return Ok(Kind::Literal(Val::Bool(false))),
            "nil" | "null" => return Ok(Kind::Literal(Val::Nil)),
            "$env" => return Ok(Kind::Env),
            _ => {}
        }
        if self.is("(") {
            return Ok(Kind::Call(self.call(name, at, 0)?));
        }
        if name.as_ref() == "sprig"
            && self.is(".")
            && !self.locals.contains(name)
            && let (Token::Name(function), Token::Sym("(")) = (self.peek_at(1).clone(), self.peek_at(2))
        {
            self.advance();
            self.advance();
            return Ok(Kind::Call(self.call(&format!("sprig.{function}"), at, 0)?));
        }
        Ok(Kind::Name(Arc::clone(name)))
    }
}
