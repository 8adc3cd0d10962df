//! Expressions and templates: `{{…}}`, `{{=…}}`, `when`, `depends` (Argo Workflows and Argo Events).
//! Pure and fuel-limited; inserted values are never parsed again (V2), there is no way outside (V4).
//!
//! - [`Vars`]: variables by dotted name, in layers.
//! - [`Program`]: an expression (expr-lang with Argo's functions and `sprig.*`).
//! - [`Text`], [`Tree`]: strings and JSON values with tags, compiled once.
//! - [`when`]: the grammar of `when`; [`depends`]: the grammar of `depends`.

mod builtins;
pub mod depends;
mod error;
mod fuel;
mod gofmt;
mod gotime;
mod jsonpath;
mod lang;
pub mod limits;
mod sketch;
mod sprig;
pub mod suggest;
mod taint;
mod text;
mod text_parse;
mod tree;
mod val;
mod vars;
pub mod when;

#[cfg(test)]
mod tests;

pub use builtins::NOW;
pub use error::{ExprError, ExprErrorKind};
pub use fuel::Fuel;
pub use gofmt::{bare_text, json_text};
pub use lang::Program;
pub use sketch::{Runtime, Sketch};
pub use taint::{Splice, is_plain, offending};
pub use text::{Rendered, TagRef, Text};
pub use tree::{RenderedTree, Tree};
pub use vars::{Var, Vars};

/// A JSON value; null is the expression language's nil.
pub type Value = serde_json::Value;

/// Compiles an expression; the same as [`Program::compile`].
///
/// # Errors
/// As [`Program::compile`].
pub fn compile(source: &str) -> Result<Program, ExprError> {
    Program::compile(source)
}

/// The names of all functions that expressions can call, `sprig.` included, sorted.
pub fn function_names() -> Vec<String> {
    builtins::names()
}

/// JSONPath as the `jsonpath()` function and `valueFrom.jsonPath` have it: the value of a definite
/// path, a list for wildcards, slices, filters and descents.
///
/// # Errors
/// Syntax for the path, Value for a path without a value, Fuel.
pub fn query_json_path(document: &Value, path: &str, fuel: &mut Fuel) -> Result<Value, ExprError> {
    jsonpath::query(document, path, fuel)?.to_json(fuel)
}
