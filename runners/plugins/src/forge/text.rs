//! Marks in descriptions and comments, invisible when rendered, by which a step finds again what it wrote.
//! Builds texts only.

use crate::work::{Failure, Result};

/// The mark of a step in a description.
pub(super) fn step_marker(key: &str) -> String {
    // Nothing in a key may end the comment early.
    let clean: String =
        key.chars().map(|c| if "<>".contains(c) || c.is_control() { '_' } else { c }).collect();
    format!("<!-- runner-step-key: {} -->", clean.replace("--", "-_"))
}

/// The mark of a named comment.
pub(super) fn comment_marker(name: &str) -> Result<String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "._/-".contains(c);
    if name.is_empty() || name.contains("--") || !name.chars().all(fits) {
        return Err(Failure::Input(format!("comment.marker {name:?}: letters, digits and ._/- only")));
    }
    Ok(format!("<!-- runner-comment: {name} -->"))
}

/// A text with a mark at its end.
pub(super) fn marked(text: &str, mark: &str) -> String {
    format!("{}\n\n{mark}", text.trim_end()).trim_start().to_owned()
}
