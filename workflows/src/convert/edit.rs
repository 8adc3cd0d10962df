//! Edits of the text: a key renamed, its value made the one element of a list.
//! Whether the result means the right thing is checked by the parent.

use std::ops::Range;

use serde_json::Value;

use super::values;
use crate::parse::tree::{Entry, Node, NodeValue, Scalar, Style};

/// One rewritten field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Line of the field in the old text, from 1.
    pub line: usize,
    /// The old name.
    pub from: &'static str,
    /// The new name.
    pub to: &'static str,
}

type Edited = Result<(), (Range<usize>, String)>;

/// Collects edits of a text.
pub(super) struct Editor<'a> {
    text: &'a str,
    edits: Vec<(Range<usize>, String)>,
    changes: Vec<Change>,
}

impl<'a> Editor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, edits: Vec::new(), changes: Vec::new() }
    }

    /// The edited text.
    pub(super) fn finish(mut self) -> (String, Vec<Change>) {
        self.edits.sort_by_key(|(range, _)| (range.start, range.end));
        let mut out = String::with_capacity(self.text.len() + 64);
        let mut at = 0;
        for (range, new) in &self.edits {
            out.push_str(self.text.get(at..range.start).unwrap_or_default());
            out.push_str(new);
            at = range.end.max(at);
        }
        out.push_str(self.text.get(at..).unwrap_or_default());
        self.changes.sort_by_key(|change| change.line);
        (out, self.changes)
    }

    fn edit(&mut self, range: Range<usize>, new: impl Into<String>) {
        self.edits.push((range, new.into()));
    }

    fn note(&mut self, entry: &Entry, from: &'static str, to: &'static str) {
        let before = self.text.get(..entry.key_range.start).unwrap_or_default();
        self.changes.push(Change { line: before.matches('\n').count() + 1, from, to });
    }

    /// `schedule: x` as `schedules: [x]`.
    pub(super) fn schedule(&mut self, spec: &Node) -> Edited {
        let Some(entry) = spec.entry("schedule") else { return Ok(()) };
        if entry.value.text() == Some("") {
            self.note(entry, "schedule", "schedules");
            return self.remove(spec, entry);
        }
        if let Some(list) = spec.entry("schedules") {
            // the single one wins, as in Argo
            self.remove(spec, list)?;
        }
        self.listed(entry, "schedule", "schedules")
    }

    /// `stopStrategy.condition` as `stopStrategy.expression`.
    pub(super) fn condition(&mut self, spec: &Node) -> Edited {
        let Some(stop) = spec.get("stopStrategy") else { return Ok(()) };
        let Some(entry) = stop.entry("condition") else { return Ok(()) };
        self.note(entry, "condition", "expression");
        if stop.entry("expression").is_some() {
            return self.remove(stop, entry);
        }
        self.key(entry, "expression")
    }

    /// `mutex` and `semaphore` as lists.
    pub(super) fn synchronization(&mut self, node: &Node) -> Edited {
        let Some(sync) = node.get("synchronization") else { return Ok(()) };
        for (one, many) in [("mutex", "mutexes"), ("semaphore", "semaphores")] {
            let Some(entry) = sync.entry(one) else { continue };
            match sync.entry(many) {
                None => self.listed(entry, one, many)?,
                Some(list) => {
                    self.note(entry, one, many);
                    self.append(list, &values::json(&entry.value))?;
                    self.remove(sync, entry)?;
                }
            }
        }
        Ok(())
    }

    /// What stands between the key and the value: a colon, perhaps a comment; no anchor, alias or tag.
    fn between(&self, entry: &Entry) -> Result<&'a str, (Range<usize>, String)> {
        let start = start_of(&entry.value);
        let between = self.text.get(entry.key_range.end..start).unwrap_or("*");
        let (block, list) = match &entry.value.value {
            NodeValue::Scalar(scalar) => (scalar.style == Style::Block, false),
            NodeValue::Sequence(_) => (false, true),
            NodeValue::Mapping(_) => (false, false),
        };
        let plain = between.lines().all(|line| {
            let line = line.trim().trim_start_matches(':').trim();
            // the parser begins a block behind its mark, and some lists behind their first dash
            let mark = block && line.starts_with(['|', '>']) && line.len() <= 3;
            line.is_empty() || line.starts_with('#') || mark || (list && line == "-")
        });
        let key = self.text.get(entry.key_range.clone()).unwrap_or_default();
        if plain && !key.contains(['&', '*', '!']) {
            return Ok(between);
        }
        Err((entry.key_range.clone(), format!("`{}` has an anchor, an alias or a tag", entry.key)))
    }

    fn key(&mut self, entry: &Entry, name: &str) -> Edited {
        self.between(entry)?;
        let old = self.text.get(entry.key_range.clone()).unwrap_or_default();
        self.edit(entry.key_range.clone(), old.replace(&entry.key, name));
        Ok(())
    }

    /// Renames the key and makes the value the one element of a list.
    fn listed(&mut self, entry: &Entry, from: &'static str, to: &'static str) -> Edited {
        let between = self.between(entry)?;
        self.note(entry, from, to);
        self.key(entry, to)?;
        let value = &entry.value;
        let range = start_of(value)..self.end_of(value);
        let written = self.text.get(range.clone()).unwrap_or_default();
        match &value.value {
            NodeValue::Mapping(_) if !written.starts_with('{') => {
                self.block_item(between, &range);
                Ok(())
            }
            NodeValue::Mapping(_) | NodeValue::Sequence(_) => {
                self.edit(range.start..range.start, "[");
                self.edit(range.end..range.end, "]");
                Ok(())
            }
            NodeValue::Scalar(Scalar { text, style: Style::Block, .. }) => {
                let mark = between.find(['|', '>']).map_or(range.start, |at| entry.key_range.end + at);
                let end = range.start + written.trim_end().len();
                self.edit(mark..end, format!("[{}]", Value::String(text.clone())));
                Ok(())
            }
            NodeValue::Scalar(Scalar { text, style, .. }) => {
                if let Some(indent) = self.column_alone(entry)
                    && between.trim() == ":"
                    && !between.contains('\n')
                    && !written.contains('\n')
                {
                    let item = if needs_no_quotes(text) { text.as_str() } else { written };
                    let start = entry.key_range.end + 1;
                    self.edit(start..range.end, format!("\n{indent}- {item}"));
                    return Ok(());
                }
                // in brackets a plain text could end at a comma
                let text = match style {
                    Style::Quoted if !written.contains('\n') => format!("[{written}]"),
                    Style::Quoted | Style::Plain | Style::Block => {
                        format!("[{}]", Value::String(text.clone()))
                    }
                };
                self.edit(range, text);
                Ok(())
            }
        }
    }

    /// The blanks before a key that begins its line.
    fn column_alone(&self, entry: &Entry) -> Option<String> {
        let before = self.text.get(..entry.key_range.start)?;
        let line = before.get(before.rfind('\n').map_or(0, |at| at + 1)..)?;
        line.chars().all(|c| c == ' ').then(|| line.to_owned())
    }

    /// A map in its own lines: two columns to the right, with a dash before its first key.
    fn block_item(&mut self, between: &str, range: &Range<usize>) {
        let first_line =
            self.text.get(..range.start).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
        let key_line = range.start - between.len();
        let mut at = self
            .text
            .get(key_line..)
            .and_then(|text| text.find('\n'))
            .map_or(range.end, |n| key_line + n + 1);
        while at < range.end {
            let line =
                self.text.get(at..).unwrap_or_default().split_inclusive('\n').next().unwrap_or_default();
            if at == first_line {
                self.edit(range.start..range.start, "- ");
            } else if !line.trim().is_empty() {
                self.edit(at..at, "  ");
            }
            at += line.len().max(1);
        }
    }

    /// Adds an element to a list.
    fn append(&mut self, list: &Entry, value: &Value) -> Edited {
        let refused = || (list.key_range.clone(), format!("`{}` cannot be added to", list.key));
        self.between(list)?;
        let Some(elements) = list.value.elements() else { return Err(refused()) };
        let range = list.value.range.clone();
        let written = self.text.get(range.clone()).unwrap_or_default();
        if written.starts_with('[') {
            let end = range.start + written.rfind(']').ok_or_else(refused)?;
            let comma = if elements.is_empty() { "" } else { ", " };
            self.edit(end..end, format!("{comma}{value}"));
            return Ok(());
        }
        let (Some(first), Some(last)) = (elements.first(), elements.last()) else { return Err(refused()) };
        let before = self.text.get(..start_of(first)).unwrap_or_default();
        let line = before.rfind('\n').map_or(0, |at| at + 1);
        let indent: String =
            before.get(line..).unwrap_or_default().chars().take_while(|c| *c == ' ').collect();
        let end = self.end_of(last);
        let rest = self.text.get(end..).unwrap_or_default();
        let end = end + rest.find('\n').unwrap_or(rest.len());
        self.edit(end..end, format!("\n{indent}- {value}"));
        Ok(())
    }

    /// Where a node really ends: the parser ends a block where the next thing begins.
    fn end_of(&self, node: &Node) -> usize {
        let flow = self.text.get(node.range.start..).is_some_and(|text| text.starts_with(['{', '[']));
        match &node.value {
            NodeValue::Sequence(nodes) if !flow => {
                nodes.last().map_or(node.range.end, |last| self.end_of(last))
            }
            NodeValue::Mapping(entries) if !flow => {
                entries.last().map_or(node.range.end, |last| self.end_of(&last.value).max(last.key_range.end))
            }
            NodeValue::Scalar(_) | NodeValue::Sequence(_) | NodeValue::Mapping(_) => node.range.end,
        }
    }

    /// Removes an entry with its lines.
    fn remove(&mut self, map: &Node, entry: &Entry) -> Edited {
        let refused = || (entry.key_range.clone(), format!("`{}` cannot be taken out", entry.key));
        self.between(entry)?;
        let (start, end) = (entry.key_range.start, self.end_of(&entry.value));
        let line = self.text.get(..start).and_then(|text| text.rfind('\n')).map_or(0, |at| at + 1);
        let alone = self.text.get(line..start).is_some_and(|text| text.trim().is_empty());
        let rest = self.text.get(end..).unwrap_or_default();
        let next = rest.find('\n').map_or(self.text.len(), |at| end + at + 1);
        let behind = self.text.get(end..next).unwrap_or_default().trim();
        let flow = self.text.get(map.range.clone()).is_some_and(|text| text.starts_with('{'));
        if flow || !alone || !(behind.is_empty() || behind.starts_with('#')) {
            return Err(refused());
        }
        self.edit(line..next, "");
        Ok(())
    }
}

/// A schedule that is a plain text of YAML: it begins with a number and cannot be taken for one.
fn needs_no_quotes(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '*' | '/' | ',' | '-');
    text.starts_with(|c: char| c.is_ascii_digit())
        && text.trim().contains(' ')
        && text.trim() == text
        && text.chars().all(plain)
}

/// Where a node begins: a map in its own lines at its first key.
fn start_of(node: &Node) -> usize {
    node.range.start
}
