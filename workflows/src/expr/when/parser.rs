//! The tree of a `when`, by govaluate's precedence.
//! It evaluates nothing.

use super::lexer::{Spanned, Token};
use crate::expr::error::ExprError;
use crate::expr::limits;

#[derive(Clone, Debug)]
pub(super) enum Node {
    Number(f64),
    Bool(bool),
    Str(String),
    Variable {
        name: String,
        at: usize,
    },
    Prefix {
        op: &'static str,
        inner: Box<Node>,
        at: usize,
    },
    /// Operators of one level, left to right.
    Chain {
        first: Box<Node>,
        links: Vec<(&'static str, Node, usize)>,
    },
    If {
        condition: Box<Node>,
        yes: Box<Node>,
        no: Option<Box<Node>>,
        at: usize,
    },
    /// `(a, b)`; one element is the element itself.
    List(Vec<Node>),
    /// `()`.
    Empty,
}

/// Loosest first, below the ternary.
const LEVELS: &[&[&str]] = &[
    &["||"],
    &["&&"],
    &["==", "!=", ">", ">=", "<", "<=", "=~", "!~", "in"],
    &["&", "|", "^"],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/", "%"],
    &["**"],
];

pub(super) fn parse(tokens: &[Spanned]) -> Result<Option<Node>, ExprError> {
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { tokens, next: 0, depth: 0 };
    let node = parser.list()?;
    match parser.peek() {
        None => Ok(Some(node)),
        Some(_) => Err(ExprError::syntax(parser.offset(), "Unable to plan the rest of the expression")),
    }
}

struct Parser<'a> {
    tokens: &'a [Spanned],
    next: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.next).map(|s| &s.token)
    }

    fn offset(&self) -> usize {
        self.tokens.get(self.next).or(self.tokens.last()).map_or(0, |s| s.at)
    }

    fn operator(&self) -> Option<&'static str> {
        match self.peek()? {
            Token::Modifier(s) | Token::Comparator(s) | Token::Logical(s) => Some(s),
            _ => None,
        }
    }

    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T, ExprError>) -> Result<T, ExprError> {
        self.depth += 1;
        if self.depth > limits::MAX_DEPTH {
            return Err(ExprError::fuel("the condition nests too deep").at(self.offset()));
        }
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn list(&mut self) -> Result<Node, ExprError> {
        let first = self.deeper(Self::ternary)?;
        let mut items = vec![first];
        while self.peek() == Some(&Token::Separator) {
            self.next += 1;
            items.push(self.deeper(Self::ternary)?);
        }
        Ok(if items.len() == 1 { items.swap_remove(0) } else { Node::List(items) })
    }

    fn ternary(&mut self) -> Result<Node, ExprError> {
        let mut node = self.chain(0)?;
        while let Some(Token::Ternary(op)) = self.peek() {
            let at = self.offset();
            self.next += 1;
            match *op {
                "??" => {
                    let right = self.chain(0)?;
                    node = match node {
                        Node::Chain { first, mut links } if links.last().is_some_and(|l| l.0 == "??") => {
                            links.push(("??", right, at));
                            Node::Chain { first, links }
                        }
                        other => Node::Chain { first: Box::new(other), links: vec![("??", right, at)] },
                    };
                }
                "?" => {
                    let yes = self.deeper(Self::ternary)?;
                    let no = if self.peek() == Some(&Token::Ternary(":")) {
                        self.next += 1;
                        Some(Box::new(self.deeper(Self::ternary)?))
                    } else {
                        None
                    };
                    node = Node::If { condition: Box::new(node), yes: Box::new(yes), no, at };
                }
                _ => {
                    // The `:` belongs to an enclosing `?`.
                    self.next -= 1;
                    return Ok(node);
                }
            }
        }
        Ok(node)
    }

    fn chain(&mut self, level: usize) -> Result<Node, ExprError> {
        let Some(operators) = LEVELS.get(level) else { return self.value() };
        let first = self.chain(level + 1)?;
        let mut links = Vec::new();
        while let Some(op) = self.operator().filter(|op| operators.contains(op)) {
            let at = self.offset();
            self.next += 1;
            links.push((op, self.chain(level + 1)?, at));
        }
        Ok(if links.is_empty() { first } else { Node::Chain { first: Box::new(first), links } })
    }

    fn value(&mut self) -> Result<Node, ExprError> {
        let at = self.offset();
        let token = self.peek().cloned();
        self.next += 1;
        match token {
            Some(Token::Number(n)) => Ok(Node::Number(n)),
            Some(Token::Bool(b)) => Ok(Node::Bool(b)),
            Some(Token::Str(s)) => Ok(Node::Str(s)),
            Some(Token::Variable(name)) => Ok(Node::Variable { name, at }),
            Some(Token::Prefix(op)) => {
                let inner = self.deeper(Self::value)?;
                Ok(Node::Prefix { op, inner: Box::new(inner), at })
            }
            Some(Token::Open) => {
                if self.peek() == Some(&Token::Close) {
                    self.next += 1;
                    return Ok(Node::Empty);
                }
                let inner = self.list()?;
                if self.peek() != Some(&Token::Close) {
                    return Err(ExprError::syntax(self.offset(), "Unbalanced parenthesis"));
                }
                self.next += 1;
                Ok(inner)
            }
            _ => Err(ExprError::syntax(at, "Unexpected end of expression")),
        }
    }
}
