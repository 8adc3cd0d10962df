//! Regular expressions: linear time, bounded in length, nesting and compiled size (V5).
//! It offers no look-around and no back-references, as in Go's RE2.

use std::sync::Arc;

use regex::{Regex, RegexBuilder};

use crate::expr::error::ExprError;
use crate::expr::fuel::Fuel;
use crate::expr::limits;

/// The patterns compiled during one evaluation.
#[derive(Default)]
pub(crate) struct Regexes {
    known: Vec<(Arc<str>, Regex)>,
}

impl Regexes {
    /// The compiled pattern; matching against `haystack` bytes is charged beforehand.
    pub(crate) fn get(
        &mut self,
        pattern: &str,
        haystack: usize,
        fuel: &mut Fuel,
    ) -> Result<Regex, ExprError> {
        fuel.spend(1 + (haystack as u64) / 8)?;
        if let Some((_, regex)) = self.known.iter().find(|(p, _)| p.as_ref() == pattern) {
            return Ok(regex.clone());
        }
        let regex = compile(pattern, fuel)?;
        if self.known.len() >= limits::MAX_REGEX_CACHE {
            self.known.remove(0);
        }
        self.known.push((Arc::from(pattern), regex.clone()));
        Ok(regex)
    }
}

/// Compiles one pattern within the limits.
pub(crate) fn compile(pattern: &str, fuel: &mut Fuel) -> Result<Regex, ExprError> {
    if pattern.len() > limits::MAX_REGEX_BYTES {
        return Err(ExprError::fuel(format!(
            "the regular expression is longer than {} bytes",
            limits::MAX_REGEX_BYTES
        )));
    }
    fuel.spend(500 + 20 * pattern.len() as u64)?;
    let built = RegexBuilder::new(pattern)
        .size_limit(limits::MAX_REGEX_PROGRAM_BYTES)
        .dfa_size_limit(limits::MAX_REGEX_PROGRAM_BYTES)
        .nest_limit(limits::MAX_REGEX_DEPTH)
        .build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => ExprError::fuel("the regular expression is too large"),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
            if last.contains("nest") {
                return ExprError::fuel(format!("the regular expression nests too deep: {last}"));
            }
            ExprError::value(format!("malformed regular expression: {last}"))
        }
    })
}
