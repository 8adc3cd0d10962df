//! The node tree of a document: every node knows its bytes in the source.
//! Does not know what the nodes mean.

use std::ops::Range;

/// One node.
#[derive(Clone, Debug)]
pub struct Node {
    /// What it is.
    pub value: NodeValue,
    /// Its bytes in the source. A node reached through an alias has the bytes of its anchor.
    pub range: Range<usize>,
}

/// The three shapes of a node.
#[derive(Clone, Debug)]
pub enum NodeValue {
    /// A scalar.
    Scalar(Scalar),
    /// A list.
    Sequence(Vec<Node>),
    /// A map, in the order of the source.
    Mapping(Vec<Entry>),
}

/// A scalar with the value its text stands for.
#[derive(Clone, Debug)]
pub struct Scalar {
    /// The text, after unescaping and folding.
    pub text: String,
    /// How it was written.
    pub style: Style,
    /// What the text stands for.
    pub kind: ScalarKind,
}

/// How a scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Without quotes.
    Plain,
    /// In single or double quotes.
    Quoted,
    /// As a block (`|` or `>`).
    Block,
}

/// What a scalar stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ScalarKind {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// An integer above the signed range.
    UInt(u64),
    /// Another number.
    Float(f64),
    /// Text.
    Text,
}

/// One entry of a map.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// The key's bytes in the source.
    pub key_range: Range<usize>,
    /// The value.
    pub value: Node,
}

/// One segment of a path into a tree.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Segment {
    /// A key of a map.
    Key(String),
    /// An index of a list.
    Index(usize),
}

impl Node {
    /// A null node without extent.
    pub fn null(at: usize) -> Self {
        let scalar = Scalar { text: String::new(), style: Style::Plain, kind: ScalarKind::Null };
        Self { value: NodeValue::Scalar(scalar), range: at..at }
    }

    /// True for null.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, NodeValue::Scalar(Scalar { kind: ScalarKind::Null, .. }))
    }

    /// The entries, if it is a map.
    pub fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            NodeValue::Mapping(entries) => Some(entries),
            NodeValue::Scalar(_) | NodeValue::Sequence(_) => None,
        }
    }

    /// The elements, if it is a list.
    pub fn elements(&self) -> Option<&[Node]> {
        match &self.value {
            NodeValue::Sequence(nodes) => Some(nodes),
            NodeValue::Scalar(_) | NodeValue::Mapping(_) => None,
        }
    }

    /// The entry of that key.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries()?.iter().find(|entry| entry.key == key)
    }

    /// The value of that key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The text, if it is a scalar that stands for text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            NodeValue::Scalar(Scalar { text, kind: ScalarKind::Text, .. }) => Some(text),
            NodeValue::Scalar(_) | NodeValue::Sequence(_) | NodeValue::Mapping(_) => None,
        }
    }

    /// A short name of what the node is, for messages.
    pub fn describe(&self) -> String {
        match &self.value {
            NodeValue::Sequence(_) => "a list".into(),
            NodeValue::Mapping(_) => "a map".into(),
            NodeValue::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => "null".into(),
                ScalarKind::Bool(_) => format!("the boolean `{}`", scalar.text),
                ScalarKind::Int(_) | ScalarKind::UInt(_) | ScalarKind::Float(_) => {
                    format!("the number `{}`", scalar.text)
                }
                ScalarKind::Text => "text".into(),
            },
        }
    }

    /// The node at a path.
    pub fn at(&self, path: &[Segment]) -> Option<&Self> {
        path.iter().try_fold(self, |node, segment| match segment {
            Segment::Key(key) => node.get(key),
            Segment::Index(index) => node.elements()?.get(*index),
        })
    }

    /// The bytes of the deepest existing node on a path: the key (or element) that the path names.
    pub fn locate(&self, path: &[Segment]) -> Range<usize> {
        let mut node = self;
        let mut range = self.first_line_start();
        for segment in path {
            match segment {
                Segment::Key(key) => {
                    let Some(entry) = node.entry(key) else { return range };
                    range = entry.key_range.clone();
                    node = &entry.value;
                }
                Segment::Index(index) => {
                    let Some(next) = node.elements().and_then(|list| list.get(*index)) else { return range };
                    range = next.first_line_start();
                    node = next;
                }
            }
        }
        match &node.value {
            NodeValue::Scalar(scalar) if scalar.style != Style::Block && !node.range.is_empty() => {
                node.range.clone()
            }
            NodeValue::Scalar(_) | NodeValue::Sequence(_) | NodeValue::Mapping(_) => range,
        }
    }

    /// The bytes that stand for a node in messages: a map by its first key, a scalar by itself.
    pub fn first_line_start(&self) -> Range<usize> {
        match &self.value {
            NodeValue::Mapping(entries) => {
                entries.first().map_or(self.range.clone(), |e| e.key_range.clone())
            }
            NodeValue::Scalar(_) | NodeValue::Sequence(_) => self.range.clone(),
        }
    }
}
