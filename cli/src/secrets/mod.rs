//! Secrets and ConfigMaps without a cluster: one provider over a directory, the environment, a file and the state.
//! Does not decide who gets a value, and never prints one (V33).

pub mod directory;
pub mod environment;
pub mod file;
pub mod seal;
pub mod vault;

use std::collections::BTreeMap;
use std::sync::Arc;

use runner_runners::{Error, Objects, SecretData, SecretValue};
use runner_store::Store;
use tokio::runtime::Handle;

use directory::Directory;
use environment::Environment;
use file::File;
use vault::Vault;

/// Where values come from. The first source that has a key wins.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// `<dir>/<name>/<key>`.
    pub directory: Option<Directory>,
    /// `RUNNER_SECRET_<NAME>_<KEY>`.
    pub environment: Environment,
    /// A file of Secrets and ConfigMaps.
    pub file: Option<File>,
    /// What `runner apply` was given.
    pub vault: Option<Vault>,
    /// `<dir>/<name>/<key>` of ConfigMaps.
    pub config_maps: Option<Directory>,
}

/// A Secret as `runner secret` shows it: without values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Name.
    pub name: String,
    /// Keys.
    pub keys: Vec<String>,
    /// Where it is, for people.
    pub source: String,
    /// Whether it can be deleted.
    pub stored: bool,
}

/// How many characters of a missing key's hint name a place.
const ASK: &str = "or `runner apply` a Secret";

impl Sources {
    /// One key of a Secret.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn value(&self, namespace: &str, name: &str, key: &str) -> Result<Option<SecretValue>, Error> {
        if let Some(found) = self.directory.as_ref().map(|dir| dir.value(name, key)).transpose()?.flatten() {
            return Ok(Some(found));
        }
        if let Some(found) = self.environment.value(name, key) {
            return Ok(Some(found));
        }
        Ok(self.stored(namespace, name)?.and_then(|mut data| data.remove(key)))
    }

    /// All keys of a Secret. The environment is asked for its own spelling only when nothing else knows the Secret.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn all(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error> {
        let mut found = self.stored(namespace, name)?;
        if let Some(data) = self.directory.as_ref().map(|dir| dir.all(name)).transpose()?.flatten() {
            found.get_or_insert_default().extend(data);
        }
        match &mut found {
            None => return Ok(self.environment.all(name)),
            Some(data) => {
                for (key, value) in data.iter_mut() {
                    let in_directory = self.directory.as_ref().is_some_and(|dir| dir.has(name, key));
                    if let Some(over) = self.environment.value(name, key).filter(|_| !in_directory) {
                        *value = over;
                    }
                }
            }
        }
        Ok(found)
    }

    /// File and state, the file first.
    fn stored(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error> {
        let in_file = self.file.as_ref().map(|file| file.secret(namespace, name)).transpose()?.flatten();
        let in_vault = self.vault.as_ref().map(|vault| vault.get(namespace, name)).transpose()?.flatten();
        Ok(match (in_file, in_vault) {
            (Some(file), Some(mut vault)) => {
                vault.extend(file);
                Some(vault)
            }
            (file, vault) => file.or(vault),
        })
    }

    /// A ConfigMap of a directory or file.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        if let Some(data) = self.config_maps.as_ref().map(|dir| dir.all(name)).transpose()?.flatten() {
            let text = |value: &SecretValue| value.expose_text().map(str::to_owned);
            return Ok(Some(data.iter().filter_map(|(k, v)| Some((k.clone(), text(v)?))).collect()));
        }
        Ok(self.file.as_ref().map(|file| file.config_map(namespace, name)).transpose()?.flatten())
    }

    /// Every Secret of a namespace, by name and source.
    ///
    /// # Errors
    /// When a source cannot be read.
    pub fn list(&self, namespace: &str) -> Result<Vec<Listed>, Error> {
        let keys = |data: &SecretData| data.keys().cloned().collect();
        let mut out = Vec::new();
        if let Some(dir) = &self.directory {
            for name in dir.names()? {
                let data = dir.all(&name)?.unwrap_or_default();
                out.push(Listed { keys: keys(&data), name, source: dir.shown(), stored: false });
            }
        }
        for name in self.environment.names() {
            let source = "environment".to_owned();
            out.push(Listed { keys: vec!["(see the name)".to_owned()], name, source, stored: false });
        }
        if let Some(file) = &self.file {
            for (name, data) in file.secrets(namespace)? {
                out.push(Listed { keys: keys(&data), name, source: file.shown(), stored: false });
            }
        }
        if let Some(vault) = &self.vault {
            for name in vault.names(namespace)? {
                let data = vault.get(namespace, &name)?.unwrap_or_default();
                out.push(Listed { keys: keys(&data), name, source: "applied".to_owned(), stored: true });
            }
        }
        out.sort_by(|a, b| (&a.name, &a.source).cmp(&(&b.name, &b.source)));
        Ok(out)
    }

    /// What to do about a missing Secret.
    pub fn hint(&self, name: &str, key: Option<&str>) -> String {
        let shown = key.unwrap_or("KEY");
        let file = match &self.directory {
            Some(dir) => format!("put it into {}/{name}/{shown}", dir.shown()),
            None => format!("put it into DIR/{name}/{shown} and give --secrets DIR"),
        };
        format!("{file}, set {}, {ASK}", environment::variable(name, shown))
    }
}

/// The provider for runners, event sources and triggers. May be asked from any thread; blocks.
pub struct Local {
    sources: Sources,
    store: Arc<dyn Store>,
    runtime: Handle,
}

impl Local {
    /// Over these sources and the ConfigMaps of a store.
    pub fn new(sources: Sources, store: &Arc<dyn Store>, runtime: Handle) -> Self {
        Self { sources, store: Arc::clone(store), runtime }
    }
}

impl Objects for Local {
    fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        if let Some(found) = self.sources.config_map(namespace, name)? {
            return Ok(Some(found));
        }
        // on a thread of its own: whoever asks may be inside of the runtime
        let ask = || self.runtime.block_on(self.store.get_manifest("ConfigMap", namespace, name));
        let found = std::thread::scope(|scope| scope.spawn(ask).join());
        let unread = |why: String| Error::Io {
            doing: format!("read ConfigMap {name:?}"),
            source: std::io::Error::new(std::io::ErrorKind::ResourceBusy, why),
        };
        let found = found.map_err(|_| unread("the reader ended".to_owned()))?;
        let Some(found) = found.map_err(|error| unread(error.to_string()))? else { return Ok(None) };
        let body: serde_json::Value =
            serde_json::from_slice(&found.body).map_err(|error| Error::Invalid(error.to_string()))?;
        Ok(Some(serde_json::from_value(body["data"].clone()).unwrap_or_default()))
    }

    fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error> {
        self.sources.all(namespace, name)
    }

    fn secret_value(&self, namespace: &str, name: &str, key: &str) -> Result<Option<SecretValue>, Error> {
        self.sources.value(namespace, name, key)
    }

    fn secret_hint(&self, _namespace: &str, name: &str, key: Option<&str>) -> String {
        self.sources.hint(name, key)
    }
}

/// Names that can be file names: Kubernetes' rules for names and keys, so that none leads anywhere else (V9).
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && !text.starts_with("..")
        && text != "."
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
}

#[cfg(test)]
mod tests;
