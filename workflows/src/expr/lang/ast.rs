//! The syntax tree of an expression. Chains of operators and of postfixes are flat lists, so that a
//! long expression is not a deep one; it does not evaluate.

use std::sync::Arc;

use crate::expr::val::Val;

/// An expression and its byte offset.
#[derive(Clone, Debug)]
pub(crate) struct Expr {
    pub kind: Kind,
    pub at: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Literal(Val),
    /// A variable, `let` name first.
    Name(Arc<str>),
    /// `$env`: all variables.
    Env,
    /// `#`, `#index`, `#acc` of the innermost predicate.
    Pointer(Pointer),
    List(Vec<Expr>),
    /// Keys are expressions: constants or `(computed)`.
    Map(Vec<(Expr, Expr)>),
    Unary(Unary, Box<Expr>),
    /// Operators of one precedence level, left to right.
    Chain(Box<Expr>, Vec<Link>),
    /// `a ** b`, right to left.
    Power(Box<Expr>, Box<Expr>),
    Postfix(Box<Expr>, Vec<Postfix>),
    Call(Call),
    If(Box<Expr>, Box<Expr>, Box<Expr>),
    /// `a ?: b`.
    Elvis(Box<Expr>, Box<Expr>),
    Let(Arc<str>, Box<Expr>, Box<Expr>),
    /// `a; b`: the value of the last.
    Sequence(Vec<Expr>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pointer {
    Item,
    Index,
    Acc,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unary {
    Not,
    Minus,
    Plus,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    Matches,
    Contains,
    StartsWith,
    EndsWith,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Coalesce,
}

/// One more operator and operand of a chain.
#[derive(Clone, Debug)]
pub(crate) struct Link {
    pub op: Op,
    /// `not in`, `not contains`...
    pub negated: bool,
    pub right: Expr,
    pub at: usize,
}

#[derive(Clone, Debug)]
pub(crate) struct Postfix {
    pub kind: PostfixKind,
    pub at: usize,
}

#[derive(Clone, Debug)]
pub(crate) enum PostfixKind {
    Member {
        key: Arc<str>,
        optional: bool,
    },
    Index {
        key: Expr,
        optional: bool,
    },
    Slice {
        from: Option<Expr>,
        to: Option<Expr>,
    },
    /// `.Seconds()` on a time or duration.
    Method {
        name: Arc<str>,
        args: Vec<Expr>,
    },
    /// `| f(...)`: the value becomes the first argument.
    Pipe(Call),
}

/// A call of a known function; the name is dotted for `sprig.*`.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub function: Function,
    pub name: Arc<str>,
    pub args: Vec<Expr>,
    pub at: usize,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Function {
    /// Arguments are values.
    Plain(PlainFn),
    /// The arguments after the list are predicates over its elements.
    Predicate(PredicateFn),
}

/// A function of values.
pub(crate) type PlainFn =
    fn(&mut crate::expr::builtins::Call<'_, '_>) -> Result<Val, crate::expr::error::ExprError>;

/// The functions that take predicates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PredicateFn {
    All,
    Any,
    None,
    One,
    Map,
    Filter,
    Find,
    FindIndex,
    FindLast,
    FindLastIndex,
    Count,
    Sum,
    GroupBy,
    SortBy,
    Reduce,
}
