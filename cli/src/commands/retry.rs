//! `runner retry`: runs the failed steps of an ended workflow again, under the same name.
//! Does not start a new workflow: `resubmit` does.

use runner_controller::Leave;
use runner_machine::Command;
use runner_workflows::spec::{AnyString, Parameter};

use crate::exit::{Code, Failure, Result};
use crate::pick::{self, Pick};
use crate::run;
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `retry`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pick: Pick,
    /// Replace a parameter of the workflow
    #[arg(short, long = "parameter", value_name = "NAME=VALUE", value_parser = super::pair)]
    parameters: Vec<(String, String)>,
    /// Run successful nodes again too, those that match --node-field-selector and what follows them
    #[arg(long)]
    restart_successful: bool,
    /// Which successful nodes, e.g. displayName=build
    #[arg(
        long,
        value_name = "SELECTOR",
        default_value = "",
        hide_default_value = true,
        requires = "restart_successful"
    )]
    node_field_selector: String,
    #[command(flatten)]
    follow: run::FollowArgs,
}

pub(crate) const LONG: &str = "Examples:
  $ runner retry broken
  $ runner retry @failed --dry-run

Runs what failed in a workflow that has ended, and everything after it, in this process. Steps that succeeded are \
not run again.";

/// Retries.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let follow = args.follow.follow(&wire.console)?;
    let mut signals = Signals::listen()?;
    let store = wire.existing_or_fail().await?;
    let found = pick::any(wire, &store, &args.pick).await?;
    let failed = |phase: &str| Code::of_phase(phase) == Code::Failed;
    let names: Vec<String> = found
        .into_iter()
        .filter(|one| !args.pick.names.is_empty() || failed(&one.phase))
        .map(|one| one.name)
        .collect();
    if names.is_empty() {
        wire.console.hint("no failed workflow matches");
        return Ok(Code::Ok);
    }
    for name in &names {
        let loaded = wire.load(&store, name).await?;
        if !loaded.view.completed() {
            return Err(Failure::new(
                Code::Conflict,
                format!("{name} has not ended: {}", loaded.view.phase_word()),
            )
            .hint(format!("runner watch {name}, or runner stop {name}")));
        }
        if args.pick.dry_run {
            let nodes = loaded.view.nodes.values().filter(|node| node.is_step() && node.bad());
            wire.console.lines(nodes.map(|node| format!("{name}: {} would run again", node.name)))?;
        }
    }
    if args.pick.dry_run {
        return Ok(Code::Ok);
    }
    let engine = wire.engine(&store)?;
    let mut runs = Vec::new();
    for name in &names {
        let parameter = |(name, value): &(String, String)| Parameter {
            name: name.clone(),
            value: Some(AnyString::from(value.clone())),
            ..Parameter::default()
        };
        let command = Command::Retry {
            restart_successful: args.restart_successful,
            selector: args.node_field_selector.clone(),
            parameters: args.parameters.iter().map(parameter).collect(),
        };
        if let Err(failure) = engine.command(name, command).await {
            engine.shutdown(Leave::Park).await;
            return Err(failure);
        }
        wire.console.say(&format!("retrying {name}"));
        runs.push(engine.adopt(&wire.load(&store, name).await?).await?);
    }
    run::to_the_end(wire, engine, &runs, &follow, &mut signals).await
}
