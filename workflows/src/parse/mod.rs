//! Parsing: file text to manifests with positions, within budgets, all problems collected.
//! Does not read files and does not check meaning.

mod access;
mod de;
mod keys;
mod limits;
mod manifest;
mod remark;
mod scalar;
mod source;
pub mod suggest;
pub mod tree;
mod yaml;

use std::sync::Arc;

pub use de::from_node;
pub use limits::Limits;
pub use manifest::{ConfigMap, Document, Manifest, Origin, OtherObject, Secret};
pub use source::Source;

use crate::diagnostic::Diagnostic;

/// Parses a file of any number of documents, YAML or JSON.
///
/// Problems are collected over all documents; a document with a type error yields no manifest. Unknown
/// fields and numbers in place of text are warnings (see [`deny_unknown_fields`]).
pub fn parse_file(name: &str, text: &str, limits: Limits) -> (Vec<Manifest>, Vec<Diagnostic>) {
    parse_file_as(name, text, limits, None)
}

/// [`parse_file`] where documents that do not say their kind have the `assumed` one.
pub fn parse_file_as(
    name: &str,
    text: &str,
    limits: Limits,
    assumed: Option<&str>,
) -> (Vec<Manifest>, Vec<Diagnostic>) {
    let source = Arc::new(Source::new(name, text.trim_start_matches('\u{feff}')));
    let (documents, mut problems) = yaml::parse(&source, limits);
    let mut manifests = Vec::with_capacity(documents.len());
    for root in documents {
        let (manifest, more) = manifest::read(&source, root, assumed);
        manifests.extend(manifest);
        problems.extend(more);
    }
    (manifests, problems)
}

/// Parses a file into node trees only; `runner fmt` and tests use it.
pub fn parse_trees(name: &str, text: &str, limits: Limits) -> (Vec<Origin>, Vec<Diagnostic>) {
    let source = Arc::new(Source::new(name, text.trim_start_matches('\u{feff}')));
    let (documents, problems) = yaml::parse(&source, limits);
    (documents.into_iter().map(|root| Origin::new(Arc::clone(&source), root)).collect(), problems)
}

/// Turns what Kubernetes would refuse (unknown fields, numbers as text) into errors, as `--strict` asks.
pub fn deny_unknown_fields(diagnostics: &mut [Diagnostic]) {
    for diagnostic in diagnostics {
        if matches!(diagnostic.code.as_ref(), "unknown-field" | "number-as-text") {
            diagnostic.escalate();
        }
    }
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
