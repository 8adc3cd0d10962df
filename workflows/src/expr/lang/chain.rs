//! Parses binary and unary operators by expr's precedence.
//! Same-level operators become one flat chain, so length costs no depth.

use super::ast::{Expr, Kind, Link, Op, Unary};
use super::lexer::Token;
use super::parser::Parser;
use crate::expr::error::ExprError;

/// Left-associative levels from loosest to tightest; `**` and `??` are tighter and apart.
const LEVELS: &[&[(&str, Op)]] = &[
    &[("||", Op::Or), ("or", Op::Or)],
    &[("&&", Op::And), ("and", Op::And)],
    &[
        ("==", Op::Equal),
        ("!=", Op::NotEqual),
        ("<=", Op::LessEqual),
        (">=", Op::GreaterEqual),
        ("<", Op::Less),
        (">", Op::Greater),
        ("in", Op::In),
        ("matches", Op::Matches),
        ("contains", Op::Contains),
        ("startsWith", Op::StartsWith),
        ("endsWith", Op::EndsWith),
    ],
    &[("..", Op::Range)],
    &[("+", Op::Add), ("-", Op::Subtract)],
    &[("*", Op::Multiply), ("/", Op::Divide), ("%", Op::Modulo)],
];

/// The operators that `not` may stand before.
const NEGATABLE: &[&str] = &["in", "matches", "contains", "startsWith", "endsWith"];
/// `not x`, `!x` bind tighter than every chain above `*`, looser than it.
const LEVEL_OF_NOT: usize = 5;
const LEVEL_OF_SIGN: usize = 6;

impl Parser {
    /// A chain of operators of `level` or tighter.
    pub(super) fn chain(&mut self, level: usize) -> Result<Expr, ExprError> {
        let Some(operators) = LEVELS.get(level) else { return self.power() };
        let first = self.chain(level + 1)?;
        let at = first.at;
        let mut links = Vec::new();
        loop {
            let at = self.offset();
            let negated = self.is_word("not")
                && matches!(self.peek_at(1), Token::Name(n) if NEGATABLE.contains(&n.as_ref()));
            let token = self.peek_at(usize::from(negated));
            let Some((_, op)) = operators.iter().find(|(text, _)| match token {
                Token::Sym(sym) => sym == text,
                Token::Name(name) => name.as_ref() == *text,
                Token::Int(_) | Token::Float(_) | Token::Str(_) | Token::End => false,
            }) else {
                break;
            };
            let op = *op;
            self.advance();
            if negated {
                self.advance();
            }
            let right = self.chain(level + 1)?;
            links.push(Link { op, negated, right, at });
        }
        Ok(if links.is_empty() { first } else { Expr { kind: Kind::Chain(Box::new(first), links), at } })
    }

    /// `a ** b`, binding to the right and tighter than a sign before it.
    fn power(&mut self) -> Result<Expr, ExprError> {
        if let Some(unary) = self.unary()? {
            return Ok(unary);
        }
        let base = self.coalesce()?;
        if !self.is("**") && !self.is("^") {
            return Ok(base);
        }
        let at = self.offset();
        self.advance();
        let exponent = self.deeper(Self::power)?;
        Ok(Expr { kind: Kind::Power(Box::new(base), Box::new(exponent)), at })
    }

    /// A prefix operator and its operand, when one stands here.
    fn unary(&mut self) -> Result<Option<Expr>, ExprError> {
        let at = self.offset();
        let (op, level) = match self.peek() {
            Token::Sym("!") => (Unary::Not, LEVEL_OF_NOT),
            Token::Name(n) if n.as_ref() == "not" => (Unary::Not, LEVEL_OF_NOT),
            Token::Sym("-") => (Unary::Minus, LEVEL_OF_SIGN),
            Token::Sym("+") => (Unary::Plus, LEVEL_OF_SIGN),
            _ => return Ok(None),
        };
        self.advance();
        let operand = self.deeper(|p| p.chain(level))?;
        Ok(Some(Expr { kind: Kind::Unary(op, Box::new(operand)), at }))
    }

    /// `a ?? b`, the tightest operator.
    fn coalesce(&mut self) -> Result<Expr, ExprError> {
        let first = self.operand()?;
        let at = first.at;
        let mut links = Vec::new();
        while self.is("??") {
            let at = self.offset();
            self.advance();
            let right = match self.unary()? {
                Some(unary) => unary,
                None => self.operand()?,
            };
            links.push(Link { op: Op::Coalesce, negated: false, right, at });
        }
        Ok(if links.is_empty() { first } else { Expr { kind: Kind::Chain(Box::new(first), links), at } })
    }
}
