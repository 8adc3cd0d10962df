//! `runner watch`: follows a workflow that any process runs.
//! Does not run it.

use jiff::SignedDuration;

use crate::exit::{Code, Result};
use crate::follow::{Outcome, Until, closing, follow};
use crate::run;
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `watch`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Workflow: name, unique prefix, @latest, @-2, @failed
    #[arg(default_value = "@latest")]
    name: String,
    /// Leave with exit code 124 after this time
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    timeout: Option<SignedDuration>,
}

pub(crate) const LONG: &str = "Examples:
  $ runner watch @latest
  $ runner watch hello -o jsonl

Follows a workflow until it ends: its tree on a terminal, one line per event elsewhere, one JSON object per event \
with -o jsonl. It does not matter which process runs it. The exit code is 0 when the workflow succeeded, 1 when it \
failed. Ctrl-C leaves the workflow alone.";

/// Follows.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let mut signals = Signals::listen()?;
    let store = wire.existing_or_fail().await?;
    let name = wire.resolve(&store, &args.name).await?;
    let until = Until { timeout: args.timeout, no_suspend: false, keep_on: false };
    let watcher = wire.watcher(&store, &name).await?;
    let style = run::style(&wire.console, false);
    let outcome = follow(wire, watcher, wire.pump(style), style, until, &mut signals).await?;
    match outcome {
        Outcome::Ended(loaded) | Outcome::Waiting(loaded) => {
            wire.console.say(&closing(&wire.console, &loaded.view, wire.now()));
            run::document(wire, &loaded)?;
            Ok(Code::of_phase(&loaded.view.phase))
        }
        Outcome::Left(code) => Ok(code),
    }
}
