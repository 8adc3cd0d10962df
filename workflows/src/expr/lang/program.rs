//! A compiled expression: compile once, evaluate often.
//! Text around expressions is not its business.

use super::ast::Expr;
use super::eval::Eval;
use super::parser;
use super::references;
use crate::expr::error::ExprError;
use crate::expr::fuel::Fuel;
use crate::expr::val::Val;
use crate::expr::vars::Vars;
use crate::expr::{Value, gofmt};

/// An expression of Argo's `{{=…}}`, `expression:`, `fromExpression:`, http conditions and event filters.
#[derive(Clone, Debug)]
pub struct Program {
    root: Expr,
    references: Vec<String>,
}

/// What an expression tag became.
pub(crate) enum TagText {
    Text(String),
    /// A name that no scope has.
    Unresolved(String),
    /// Nothing but outputs of skipped producers.
    Absent(Vec<String>),
    /// Nil, with no name to blame.
    Nil,
}

impl Program {
    /// Compiles an expression. Unknown functions are found here, unknown variables when evaluated.
    ///
    /// # Errors
    /// Syntax, UnknownName (functions) and Fuel (too long, too deep), with the byte offset.
    pub fn compile(source: &str) -> Result<Self, ExprError> {
        let root = parser::parse(source)?;
        let references = references::of(&root);
        Ok(Self { root, references })
    }

    /// The dotted paths of variables that the expression names, sorted: `steps.a.outputs.result`,
    /// also for `steps['a']`. A path ends where a computed key begins.
    pub fn references(&self) -> Vec<String> {
        self.references.clone()
    }

    /// The value. As in Argo a missing last key reads nil (null), a missing variable before it is an
    /// error, and absent outputs are nil.
    ///
    /// # Errors
    /// UnknownName, Type, Value, Fuel, Unavailable.
    pub fn eval(&self, vars: &Vars, fuel: &mut Fuel) -> Result<Value, ExprError> {
        let mut eval = Eval::new(vars, fuel, false);
        let value = eval.value(&self.root)?;
        value.to_json(eval.fuel)
    }

    /// As [`Program::eval`], for conditions.
    ///
    /// # Errors
    /// As [`Program::eval`]; Type when the value is not a boolean.
    pub fn eval_bool(&self, vars: &Vars, fuel: &mut Fuel) -> Result<bool, ExprError> {
        match self.eval(vars, fuel)? {
            Value::Bool(b) => Ok(b),
            other => {
                let shown: String = gofmt::json_text(&other).chars().take(80).collect();
                Err(ExprError::types(format!("Expected boolean evaluation, got {shown}")))
            }
        }
    }

    /// The text of the expression inside a template text.
    pub(crate) fn tag_text(&self, vars: &Vars, fuel: &mut Fuel) -> Result<TagText, ExprError> {
        let mut eval = Eval::new(vars, fuel, true);
        let result = eval.value(&self.root);
        let absent = std::mem::take(&mut eval.absent);
        let value = match result {
            Ok(value) => value,
            Err(error) => {
                if !absent.is_empty() && error.kind == crate::expr::ExprErrorKind::Type {
                    return Ok(TagText::Absent(absent));
                }
                return match error.name {
                    Some(name) => Ok(TagText::Unresolved(name)),
                    None => Err(error),
                };
            }
        };
        match value {
            Val::Nil if absent.is_empty() => Ok(TagText::Nil),
            Val::Nil => Ok(TagText::Absent(absent)),
            Val::Str(text) => {
                fuel.alloc(text.len() as u64)?;
                Ok(TagText::Text(text.as_ref().to_owned()))
            }
            other => {
                let json = other.to_json(fuel)?;
                let text = gofmt::json_text(&json);
                fuel.alloc(text.len() as u64)?;
                Ok(TagText::Text(text))
            }
        }
    }
}
