//! The grammar of `when` (and of event `exprs`): not expr-lang but govaluate's, as Argo's shouldExecute.
//! It knows no templates: `{{…}}` is filled in before.

mod eval;
mod lexer;
mod parser;

use super::Value;
use super::error::ExprError;
use super::fuel::Fuel;

/// A compiled condition.
#[derive(Clone, Debug)]
pub struct Condition {
    root: Option<parser::Node>,
    names: Vec<String>,
}

impl Condition {
    /// Compiles a condition whose bare words are variables, as in the `exprs` of event filters.
    ///
    /// # Errors
    /// Syntax, with the byte offset; Fuel.
    pub fn compile(text: &str) -> Result<Self, ExprError> {
        Self::build(text, false)
    }

    fn build(text: &str, words_are_strings: bool) -> Result<Self, ExprError> {
        let tokens = lexer::lex(text)?;
        lexer::check(&tokens, text.len())?;
        let names = lexer::names(&tokens);
        let tokens = if words_are_strings { lexer::words_to_strings(tokens) } else { tokens };
        lexer::check(&tokens, text.len())?;
        let root = parser::parse(&tokens)?;
        Ok(Self { root, names })
    }

    /// The variables named, in the order written.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The value, with variables from `lookup`; numbers are floats.
    ///
    /// # Errors
    /// UnknownName, Type, Value, Fuel.
    pub fn eval(&self, lookup: &dyn Fn(&str) -> Option<Value>, fuel: &mut Fuel) -> Result<Value, ExprError> {
        match &self.root {
            Some(root) => eval::run(root, lookup, fuel),
            None => Ok(Value::Null),
        }
    }
}

/// Evaluates a `when` after substitution. Bare words are strings, so `{{x}} == heads` needs no quotes
/// around plain words; the empty text is true.
///
/// # Errors
/// `Invalid 'when' expression ...` with the hint to use quotes, `Expected boolean evaluation ...`, and
/// those of the operators.
pub fn evaluate(text: &str, fuel: &mut Fuel) -> Result<bool, ExprError> {
    if text.is_empty() {
        return Ok(true);
    }
    let condition = Condition::build(text, true).map_err(|e| invalid(text, e))?;
    let value = condition.eval(&|_| None, fuel).map_err(|mut e| {
        e.message = format!("Failed to evaluate 'when' expression '{}': {}", shown(text), e.message);
        e
    })?;
    match value {
        Value::Bool(b) => Ok(b),
        other => Err(ExprError::types(format!(
            "Expected boolean evaluation for '{}'. Got {}",
            shown(text),
            eval::describe(&other)
        ))),
    }
}

/// Checks the grammar of a `when` that has no tags left.
///
/// # Errors
/// As [`evaluate`], for the grammar alone.
pub fn check(text: &str) -> Result<(), ExprError> {
    if text.is_empty() {
        return Ok(());
    }
    Condition::build(text, true).map(|_| ()).map_err(|e| invalid(text, e))
}

fn invalid(text: &str, mut error: ExprError) -> ExprError {
    error.message = format!(
        "Invalid 'when' expression '{}': {} (hint: try wrapping the affected expression in quotes (\"))",
        shown(text),
        error.message.trim_end()
    );
    error
}

/// A text for a message, cut to a length that can be read.
fn shown(text: &str) -> String {
    let short: String = text.chars().take(400).collect();
    if short.len() < text.len() { format!("{short}...") } else { short }
}
