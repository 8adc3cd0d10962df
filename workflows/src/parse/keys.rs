//! Keys of maps: their text, merge keys, keys that occur twice.
//! Does not know which keys a type has.

use std::collections::BTreeMap;

use super::tree::{Entry, Node, NodeValue, ScalarKind};
use super::yaml::Builder;
use crate::diagnostic::{Diagnostic, Span};

impl Builder<'_> {
    /// Applies `<<` and reports keys that occur twice; the first one stays.
    pub(super) fn merge_keys(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut out: Vec<Entry> = Vec::with_capacity(entries.len());
        let mut merged: Vec<Entry> = Vec::new();
        for entry in entries {
            if let Some(first) = seen.get(&entry.key) {
                self.duplicate(&entry, *first, &mut out);
                continue;
            }
            seen.insert(entry.key.clone(), entry.key_range.start);
            match (entry.key.as_str(), &entry.value.value) {
                ("<<", NodeValue::Mapping(more)) => merged.extend(more.iter().cloned()),
                ("<<", NodeValue::Sequence(maps)) => {
                    merged.extend(maps.iter().filter_map(Node::entries).flatten().cloned());
                }
                _ => out.push(entry),
            }
        }
        for entry in merged {
            if !seen.contains_key(&entry.key) {
                seen.insert(entry.key.clone(), entry.key_range.start);
                out.push(entry);
            }
        }
        out
    }

    /// A key that occurs twice is an error (V6). Annotations and labels, which change nothing that runs, only
    /// warn, and the later one stays as in Argo: its own examples have one such file.
    fn duplicate(&mut self, entry: &Entry, first: usize, out: &mut [Entry]) {
        let line = self.source.line_column(first).0;
        let text = format!("key `{}` occurs twice in the same map, first in line {line}", entry.key);
        let harmless =
            matches!(entry.key.as_str(), "annotations" | "labels") && entry.value.entries().is_some();
        let Some(old) = out.iter_mut().find(|old| harmless && old.key == entry.key) else {
            return self.problem("duplicate-key", entry.key_range.clone(), text);
        };
        *old = entry.clone();
        let span = Span::new(self.source, entry.key_range.clone());
        let warning =
            Diagnostic::warning("duplicate-key", text).hint("the later one counts; put both under one key");
        self.problems.push(warning.at(Some(span)));
    }
}

/// A key as text: booleans and numbers as JSON would print them.
pub(super) fn key_text(node: &Node) -> Option<String> {
    let NodeValue::Scalar(scalar) = &node.value else { return None };
    Some(match scalar.kind {
        ScalarKind::Bool(value) => value.to_string(),
        ScalarKind::Int(value) => value.to_string(),
        ScalarKind::UInt(value) => value.to_string(),
        ScalarKind::Null if scalar.text.is_empty() => "null".into(),
        ScalarKind::Null | ScalarKind::Float(_) | ScalarKind::Text => scalar.text.clone(),
    })
}
