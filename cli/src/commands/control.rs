//! `runner suspend`, `stop` and `terminate`.
//! Does not decide what they do to a workflow: the machine does.

use runner_machine::Command;

use crate::exit::{Code, Result};
use crate::output::results::Results;
use crate::pick::{self, Pick};
use crate::run::{self, Sent};
use crate::wire::Wire;

/// Flags of `suspend`.
#[derive(Debug, clap::Args)]
pub struct SuspendArgs {
    #[command(flatten)]
    pick: Pick,
}

/// Flags of `stop`.
#[derive(Debug, clap::Args)]
pub struct StopArgs {
    #[command(flatten)]
    pick: Pick,
    /// Message for the workflow
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Fail only the suspended nodes that match, e.g. displayName=approve
    #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    node_field_selector: String,
}

/// Flags of `terminate`.
#[derive(Debug, clap::Args)]
pub struct TerminateArgs {
    #[command(flatten)]
    pick: Pick,
}

pub(crate) const SUSPEND: &str = "Examples:
  $ runner suspend approve
  $ runner suspend --all --dry-run

Starts no new steps of the workflows; steps that run go on. `runner resume NAME` lets them continue.";

pub(crate) const STOP: &str = "Examples:
  $ runner stop approve
  $ runner stop -l app=web --dry-run

Ends workflows: steps that run are stopped, exit handlers still run. With --node-field-selector only the suspended \
nodes that match fail, and the workflow goes on.";

pub(crate) const TERMINATE: &str = "Examples:
  $ runner terminate approve
  $ runner terminate --all --dry-run

Ends workflows at once: steps that run are stopped, exit handlers do not run.";

/// Suspends.
pub async fn suspend(args: &SuspendArgs, wire: &Wire) -> Result {
    each(wire, &args.pick, &Command::Suspend, "suspended").await
}

/// Stops.
pub async fn stop(args: &StopArgs, wire: &Wire) -> Result {
    let command = Command::Stop { selector: args.node_field_selector.clone(), message: args.message.clone() };
    each(wire, &args.pick, &command, "stopped").await
}

/// Terminates.
pub async fn terminate(args: &TerminateArgs, wire: &Wire) -> Result {
    each(wire, &args.pick, &Command::Terminate, "terminated").await
}

async fn each(wire: &Wire, pick: &Pick, command: &Command, word: &str) -> Result {
    let store = wire.existing_or_fail().await?;
    let names = pick::open(wire, &store, pick).await?;
    if names.is_empty() {
        wire.console.hint("no workflow matches");
        return Ok(Code::Ok);
    }
    let mut results = Results::new(&wire.console);
    if pick.dry_run {
        for name in &names {
            results.add("Workflow", name, "unchanged", &format!("workflow {name} {word} (dry-run)"))?;
        }
        results.finish()?;
        return Ok(Code::Ok);
    }
    let mut code = Code::Ok;
    for name in names {
        match run::send(wire, &store, &name, command.clone()).await {
            Ok(Sent { interrupted }) => {
                results.add("Workflow", &name, word, &format!("workflow {name} {word}"))?;
                if interrupted && matches!(command, Command::Suspend) {
                    wire.console
                        .hint(&format!("nobody is running it. next: runner resume {}", wire.again(&name)));
                }
            }
            Err(failure) if pick.several() => {
                wire.console.complain(&format!("{name}: {failure}"));
                code = code.or(failure.code);
            }
            Err(failure) => return Err(failure),
        }
    }
    results.finish()?;
    Ok(code)
}
