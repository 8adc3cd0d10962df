//! Real parts for tests of containers: an engine with an image made of busybox, a registry, a slow way to it.
//! No tests of its own. Where a part is missing it says so, and what brings it.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    clippy::missing_panics_doc,
    reason = "only tests depend on it"
)]

mod engine;
mod registry;
mod slow;

use std::net::TcpListener;
use std::process::{Command, Stdio};

pub use engine::{IMAGE, Podman};
pub use registry::Registry;
pub use slow::SlowLink;

/// The first of some programs that is not here; says so, with the package that brings it.
fn missing(programs: &[(&str, &str)]) -> bool {
    let absent = programs.iter().find(|(program, _)| {
        Command::new(program).arg("--help").stdout(Stdio::null()).stderr(Stdio::null()).status().is_err()
    });
    if let Some((program, package)) = absent {
        eprintln!("skipped: there is no {program} here (apt-get install {package})");
    }
    absent.is_some()
}

/// An address of loopback where nobody listens.
fn free_address() -> String {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    format!("127.0.0.1:{port}")
}
