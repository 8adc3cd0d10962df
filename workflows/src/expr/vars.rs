//! Variables: a layered flat map of dotted names, the way Argo's scopes list them.
//! It knows no name's meaning; filling it is the business of the callers.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use super::Value;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Var {
    /// A value; JSON null is the expression language's nil.
    Value(Value),
    /// The output of a producer that was skipped or omitted: nil in expressions, left literal by simple tags.
    Absent,
}

/// Variables by dotted name; a child looks through to its parent.
#[derive(Clone, Debug, Default)]
pub struct Vars {
    own: BTreeMap<String, Option<Var>>,
    parent: Option<Arc<Vars>>,
    /// Own names whose values strangers chose.
    tainted: BTreeSet<String>,
}

impl Vars {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// A scope inside `parent`: its own names win, the rest is the parent's.
    pub fn child(parent: &Arc<Vars>) -> Self {
        Self { parent: Some(Arc::clone(parent)), ..Self::default() }
    }

    /// Sets a text.
    pub fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.own.insert(name.into(), Some(Var::Value(Value::String(text.into()))));
    }

    /// Sets a JSON value.
    pub fn set_value(&mut self, name: impl Into<String>, value: Value) {
        self.own.insert(name.into(), Some(Var::Value(value)));
    }

    /// Marks the output of a skipped or omitted producer.
    pub fn set_absent(&mut self, name: impl Into<String>) {
        self.own.insert(name.into(), Some(Var::Absent));
    }

    /// Removes a name from this scope's view; the parent itself is not changed.
    pub fn remove(&mut self, name: &str) {
        if self.parent.as_ref().is_some_and(|p| p.get(name).is_some()) {
            self.own.insert(name.to_owned(), None);
        } else {
            self.own.remove(name);
        }
    }

    /// Says that a stranger chose the value of a name of this scope itself (not of its parents).
    pub fn taint(&mut self, name: impl Into<String>) {
        self.tainted.insert(name.into());
    }

    /// Whether any name that can be looked up is of a stranger.
    pub fn has_taint(&self) -> bool {
        !self.tainted.is_empty() || self.parent.as_ref().is_some_and(|parent| parent.has_taint())
    }

    /// Whether a stranger chose the value of this very name.
    pub fn is_tainted(&self, name: &str) -> bool {
        let mut scope = self;
        loop {
            if let Some(found) = scope.own.get(name) {
                return found.is_some() && scope.tainted.contains(name);
            }
            let Some(parent) = scope.parent.as_deref() else { return false };
            scope = parent;
        }
    }

    /// Whether reading `path` can give a stranger's value: of the name itself, of a name below it, or of the longest
    /// name that it is below.
    pub fn reaches_taint(&self, path: &str) -> bool {
        let below = |name: &String| name.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
        let mut scope = Some(self);
        while let Some(vars) = scope {
            if vars.tainted.iter().any(|name| below(name) && self.is_tainted(name)) {
                return true;
            }
            scope = vars.parent.as_deref();
        }
        let mut prefix = path;
        loop {
            if self.get(prefix).is_some() {
                return self.is_tainted(prefix);
            }
            let Some((shorter, _)) = prefix.rsplit_once('.') else { return false };
            prefix = shorter;
        }
    }

    /// Looks a name up, through the parents.
    pub fn get(&self, name: &str) -> Option<&Var> {
        let mut scope = self;
        loop {
            if let Some(found) = scope.own.get(name) {
                return found.as_ref();
            }
            scope = scope.parent.as_deref()?;
        }
    }

    /// All names that can be looked up, sorted.
    pub fn names(&self) -> Vec<String> {
        self.under("").into_keys().map(str::to_owned).collect()
    }

    /// Whether a name that starts with `prefix` can be looked up.
    pub(crate) fn has_under(&self, prefix: &str) -> bool {
        let mut scope = Some(self);
        while let Some(vars) = scope {
            for (name, var) in vars.from(prefix) {
                // A name hidden here may not count, and one found here may be hidden by a child.
                if var.is_some() && self.get(name).is_some() {
                    return true;
                }
            }
            scope = vars.parent.as_deref();
        }
        false
    }

    /// All names that start with `prefix` and what they stand for, sorted.
    pub(crate) fn under(&self, prefix: &str) -> BTreeMap<&str, &Var> {
        let mut found: BTreeMap<&str, Option<&Var>> = BTreeMap::new();
        let mut scope = Some(self);
        while let Some(vars) = scope {
            for (name, var) in vars.from(prefix) {
                found.entry(name).or_insert(var.as_ref());
            }
            scope = vars.parent.as_deref();
        }
        found.into_iter().filter_map(|(name, var)| Some((name, var?))).collect()
    }

    fn from<'a>(&'a self, prefix: &str) -> impl Iterator<Item = (&'a str, &'a Option<Var>)> {
        let prefix_owned = prefix.to_owned();
        self.own
            .range::<str, _>((Bound::Included(prefix), Bound::Unbounded))
            .take_while(move |(name, _)| name.starts_with(&prefix_owned))
            .map(|(name, var)| (name.as_str(), var))
    }

    /// Everything as nested maps, the environment of Argo's expressions: `a.b.c` is found at
    /// `["a"]["b"]["c"]`. A name that others extend gives way to their map (`inputs.parameters` as
    /// JSON text is shadowed by the map of `inputs.parameters.*`). Absent names read null.
    pub fn nested(&self) -> Value {
        self.nested_under("")
    }

    /// The nested maps below `prefix`, which is empty or ends with a dot.
    pub(crate) fn nested_under(&self, prefix: &str) -> Value {
        let mut root = match self.get(prefix.trim_end_matches('.')) {
            Some(Var::Value(Value::Object(map))) => map.clone(),
            Some(Var::Value(_) | Var::Absent) | None => serde_json::Map::new(),
        };
        for (name, var) in self.under(prefix) {
            let value = match var {
                Var::Value(value) => value.clone(),
                Var::Absent => Value::Null,
            };
            insert(&mut root, name.get(prefix.len()..).unwrap_or_default(), value);
        }
        Value::Object(root)
    }
}

/// Puts a value at a dotted path; names come sorted, so a shorter name comes before its extensions.
fn insert(root: &mut serde_json::Map<String, Value>, path: &str, value: Value) {
    let mut map = root;
    let mut rest = path;
    while let Some((head, tail)) = rest.split_once('.') {
        let slot = map.entry(head.to_owned()).or_insert(Value::Null);
        if !slot.is_object() {
            *slot = Value::Object(serde_json::Map::new());
        }
        let Value::Object(inner) = slot else { return };
        map = inner;
        rest = tail;
    }
    map.insert(rest.to_owned(), value);
}
