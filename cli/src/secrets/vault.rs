//! The Secrets that `runner apply` was given: one sealed file each, readable by the owner alone.
//! Not in the database: backups, exports and lists of the store hold no secret (V34). Does not seal: `seal` does.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use runner_runners::{Error, SecretData, SecretValue};

use super::is_name;
use super::seal::{KeyFile, Sealed};

/// The directory `secrets` beside the store: `<namespace>/<name>.json`, sealed with a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vault {
    path: PathBuf,
    key: KeyFile,
}

pub(super) fn failed(doing: &str, path: &Path, source: std::io::Error) -> Error {
    Error::Io { doing: format!("{doing} {}", path.display()), source }
}

/// Refuses a file that others can read.
pub(super) fn private(path: &Path) -> Result<(), Error> {
    let mode = std::fs::metadata(path).map_err(|error| failed("look at", path, error))?.permissions().mode();
    if mode & 0o077 != 0 {
        let problem = format!("mode {:o} lets others read it: chmod 600", mode & 0o777);
        return Err(Error::Unsafe { path: path.to_owned(), problem });
    }
    Ok(())
}

/// What a sealed file belongs to: under another name it does not open.
fn bound(namespace: &str, name: &str) -> String {
    format!("{namespace}/{name}")
}

impl Vault {
    /// In a state directory, with the key of this file, or with one of its own in `secrets/.key`.
    pub fn new(state_dir: &Path, key_file: Option<PathBuf>) -> Self {
        let path = state_dir.join("secrets");
        let key = key_file.map_or_else(|| KeyFile::own(path.join(".key")), KeyFile::given);
        Self { path, key }
    }

    fn file(&self, namespace: &str, name: &str) -> Option<PathBuf> {
        let named = is_name(namespace) && is_name(name);
        named.then(|| self.path.join(namespace).join(format!("{name}.json")))
    }

    /// A Secret.
    ///
    /// # Errors
    /// When its file cannot be read, is damaged, or others can read it.
    pub fn get(&self, namespace: &str, name: &str) -> Result<Option<SecretData>, Error> {
        let Some(path) = self.file(namespace, name) else { return Ok(None) };
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path, error)),
        };
        private(&path)?;
        let damaged = || Error::Invalid(format!("{} is damaged: apply the Secret again", path.display()));
        // Files of versions before sealing are read as they are; the next `apply` seals them.
        let bytes = match serde_json::from_slice::<Sealed>(&bytes) {
            Ok(sealed) => sealed.open(&self.key.read()?, &bound(namespace, name)).ok_or_else(|| {
                let (path, key) = (path.display(), self.key.path().display());
                Error::Invalid(format!(
                    "{path} does not open with the key {key}: bring its key back, or apply the Secret again"
                ))
            })?,
            Err(_) => bytes,
        };
        let texts: BTreeMap<String, String> = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let decode = |(key, text): (String, String)| {
            Ok((key, SecretValue::new(STANDARD.decode(text).map_err(|_| damaged())?)))
        };
        texts.into_iter().map(decode).collect::<Result<_, _>>().map(Some)
    }

    /// Stores a Secret; whoever reads it sees the old one or the new one.
    ///
    /// # Errors
    /// When a name is none, or the file cannot be written.
    pub fn put(&self, namespace: &str, name: &str, data: &SecretData) -> Result<(), Error> {
        let bad = |what: &str, text: &str| Error::Invalid(format!("{text:?} is no {what}"));
        if let Some(key) = data.keys().find(|key| !is_name(key)) {
            return Err(bad("key of a Secret", key));
        }
        let path = self.file(namespace, name).ok_or_else(|| bad("name of a Secret", name))?;
        let dir = self.path.join(namespace);
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .map_err(|error| failed("create", &dir, error))?;
        let texts: BTreeMap<&String, String> =
            data.iter().map(|(key, value)| (key, STANDARD.encode(value.expose()))).collect();
        let json = |error: serde_json::Error| Error::Invalid(error.to_string());
        let bytes = serde_json::to_vec(&texts).map_err(json)?;
        let sealed = Sealed::new(&self.key.read_or_make()?, &bound(namespace, name), bytes)?;
        let bytes = serde_json::to_vec(&sealed).map_err(json)?;
        let writing = |error| failed("write", &path, error);
        let new = path.with_extension(format!("{}.new", std::process::id()));
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&new)
            .map_err(writing)?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(writing)?;
        std::fs::rename(&new, &path).map_err(writing)?;
        std::fs::File::open(&dir).and_then(|dir| dir.sync_all()).map_err(writing)
    }

    /// Removes a Secret; answers whether there was one.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn delete(&self, namespace: &str, name: &str) -> Result<bool, Error> {
        let Some(path) = self.file(namespace, name) else { return Ok(false) };
        match std::fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("remove", &path, error)),
        }
    }

    /// The names of a namespace, sorted.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn names(&self, namespace: &str) -> Result<Vec<String>, Error> {
        let dir = self.path.join(namespace);
        let found = match std::fs::read_dir(&dir) {
            Ok(found) if is_name(namespace) => found,
            Ok(_) => return Ok(Vec::new()),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(failed("read", &dir, error)),
        };
        let mut names = Vec::new();
        for entry in found {
            let name = entry.map_err(|error| failed("read", &dir, error))?.file_name();
            names.extend(name.to_str().and_then(|name| name.strip_suffix(".json")).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }
}
