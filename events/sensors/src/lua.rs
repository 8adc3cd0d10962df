//! Lua scripts of filters and transforms: `event` in, a value out.
//! No files, clock, randomness, modules or compiled code; steps and memory are bounded.

mod convert;
mod matcher;
mod patterns;
mod sandbox;

use serde_json::Value;

use crate::path::PAYLOAD_LIMIT;

/// Most bytes of a script.
const SOURCE_LIMIT: usize = 256 << 10;

/// Runs a script with the payload as the global `event`; the value that it returns.
///
/// # Errors
/// What Lua says, or which limit was reached.
pub fn run(source: &str, event: &Value) -> Result<Returned, String> {
    bounded(source)?;
    let lua = sandbox::new()?;
    sandbox::eval(&lua, source, event)
}

/// Whether a script can be compiled.
///
/// # Errors
/// What Lua says.
pub fn check(source: &str) -> Result<(), String> {
    bounded(source)?;
    let lua = sandbox::new()?;
    sandbox::compile(&lua, source)
}

/// What a script returned.
#[derive(Clone, Debug, PartialEq)]
pub enum Returned {
    /// Nothing.
    Nothing,
    /// A value without a list or map in it.
    Scalar(Value),
    /// A table.
    Table(Value),
}

fn bounded(source: &str) -> Result<(), String> {
    if source.len() > SOURCE_LIMIT {
        return Err(format!("the script has {} bytes, more than {SOURCE_LIMIT}", source.len()));
    }
    Ok(())
}

/// Most bytes that a script may hold: several times a payload.
const MEMORY_LIMIT: usize = 4 * PAYLOAD_LIMIT;

#[cfg(test)]
mod tests;
