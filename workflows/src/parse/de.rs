//! The one way from a node tree to typed values: a serde deserializer that knows where it is.
//! Does not check meaning: only shapes, types and field names.
//!
//! Unknown fields are collected with their place and the nearest known name; type errors are collected
//! too: the broken part is left out and reading starts again, so that one run reports them all.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::de::value::StrDeserializer;
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::access::{MapReader, SequenceReader};
use super::remark::{self, Context, Remark};
use super::source::Source;
use super::tree::{Node, NodeValue, Scalar, ScalarKind};
use crate::diagnostic::{Diagnostic, Span};

/// Type errors reported for one document at most.
const MOST_TYPE_ERRORS: usize = 32;

/// Reads a typed value from a node; `what` names the root in messages (e.g. `Workflow`).
///
/// The value is none when a type did not fit; unknown fields are warnings with code `unknown-field`.
pub fn from_node<T: DeserializeOwned>(source: &Arc<Source>, root: &Node) -> (Option<T>, Vec<Diagnostic>) {
    let mut context = Context::default();
    let mut errors: Vec<Diagnostic> = Vec::new();
    loop {
        context.take(source);
        match T::deserialize(De::new(root, &context)) {
            Ok(value) => {
                let value = errors.is_empty().then_some(value);
                errors.extend(context.take(source));
                return (value, errors);
            }
            Err(error) => {
                let again = error.node.is_some_and(|node| context.leave_out(node));
                errors.push(error.diagnostic(source, root));
                if !again || errors.len() >= MOST_TYPE_ERRORS {
                    errors.extend(context.take(source));
                    return (None, errors);
                }
            }
        }
    }
}

/// A type error with the node at fault.
#[derive(Debug)]
pub(super) struct DeError {
    message: String,
    node: Option<usize>,
    range: Option<Range<usize>>,
}

impl DeError {
    /// The same at a node, unless a deeper node is already known.
    pub(super) fn at(mut self, node: &Node) -> Self {
        if self.node.is_none() {
            self.node = Some(remark::address(node));
            self.range = Some(node.first_line_start());
        }
        self
    }

    fn diagnostic(self, source: &Arc<Source>, root: &Node) -> Diagnostic {
        let range = self.range.unwrap_or_else(|| root.first_line_start());
        Diagnostic::error("type-mismatch", self.message).at(Some(Span::new(source, range)))
    }
}

impl fmt::Display for DeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DeError {}

impl serde::de::Error for DeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { message: message.to_string(), node: None, range: None }
    }
}

/// The deserializer of one node.
#[derive(Clone, Copy)]
pub(super) struct De<'a> {
    node: &'a Node,
    context: &'a Context,
    /// Numbers and booleans may stand for text (Kubernetes' Quantity).
    lenient: bool,
}

impl<'a> De<'a> {
    pub(super) fn new(node: &'a Node, context: &'a Context) -> Self {
        Self { node, context, lenient: false }
    }

    fn expected(&self, what: &str) -> DeError {
        let found = self.node.describe();
        <DeError as serde::de::Error>::custom(format!("expected {what}, found {found}")).at(self.node)
    }

    fn any<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            NodeValue::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => visitor.visit_unit(),
                ScalarKind::Bool(value) => visitor.visit_bool(value),
                ScalarKind::Int(value) => visitor.visit_i64(value),
                ScalarKind::UInt(value) => visitor.visit_u64(value),
                ScalarKind::Float(value) => match whole(value) {
                    Some(value) => visitor.visit_i64(value),
                    None => visitor.visit_f64(value),
                },
                ScalarKind::Text => visitor.visit_borrowed_str(&scalar.text),
            },
            NodeValue::Sequence(nodes) => visitor.visit_seq(SequenceReader::new(nodes, self.context)),
            NodeValue::Mapping(entries) => visitor.visit_map(MapReader::any(entries, self.context)),
        }
    }

    fn text<V: Visitor<'a>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            NodeValue::Scalar(scalar) => match scalar.kind {
                ScalarKind::Text => visitor.visit_borrowed_str(&scalar.text),
                ScalarKind::Null => visitor.visit_borrowed_str(""),
                ScalarKind::Bool(_) | ScalarKind::Int(_) | ScalarKind::UInt(_) | ScalarKind::Float(_) => {
                    if self.lenient {
                        return visitor.visit_borrowed_str(&scalar.text);
                    }
                    let remark = Remark::NumberAsText(self.node.describe());
                    self.context.remember(remark, self.node.range.clone());
                    visitor.visit_string(plain_text(scalar))
                }
            },
            NodeValue::Sequence(_) | NodeValue::Mapping(_) => Err(self.expected("text")),
        }
    }

    fn number<V: Visitor<'a>>(self, what: &str, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            NodeValue::Scalar(scalar) => match scalar.kind {
                ScalarKind::Null => visitor.visit_i64(0),
                ScalarKind::Int(_) | ScalarKind::UInt(_) | ScalarKind::Float(_) => self.any(visitor),
                ScalarKind::Bool(_) | ScalarKind::Text => Err(self.expected(what)),
            },
            NodeValue::Sequence(_) | NodeValue::Mapping(_) => Err(self.expected(what)),
        }
    }
}

/// A number or boolean as the text that JSON has for it.
fn plain_text(scalar: &Scalar) -> String {
    match scalar.kind {
        ScalarKind::Bool(value) => value.to_string(),
        ScalarKind::Int(value) => value.to_string(),
        ScalarKind::UInt(value) => value.to_string(),
        ScalarKind::Float(value) => whole(value).map_or_else(|| value.to_string(), |value| value.to_string()),
        ScalarKind::Null | ScalarKind::Text => scalar.text.clone(),
    }
}

/// A float without fraction as an integer: Go prints `1.0` as `1`.
fn whole(value: f64) -> Option<i64> {
    #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
    let integer = value as i64;
    (value.fract() == 0.0 && value.abs() < 9.0e15).then_some(integer)
}

macro_rules! numbers {
    ($what:literal: $($method:ident)*) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
            self.number($what, visitor).map_err(|e| e.at(self.node))
        }
    )* };
}

impl<'de> Deserializer<'de> for De<'de> {
    type Error = DeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.any(visitor).map_err(|e| e.at(self.node))
    }

    numbers!("a whole number": deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8
        deserialize_u16 deserialize_u32 deserialize_u64 deserialize_i128 deserialize_u128);
    numbers!("a number": deserialize_f32 deserialize_f64);

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            NodeValue::Scalar(scalar) => match scalar.kind {
                ScalarKind::Bool(value) => visitor.visit_bool(value),
                ScalarKind::Null => visitor.visit_bool(false),
                _ => Err(self.expected("true or false")),
            },
            NodeValue::Sequence(_) | NodeValue::Mapping(_) => Err(self.expected("true or false")),
        }
        .map_err(|e: DeError| e.at(self.node))
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.text(visitor).map_err(|e| e.at(self.node))
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        if self.node.is_null() { visitor.visit_none() } else { visitor.visit_some(self) }
            .map_err(|e: DeError| e.at(self.node))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, DeError> {
        let lenient = self.lenient || name == "Quantity";
        visitor.visit_newtype_struct(Self { lenient, ..self }).map_err(|e| e.at(self.node))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            NodeValue::Sequence(nodes) => visitor.visit_seq(SequenceReader::new(nodes, self.context)),
            _ if self.node.is_null() => visitor.visit_seq(SequenceReader::new(&[], self.context)),
            NodeValue::Scalar(_) | NodeValue::Mapping(_) => Err(self.expected("a list")),
        }
        .map_err(|e: DeError| e.at(self.node))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        match &self.node.value {
            NodeValue::Mapping(entries) => visitor.visit_map(MapReader::any(entries, self.context)),
            _ if self.node.is_null() => visitor.visit_map(MapReader::any(&[], self.context)),
            NodeValue::Scalar(_) | NodeValue::Sequence(_) => Err(self.expected("a map")),
        }
        .map_err(|e: DeError| e.at(self.node))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        match &self.node.value {
            NodeValue::Mapping(entries) => {
                visitor.visit_map(MapReader::fields(entries, self.context, name, fields))
            }
            _ if self.node.is_null() => visitor.visit_map(MapReader::any(&[], self.context)),
            NodeValue::Scalar(_) | NodeValue::Sequence(_) => Err(self.expected(&format!("a map ({name})"))),
        }
        .map_err(|e: DeError| e.at(self.node))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, DeError> {
        let Some(text) = self.node.text() else { return Err(self.expected("text")) };
        let variant: StrDeserializer<'_, DeError> = text.into_deserializer();
        visitor.visit_enum(variant).map_err(|e| e.at(self.node))
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, DeError> {
        visitor.visit_unit()
    }

    forward_to_deserialize_any! { char bytes byte_buf unit unit_struct tuple tuple_struct identifier }
}
