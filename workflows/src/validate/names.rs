//! Rules of names: of templates, steps, tasks, parameters, artifacts, objects, metrics.
//! Does not check that names refer to anything.

use std::collections::BTreeSet;

use super::report::{Place, Reporter};
use super::tags;

/// Which rule a name follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NameRule {
    /// Templates, tasks, containers: alphanumeric and `-`, not starting with `-`, at most 128.
    Field,
    /// Steps: as `Field`, but values known at run time only may be part of it.
    Step,
    /// Parameters and artifacts: alphanumeric, `_` and `-`; values known at run time only may be part of it.
    Parameter,
}

impl NameRule {
    /// Why a name breaks the rule.
    pub(super) fn broken(self, name: &str) -> Option<&'static str> {
        match self {
            Self::Parameter => {
                let name = tags::blank_placeholders(name);
                let fits = !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
                (!fits).then_some("use only letters, digits, '_' and '-'")
            }
            Self::Step => Self::Field.broken(&tags::blank_placeholders(name)),
            Self::Field => {
                let bytes = name.as_bytes();
                let fits = bytes.first().is_some_and(u8::is_ascii_alphanumeric)
                    && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-');
                if name.len() > 128 {
                    Some("must be no more than 128 characters")
                } else {
                    (!fits).then_some("use only letters, digits and '-', and start with a letter or digit")
                }
            }
        }
    }
}

/// Checks the names of a list: present, well formed, unique. `words` is the list in words, e.g. `.inputs.parameters`.
pub(super) fn check_list<'n>(
    reporter: &mut Reporter<'_>,
    list: &Place,
    rule: NameRule,
    names: impl Iterator<Item = &'n str>,
) {
    let mut seen = BTreeSet::new();
    for (index, name) in names.enumerate() {
        let place = list.field(&index.to_string());
        if name.is_empty() {
            reporter.error(&place, "name-missing", format!("[{index}].name is required"));
            continue;
        }
        let place = place.field("name");
        if let Some(why) = rule.broken(name) {
            reporter.error_hint(&place, "name-invalid", format!("[{index}].name: '{name}' is invalid"), why);
        }
        if !seen.insert(name) {
            reporter.error(&place, "name-not-unique", format!("[{index}].name '{name}' is not unique"));
        }
    }
}

/// A prometheus name without `:`.
pub(super) fn is_metric_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_')
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// Why a text is not the name of a Kubernetes object (RFC 1123 subdomain).
pub(super) fn object_name_broken(name: &str) -> Option<&'static str> {
    let label = |part: &str| {
        let bytes = part.as_bytes();
        let edge = |b: Option<&u8>| b.is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        edge(bytes.first())
            && edge(bytes.last())
            && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
    };
    if name.len() > 253 {
        return Some("must be no more than 253 characters");
    }
    (!name.split('.').all(label)).then_some("use lower case letters, digits, '-' and '.' (RFC 1123)")
}
