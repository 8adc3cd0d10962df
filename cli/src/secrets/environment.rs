//! Secrets as variables of the environment: `RUNNER_SECRET_<NAME>_<KEY>`.
//! Steps do not inherit the variables: they get what their template refers to.

use std::collections::BTreeMap;

use runner_runners::{SecretData, SecretValue};

/// What the names of all such variables begin with.
pub const PREFIX: &str = "RUNNER_SECRET_";

/// The variables, read once.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// The variable of a key: upper case, everything but letters and digits an underscore.
pub fn variable(name: &str, key: &str) -> String {
    format!("{PREFIX}{}_{}", shout(name), shout(key))
}

fn shout(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

impl Environment {
    /// From all variables of a process.
    pub fn new(all: impl IntoIterator<Item = (String, String)>) -> Self {
        Self { variables: all.into_iter().filter(|(name, _)| name.starts_with(PREFIX)).collect() }
    }

    /// One key.
    pub fn value(&self, name: &str, key: &str) -> Option<SecretValue> {
        self.variables.get(&variable(name, key)).map(|value| SecretValue::new(value.as_str()))
    }

    /// Everything whose variable begins with the name; keys as the variables spell them.
    pub fn all(&self, name: &str) -> Option<SecretData> {
        let prefix = format!("{PREFIX}{}_", shout(name));
        let keys = self.variables.iter().filter_map(|(variable, value)| {
            let key = variable.strip_prefix(&prefix).filter(|key| !key.is_empty())?;
            Some((key.to_owned(), SecretValue::new(value.as_str())))
        });
        Some(keys.collect::<SecretData>()).filter(|data| !data.is_empty())
    }

    /// The variables without their common prefix: where the name ends and the key begins cannot be told.
    pub fn names(&self) -> Vec<String> {
        self.variables.keys().filter_map(|name| Some(name.strip_prefix(PREFIX)?.to_owned())).collect()
    }
}
