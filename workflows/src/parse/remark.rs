//! What reading a document remembers beside the value: unknown fields, odd spellings, broken parts.
//! Does not read: `de.rs` does.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use super::source::Source;
use super::suggest;
use super::tree::Node;
use crate::diagnostic::{Diagnostic, Span};

/// What a reading run remembers.
#[derive(Default)]
pub(super) struct Context {
    remarks: RefCell<Vec<(Remark, Range<usize>)>>,
    broken: BTreeSet<usize>,
}

impl Context {
    /// True for a node that an earlier run found broken.
    pub(super) fn is_broken(&self, node: &Node) -> bool {
        !self.broken.is_empty() && self.broken.contains(&address(node))
    }

    /// Leaves a node out from now on; false when it was left out before.
    pub(super) fn leave_out(&mut self, node: usize) -> bool {
        self.broken.insert(node)
    }

    /// Remembers something about the bytes of a key or value.
    pub(super) fn remember(&self, remark: Remark, range: Range<usize>) {
        self.remarks.borrow_mut().push((remark, range));
    }

    /// The remarks as diagnostics; they are forgotten.
    pub(super) fn take(&self, source: &Arc<Source>) -> Vec<Diagnostic> {
        let remarks = self.remarks.take().into_iter();
        remarks.map(|(remark, range)| remark.diagnostic().at(Some(Span::new(source, range)))).collect()
    }
}

/// Something that does not stop reading.
pub(super) enum Remark {
    /// The type (first) does not have the field (second); it has these.
    UnknownField(&'static str, String, &'static [&'static str]),
    /// A field of the type (first) is written (second) in another case than its own (third).
    FieldCase(&'static str, String, &'static str),
    /// A number or boolean stands where text is expected.
    NumberAsText(String),
}

impl Remark {
    fn diagnostic(self) -> Diagnostic {
        match self {
            Self::UnknownField(owner, key, fields) => {
                let out = Diagnostic::warning("unknown-field", format!("unknown field `{key}` in {owner}"));
                match suggest::nearest(&key, fields.iter().copied()) {
                    Some(near) => out.hint(format!("did you mean `{near}`?")),
                    None => out,
                }
            }
            Self::FieldCase(owner, key, field) => {
                Diagnostic::warning("field-case", format!("field `{key}` in {owner} is read as `{field}`"))
            }
            Self::NumberAsText(found) => {
                Diagnostic::warning("number-as-text", format!("expected text, found {found}"))
                    .hint("put it in quotes: Kubernetes refuses it without")
            }
        }
    }
}

/// The identity of a node within one tree.
pub(super) fn address(node: &Node) -> usize {
    std::ptr::from_ref(node).addr()
}
