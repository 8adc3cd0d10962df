//! YAML (and JSON) text to node trees, within budgets.
//! Does not know what the documents mean.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_saphyr::granit_parser::{self, ErrorKind, Event, Parser, ScalarStyle, ScanError, Tag};

use super::Limits;
use super::keys::key_text;
use super::scalar;
use super::source::Source;
use super::tree::{Entry, Node, NodeValue, Scalar, ScalarKind, Style};
use crate::diagnostic::{Diagnostic, Span};

/// Parses all documents. A document with a syntax error is dropped and reported; beyond a budget all stops.
pub(super) fn parse(source: &Arc<Source>, limits: Limits) -> (Vec<Node>, Vec<Diagnostic>) {
    let mut builder = Builder::new(source, limits);
    let text = source.text();
    if text.len() > limits.bytes {
        builder.refuse(
            0..0,
            format!("the file has {} bytes, more than {} are not read", text.len(), limits.bytes),
        );
        return (Vec::new(), builder.problems);
    }
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: limits.depth.saturating_add(1),
        block_nesting_limit: limits.depth.saturating_add(1),
    };
    let mut parser = Parser::new_from_str_with_options(text, options);
    while let Some(next) = parser.next_event() {
        match next {
            Ok((event, span)) => {
                let range = span.byte_range().unwrap_or(0..0);
                builder.event(event, range);
                if builder.refused {
                    return (Vec::new(), builder.problems);
                }
            }
            Err(error) => {
                builder.syntax_error(&error);
                if builder.refused {
                    return (Vec::new(), builder.problems);
                }
                if !matches!(parser.proceed_next_document(), Ok(true)) {
                    break;
                }
            }
        }
    }
    (builder.documents, builder.problems)
}

/// A list or map that is still open.
struct Frame {
    start: usize,
    anchor: usize,
    open: Open,
}

enum Open {
    Sequence(Vec<Node>),
    Mapping(Vec<Entry>, Option<(String, Range<usize>)>),
}

/// A finished node that aliases may repeat, with what repeating it costs.
struct Anchor {
    node: Node,
    nodes: usize,
    bytes: usize,
    height: usize,
}

/// Builds trees from events.
pub(super) struct Builder<'a> {
    pub(super) source: &'a Arc<Source>,
    limits: Limits,
    stack: Vec<Frame>,
    anchors: BTreeMap<usize, Anchor>,
    documents: Vec<Node>,
    pub(super) problems: Vec<Diagnostic>,
    nodes: usize,
    alias_nodes: usize,
    alias_bytes: usize,
    refused: bool,
}

impl<'a> Builder<'a> {
    fn new(source: &'a Arc<Source>, limits: Limits) -> Self {
        Self {
            source,
            limits,
            stack: Vec::new(),
            anchors: BTreeMap::new(),
            documents: Vec::new(),
            problems: Vec::new(),
            nodes: 0,
            alias_nodes: 0,
            alias_bytes: 0,
            refused: false,
        }
    }

    fn event(&mut self, event: Event<'_>, range: Range<usize>) {
        match event {
            Event::DocumentStart(..) => {
                self.stack.clear();
                self.anchors.clear();
                if self.documents.len() >= self.limits.documents {
                    self.refuse(range, format!("more than {} documents", self.limits.documents));
                }
            }
            Event::Scalar(text, style, anchor, tag) => {
                let node = self.scalar(&text, style, tag.as_deref(), range);
                self.finish(node, anchor);
            }
            Event::SequenceStart(_, anchor, _) => self.open(range.start, anchor, Open::Sequence(Vec::new())),
            Event::MappingStart(_, anchor, _) => {
                self.open(range.start, anchor, Open::Mapping(Vec::new(), None))
            }
            Event::SequenceEnd | Event::MappingEnd => self.close(range.end),
            Event::Alias(id) => self.alias(id, range),
            _ => {}
        }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, range: Range<usize>) -> Node {
        let (style, mut kind) = match style {
            ScalarStyle::Plain => (Style::Plain, scalar::resolve_plain(text)),
            ScalarStyle::Literal | ScalarStyle::Folded => (Style::Block, ScalarKind::Text),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => (Style::Quoted, ScalarKind::Text),
        };
        if let Some(suffix) = tag.and_then(Tag::core_suffix) {
            match scalar::resolve_tagged(suffix, text) {
                Ok(tagged) => kind = tagged,
                Err(why) => self.problem("yaml-tag", range.clone(), why),
            }
        }
        Node { value: NodeValue::Scalar(Scalar { text: text.to_owned(), style, kind }), range }
    }

    fn open(&mut self, start: usize, anchor: usize, open: Open) {
        if self.stack.len() >= self.limits.depth {
            self.refuse(start..start + 1, format!("nested deeper than {} levels", self.limits.depth));
            return;
        }
        self.stack.push(Frame { start, anchor, open });
    }

    fn close(&mut self, end: usize) {
        let Some(frame) = self.stack.pop() else { return };
        let range = frame.start..end.max(frame.start);
        let value = match frame.open {
            Open::Sequence(nodes) => NodeValue::Sequence(nodes),
            Open::Mapping(entries, _) => NodeValue::Mapping(self.merge_keys(entries)),
        };
        self.finish(Node { value, range }, frame.anchor);
    }

    /// Puts a finished node where it belongs.
    fn finish(&mut self, node: Node, anchor: usize) {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            self.refuse(node.range, format!("more than {} nodes", self.limits.nodes));
            return;
        }
        if anchor != 0 {
            let (nodes, bytes, height) = measure(&node);
            if !self.charge(nodes, bytes, &node.range) {
                return;
            }
            self.anchors.insert(anchor, Anchor { node: node.clone(), nodes, bytes, height });
        }
        self.place(node);
    }

    fn place(&mut self, node: Node) {
        let Some(frame) = self.stack.last_mut() else {
            if !node.is_null() {
                self.documents.push(node);
            }
            return;
        };
        match &mut frame.open {
            Open::Sequence(nodes) => nodes.push(node),
            Open::Mapping(entries, pending) => match pending.take() {
                Some((key, key_range)) => entries.push(Entry { key, key_range, value: node }),
                None => match key_text(&node) {
                    Some(key) => *pending = Some((key, node.range)),
                    None => {
                        *pending = Some((String::new(), node.range.clone()));
                        self.problem("yaml-key", node.range, "a key must be a scalar".into());
                    }
                },
            },
        }
    }

    fn alias(&mut self, id: usize, range: Range<usize>) {
        let Some(anchor) = self.anchors.get(&id) else {
            self.refuse(range, "an alias inside its own anchor would never end".into());
            return;
        };
        let (nodes, bytes, height) = (anchor.nodes, anchor.bytes, anchor.height);
        if self.stack.len() + height > self.limits.depth {
            self.refuse(range, format!("nested deeper than {} levels through an alias", self.limits.depth));
        } else if self.charge(nodes, bytes, &range) {
            let node = self.anchors.get(&id).map(|anchor| anchor.node.clone());
            node.into_iter().for_each(|node| self.place(node));
        }
    }

    /// Pays for repeated nodes before they are made.
    fn charge(&mut self, nodes: usize, bytes: usize, range: &Range<usize>) -> bool {
        self.alias_nodes = self.alias_nodes.saturating_add(nodes);
        self.alias_bytes = self.alias_bytes.saturating_add(bytes);
        self.nodes = self.nodes.saturating_add(nodes);
        if self.alias_nodes > self.limits.alias_nodes || self.alias_bytes > self.limits.alias_bytes {
            let Limits { alias_nodes, alias_bytes, .. } = self.limits;
            let text =
                format!("anchors and aliases repeat more than {alias_nodes} nodes or {alias_bytes} bytes");
            self.refuse(range.clone(), text);
            return false;
        }
        true
    }

    fn syntax_error(&mut self, error: &ScanError) {
        self.stack.clear();
        let at = error.marker().byte_offset().unwrap_or(0);
        if matches!(error.kind(), ErrorKind::RecursionLimitExceeded) {
            return self.refuse(at..at + 1, format!("nested deeper than {} levels", self.limits.depth));
        }
        self.problem("yaml-syntax", at..at, format!("not valid YAML: {}", error.info()));
    }

    pub(super) fn problem(&mut self, code: &'static str, range: Range<usize>, text: String) {
        if self.problems.len() < 100 {
            self.problems.push(Diagnostic::error(code, text).at(Some(Span::new(self.source, range))));
        }
    }

    fn refuse(&mut self, range: Range<usize>, text: String) {
        if !self.refused {
            self.refused = true;
            self.problem("budget", range, text);
        }
    }
}

/// Nodes, bytes of scalars and keys, and levels below and including a node.
fn measure(node: &Node) -> (usize, usize, usize) {
    match &node.value {
        NodeValue::Scalar(scalar) => (1, scalar.text.len(), 0),
        NodeValue::Sequence(nodes) => sum(nodes.iter().map(measure)),
        NodeValue::Mapping(entries) => sum(entries.iter().map(|entry| {
            let (nodes, bytes, height) = measure(&entry.value);
            (nodes + 1, bytes + entry.key.len(), height)
        })),
    }
}

fn sum(parts: impl Iterator<Item = (usize, usize, usize)>) -> (usize, usize, usize) {
    let (nodes, bytes, height) =
        parts.fold((1, 0, 0), |(n, b, h), (nodes, bytes, height)| (n + nodes, b + bytes, h.max(height)));
    (nodes, bytes, height + 1)
}
