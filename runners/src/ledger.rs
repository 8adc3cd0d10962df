//! Notes of one kind in the state directory: what a runner still has to do for runs that have no attempts any more.
//! Does not know what they mean, and does nothing about them.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Error;
use crate::attempt::AttemptDir;
use crate::error::Doing;

/// A directory of notes, one file each. What is written survives the process; it is synced before the call returns.
#[derive(Clone, Debug)]
pub struct Ledger {
    path: PathBuf,
}

impl Ledger {
    /// The notes of a kind; a directory of that name, made when the first one is written.
    pub(crate) fn new(state_dir: &Path, kind: &str) -> Self {
        Self { path: state_dir.join(kind) }
    }

    /// Names of all notes. Blocks on files.
    ///
    /// # Errors
    /// What the file system says.
    pub fn names(&self) -> Result<Vec<String>, Error> {
        let reading = || format!("list {}", self.path.display());
        let entries = match std::fs::read_dir(&self.path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.doing(reading)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.doing(reading)?.file_name();
            names.extend(name.to_str().filter(|name| !name.ends_with(".new")).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// A note; none when it is not there, or damaged. Blocks on files.
    ///
    /// # Errors
    /// What the file system says.
    pub fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, Error> {
        let reading = || format!("read {name} in {}", self.path.display());
        let Some(dir) = AttemptDir::open(&self.path).doing(reading)? else { return Ok(None) };
        Ok(dir.read_json(name).doing(reading)?.and_then(Result::ok))
    }

    /// Writes a note, over one of its name. Blocks on files.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write<T: Serialize>(&self, name: &str, note: &T) -> Result<(), Error> {
        let writing = || format!("write {name} in {}", self.path.display());
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.path).doing(writing)?;
        let bytes = serde_json::to_vec(note).map_err(|error| Error::Invalid(error.to_string()))?;
        let dir = AttemptDir::open(&self.path).doing(writing)?;
        let dir = dir.ok_or_else(|| Error::NotFound(self.path.display().to_string()))?;
        dir.replace(name, &bytes).doing(writing)?;
        let sync = || rustix::fs::syncfs(dir.as_fd());
        sync().map_err(std::io::Error::from).doing(writing)
    }

    /// Removes a note; one that is not there is removed already. Blocks on files.
    ///
    /// # Errors
    /// What the file system says.
    pub fn forget(&self, name: &str) -> Result<(), Error> {
        match std::fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).doing(|| format!("remove {name} in {}", self.path.display()))
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn notes_are_listed_read_replaced_and_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(dir.path(), "owed");
        assert_eq!((ledger.names().unwrap().len(), ledger.read::<u32>("a").unwrap()), (0, None));
        ledger.write("b", &1).unwrap();
        ledger.write("a", &2).unwrap();
        ledger.write("a", &3).unwrap();
        std::fs::write(dir.path().join("owed/c.new"), "half").unwrap();
        assert_eq!(ledger.names().unwrap(), ["a", "b"]);
        assert_eq!(ledger.read::<u32>("a").unwrap(), Some(3));
        ledger.forget("a").unwrap();
        ledger.forget("a").unwrap();
        assert_eq!(ledger.names().unwrap(), ["b"]);
    }
}
