//! jq filters of transforms: a small evaluator that always ends.
//! Knows no events, and nothing outside: no files, environment, clock or modules.
//!
//! The known implementations run for as long as a filter asks, and some let a value of the payload decide how long that
//! is (`range(.n)`, `"x" * .n`). Here every step and every byte is paid from a budget. What is left out of the
//! language: modules, `input`, `$ENV`, `@sh`-like formats beyond those listed in `formats`, SQL-style operators, dates
//! other than RFC 3339, `getpath` on streams, `?//`.

mod ast;
mod builtins;
mod calls;
mod eval;
mod formats;
mod invoke;
mod lexer;
mod ops;
mod parser;
mod paths;
mod prelude;
mod regexes;
mod terms;
mod value;

use runner_workflows::expr::Value;

/// Most bytes of a filter.
const SOURCE_LIMIT: usize = 64 << 10;
/// Steps of one run; building values costs steps as well.
const STEPS_LIMIT: u64 = 2_000_000;
/// Deepest nesting of calls and of terms.
const DEPTH_LIMIT: usize = 120;

/// The first output of a filter, none when there is none.
///
/// # Errors
/// A sentence for people: what is wrong with the filter, what it said with `error`, which limit was reached.
pub fn first(source: &str, input: &Value) -> Result<Option<Value>, String> {
    Ok(outputs(source, input, 1)?.into_iter().next())
}

/// The first outputs of a filter, at most so many.
///
/// # Errors
/// As [`first`].
pub fn outputs(source: &str, input: &Value, most: usize) -> Result<Vec<Value>, String> {
    let program = parse(source)?;
    eval::run(&program, input, most)
}

/// Whether a filter can be parsed and calls only what exists.
///
/// # Errors
/// A sentence for people.
pub fn check(source: &str) -> Result<(), String> {
    parse(source).map(drop)
}

/// Parses, and refuses calls of what does not exist wherever they stand, as jq does before it runs anything.
fn parse(source: &str) -> Result<ast::Ast, String> {
    if source.len() > SOURCE_LIMIT {
        return Err(format!("the jq filter has {} bytes, more than {SOURCE_LIMIT}", source.len()));
    }
    let program = parser::parse(source).map_err(|message| format!("jq: {message}"))?;
    calls::check(&program)?;
    Ok(program)
}

#[cfg(test)]
mod tests;
