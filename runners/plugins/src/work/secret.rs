//! Where a typed step finds a secret: an environment variable or a file, never its own order.
//! Keeps no value: it is read when it is needed.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Failure, Result};

/// A reference to a secret: exactly one of the fields.
///
/// In a template it is written `{secretKeyRef: {name, key}}`. The process runner resolves that when the step
/// starts and leaves `{env: NAME}` in the order, so that the value is in no argument, journal or file of ours (V33).
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Secret {
    /// Name of an environment variable of the step.
    env: Option<String>,
    /// A file that the step can read.
    file: Option<PathBuf>,
    /// A key of a Secret; resolved before the step starts.
    secret_key_ref: Option<KeyRef>,
}

/// A key of a Secret, as in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyRef {
    name: String,
    key: String,
    #[serde(default)]
    optional: bool,
}

impl Secret {
    /// The secret in an environment variable.
    pub fn env(name: &str) -> Self {
        Self { env: Some(name.to_owned()), ..Self::default() }
    }

    /// The value, without a line end.
    ///
    /// # Errors
    /// It is not there, or the reference does not say one place.
    pub fn read(&self) -> Result<String> {
        let value = match (&self.env, &self.file, &self.secret_key_ref) {
            (Some(name), None, None) => std::env::var(name)
                .map_err(|_| Failure::Input(format!("the environment variable {name:?} holds no secret")))?,
            (None, Some(file), None) => std::fs::read_to_string(file)
                .map_err(|error| Failure::Input(format!("secret file {}: {error}", file.display())))?,
            (None, None, Some(from)) => {
                let hint = if from.optional { " (optional)" } else { "" };
                return Err(Failure::Input(format!(
                    "key {:?} of secret {:?}{hint} did not reach the step",
                    from.key, from.name
                )));
            }
            _several => {
                return Err(Failure::Input("a secret is one of secretKeyRef, env and file".to_owned()));
            }
        };
        let value = value.trim_end_matches(['\r', '\n']).to_owned();
        // A line end inside could add lines to what a credential helper says (V30).
        if value.contains(['\r', '\n', '\0']) {
            return Err(Failure::Input("a token holds no line ends".to_owned()));
        }
        Ok(value)
    }

    /// Like [`Secret::read`], for keys and certificates, which have lines.
    ///
    /// # Errors
    /// As `read`.
    pub fn read_text(&self) -> Result<String> {
        match (&self.env, &self.file) {
            (Some(name), None) => std::env::var(name)
                .map_err(|_| Failure::Input(format!("the environment variable {name:?} holds no secret"))),
            (None, Some(file)) => std::fs::read_to_string(file)
                .map_err(|error| Failure::Input(format!("secret file {}: {error}", file.display()))),
            _other => self.read(),
        }
    }
}
