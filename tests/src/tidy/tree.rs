//! The files of the repository.
//! Does not judge them.

use std::path::Path;

/// Folders that hold nothing of ours.
const SKIPPED: [&str; 2] = ["target", "node_modules"];
/// Folders of inputs that a fuzzer made up.
const DATA: [&str; 3] = ["fuzz/corpus", "fuzz/grown", "fuzz/artifacts"];
/// Of hidden folders only these are ours: the rest is git's, or of a test that runs right now.
const HIDDEN: [&str; 2] = [".ci", ".cargo"];
/// Larger files are data.
const MOST_BYTES: u64 = 2 * 1024 * 1024;

/// One text file.
#[derive(Clone, Debug)]
pub struct File {
    /// Path from the root, with `/`.
    pub path: String,
    /// Content.
    pub text: String,
}

impl File {
    /// It is Rust source.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// It holds only tests: `tests.rs`, or a file in a folder `tests` within a package.
    pub fn is_test(&self) -> bool {
        let mut parts: Vec<&str> = self.path.split('/').collect();
        let name = parts.pop().unwrap_or_default();
        // The package `tests` is not a folder of tests, but its own folder `tests` is.
        let inner = parts.iter().skip(1).any(|part| *part == "tests");
        name == "tests.rs" || name.ends_with("_tests.rs") || inner
    }
}

/// All text files below a root, sorted.
///
/// # Errors
/// A folder or file that cannot be read.
pub fn files(root: &Path) -> Result<Vec<File>, String> {
    let mut out = Vec::new();
    walk(root, root, &mut out)?;
    out.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(out)
}

fn walk(root: &Path, folder: &Path, out: &mut Vec<File>) -> Result<(), String> {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let path = entry.path();
        let kind = entry.file_type().map_err(fail)?;
        if kind.is_dir() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let hidden = name.starts_with('.') && !HIDDEN.contains(&name.as_str());
            let data =
                DATA.iter().any(|data| path.strip_prefix(root).is_ok_and(|path| path == Path::new(data)));
            if !hidden && !data && !SKIPPED.contains(&name.as_str()) {
                walk(root, &path, out)?;
            }
        } else if kind.is_file() && entry.metadata().map_err(fail)?.len() <= MOST_BYTES {
            let bytes = std::fs::read(&path).map_err(fail)?;
            // What is not UTF-8 is not text of ours.
            if let Ok(text) = String::from_utf8(bytes) {
                let short = path.strip_prefix(root).unwrap_or(&path);
                out.push(File { path: short.to_string_lossy().replace('\\', "/"), text });
            }
        }
    }
    Ok(())
}
