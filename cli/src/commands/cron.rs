//! `runner cron`: CronWorkflows in the store, and the process that fires them.
//! Decides nothing about ticks: `runner_events::cron` does.

mod fire;
mod show;

use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use runner_controller::{Leave, SystemClock};
use runner_events::cron::{Crons, Error, KIND};
use runner_workflows::parse::Manifest;

use crate::exit::{Code, Failure, Result};
use crate::output::results::Results;
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `cron`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

impl Args {
    /// Whether it runs workflows in this process.
    pub fn runs(&self) -> bool {
        matches!(self.action, Action::Run { .. } | Action::Backfill(_))
    }
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Fire what is due, until Ctrl-C
    #[command(long_about = RUN)]
    Run {
        /// End after this time
        #[arg(long = "for", value_name = "DURATION", value_parser = super::duration)]
        length: Option<SignedDuration>,
    },
    /// Store CronWorkflows from files
    #[command(visible_aliases = ["apply", "update"], long_about = CREATE)]
    Create {
        /// Files, directories, or - for stdin
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
        /// Unknown fields are errors
        #[arg(long)]
        strict: bool,
    },
    /// List CronWorkflows
    #[command(visible_alias = "ls", long_about = show::LIST)]
    List {
        /// All namespaces
        #[arg(short = 'A', long)]
        all_namespaces: bool,
    },
    /// Show a CronWorkflow
    #[command(long_about = show::GET)]
    Get {
        /// Name
        name: String,
    },
    /// Show when it is due next
    #[command(long_about = show::NEXT)]
    Next {
        /// Name
        name: String,
        /// How many times
        #[arg(long, default_value_t = 5, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1000))]
        count: u16,
    },
    /// Run it now, whatever its schedule says
    #[command(long_about = fire::TRIGGER)]
    Trigger(fire::TriggerArgs),
    /// Run it for times of the past
    #[command(long_about = fire::BACKFILL)]
    Backfill(fire::BackfillArgs),
    /// Fire nothing until resumed
    #[command(long_about = SUSPEND)]
    Suspend {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Fire again
    #[command(long_about = RESUME)]
    Resume {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Delete CronWorkflows
    #[command(long_about = DELETE)]
    Delete {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Check CronWorkflows without storing them
    #[command(long_about = LINT)]
    Lint(super::lint::Args),
}

const RUN: &str = "Examples:
  $ runner cron run --for 1s
  $ runner cron run --for 1s -q

Fires all CronWorkflows of the store when they are due, of all namespaces, and runs their workflows and everything \
else that is open, in this process. Several such processes share the work; each time fires once. Changes of other \
commands are seen at once.

A time that passes while no such process is there is missed, unless it is at most 10 seconds old; with \
startingDeadlineSeconds the last one within that many seconds starts late. Ctrl-C hands over: steps that run go on, \
and the next process continues.";

const CREATE: &str = "Examples:
  $ runner cron create nightly.yaml
  $ runner cron create nightly.yaml --strict

Stores CronWorkflows; `runner cron run` fires them. Applying the same file again changes nothing.";

const SUSPEND: &str = "Examples:
  $ runner cron suspend nightly
  $ runner cron suspend nightly -o name

Fires nothing until `runner cron resume`. Runs that were started go on.";

const RESUME: &str = "Examples:
  $ runner cron resume nightly
  $ runner cron resume nightly -o name

Fires again. Times that passed meanwhile stay missed, but with startingDeadlineSeconds the last of them may start.";

const DELETE: &str = "Examples:
  $ runner cron delete nightly
  $ runner cron delete weekly -o name

Deletes CronWorkflows and the history of their times. Their runs stay.";

const LINT: &str = "Examples:
  $ runner cron lint nightly.yaml
  $ runner cron lint nightly.yaml --format json

Checks the CronWorkflows of files: schedules, time zones, policies, and the workflows in them.";

/// Carries out.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    match &args.action {
        Action::Run { length } => drive(wire, *length).await,
        Action::Create { files, strict } => {
            let wanted = |m: &Manifest| m.kind() == KIND;
            let storing = super::apply::Storing::checked(*strict);
            super::apply::store_files(wire, files, storing, &wanted).await
        }
        Action::List { all_namespaces } => show::list(wire, *all_namespaces).await,
        Action::Get { name } => show::get(wire, name).await,
        Action::Next { name, count } => show::next(wire, name, usize::from(*count)).await,
        Action::Trigger(args) => fire::trigger(args, wire).await,
        Action::Backfill(args) => fire::backfill(args, wire).await,
        Action::Suspend { names } => each(wire, names, Change::Suspend).await,
        Action::Resume { names } => each(wire, names, Change::Resume).await,
        Action::Delete { names } => each(wire, names, Change::Delete).await,
        Action::Lint(args) => {
            let mut args = args.clone();
            args.kinds = vec![KIND.to_owned()];
            super::lint::run(&args, &wire.console)
        }
    }
}

/// A driver that runs nothing: it looks, and takes single turns.
pub(super) async fn crons(wire: &Wire, name: &str) -> Result<Crons> {
    let missing = || Failure::from(Error::NotFound(name.to_owned()));
    let store = wire.existing().await?.ok_or_else(missing)?;
    Ok(Crons::new(wire.reader(&store)?, Arc::new(SystemClock)).detached())
}

async fn drive(wire: &Wire, length: Option<SignedDuration>) -> Result {
    let mut signals = Signals::listen()?;
    let store = wire.store().await?;
    let engine = wire.background(&store)?;
    let crons = Crons::new(engine.controller().clone(), Arc::new(SystemClock));
    wire.console.say("firing CronWorkflows until Ctrl-C");
    let length = length.and_then(|length| std::time::Duration::try_from(length).ok());
    let mut code = Code::Ok;
    tokio::select! {
        () = crons.run(async { code = signals.first_within(length).await }) => {}
        never = super::engine::stay(wire) => match never {},
    }
    drop(crons);
    engine.shutdown(Leave::HandOver).await;
    Ok(code)
}

#[derive(Clone, Copy)]
enum Change {
    Suspend,
    Resume,
    Delete,
}

async fn each(wire: &Wire, names: &[String], change: Change) -> Result {
    let mut results = Results::new(&wire.console);
    for name in names {
        let crons = crons(wire, name).await?;
        let word = match change {
            Change::Suspend => {
                crons.suspend(&wire.namespace, name, &super::who()).await?;
                "suspended"
            }
            Change::Resume => {
                crons.resume(&wire.namespace, name, &super::who()).await?;
                "resumed"
            }
            Change::Delete => {
                crons.delete(&wire.namespace, name).await?;
                "deleted"
            }
        };
        results.add(KIND, name, word, &format!("{KIND} '{name}' {word}"))?;
    }
    results.finish()?;
    Ok(Code::Ok)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match error {
            Error::Store(error) => return error.into(),
            Error::Controller(error) => return error.into(),
            Error::NotFound(_) => Code::NotFound,
            Error::Manifest { .. } | Error::Refused(_) => Code::Invalid,
            Error::Corrupt { .. } | Error::Busy(_) => Code::Unreachable,
        };
        let failure = Self::new(code, error.to_string());
        match error {
            Error::NotFound(_) => {
                failure.hint("runner cron list shows what there is; runner cron create FILE")
            }
            _ => failure,
        }
    }
}
