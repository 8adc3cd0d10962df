//! Secrets and ConfigMaps of a YAML file that is read, not applied.
//! Does not keep values: the file is read when somebody asks, so that a change counts at once.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::PathBuf;

use runner_runners::{Error, SecretData, SecretValue};
use runner_workflows::parse::{Limits, Manifest, Secret, parse_file};

/// A file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    path: PathBuf,
}

/// The data of a Secret as a file has it.
pub(crate) fn data_of(secret: &Secret) -> SecretData {
    let keys = secret.data.keys().chain(secret.string_data.keys());
    keys.filter_map(|key| Some((key.clone(), SecretValue::new(secret.value(key)?)))).collect()
}

impl File {
    /// At a path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path, for people.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn manifests(&self) -> Result<Vec<Manifest>, Error> {
        let shown = self.shown();
        let failed = |source: std::io::Error| Error::Io { doing: format!("read {shown}"), source };
        let mut text = String::new();
        match std::fs::File::open(&self.path) {
            Ok(file) => {
                let limit = u64::try_from(Limits::default().bytes).unwrap_or(u64::MAX);
                file.take(limit + 1).read_to_string(&mut text).map_err(failed)?;
            }
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        }
        let (manifests, problems) = parse_file(&shown, &text, Limits::default());
        match problems.iter().find(|problem| problem.is_error()) {
            // the place and the code, not the message: that may quote the file
            Some(problem) => Err(Error::Invalid(format!(
                "{shown} cannot be read ({}): `runner lint --kinds Secret {shown}` shows why",
                problem.code
            ))),
            None => Ok(manifests),
        }
    }

    /// A Secret; one without a namespace is in every namespace.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn secret(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error> {
        Ok(self.secrets(namespace)?.remove(name))
    }

    /// All Secrets of a namespace.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn secrets(&self, namespace: &str) -> Result<BTreeMap<String, SecretData>, Error> {
        let mut out = BTreeMap::new();
        for manifest in self.manifests()? {
            if let Manifest::Secret(doc) = &manifest
                && in_namespace(&doc.object.metadata.namespace, namespace)
            {
                out.insert(doc.object.metadata.name.clone(), data_of(&doc.object));
            }
        }
        Ok(out)
    }

    /// A ConfigMap; one without a namespace is in every namespace.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn config_map(&self, namespace: &str, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
        let found = self.manifests()?.into_iter().find_map(|manifest| match manifest {
            Manifest::ConfigMap(doc) => {
                let meta = &doc.object.metadata;
                (meta.name == name && in_namespace(&meta.namespace, namespace)).then_some(doc.object.data)
            }
            _ => None,
        });
        Ok(found)
    }
}

fn in_namespace(own: &str, asked: &str) -> bool {
    own.is_empty() || own == asked
}
