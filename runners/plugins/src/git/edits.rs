//! Edits of a tree: copy, write, remove, and render by a program. Each says what a path is to be afterwards.
//! Builds trees in a private index; commits and pushes nothing.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::{Repository, names};
use crate::work::{Failure, Result, say};

/// One edit: exactly one of the fields.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// A path becomes what it is in another revision; absent there, it is removed here.
    copy: Option<Copy>,
    /// A file gets a content.
    write: Option<Write>,
    /// A path and everything below it goes.
    remove: Option<Remove>,
    /// A program runs in a folder with all files; what it leaves is the tree.
    render: Option<Render>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Copy {
    from: String,
    path: String,
    to: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Write {
    path: String,
    content: String,
    #[serde(default)]
    executable: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remove {
    path: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Render {
    /// Program and words.
    #[serde(default)]
    command: Vec<String>,
    /// A line for `sh -c` instead; with neither of them the edit does nothing.
    #[serde(default)]
    shell: String,
}

/// Applies edits to the tree of a commit; the hash of the new tree.
pub(super) fn apply(repository: &Repository, start: &str, edits: &[Edit]) -> Result<String> {
    let file = repository.scratch().join("edit.index");
    let path = file.to_string_lossy().into_owned();
    let index = Index { repository, file: path };
    index.git(&["read-tree", start], b"")?;
    for edit in edits {
        match (&edit.copy, &edit.write, &edit.remove, &edit.render) {
            (Some(copy), None, None, None) => index.copy(copy)?,
            (None, Some(write), None, None) => index.write(write)?,
            (None, None, Some(remove), None) => index.remove(&names::path("remove.path", &remove.path)?)?,
            (None, None, None, Some(render)) => index.render(render)?,
            _several => {
                return Err(Failure::Input("an edit is one of copy, write, remove and render".to_owned()));
            }
        }
    }
    index.git(&["write-tree"], b"").map(|tree| tree.trim().to_owned())
}

struct Index<'a> {
    repository: &'a Repository,
    file: String,
}

impl Index<'_> {
    fn git(&self, args: &[&str], input: &[u8]) -> Result<String> {
        self.repository.feed(args, &[("GIT_INDEX_FILE", &self.file)], input)
    }

    /// Lines for `update-index --index-info`, each `mode hash<TAB>path`.
    fn set(&self, lines: &str) -> Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        self.git(&["update-index", "-z", "--index-info"], lines.as_bytes()).map(drop)
    }

    fn remove(&self, path: &str) -> Result<()> {
        let found = self.git(&["ls-files", "-z", "--cached", "--", path], b"")?;
        let zero = "0".repeat(40);
        let lines: String =
            found.split('\0').filter(|p| !p.is_empty()).map(|p| format!("0 {zero}\t{p}\0")).collect();
        self.set(&lines)
    }

    fn copy(&self, copy: &Copy) -> Result<()> {
        let from = names::revision("copy.from", &copy.from)?;
        let path = names::path("copy.path", &copy.path)?;
        let to = copy.to.as_deref().map_or(Ok(path.clone()), |to| names::path("copy.to", to))?;
        let commit = self.repository.must("copy.from", &from)?;
        let found = self.git(&["ls-tree", "-r", "-z", "--full-tree", &commit, "--", &path], b"")?;
        self.remove(&to)?;
        let mut lines = String::new();
        for entry in found.split('\0').filter(|entry| !entry.is_empty()) {
            // "mode type hash<TAB>path"
            let Some((head, name)) = entry.split_once('\t') else { continue };
            let mut words = head.split(' ');
            let (Some(mode), Some(_kind), Some(hash)) = (words.next(), words.next(), words.next()) else {
                continue;
            };
            let Some(rest) = name.strip_prefix(path.as_str()) else { continue };
            lines.push_str(&format!("{mode} {hash}\t{to}{rest}\0"));
        }
        if lines.is_empty() {
            say(&format!("{path} is not in {from}: removed here too"));
        }
        self.set(&lines)
    }

    fn write(&self, write: &Write) -> Result<()> {
        let path = names::path("write.path", &write.path)?;
        let hash = self.git(&["hash-object", "-w", "--stdin"], write.content.as_bytes())?;
        self.remove(&path)?;
        let mode = if write.executable { "100755" } else { "100644" };
        self.set(&format!("{mode} {}\t{path}\0", hash.trim()))
    }

    fn render(&self, render: &Render) -> Result<()> {
        let words = match (render.command.is_empty(), render.shell.is_empty()) {
            (true, true) => return Ok(()),
            (false, true) => render.command.clone(),
            (true, false) => ["sh", "-ec", &render.shell].map(str::to_owned).to_vec(),
            (false, false) => {
                return Err(Failure::Input("render: write one of command and shell".to_owned()));
            }
        };
        let Some((program, args)) = words.split_first() else { return Ok(()) };
        let folder = tempfile::Builder::new()
            .prefix("render-")
            .tempdir_in(self.repository.scratch())
            .map_err(|error| Failure::Trouble(format!("render: {error}")))?;
        self.worktree(folder.path(), &["checkout-index", "--all", "--force", "--quiet"])?;
        say(&format!("render: {program}"));
        let mut command = Command::new(program);
        command.args(args).current_dir(folder.path()).stdin(Stdio::null());
        // The token of the repository is not the program's business.
        command.env_remove("RUNNER_GIT_TOKEN");
        let output = super::repository::run(command, None)?;
        for line in String::from_utf8_lossy(&output.stdout)
            .lines()
            .chain(String::from_utf8_lossy(&output.stderr).lines())
        {
            say(line);
        }
        if !output.status.success() {
            return Err(Failure::Refused(format!("render: {program} ended with {}", output.status)));
        }
        self.worktree(folder.path(), &["add", "--all", "--", "."])
    }

    /// git with a work tree.
    fn worktree(&self, folder: &Path, args: &[&str]) -> Result<()> {
        let mut command = self.repository.command(&[]);
        command.env("GIT_WORK_TREE", folder).env("GIT_INDEX_FILE", &self.file).args(args).current_dir(folder);
        let output = super::repository::run(command, None)?;
        if output.status.success() {
            return Ok(());
        }
        Err(Failure::Trouble(format!("git {}: {}", args[0], String::from_utf8_lossy(&output.stderr).trim())))
    }
}
