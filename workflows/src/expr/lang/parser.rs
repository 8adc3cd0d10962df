//! Parses tokens into the syntax tree: statements, conditionals and the token cursor.
//! Operators are in `chain.rs`, postfixes in `postfix.rs`, operands in `primary.rs`.

use std::sync::Arc;

use super::ast::{Expr, Kind, Postfix, PostfixKind};
use super::lexer::{Spanned, Token, lex};
use crate::expr::error::ExprError;
use crate::expr::limits;

pub(super) struct Parser {
    tokens: Vec<Spanned>,
    next: usize,
    depth: usize,
    /// Names bound by `let` that are in sight.
    pub(super) locals: Vec<Arc<str>>,
    /// How many predicates enclose this place.
    pub(super) predicates: usize,
}

/// Parses a whole expression.
pub(super) fn parse(source: &str) -> Result<Expr, ExprError> {
    let tokens = lex(source)?;
    let mut parser = Parser { tokens, next: 0, depth: 0, locals: Vec::new(), predicates: 0 };
    if *parser.peek() == Token::End {
        return Err(ExprError::syntax(0, "the expression is empty"));
    }
    let expr = parser.sequence(&Token::End)?;
    match parser.peek() {
        Token::End => Ok(expr),
        other => {
            let message = format!("unexpected {}", other.describe());
            Err(ExprError::syntax(parser.offset(), message))
        }
    }
}

impl Parser {
    pub(super) fn peek(&self) -> &Token {
        self.peek_at(0)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> &Token {
        self.tokens.get(self.next + ahead).map_or(&Token::End, |s| &s.token)
    }

    pub(super) fn offset(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |s| s.at)
    }

    pub(super) fn advance(&mut self) {
        self.next += 1;
    }

    pub(super) fn is(&self, sym: &str) -> bool {
        matches!(self.peek(), Token::Sym(s) if *s == sym)
    }

    pub(super) fn is_word(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Name(n) if n.as_ref() == word)
    }

    pub(super) fn take(&mut self, sym: &str) -> bool {
        let found = self.is(sym);
        if found {
            self.advance();
        }
        found
    }

    pub(super) fn expect(&mut self, sym: &str) -> Result<(), ExprError> {
        if self.take(sym) {
            return Ok(());
        }
        let message = format!("expected '{sym}', found {}", self.peek().describe());
        Err(ExprError::syntax(self.offset(), message))
    }

    /// Runs `parse` one level deeper; the bound keeps the stack small.
    pub(super) fn deeper<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, ExprError>,
    ) -> Result<T, ExprError> {
        self.depth += 1;
        if self.depth > limits::MAX_DEPTH {
            let message = format!("the expression nests deeper than {}", limits::MAX_DEPTH);
            return Err(ExprError::fuel(message).at(self.offset()));
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    /// `a; b; c` up to a closing token, which stays.
    pub(super) fn sequence(&mut self, close: &Token) -> Result<Expr, ExprError> {
        let at = self.offset();
        let bound = self.locals.len();
        let mut all = vec![self.expression()?];
        while self.take(";") {
            if self.peek() == close {
                break;
            }
            all.push(self.expression()?);
        }
        self.locals.truncate(bound);
        Ok(if all.len() == 1 { all.swap_remove(0) } else { Expr { kind: Kind::Sequence(all), at } })
    }

    /// One expression of the lowest precedence.
    pub(super) fn expression(&mut self) -> Result<Expr, ExprError> {
        self.deeper(|p| {
            if p.is_word("let") && matches!(p.peek_at(1), Token::Name(_)) {
                return p.let_in();
            }
            if p.is_word("if") && !matches!(p.peek_at(1), Token::Sym("." | "[" | "==" | "!=" | "?.")) {
                return p.if_else();
            }
            let value = p.piped()?;
            p.conditional(value)
        })
    }

    fn let_in(&mut self) -> Result<Expr, ExprError> {
        let at = self.offset();
        self.advance();
        let name = match self.peek() {
            Token::Name(name) => Arc::clone(name),
            other => {
                let message = format!("expected a name after 'let', found {}", other.describe());
                return Err(ExprError::syntax(self.offset(), message));
            }
        };
        self.advance();
        self.expect("=")?;
        let value = self.expression()?;
        self.expect(";")?;
        self.locals.push(Arc::clone(&name));
        let body = self.expression()?;
        self.locals.pop();
        Ok(Expr { kind: Kind::Let(name, Box::new(value), Box::new(body)), at })
    }

    fn if_else(&mut self) -> Result<Expr, ExprError> {
        let at = self.offset();
        self.advance();
        let condition = self.piped()?;
        let yes = self.block()?;
        if !self.is_word("else") {
            return Err(ExprError::syntax(self.offset(), "an 'if' needs an 'else'"));
        }
        self.advance();
        let no = if self.is_word("if") { self.deeper(Self::if_else)? } else { self.block()? };
        Ok(Expr { kind: Kind::If(Box::new(condition), Box::new(yes), Box::new(no)), at })
    }

    fn block(&mut self) -> Result<Expr, ExprError> {
        self.expect("{")?;
        let body = self.sequence(&Token::Sym("}"))?;
        self.expect("}")?;
        Ok(body)
    }

    fn conditional(&mut self, condition: Expr) -> Result<Expr, ExprError> {
        let at = self.offset();
        if !self.take("?") {
            return Ok(condition);
        }
        if self.take(":") {
            let no = self.expression()?;
            return Ok(Expr { kind: Kind::Elvis(Box::new(condition), Box::new(no)), at });
        }
        let yes = self.expression()?;
        self.expect(":")?;
        let no = self.expression()?;
        Ok(Expr { kind: Kind::If(Box::new(condition), Box::new(yes), Box::new(no)), at })
    }

    /// `value | f() | g()`.
    fn piped(&mut self) -> Result<Expr, ExprError> {
        let base = self.chain(0)?;
        if !self.is("|") {
            return Ok(base);
        }
        let at = base.at;
        let mut list: Vec<Postfix> = Vec::new();
        while self.is("|") {
            let at = self.offset();
            self.advance();
            let call = self.piped_call()?;
            list.push(Postfix { kind: PostfixKind::Pipe(call), at });
            self.postfixes(&mut list)?;
        }
        Ok(Expr { kind: Kind::Postfix(Box::new(base), list), at })
    }
}
