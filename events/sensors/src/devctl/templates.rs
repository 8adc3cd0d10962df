//! The templates of variables and of `expression`: Jinja as it is printed in the documents, `.get('k', 'd')` and
//! slices included.
//!
//! Tera was the first choice and has no methods on values, so that `event.dimensions.get(…)` could not stay as it is.
//! Templates load nothing, see only `event`, and run on fuel.

use std::collections::BTreeMap;

use minijinja::{AutoEscape, Environment, context};
use minijinja_contrib::pycompat::unknown_method_callback;
use runner_workflows::expr::Value;

use super::config::Trigger;
use super::event::DevctlEvent;

/// Steps of one template.
const FUEL: u64 = 50_000;
/// Most bytes of a template.
const SOURCE_LIMIT: usize = 64 << 10;
/// Most bytes of a result.
const OUTPUT_LIMIT: usize = 1 << 20;

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_fuel(Some(FUEL));
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_unknown_method_callback(unknown_method_callback);
    environment
}

/// Fills one template.
///
/// # Errors
/// A sentence for people.
pub(super) fn fill(source: &str, event: &Value) -> Result<String, String> {
    bounded(source)?;
    let text =
        environment().render_str(source, context! { event => event }).map_err(|error| reason(&error))?;
    if text.len() > OUTPUT_LIMIT {
        return Err(format!("the result has {} bytes, more than {OUTPUT_LIMIT}", text.len()));
    }
    Ok(text)
}

/// Whether a template can be parsed.
///
/// # Errors
/// A sentence for people.
pub(super) fn check(source: &str) -> Result<(), String> {
    bounded(source)?;
    environment().template_from_str(source).map(|_| ()).map_err(|error| reason(&error))
}

fn bounded(source: &str) -> Result<(), String> {
    if source.len() > SOURCE_LIMIT {
        return Err(format!("the template has {} bytes, more than {SOURCE_LIMIT}", source.len()));
    }
    Ok(())
}

fn reason(error: &minijinja::Error) -> String {
    error.detail().map_or_else(|| error.kind().to_string(), str::to_owned)
}

/// The variables of a trigger for an event.
///
/// # Errors
/// The first that cannot be filled, with its name.
pub fn render(trigger: &Trigger, event: &DevctlEvent) -> Result<BTreeMap<String, String>, String> {
    let event = event.merged();
    let one = |(name, template): (&String, &runner_workflows::spec::AnyString)| {
        let text = fill(template.as_str(), &event).map_err(|why| format!("variable `{name}`: {why}"))?;
        Ok((name.clone(), text))
    };
    trigger.variables.iter().map(one).collect()
}
