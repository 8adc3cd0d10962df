//! `runner node set`: changes suspended nodes.
//! Does not resume them unless a phase is set.

use runner_machine::{Command, NodePhase};

use crate::exit::{Code, Failure, Result};
use crate::output::results::Results;
use crate::run;
use crate::wire::Wire;

/// Flags of `node`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Set outputs, phase or message of suspended nodes
    #[command(long_about = LONG)]
    Set(SetArgs),
}

/// Flags of `node set`.
#[derive(Debug, clap::Args)]
struct SetArgs {
    /// Workflow: name, unique prefix, @latest, @-2
    name: String,
    /// Set an output parameter
    #[arg(short = 'p', long = "output-parameter", value_name = "NAME=VALUE", value_parser = super::pair)]
    parameters: Vec<(String, String)>,
    /// Set the message
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Set the phase, which ends the node
    #[arg(long, value_name = "PHASE", value_parser = ["Succeeded", "Failed", "Error", "Skipped"])]
    phase: Option<String>,
    /// Which nodes, e.g. displayName=approve
    #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    node_field_selector: String,
}

const LONG: &str = "Examples:
  $ runner node set approve --message 'looking into it'
  $ runner node set approve -p decision=yes --node-field-selector displayName=approve

Changes nodes of a workflow that are suspended: an output parameter (as often as needed), the message, the phase.";

/// Sets.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let Action::Set(args) = &args.action;
    if args.parameters.is_empty() && args.message.is_none() && args.phase.is_none() {
        return Err(Failure::usage("nothing to set: give -p NAME=VALUE, --message TEXT or --phase PHASE"));
    }
    let store = wire.existing_or_fail().await?;
    let name = wire.resolve(&store, &args.name).await?;
    let command = Command::Set {
        selector: args.node_field_selector.clone(),
        phase: args.phase.as_deref().and_then(NodePhase::parse),
        message: args.message.clone().unwrap_or_default(),
        parameters: args.parameters.iter().cloned().collect(),
    };
    run::send(wire, &store, &name, command).await?;
    let mut results = Results::new(&wire.console);
    results.add("Workflow", &name, "set", "workflow values set")?;
    results.finish()?;
    Ok(Code::Ok)
}
