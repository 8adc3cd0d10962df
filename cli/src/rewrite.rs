//! Files that a command reads, changes and writes back.
//! Does not know what is changed in them.

use std::io::Write;
use std::path::{Path, PathBuf};

use runner_workflows::diagnostic::Diagnostic;

use crate::exit::{Code, Failure, Result};
use crate::manifests::texts;
use crate::output::Console;
use crate::output::diagnostics::pretty;

/// A file and its new text.
#[derive(Debug, Default)]
pub struct Rewritten {
    /// Name for messages.
    pub name: String,
    /// Where it is; nothing for stdin.
    pub path: Option<PathBuf>,
    /// What it holds.
    pub text: String,
    /// What it shall hold.
    pub new: String,
}

/// All files of some paths.
///
/// # Errors
/// Exit codes 2 to 4 when something cannot be read.
pub fn each(paths: &[PathBuf]) -> Result<Vec<Rewritten>> {
    let read = texts(paths)?;
    Ok(read
        .into_iter()
        .map(|(name, path, text)| Rewritten { name, path, text, new: String::new() })
        .collect())
}

/// Prints why a file is left as it is.
///
/// # Errors
/// When stderr cannot be written.
pub fn refused(console: &Console, problems: &[Diagnostic]) -> Result {
    for problem in problems {
        pretty(problem, console.err).iter().for_each(|line| console.complain(line));
    }
    Ok(Code::Invalid)
}

/// Writes a file: whoever reads it sees the old or the new text, whole. Its mode stays.
///
/// # Errors
/// Exit code 1 when it cannot be written.
pub fn write_back(one: &Rewritten) -> Result<()> {
    let Some(path) = &one.path else { return Ok(()) };
    if one.new == one.text {
        return Ok(());
    }
    // a link stays a link: what it points to is written
    let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
    replace(&path, one.new.as_bytes())
        .map_err(|error| Failure::new(Code::Failed, format!("cannot write {}: {error}", path.display())))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let new = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let mode = std::fs::metadata(path)?.permissions();
    let written = std::fs::File::create(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.set_permissions(mode)?;
        file.sync_all()
    });
    written.and_then(|()| std::fs::rename(&new, path)).inspect_err(|_| {
        // the old file is untouched; the new one is of no use
        let _gone = std::fs::remove_file(&new);
    })
}
