//! `clone`: the files of one revision in a folder, with or without the repository around them.
//! Runs no hook, no filter and no submodule of that repository.

use std::path::PathBuf;

use serde::Deserialize;

use super::{Repository, names};
use crate::work::{Failure, Outputs, Result, say};

/// The fields of `clone`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checkout {
    /// Branch, tag or commit.
    pub revision: String,
    /// The folder: absolute; it is made, and must be empty if it exists.
    pub path: PathBuf,
}

/// Writes the files of a revision into a folder and gives its commit.
pub(super) fn run(repository: &Repository, fields: &Checkout) -> Result<Outputs> {
    let revision = names::revision("clone.revision", &fields.revision)?;
    if !fields.path.is_absolute() {
        return Err(Failure::Input(format!("clone.path {:?} is not absolute", fields.path)));
    }
    repository.fetch()?;
    let commit = repository.must("clone.revision", &revision)?;
    export(repository, &commit, &fields.path)?;
    say(&format!("{revision} is {commit}; its files are in {}", fields.path.display()));
    Ok(Outputs::from([("commit".to_owned(), commit)]))
}

/// Writes all files of a commit into a folder that is made or empty.
pub(crate) fn export(repository: &Repository, commit: &str, folder: &std::path::Path) -> Result<()> {
    let failed = |error: std::io::Error| Failure::Input(format!("{}: {error}", folder.display()));
    std::fs::create_dir_all(folder).map_err(failed)?;
    if std::fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(Failure::Input(format!("{}: the folder is not empty", folder.display())));
    }
    let index = repository.scratch().join("export.index");
    let index = index.to_string_lossy();
    repository.feed(&["read-tree", commit], &[("GIT_INDEX_FILE", &index)], b"")?;
    let tree = format!("--work-tree={}", folder.display());
    let mut command = repository.command(&[&tree, "checkout-index", "--all", "--force", "--quiet"]);
    command.env("GIT_INDEX_FILE", index.as_ref()).current_dir(folder);
    let output = super::repository::run(command, None)?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::Trouble(format!("git checkout-index: {}", String::from_utf8_lossy(&output.stderr).trim())))
}
