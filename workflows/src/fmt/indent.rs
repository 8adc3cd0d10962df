//! New columns for the lines of a file: what each line begins with tells how deep it is.
//! Lines inside of texts and of flow collections move with the line they belong to.

use std::collections::BTreeMap;

use crate::parse::tree::{Node, NodeValue, Scalar, Style};

/// What is known about a line.
#[derive(Clone, Copy, Debug)]
enum Line {
    /// Its first character goes to this column.
    At(usize),
    /// It is part of something: it moves so far, and keeps its end when it is part of a block of text.
    Moved { by: isize, verbatim: bool },
}

struct Plan<'a> {
    text: &'a str,
    starts: Vec<usize>,
    lines: BTreeMap<usize, Line>,
    /// Gaps behind dashes: from, to.
    gaps: Vec<(usize, usize)>,
}

/// The text with new white space.
pub(super) fn lines<'n>(text: &str, roots: impl Iterator<Item = &'n Node>) -> String {
    let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
    let starts = std::iter::once(0).chain(breaks).collect();
    let mut plan = Plan { text, starts, lines: BTreeMap::new(), gaps: Vec::new() };
    for root in roots {
        plan.node(root, root.range.start, 0);
    }
    plan.write()
}

impl Plan<'_> {
    fn line_of(&self, at: usize) -> usize {
        self.starts.partition_point(|start| *start <= at).saturating_sub(1)
    }

    fn column(&self, at: usize) -> usize {
        let start = self.starts.get(self.line_of(at)).copied().unwrap_or(0);
        self.text.get(start..at).unwrap_or_default().chars().count()
    }

    fn line(&self, number: usize) -> &str {
        let start = self.starts.get(number).copied().unwrap_or(self.text.len());
        let end = self.starts.get(number + 1).copied().unwrap_or(self.text.len());
        self.text.get(start..end).unwrap_or_default().trim_end_matches('\n')
    }

    fn first_on_line(&self, at: usize) -> bool {
        let start = self.starts.get(self.line_of(at)).copied().unwrap_or(0);
        self.text.get(start..at).is_some_and(|before| before.trim().is_empty())
    }

    fn is_flow(&self, node: &Node) -> bool {
        self.text.get(node.range.start..).is_some_and(|text| text.starts_with(['{', '[']))
    }

    /// Plans a node that begins behind `from`, with its block (if it is one) at `column`.
    fn node(&mut self, node: &Node, from: usize, column: usize) {
        if node.range.start < from {
            // reached through an alias: it stands elsewhere
            return;
        }
        match &node.value {
            NodeValue::Mapping(entries) if !self.is_flow(node) => {
                for entry in entries {
                    if entry.key_range.start < node.range.start || entry.key_range.start >= node.range.end {
                        // merged from elsewhere
                        continue;
                    }
                    let old = self.column(entry.key_range.start);
                    if self.first_on_line(entry.key_range.start) {
                        self.lines.insert(self.line_of(entry.key_range.start), Line::At(column));
                    }
                    let by = signed(column) - signed(old);
                    self.value(&entry.value, entry.key_range.end, column, by);
                }
            }
            NodeValue::Sequence(nodes) if !self.is_flow(node) => {
                let mut behind = from;
                for element in nodes {
                    if element.range.start < behind {
                        // reached through an alias: it stands elsewhere
                        continue;
                    }
                    let Some(dash) = self.dash(behind, element) else { continue };
                    let old = self.column(dash);
                    if self.first_on_line(dash) {
                        self.lines.insert(self.line_of(dash), Line::At(column));
                    }
                    let by = signed(column) - signed(old);
                    let content = self.content_behind(dash);
                    if self.line_of(element.range.start) == self.line_of(dash)
                        && content == element.range.start
                    {
                        self.gaps.push((dash + 1, content));
                    }
                    self.value(element, dash + 1, column, by);
                    behind = end(element).max(dash + 1);
                }
            }
            NodeValue::Scalar(_) | NodeValue::Sequence(_) | NodeValue::Mapping(_) => {}
        }
    }

    /// The value of a key or dash whose block stands at `column` and moves `by`.
    fn value(&mut self, node: &Node, from: usize, column: usize, by: isize) {
        if node.range.start < from {
            return;
        }
        let block = |style: &Style| *style == Style::Block;
        match &node.value {
            NodeValue::Scalar(Scalar { style, .. }) if block(style) => self.block(node, from, by),
            NodeValue::Scalar(_) => self.part(node, by),
            NodeValue::Sequence(_) | NodeValue::Mapping(_) if self.is_flow(node) => {
                self.part(node, by);
            }
            NodeValue::Sequence(_) | NodeValue::Mapping(_) => self.node(node, from, column + 2),
        }
    }

    /// The lines of a block of text, which the parser begins behind its mark.
    fn block(&mut self, node: &Node, from: usize, by: isize) {
        let between = self.text.get(from..node.range.start).unwrap_or_default();
        let mark = between.find(['|', '>']).map_or(from, |at| from + at);
        let header = self.line_of(mark);
        let keeps = self
            .line(header)
            .get(self.column(mark)..)
            .is_some_and(|mark| mark.split('#').next().unwrap_or_default().contains('+'));
        let text = self.text.get(node.range.clone()).unwrap_or_default();
        let end = node.range.start + if keeps { text.len() } else { text.trim_end().len() };
        for line in header + 1..=self.line_of(end.saturating_sub(1).max(mark)) {
            self.lines.insert(line, Line::Moved { by, verbatim: true });
        }
    }

    /// Lines behind the first of something that is no block.
    fn part(&mut self, node: &Node, by: isize) {
        let first = self.line_of(node.range.start);
        let last = self.line_of(node.range.end.saturating_sub(1).max(node.range.start));
        let own = if self.first_on_line(node.range.start) { first } else { first + 1 };
        for line in own..=last {
            self.lines.entry(line).or_insert(Line::Moved { by, verbatim: false });
        }
    }

    /// The dash of an element: the last one before it that stands where a dash can.
    fn dash(&self, from: usize, element: &Node) -> Option<usize> {
        let before = self.text.get(from..element.range.start)?;
        let mut at = from;
        let mut found = None;
        for line in before.split_inclusive('\n') {
            let trimmed = line.trim_start();
            if trimmed.starts_with('#') {
                at += line.len();
                continue;
            }
            let lead = line.len() - trimmed.len();
            if trimmed == "-" || trimmed.starts_with("- ") || trimmed.starts_with("-\n") {
                found = Some(at + lead);
                break;
            }
            at += line.len();
        }
        found.or_else(|| {
            // the node of the list itself begins at its first dash
            self.text.get(from..)?.starts_with('-').then_some(from)
        })
    }

    fn content_behind(&self, dash: usize) -> usize {
        let rest = self.text.get(dash + 1..).unwrap_or_default();
        dash + 1 + (rest.len() - rest.trim_start_matches(' ').len())
    }

    fn write(&self) -> String {
        let count = self.starts.len();
        let mut out = String::with_capacity(self.text.len());
        let (mut blank, mut in_block) = (true, false);
        for number in 0..count {
            let line = self.line(number);
            let planned = self.lines.get(&number).copied();
            if number + 1 == count && line.is_empty() {
                break;
            }
            if let Some(Line::Moved { by, verbatim: true }) = planned {
                out.push_str(&moved(line, by));
                out.push('\n');
                (blank, in_block) = (false, true);
                continue;
            }
            if line.trim().is_empty() {
                // one blank line is kept, more are not; inside of quotes they mean something
                if !blank || matches!(planned, Some(Line::Moved { .. })) {
                    out.push('\n');
                    blank = true;
                }
                continue;
            }
            (blank, in_block) = (false, false);
            out.push_str(&self.one(number, line, planned));
            out.push('\n');
        }
        if in_block && !blank {
            // line ends at the end of a block can mean something, and so does their absence
            if !self.text.ends_with('\n') {
                out.pop();
            }
            return out;
        }
        let kept = out.trim_end_matches('\n').len();
        out.truncate(kept);
        if kept > 0 {
            out.push('\n');
        }
        out
    }

    fn one(&self, number: usize, line: &str, planned: Option<Line>) -> String {
        let start = self.starts.get(number).copied().unwrap_or(0);
        let lead = line.len() - line.trim_start_matches([' ', '\t']).len();
        let column = match planned {
            Some(Line::At(column)) => column,
            Some(Line::Moved { by, .. }) => return moved(line.trim_end(), by),
            None => self.unplanned(number, line, lead),
        };
        let mut text = String::new();
        let mut at = start + lead;
        let end = start + line.trim_end().len();
        for (from, to) in self.gaps.iter().filter(|(from, _)| *from > start && *from <= end) {
            text.push_str(self.text.get(at..*from).unwrap_or_default());
            text.push(' ');
            at = *to;
        }
        text.push_str(self.text.get(at..end).unwrap_or_default());
        format!("{}{text}", " ".repeat(column))
    }

    /// Comments, document marks and what only the parser understands: with their neighbours.
    fn unplanned(&self, number: usize, line: &str, lead: usize) -> usize {
        let content = line.trim_start();
        if lead == 0 && !content.starts_with('#') {
            return 0;
        }
        let lead_of = |number: usize| {
            let line = self.line(number);
            line.len() - line.trim_start().len()
        };
        let at = |found: Option<(&usize, &Line)>| match found {
            Some((number, Line::At(column))) => Some((lead_of(*number), *column)),
            Some((_, Line::Moved { .. })) | None => None,
        };
        let is_at = |(_, line): &(&usize, &Line)| matches!(line, Line::At(_));
        let next = at(self.lines.range(number..).find(is_at));
        let previous = at(self.lines.range(..number).rev().find(is_at));
        // like the neighbour it was aligned with, the next one first; otherwise as far from it as before
        for (old, new) in [next, previous].into_iter().flatten() {
            if old == lead {
                return new;
            }
        }
        let deeper = self.lines.range(..number).rev().filter(is_at).filter_map(|found| at(Some(found)));
        for (old, new) in deeper.take(200) {
            if old == lead {
                return new;
            }
        }
        if content.starts_with('#') {
            return next.or(previous).map_or(lead, |(_, new)| new);
        }
        previous.map_or(lead, |(old, new)| (lead + new).saturating_sub(old))
    }
}

fn moved(line: &str, by: isize) -> String {
    if line.trim().is_empty() && by <= 0 {
        let keep = line.len().saturating_sub(by.unsigned_abs());
        return line.get(..keep).unwrap_or_default().to_owned();
    }
    if by >= 0 {
        return if line.is_empty() {
            String::new()
        } else {
            format!("{}{line}", " ".repeat(by.unsigned_abs()))
        };
    }
    let lead = line.len() - line.trim_start_matches(' ').len();
    line.get(lead.min(by.unsigned_abs())..).unwrap_or_default().to_owned()
}

fn signed(column: usize) -> isize {
    isize::try_from(column).unwrap_or(isize::MAX)
}

/// The last byte a node reaches, by its parts.
fn end(node: &Node) -> usize {
    match &node.value {
        NodeValue::Scalar(_) => node.range.end,
        NodeValue::Sequence(nodes) => nodes.last().map_or(node.range.end, end),
        NodeValue::Mapping(entries) => entries.last().map_or(node.range.end, |entry| end(&entry.value)),
    }
}
