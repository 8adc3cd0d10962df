//! The expression language (expr-lang with Argo's functions): lexer, syntax tree, parser, evaluator.
//! Functions are in `builtins` and `sprig`; templates around expressions in `text.rs`.

pub(crate) mod access;
pub(crate) mod ast;
mod chain;
pub(crate) mod eval;
mod lexer;
mod literal;
pub(crate) mod ops;
mod parser;
mod postfix;
pub(crate) mod predicates;
mod primary;
mod program;
mod references;
pub(crate) mod regexes;

pub use program::Program;
pub(crate) use program::TagText;
