//! What an attempt asks of the `Objects` port, and the secret values it was given.
//! Looks for nothing itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::objects::missing;
use crate::{Error, Objects, SecretData, SecretValue};

/// The port, with a memory of the values that went to the step: those are masked in what it writes.
pub(super) struct Secrets<'a> {
    objects: &'a dyn Objects,
    seen: Mutex<BTreeSet<SecretValue>>,
}

impl<'a> Secrets<'a> {
    /// Nothing given yet.
    pub(super) fn new(objects: &'a dyn Objects) -> Self {
        Self { objects, seen: Mutex::default() }
    }

    /// One key.
    pub(super) fn one(
        &self,
        namespace: &str,
        name: &str,
        key: &str,
        optional: bool,
    ) -> Result<Option<SecretValue>, Error> {
        match self.secret_value(namespace, name, key)? {
            Some(value) => Ok(Some(value)),
            None if optional => Ok(None),
            None => Err(missing(self.objects, namespace, name, Some(key))),
        }
    }

    /// All keys.
    pub(super) fn all(
        &self,
        namespace: &str,
        name: &str,
        optional: bool,
    ) -> Result<Option<SecretData>, Error> {
        match self.secret(namespace, name)? {
            Some(data) => Ok(Some(data)),
            None if optional => Ok(None),
            None => Err(missing(self.objects, namespace, name, None)),
        }
    }

    /// A value for a variable, which must be text.
    pub(super) fn text(&self, name: &str, key: &str, value: &SecretValue) -> Result<String, Error> {
        value.expose_text().map(str::to_owned).ok_or_else(|| {
            Error::Invalid(format!("key {key:?} of Secret {name:?} is no UTF-8 text: mount it as a volume"))
        })
    }

    /// Variables that are secret although they come from somewhere else.
    pub(super) fn add<'v>(&self, variables: impl Iterator<Item = &'v (String, String)>) {
        let values: Vec<SecretValue> = variables.map(|(_, value)| SecretValue::new(value.as_str())).collect();
        self.note(&values);
    }

    /// Every value that was given out.
    pub(super) fn seen(&self) -> Vec<SecretValue> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    fn note<'v>(&self, values: impl IntoIterator<Item = &'v SecretValue>) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).extend(values.into_iter().cloned());
    }
}

impl Objects for Secrets<'_> {
    fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        self.objects.config_map(namespace, name)
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error> {
        let found = self.objects.secret(namespace, name)?;
        self.note(found.iter().flat_map(BTreeMap::values));
        Ok(found)
    }

    fn secret_value(&self, namespace: &str, name: &str, key: &str) -> Result<Option<SecretValue>, Error> {
        let found = self.objects.secret_value(namespace, name, key)?;
        self.note(&found);
        Ok(found)
    }

    fn secret_hint(&self, namespace: &str, name: &str, key: Option<&str>) -> String {
        self.objects.secret_hint(namespace, name, key)
    }
}
