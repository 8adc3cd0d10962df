//! `runner events`: the daemon, and looking at, trying out, sending and replaying events.
//! Judges no event: `runner_events` does.

mod act;
mod daemon;
mod look;
mod rules;
pub(crate) mod settings;
mod show;
mod test;

use std::path::PathBuf;

use crate::exit::Result;
use crate::wire::Wire;

/// Flags of `events`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

impl Args {
    /// Whether it runs workflows in this process.
    pub fn runs(&self) -> bool {
        matches!(self.action, Action::Daemon(_))
    }
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Receive events and run what they trigger, until Ctrl-C
    #[command(long_about = daemon::LONG)]
    Daemon(daemon::Args),
    /// List events
    #[command(visible_aliases = ["list", "ls"], long_about = look::HISTORY)]
    History(look::HistoryArgs),
    /// Show an event: why each trigger did or did not fire, and what it started
    #[command(long_about = show::LONG)]
    Show(show::Args),
    /// Follow events as they come
    #[command(long_about = look::TAIL)]
    Tail(look::TailArgs),
    /// Offer events to their triggers once more
    #[command(long_about = act::REPLAY)]
    Replay(act::ReplayArgs),
    /// Send an event by hand
    #[command(long_about = act::SEND)]
    Send(act::SendArgs),
    /// Show what triggers would do with an event, and do nothing
    #[command(long_about = test::LONG)]
    Test(test::Args),
    /// Check EventSources, EventBuses and Sensors without storing them
    #[command(long_about = VALIDATE)]
    Validate {
        /// Files, directories, or - for stdin
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
        /// Unknown fields are errors
        #[arg(long)]
        strict: bool,
    },
    /// Look at the triggers of sensors
    Triggers {
        #[command(subcommand)]
        action: Triggers,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Triggers {
    /// List them, as `runner triggers list`
    #[command(long_about = TRIGGERS)]
    List,
}

const TRIGGERS: &str = "Examples:
  $ runner events triggers list
  $ runner events triggers list -o json

The same as `runner triggers list`.";

const VALIDATE: &str = "Examples:
  $ runner events validate sensor.yaml
  $ runner events validate sensor.yaml --strict

Checks the EventSources, EventBuses and Sensors of files, and whether what their triggers refer to is there. Exit \
code 3 when anything is wrong.";

/// Carries out.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    match &args.action {
        Action::Daemon(args) => daemon::run(args, wire).await,
        Action::History(args) => look::history(args, wire).await,
        Action::Show(args) => show::run(args, wire).await,
        Action::Tail(args) => look::tail(args, wire).await,
        Action::Replay(args) => act::replay(args, wire).await,
        Action::Send(args) => act::send(args, wire).await,
        Action::Test(args) => test::run(args, wire).await,
        Action::Validate { files, strict } => test::validate(wire, files, *strict).await,
        Action::Triggers { action: Triggers::List } => super::triggers::list_all(wire).await,
    }
}
