//! RUNS A STEP: the `Runner` port and the runners behind it.
//! Decides nothing about workflows and remembers nothing beyond the attempts it started.

#[cfg(feature = "conformance")]
extern crate self as runner_runners;

pub mod applets;
pub mod artifacts;
pub mod cluster;
#[cfg(feature = "conformance")]
pub mod conformance;
pub mod error;
pub mod frames;
pub mod guests;
pub mod images;
pub mod ledger;
pub mod limits;
pub mod objects;
pub mod pod;
pub mod process;
pub mod release;
pub mod runner;
pub mod supervisor;
pub mod typed;
pub mod web;

mod attempt;
mod beneath;
mod job;
mod logs;
mod mask;
mod sweep;
mod sys;

use std::process::ExitCode;

pub use cluster::Cluster;
pub use error::Error;
pub use job::IsolationChoice;
pub use ledger::Ledger;
pub use objects::{NoObjects, Objects, SecretData, SecretValue};
pub use pod::PodDefaults;
pub use process::{ProcessConfig, ProcessRunner, claim_directory, delete_artifact, guest};
pub use release::Release;
pub use runner::{
    ATTEMPT_VARIABLE, ArtifactRepository, AttemptId, AttemptSpec, BoxFuture, Exit, ExitPhase, Isolation,
    LogLine, LogQuery, LogStream, Observation, Reason, Runner, Sink, Stream,
};

/// What the binary does when it was started as something else than the command line: as a supervisor
/// (`runner __supervise DIR`, in a pod `runner __pod`) or as an applet (by name, or `runner __applet NAME ...`).
///
/// `main` calls this first, before it starts a runtime or parses anything. Nothing is returned when the
/// words are meant for the command line.
pub fn dispatch(args: &[String]) -> Option<ExitCode> {
    let called = args.first().and_then(|name| name.rsplit('/').next()).unwrap_or_default();
    if applets::NAMES.contains(&called) {
        return Some(applets::main(called, args.get(1..).unwrap_or_default()));
    }
    match args.get(1).map(String::as_str) {
        Some(supervisor::COMMAND) => Some(supervisor::main(args.get(2..).unwrap_or_default())),
        Some(supervisor::inside::COMMAND) => {
            Some(supervisor::inside::main(args.get(2..).unwrap_or_default()))
        }
        Some("__applet") => {
            let name = args.get(2).map(String::as_str).unwrap_or_default();
            Some(applets::main(name, args.get(3..).unwrap_or_default()))
        }
        Some(_) | None => None,
    }
}
