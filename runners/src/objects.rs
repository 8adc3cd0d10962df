//! The port through which steps get ConfigMaps and Secrets, and the type that keeps a secret value to itself.
//! Finds nothing: where values come from is decided by whoever implements the port.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Error;

/// The value of one key of a Secret. `Debug` and errors never show it (V33).
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SecretValue(Vec<u8>);

/// The keys of one Secret.
pub type SecretData = BTreeMap<String, SecretValue>;

impl SecretValue {
    /// A value.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes. What is made of them must not be logged, recorded or put into an error.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, or nothing when they are no UTF-8. See [`Self::expose`].
    pub fn expose_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Where steps, event sources and triggers get ConfigMaps and Secrets from.
///
/// Absent is `Ok(None)`; an error means that nobody knows, and whoever asked may ask again (F71).
pub trait Objects: Send + Sync {
    /// The data of a ConfigMap, or nothing when there is no such object.
    fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error>;

    /// All keys of a Secret, decoded, or nothing when there is no such object.
    fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error>;

    /// One key of a Secret. Asks more sources than [`Self::secret`] can list: those which only answer for a key.
    fn secret_value(&self, namespace: &str, name: &str, key: &str) -> Result<Option<SecretValue>, Error> {
        Ok(self.secret(namespace, name)?.and_then(|mut data| data.remove(key)))
    }

    /// What to do about a Secret that is missing, for error messages: one sentence, or nothing.
    fn secret_hint(&self, namespace: &str, name: &str, key: Option<&str>) -> String {
        let (_, _, _) = (namespace, name, key);
        String::new()
    }

    /// The key of a Secret that must be there.
    ///
    /// # Errors
    /// [`Error::Missing`] that names Secret, key and what to do.
    fn need_secret(&self, namespace: &str, name: &str, key: &str) -> Result<SecretValue, Error> {
        match self.secret_value(namespace, name, key)? {
            Some(value) => Ok(value),
            None => Err(missing(self, namespace, name, Some(key))),
        }
    }
}

/// That a Secret, or a key of it, does not exist, and what to do.
pub(crate) fn missing<O: Objects + ?Sized>(
    objects: &O,
    namespace: &str,
    name: &str,
    key: Option<&str>,
) -> Error {
    let what = match key {
        Some(key) => format!("there is no key {key:?} of Secret {name:?} in namespace {namespace:?}"),
        None => format!("there is no Secret {name:?} in namespace {namespace:?}"),
    };
    match objects.secret_hint(namespace, name, key) {
        hint if hint.is_empty() => Error::Missing(what),
        hint => Error::Missing(format!("{what}: {hint}")),
    }
}

/// No ConfigMaps and no Secrets.
pub struct NoObjects;

impl Objects for NoObjects {
    fn config_map(&self, _namespace: &str, _name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        Ok(None)
    }

    fn secret(&self, _namespace: &str, _name: &str) -> Result<Option<SecretData>, Error> {
        Ok(None)
    }
}
