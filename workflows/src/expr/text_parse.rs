//! Finds the tags of a template text.
//! It looks nothing up; expressions are compiled here, once.

use super::error::ExprError;
use super::lang::Program;
use super::limits;
use super::text::{NamePart, Part};

/// The parts of a text, in order and without gaps.
pub(super) fn parse(source: &str) -> Result<Vec<Part>, ExprError> {
    if source.len() > limits::MAX_SOURCE_BYTES && source.contains("{{") {
        return Err(ExprError::fuel(format!(
            "a text with tags is longer than {} bytes",
            limits::MAX_SOURCE_BYTES
        )));
    }
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(found) = source.get(at..).and_then(|rest| rest.find("{{")) {
        let start = at + found;
        if start > at {
            parts.push(Part::Literal { start: at, end: start });
        }
        let part = if source.get(start + 2..).is_some_and(|rest| rest.starts_with('=')) {
            expression(source, start)?
        } else {
            let (name, end) = name(source, start, 0)?;
            Part::Tag { start, end, name }
        };
        at = match &part {
            Part::Literal { end, .. } | Part::Tag { end, .. } | Part::Expr { end, .. } => *end,
        };
        parts.push(part);
    }
    if at < source.len() {
        parts.push(Part::Literal { start: at, end: source.len() });
    }
    Ok(parts)
}

fn unclosed(source: &str, start: usize) -> ExprError {
    let shown: String = source.get(start..).unwrap_or_default().chars().take(40).collect();
    ExprError::syntax(start, format!("Cannot find end tag=\"}}}}\" for {shown:?}"))
}

/// A simple tag that begins at `start`: the pieces of its name, and where it ends.
fn name(source: &str, start: usize, depth: usize) -> Result<(Vec<NamePart>, usize), ExprError> {
    if depth > limits::MAX_DEPTH {
        return Err(ExprError::fuel("tags nest too deep").at(start));
    }
    let mut parts = Vec::new();
    let mut at = start + 2;
    loop {
        let rest = source.get(at..).unwrap_or_default();
        let Some(close) = rest.find("}}") else { return Err(unclosed(source, start)) };
        let open = rest.find("{{").filter(|o| *o < close);
        let end = open.unwrap_or(close);
        if end > 0 {
            parts.push(NamePart::Literal(rest.get(..end).unwrap_or_default().to_owned()));
        }
        if open.is_none() {
            return Ok((parts, at + close + 2));
        }
        let (inner, after) = name(source, at + end, depth + 1)?;
        parts.push(NamePart::Tag(inner));
        at = after;
    }
}

/// An expression tag: it ends at the first `}}` that makes it a whole expression, so that `}}` may
/// stand in its strings and maps.
fn expression(source: &str, start: usize) -> Result<Part, ExprError> {
    let from = start + 3;
    let mut at = from;
    let mut first_error = None;
    for _ in 0..limits::MAX_TAG_ENDS {
        let Some(found) = source.get(at..).and_then(|rest| rest.find("}}")) else { break };
        let end = at + found;
        match Program::compile(source.get(from..end).unwrap_or_default()) {
            Ok(program) => return Ok(Part::Expr { start, end: end + 2, program: Box::new(program) }),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
        at = end + 1;
    }
    Err(first_error.map_or_else(|| unclosed(source, start), |e| e.shifted(from).at(start)))
}
