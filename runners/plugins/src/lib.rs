//! The work of typed steps (http, data, resource, plugins): `runner __step KIND ORDER REPORT`, in a process.
//! Knows nothing of retries, workflows or the engine: it reads an order, does it and leaves a report.
//!
//! A new kind of plugin is a new line in [`perform`] and a module with
//! `pub fn run(step: &Step) -> Result<Done, Failure>`.

pub mod argocd;
pub mod data;
pub mod forge;
pub mod git;
pub mod http;
pub mod kaniko;
mod kubectl;
pub mod order;
pub mod remote;
mod request;
mod resource;
pub mod work;

use std::process::ExitCode;

pub use order::{Done, Failure, Step};

/// Does a typed step when the words ask for one; nothing when they are meant for somebody else.
///
/// `main` calls this before it starts a runtime or parses anything. `args` are all words of the process.
pub fn dispatch(args: &[String]) -> Option<ExitCode> {
    (args.get(1).map(String::as_str) == Some(runner_runners::typed::COMMAND))
        .then(|| main(args.get(2..).unwrap_or_default()))
}

/// Does the step `KIND ORDER REPORT [in:NAME=PATH | out:NAME=PATH]...`.
///
/// The exit code is 0 whenever a report was written, whatever it says: the phase of the node is in it.
pub fn main(args: &[String]) -> ExitCode {
    let outcome = Step::read(args).and_then(|step| {
        let done = perform(&step);
        if let Err(failure) = &done {
            eprintln!("{}", failure.message);
        }
        step.report(done)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.message);
            ExitCode::FAILURE
        }
    }
}

fn perform(step: &Step) -> Result<Done, Failure> {
    match step.kind() {
        "data" => data::run(step),
        "http" => http::run(step),
        "plugin" => plugin(step),
        "resource" => resource::run(step),
        other => Err(Failure::error(format!("{other} templates are not built in"))),
    }
}

/// Our own plugins by name; every other name belongs to a server that speaks Argo's protocol.
fn plugin(step: &Step) -> Result<Done, Failure> {
    match step.plugin_name().as_deref() {
        Some("kubectl") => kubectl::run(step),
        Some("http") => request::run(step),
        Some(name) => work::adapter::run(name, step).unwrap_or_else(|| remote::run(step)),
        None => Err(Failure::error("`plugin` must be a map with one key, the plugin's name")),
    }
}
