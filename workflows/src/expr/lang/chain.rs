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
    /// Operators of `level` or tighter. Precedence climbing: one call for an operand, not one for each
    /// level, which keeps the stack small.
    pub(super) fn chain(&mut self, level: usize) -> Result<Expr, ExprError> {
        let mut left = self.power()?;
        while let Some((found, _, _)) = self.operator().filter(|(l, ..)| *l >= level) {
            let mut links = Vec::new();
            while let Some((_, op, negated)) = self.operator().filter(|(l, ..)| *l == found) {
                let at = self.offset();
                self.advance();
                if negated {
                    self.advance();
                }
                let right = self.chain(found + 1)?;
                links.push(Link { op, negated, right, at });
            }
            let at = left.at;
            left = Expr { kind: Kind::Chain(Box::new(left), links), at };
        }
        Ok(left)
    }

    /// The operator that stands here: its level, itself, and whether `not` stands before it.
    fn operator(&self) -> Option<(usize, Op, bool)> {
        let negated = self.is_word("not")
            && matches!(self.peek_at(1), Token::Name(n) if NEGATABLE.contains(&n.as_ref()));
        let text = match self.peek_at(usize::from(negated)) {
            Token::Sym(sym) => *sym,
            Token::Name(name) => name.as_ref(),
            Token::Int(_) | Token::Float(_) | Token::Str(_) | Token::End => return None,
        };
        LEVELS.iter().enumerate().find_map(|(level, operators)| {
            operators.iter().find(|(t, _)| *t == text).map(|(_, op)| (level, *op, negated))
        })
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
