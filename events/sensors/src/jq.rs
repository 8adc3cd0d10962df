//! jq filters of transforms.
//! Does not apply them to events: `transform` does.

use runner_workflows::expr::Value;

/// The first output of a filter, none when there is none.
///
/// # Errors
/// A sentence for people.
pub fn first(source: &str, input: &Value) -> Result<Option<Value>, String> {
    let _ = input;
    Err(format!("jq filters are not available in this build: {source}"))
}
