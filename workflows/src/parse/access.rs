//! Lists and maps of a node tree as serde reads them.
//! Does not collect errors: `de.rs` does.

use std::slice::Iter;

use serde::de::value::BorrowedStrDeserializer;
use serde::de::{DeserializeSeed, MapAccess, SeqAccess};

use super::de::{De, DeError};
use super::remark::{Context, Remark};
use super::tree::{Entry, Node};

/// The elements of a list.
pub(super) struct SequenceReader<'a> {
    nodes: Iter<'a, Node>,
    context: &'a Context,
}

impl<'a> SequenceReader<'a> {
    pub(super) fn new(nodes: &'a [Node], context: &'a Context) -> Self {
        Self { nodes: nodes.iter(), context }
    }
}

impl<'de> SeqAccess<'de> for SequenceReader<'de> {
    type Error = DeError;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, DeError> {
        let context = self.context;
        let Some(node) = self.nodes.find(|node| !context.is_broken(node)) else { return Ok(None) };
        seed.deserialize(De::new(node, context)).map(Some).map_err(|e| e.at(node))
    }
}

/// The entries of a map.
pub(super) struct MapReader<'a> {
    entries: Iter<'a, Entry>,
    value: Option<&'a Node>,
    all: &'a [Entry],
    context: &'a Context,
    known: Option<(&'static str, &'static [&'static str])>,
}

impl<'a> MapReader<'a> {
    /// A map with any keys.
    pub(super) fn any(entries: &'a [Entry], context: &'a Context) -> Self {
        Self { entries: entries.iter(), value: None, all: entries, context, known: None }
    }

    /// A map whose keys are the fields of a type.
    pub(super) fn fields(
        entries: &'a [Entry],
        context: &'a Context,
        owner: &'static str,
        fields: &'static [&'static str],
    ) -> Self {
        Self { entries: entries.iter(), value: None, all: entries, context, known: Some((owner, fields)) }
    }

    /// The next entry to read and its key: unknown fields are reported, null fields count as absent.
    fn next_entry_to_read(&mut self) -> Option<(&'a str, &'a Entry)> {
        let context = self.context;
        while let Some(entry) = self.entries.next() {
            if context.is_broken(&entry.value) {
                continue;
            }
            let Some((owner, fields)) = self.known else { return Some((&entry.key, entry)) };
            let Some(key) = self.field_of(&entry.key, fields) else {
                let remark = Remark::UnknownField(owner, entry.key.clone(), fields);
                context.remember(remark, entry.key_range.clone());
                continue;
            };
            if key != entry.key {
                context.remember(Remark::FieldCase(owner, entry.key.clone(), key), entry.key_range.clone());
            }
            if !entry.value.is_null() {
                return Some((key, entry));
            }
        }
        None
    }

    /// The field that a key means: the same, else one that differs in case only (as Go reads JSON).
    fn field_of(&self, key: &str, fields: &'static [&'static str]) -> Option<&'static str> {
        let exact = fields.iter().find(|field| **field == key);
        exact.copied().or_else(|| {
            let near = fields.iter().copied().find(|field| field.eq_ignore_ascii_case(key))?;
            let same = self.all.iter().filter(|entry| entry.key.eq_ignore_ascii_case(near)).count();
            (same == 1).then_some(near)
        })
    }
}

impl<'de> MapAccess<'de> for MapReader<'de> {
    type Error = DeError;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, DeError> {
        let Some((key, entry)) = self.next_entry_to_read() else { return Ok(None) };
        self.value = Some(&entry.value);
        seed.deserialize(BorrowedStrDeserializer::new(key)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, DeError> {
        let Some(node) = self.value.take() else {
            return Err(serde::de::Error::custom("a value without a key"));
        };
        seed.deserialize(De::new(node, self.context)).map_err(|e| e.at(node))
    }
}
