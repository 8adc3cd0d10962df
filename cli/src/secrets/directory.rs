//! Secrets as files: `<dir>/<name>/<key>`, as Kubernetes mounts them and Argo Events lays them out.
//! Does not write.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use runner_runners::{Error, SecretData, SecretValue};

use super::is_name;

/// Largest value, as Kubernetes' limit of a whole Secret.
const MAX_BYTES: u64 = 1 << 20;

/// A directory of directories.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    path: PathBuf,
}

fn reading(path: &Path, source: std::io::Error) -> Error {
    Error::Io { doing: format!("read {}", path.display()), source }
}

impl Directory {
    /// At a path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The path, for people.
    pub fn shown(&self) -> String {
        self.path.display().to_string()
    }

    /// Whether there is such a file.
    pub fn has(&self, name: &str, key: &str) -> bool {
        is_name(name) && is_name(key) && self.path.join(name).join(key).is_file()
    }

    /// One key. A single line loses its line end, which editors and `echo` add; what has several lines is kept.
    ///
    /// # Errors
    /// When the file cannot be read or is too large.
    pub fn value(&self, name: &str, key: &str) -> Result<Option<SecretValue>, Error> {
        if !is_name(name) || !is_name(key) {
            return Ok(None);
        }
        let path = self.path.join(name).join(key);
        // links are followed: Kubernetes mounts every key as one
        let file = match std::fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(reading(&path, error)),
        };
        let kind = file.metadata().map_err(|error| reading(&path, error))?;
        if !kind.is_file() {
            return Ok(None);
        }
        let mut bytes = Vec::new();
        file.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(|error| reading(&path, error))?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(Error::Invalid(format!("{}: larger than 1 MiB", path.display())));
        }
        let ends = bytes.iter().filter(|byte| **byte == b'\n').count();
        if ends == 1 && bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        Ok(Some(SecretValue::new(bytes)))
    }

    /// All keys, or nothing when there is no such directory.
    ///
    /// # Errors
    /// When something cannot be read.
    pub fn all(&self, name: &str) -> Result<Option<SecretData>, Error> {
        if !is_name(name) {
            return Ok(None);
        }
        let Some(keys) = entries(&self.path.join(name))? else { return Ok(None) };
        let mut out = BTreeMap::new();
        for key in keys {
            if let Some(value) = self.value(name, &key)? {
                out.insert(key, value);
            }
        }
        Ok(Some(out))
    }

    /// The names of all directories.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let names = entries(&self.path)?.unwrap_or_default();
        Ok(names.into_iter().filter(|name| self.path.join(name).is_dir()).collect())
    }
}

/// Names in a directory that can be names here, sorted; hidden ones are the mounts' own.
fn entries(path: &Path) -> Result<Option<Vec<String>>, Error> {
    let found = match std::fs::read_dir(path) {
        Ok(found) => found,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(reading(path, error)),
    };
    let mut names = Vec::new();
    for entry in found {
        let name = entry.map_err(|error| reading(path, error))?.file_name();
        if let Some(name) = name.to_str().filter(|name| is_name(name) && !name.starts_with('.')) {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(Some(names))
}
