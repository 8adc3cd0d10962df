//! Files given on the command line, read and parsed: paths, directories, `-`.
//! Does not validate or store anything.

use std::io::Read;
use std::path::{Path, PathBuf};

use runner_workflows::diagnostic::{Diagnostic, Severity};
use runner_workflows::parse::{Limits, Manifest, parse_file};

use crate::exit::{Code, Failure, Result};
use crate::output::Console;
use crate::output::diagnostics::pretty;

/// What some files hold.
#[derive(Debug, Default)]
pub struct Loaded {
    /// Names of the files.
    pub files: Vec<String>,
    /// Everything in them, in order.
    pub manifests: Vec<Manifest>,
    /// Text of the file that each manifest came from stays with its origin; problems are here.
    pub diagnostics: Vec<Diagnostic>,
}

impl Loaded {
    /// Reads and parses; directories are searched for `.yaml`, `.yml` and `.json`.
    pub fn read(paths: &[PathBuf], strict: bool) -> Result<Self> {
        let mut out = Self::default();
        for path in paths {
            if path.as_os_str() == "-" {
                let text = stdin()?;
                out.add("<stdin>", &text);
                continue;
            }
            for file in expand(path)? {
                let text = read_limited(&file)?;
                out.add(&file.display().to_string(), &text);
            }
        }
        if strict {
            out.diagnostics.iter_mut().for_each(be_strict);
        }
        Ok(out)
    }

    fn add(&mut self, name: &str, text: &str) {
        let (manifests, diagnostics) = parse_file(name, text, Limits::default());
        self.files.push(name.to_owned());
        self.manifests.extend(manifests);
        self.diagnostics.extend(diagnostics);
    }
}

/// What Kubernetes would refuse is an error under `--strict`.
pub(crate) fn be_strict(diagnostic: &mut Diagnostic) {
    if matches!(diagnostic.code.as_ref(), "unknown-field" | "number-as-text") {
        diagnostic.severity = Severity::Error;
    }
}

/// Prints warnings and notes; with errors, prints everything and fails with exit code 3.
///
/// # Errors
/// Exit code 3 when any diagnostic is an error.
pub fn report(console: &Console, diagnostics: &[Diagnostic], what_happened: &str) -> Result<()> {
    let failed = diagnostics.iter().any(Diagnostic::is_error);
    for diagnostic in diagnostics {
        if console.quiet && !diagnostic.is_error() {
            continue;
        }
        // A note says all in its first line, which names the place.
        let shown = if diagnostic.severity == Severity::Note { 1 } else { usize::MAX };
        for line in pretty(diagnostic, console.err).into_iter().take(shown) {
            console.complain(&line);
        }
    }
    if failed {
        let errors: Vec<Diagnostic> = diagnostics.iter().filter(|d| d.is_error()).cloned().collect();
        let summary = crate::output::diagnostics::summary(&errors);
        return Err(Failure::new(Code::Invalid, format!("{summary}; {what_happened}")));
    }
    Ok(())
}

/// Largest file that is read; the parser's own budget is the same (F56).
fn limit() -> u64 {
    u64::try_from(Limits::default().bytes).unwrap_or(u64::MAX)
}

/// The texts of files: name for messages, path (nothing for stdin), content.
///
/// # Errors
/// Exit codes 2 to 4 when something cannot be read.
pub fn texts(paths: &[PathBuf]) -> Result<Vec<(String, Option<PathBuf>, String)>> {
    let mut out = Vec::new();
    for path in paths {
        if path.as_os_str() == "-" {
            out.push(("<stdin>".to_owned(), None, stdin()?));
            continue;
        }
        for file in expand(path)? {
            let text = read_limited(&file)?;
            out.push((file.display().to_string(), Some(file), text));
        }
    }
    Ok(out)
}

fn stdin() -> Result<String> {
    let mut bytes = Vec::new();
    std::io::stdin()
        .take(limit() + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::usage(format!("cannot read stdin: {error}")))?;
    decode("<stdin>", bytes)
}

fn read_limited(path: &Path) -> Result<String> {
    let shown = path.display();
    let open = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => Failure::not_found(format!("{shown}: no such file")),
        _ => Failure::usage(format!("{shown}: {error}")),
    };
    let file = std::fs::File::open(path).map_err(open)?;
    let mut bytes = Vec::new();
    file.take(limit() + 1).read_to_end(&mut bytes).map_err(open)?;
    decode(&shown.to_string(), bytes)
}

fn decode(name: &str, bytes: Vec<u8>) -> Result<String> {
    String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(Code::Invalid, format!("{name}: not a text file: byte {at} is not UTF-8"))
    })
}

/// The files of a path, sorted; a file is itself whatever its name.
fn expand(path: &Path) -> Result<Vec<PathBuf>> {
    let text = path.to_string_lossy();
    if text.starts_with("http://") || text.starts_with("https://") {
        return Err(Failure::usage(format!("{text}: reading from an address is not built in yet"))
            .hint("download it: curl -fsSL URL | runner submit -"));
    }
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    walk(path, &mut files, 0)?;
    files.sort();
    Ok(files)
}

/// Deepest nesting of directories that is searched.
const MAX_DEPTH: usize = 32;

fn walk(dir: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    if depth > MAX_DEPTH {
        return Err(Failure::usage(format!("{}: directories nested too deep", dir.display())));
    }
    let failed = |error: std::io::Error| Failure::usage(format!("{}: {error}", dir.display()));
    for entry in std::fs::read_dir(dir).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        let kind = entry.file_type().map_err(failed)?;
        if kind.is_dir() && !hidden {
            walk(&path, files, depth + 1)?;
        } else if !hidden
            && path.extension().is_some_and(|ext| ext == "yaml" || ext == "yml" || ext == "json")
        {
            files.push(path);
        }
    }
    Ok(())
}
