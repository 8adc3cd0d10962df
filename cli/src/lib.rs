//! The command line of `runner`, as a library so that tests can call its parts.
//! Does not decide, remember or run anything by itself: it wires the crates that do.

pub mod catalog;
pub mod check;
pub mod cli;
pub mod commands;
pub mod condition;
pub mod config;
pub mod exit;
pub mod follow;
pub mod logs;
pub mod manifests;
pub mod metrics;
pub mod names;
pub mod output;
pub mod pick;
pub mod prepare;
pub mod rewrite;
pub mod run;
pub mod secrets;
pub mod selector;
pub mod signals;
pub mod watcher;
pub mod wire;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Cli, Command};
use crate::commands::graph::Form;
use crate::exit::{Code, Failure, Result};
use crate::output::Console;
use crate::output::color::Ink;
use crate::wire::Wire;

/// The whole program: arguments in, exit code out.
#[must_use]
pub fn main(args: Vec<OsString>) -> ExitCode {
    // what the process runner starts is this program too; it must start fast and needs nothing else
    let words: Vec<String> = args.iter().map(|word| word.to_string_lossy().into_owned()).collect();
    if let Some(code) = runner_runners::dispatch(&words).or_else(|| runner_plugins::dispatch(&words)) {
        return code;
    }
    match Cli::try_parse_from(&args) {
        Ok(cli) => execute(&cli),
        Err(error) => {
            // clap knows whether this is help (stdout, 0) or an error (stderr, 2)
            let code = if error.use_stderr() { Code::Usage } else { Code::Ok };
            let _unread = error.print();
            code.into()
        }
    }
}

fn execute(cli: &Cli) -> ExitCode {
    let global = &cli.global;
    let console = Console::new(global.format(), global.no_color, global.quiet, !global.no_headers);
    let filtered = console.clone().with_jq(global.jq.as_deref());
    let code = filtered.and_then(|console| start(cli, &console)).unwrap_or_else(|failure| {
        complain(&console, &failure);
        failure.code
    });
    code.into()
}

fn complain(console: &Console, failure: &Failure) {
    if !failure.message.is_empty() {
        let word = console.err.paint(Ink::Red, "error");
        console.complain(&format!("{word}: {}", harmless(&failure.message)));
    }
    if let Some(hint) = &failure.hint {
        console.complain(&format!("{}: {}", console.err.paint(Ink::Cyan, "hint"), harmless(hint)));
    }
}

/// Messages quote what users and files say; that must not reach the terminal as it is (V12).
fn harmless(message: &str) -> String {
    message.lines().map(output::text::plain).collect::<Vec<_>>().join("\n")
}

fn start(cli: &Cli, console: &Console) -> Result {
    let global = &cli.global;
    if let Some(directory) = &global.directory {
        std::env::set_current_dir(directory)
            .map_err(|error| Failure::not_found(format!("-C {}: {error}", directory.display())))?;
    }
    let draws = matches!(cli.command, Command::Graph(_));
    match cli.global.output {
        Some(cli::Output::Picture(_)) if !draws => {
            return Err(Failure::usage("-o tree, mermaid, dot and svg are for `runner graph`"));
        }
        Some(cli::Output::List(_)) if draws => {
            return Err(Failure::usage("`runner graph` takes -o tree, mermaid, dot or svg"));
        }
        Some(_) | None => {}
    }
    if let Some(done) = without_store(&cli.command, console) {
        return done;
    }
    log_to_stderr(global.verbosity());
    if global.verbosity() > 0 {
        console.complain(&format!("CLI version {}", env!("CARGO_PKG_VERSION")));
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Code::Failed, format!("cannot start: {error}")))?;
    let runs = matches!(
        cli.command,
        Command::Submit(_)
            | Command::Resume(_)
            | Command::Retry(_)
            | Command::Resubmit(_)
            | Command::Demo(_)
            | Command::Engine(_)
    ) || matches!(&cli.command, Command::Cron(args) if args.runs())
        || matches!(&cli.command, Command::Events(args) if args.runs());
    let wire = Wire::new(console.clone(), &cli.global, !runs)?;
    let picture = match cli.global.output {
        Some(cli::Output::Picture(form)) => form,
        Some(cli::Output::List(_)) | None => Form::default(),
    };
    let code = runtime.block_on(dispatch(&cli.command, picture, &wire));
    // what still runs in the background is safe to leave: the store has everything that counts
    runtime.shutdown_timeout(std::time::Duration::from_millis(200));
    code
}

/// Commands that need neither store nor engine; the others are dispatched.
fn without_store(command: &Command, console: &Console) -> Option<Result> {
    match command {
        Command::Completion(args) => Some(commands::completion::run(args)),
        Command::Version(args) => Some(commands::version::run(args, console)),
        Command::Lint(args) => Some(commands::lint::run(args, console)),
        Command::Fmt(args) => Some(commands::fmt::run(args, console)),
        Command::Convert(args) => Some(commands::convert::run(args, console)),
        _ => None,
    }
}

async fn dispatch(command: &Command, picture: Form, wire: &Wire) -> Result {
    match command {
        Command::Submit(args) => commands::submit::run(args, wire).await,
        Command::List(args) => commands::list::run(args, wire).await,
        Command::Get(args) => commands::get::run(args, wire).await,
        Command::Watch(args) => commands::watch::run(args, wire).await,
        Command::Wait(args) => commands::wait::run(args, wire).await,
        Command::Logs(args) => commands::logs::run(args, wire).await,
        Command::Resume(args) => commands::resume::run(args, wire).await,
        Command::Suspend(args) => commands::control::suspend(args, wire).await,
        Command::Stop(args) => commands::control::stop(args, wire).await,
        Command::Terminate(args) => commands::control::terminate(args, wire).await,
        Command::Retry(args) => commands::retry::run(args, wire).await,
        Command::Resubmit(args) => commands::resubmit::run(args, wire).await,
        Command::Node(args) => commands::node::run(args, wire).await,
        Command::Delete(args) => commands::delete::run(args, wire).await,
        Command::Apply(args) => commands::apply::run(args, wire).await,
        Command::Plan(args) => commands::plan::run(args, wire).await,
        Command::Graph(args) => commands::graph::run(args, picture, wire).await,
        Command::Fmt(args) => commands::fmt::run(args, &wire.console),
        Command::Convert(args) => commands::convert::run(args, &wire.console),
        Command::Secret(args) => commands::secret::run(args, wire),
        Command::Template(args) => commands::template::run(args, wire).await,
        Command::ClusterTemplate(args) => commands::cluster_template::run(args, wire).await,
        Command::Sync(args) => commands::sync::run(args, wire).await,
        Command::Cron(args) => commands::cron::run(args, wire).await,
        Command::Events(args) => commands::events::run(args, wire).await,
        Command::Triggers(args) => commands::triggers::run(args, wire).await,
        Command::Db(args) => commands::db::run(args, wire).await,
        Command::Demo(args) => commands::demo::run(args, wire).await,
        Command::Engine(args) => commands::engine::run(args, wire).await,
        Command::Lint(args) => commands::lint::run(args, &wire.console),
        Command::Completion(args) => commands::completion::run(args),
        Command::Version(args) => commands::version::run(args, &wire.console),
    }
}

/// Diagnostics of the engine go to stderr: warnings by default, more with `-v` or `RUNNER_LOG`.
fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => "error",
        1 => "info",
        _ => "debug",
    };
    let filter =
        std::env::var("RUNNER_LOG").ok().filter(|text| !text.is_empty()).unwrap_or_else(|| level.to_owned());
    let filter = tracing_subscriber::EnvFilter::try_new(filter)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(level));
    // a second subscriber in one process is refused; the first one stays
    let _set = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
}
