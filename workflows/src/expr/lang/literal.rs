//! Parses list and map literals.
//! It does not parse predicates, which also stand in braces.

use std::sync::Arc;

use super::ast::{Expr, Kind};
use super::lexer::Token;
use super::parser::Parser;
use crate::expr::error::ExprError;
use crate::expr::val::Val;

impl Parser {
    /// `[a, b]`, a comma at the end allowed.
    pub(super) fn list_literal(&mut self) -> Result<Expr, ExprError> {
        let at = self.offset();
        self.expect("[")?;
        let mut items = Vec::new();
        while !self.take("]") {
            items.push(self.expression()?);
            if !self.take(",") {
                self.expect("]")?;
                break;
            }
        }
        Ok(Expr { kind: Kind::List(items), at })
    }

    /// `{a: 1, "b": 2, (c): 3}`.
    pub(super) fn map_literal(&mut self) -> Result<Expr, ExprError> {
        let at = self.offset();
        self.expect("{")?;
        let mut pairs = Vec::new();
        while !self.take("}") {
            let key = self.map_key()?;
            self.expect(":")?;
            pairs.push((key, self.expression()?));
            if !self.take(",") {
                self.expect("}")?;
                break;
            }
        }
        Ok(Expr { kind: Kind::Map(pairs), at })
    }

    fn map_key(&mut self) -> Result<Expr, ExprError> {
        let at = self.offset();
        let text: Arc<str> = match self.peek() {
            Token::Str(s) | Token::Name(s) => Arc::clone(s),
            Token::Int(n) => Arc::from(n.to_string()),
            Token::Sym("(") => {
                self.advance();
                let key = self.expression()?;
                self.expect(")")?;
                return Ok(key);
            }
            other => {
                let message = format!(
                    "a map key must be a name, a string, a number or in parentheses, found {}",
                    other.describe()
                );
                return Err(ExprError::syntax(at, message));
            }
        };
        self.advance();
        Ok(Expr { kind: Kind::Literal(Val::Str(text)), at })
    }
}
