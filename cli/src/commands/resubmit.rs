//! `runner resubmit`: runs a workflow again from the start, as a new one.
//! Does not touch the earlier one.

use runner_controller::Leave;

use crate::exit::Result;
use crate::output::Format;
use crate::run;
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `resubmit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Workflow: name, unique prefix, @latest, @-2, @failed
    name: String,
    /// Replace a parameter of the workflow
    #[arg(short, long = "parameter", value_name = "NAME=VALUE", value_parser = super::pair)]
    parameters: Vec<(String, String)>,
    /// Keep the results of the steps that succeeded; for workflows that failed
    #[arg(long)]
    memoized: bool,
    /// Record it and leave, as Argo does; a background process runs it
    #[arg(short, long, conflicts_with_all = ["wait", "log", "timeout", "no_suspend"])]
    detach: bool,
    #[command(flatten)]
    follow: run::FollowArgs,
}

pub(crate) const LONG: &str = "Examples:
  $ runner resubmit hello
  $ runner resubmit @latest -o name

Runs the same workflow again under a new name, in this process, with the templates it had at that time.";

/// Resubmits.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let follow = args.follow.follow(&wire.console)?;
    let mut signals = Signals::listen()?;
    let store = wire.existing_or_fail().await?;
    let name = wire.resolve(&store, &args.name).await?;
    let engine = wire.engine(&store)?;
    let running = match engine.resubmit(&name, &args.parameters, args.memoized, args.detach).await {
        Ok(running) => running,
        Err(failure) => {
            engine.shutdown(Leave::Park).await;
            return Err(failure);
        }
    };
    if wire.console.format == Some(Format::Name) {
        wire.console.data(&running.name)?;
    } else {
        wire.console.say(&format!("submitted {} again as {}", name, running.name));
    }
    if args.detach {
        engine.shutdown(Leave::HandOver).await;
        return super::engine::in_background(wire, &[running]);
    }
    run::to_the_end(wire, engine, &[running], &follow, &mut signals).await
}
