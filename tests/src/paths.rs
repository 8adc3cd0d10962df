//! Where things lie: the workspace, its examples, the corpora beside it.
//! Does not read them.

use std::path::{Path, PathBuf};

/// Root of the workspace.
pub fn workspace() -> PathBuf {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_path_buf()
}

/// Folder of the conformance corpora: `CONFORMANCE_DIR`, else `../shared/conformance` beside the workspace.
pub fn conformance() -> PathBuf {
    match std::env::var_os("CONFORMANCE_DIR") {
        Some(dir) if !dir.is_empty() => PathBuf::from(dir),
        _ => workspace().join("../shared/conformance"),
    }
}
