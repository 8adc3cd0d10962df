//! Formatting of manifests: indentation, space around dashes, blank lines, line ends. Comments stay.
//! Does not sort keys, does not change quotes, does not wrap lines.
//!
//! Only white space is edited, and the result is parsed again: if it does not mean the same, the file is refused.

mod indent;

use crate::convert::json_of;
use crate::diagnostic::Diagnostic;
use crate::parse::{Limits, parse_trees};

/// Formats a file of any number of documents. Formatting the result again changes nothing.
///
/// # Errors
/// What is wrong with the file, or that it cannot be formatted without changing its meaning.
pub fn format(name: &str, text: &str) -> Result<String, Vec<Diagnostic>> {
    let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
    let first = pass(name, &text)?;
    // a second look settles what the first one moved; from then on nothing moves
    let second = pass(name, &first)?;
    Ok(if second == first { first } else { pass(name, &second)? })
}

fn pass(name: &str, text: &str) -> Result<String, Vec<Diagnostic>> {
    let (before, problems) = parse_trees(name, text, Limits::default());
    if problems.iter().any(Diagnostic::is_error) {
        return Err(problems);
    }
    let trimmed = text.trim_start();
    if trimmed.starts_with(['{', '[']) {
        // JSON: there is nothing to indent by
        return Ok(format!("{}\n", trimmed.trim_end()));
    }
    let new = indent::lines(text, before.iter().map(|origin| origin.root()));
    let (after, problems) = parse_trees(name, &new, Limits::default());
    let same = before.len() == after.len()
        && before.iter().zip(&after).all(|(old, new)| json_of(old.root()) == json_of(new.root()));
    if problems.iter().any(Diagnostic::is_error) || !same {
        let refused =
            Diagnostic::error("fmt", "this file cannot be formatted without changing what it means");
        let place = before.first().map(|origin| origin.span(&[]));
        return Err(vec![refused.at(place).hint("it was left as it is")]);
    }
    Ok(new)
}

#[cfg(test)]
mod tests;
