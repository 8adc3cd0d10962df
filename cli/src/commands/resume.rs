//! `runner resume`: continues what was interrupted, approves what waits, lists both.
//! Does not retry failed workflows: `retry` does.

use std::sync::Arc;

use runner_controller::Leave;
use runner_machine::Command;
use runner_store::{Store, WorkflowQuery};
use serde_json::{Value, json};

use crate::catalog::{self, Loaded};
use crate::exit::{Code, Failure, Result};
use crate::output::Format;
use crate::output::results::Results;
use crate::output::table::Table;
use crate::output::view::View;
use crate::run::{self, Running};
use crate::signals::Signals;
use crate::wire::{Engine, Wire};

/// Flags of `resume`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Workflows; without one, what can be resumed is listed
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Everything that was interrupted and does not wait for a person
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Set an output parameter of the nodes that wait
    #[arg(short, long = "parameter", value_name = "NAME=VALUE", value_parser = super::pair)]
    parameters: Vec<(String, String)>,
    /// Only the waiting nodes that match, e.g. displayName=approve
    #[arg(long, value_name = "SELECTOR", default_value = "", hide_default_value = true)]
    node_field_selector: String,
    /// Message for the nodes
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    message: String,
    /// Only continue an interrupted workflow; do not approve what waits in it
    #[arg(long, conflicts_with_all = ["parameters", "node_field_selector", "message"])]
    no_approve: bool,
    #[command(flatten)]
    follow: run::FollowArgs,
}

pub(crate) const LONG: &str = "Examples:
  $ runner resume
  $ runner resume approve

Without a name: lists what can be resumed, and why it has stopped. With a name: a workflow that waits for a person \
is approved (its suspended nodes succeed, -p sets their outputs); a workflow whose engine was killed, stopped by \
Ctrl-C or timed out goes on from its last checkpoint, in this process. Finished steps are not run again; steps that \
are still running are adopted.";

/// Resumes.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let Some(store) = wire.existing().await? else {
        if args.names.is_empty() {
            return list(wire, &[]);
        }
        return Err(wire.no_store());
    };
    if args.names.is_empty() && !args.all {
        return list(wire, &resumable(wire, &store).await?);
    }
    let mut names = Vec::new();
    for given in &args.names {
        names.push(wire.resolve(&store, given).await?);
    }
    if args.all {
        let open = resumable(wire, &store).await?;
        names =
            open.into_iter().filter(|one| one.interrupted && !waits(one)).map(|one| one.view.name).collect();
        if names.is_empty() {
            wire.console.hint("nothing was interrupted");
            return Ok(Code::Ok);
        }
    }
    go_on(args, wire, &store, &names).await
}

fn waits(loaded: &Loaded) -> bool {
    loaded.view.suspended || loaded.view.nodes.values().any(crate::output::view::NodeView::suspended)
}

async fn go_on(args: &Args, wire: &Wire, store: &Arc<dyn Store>, names: &[String]) -> Result {
    let follow = args.follow.follow(&wire.console)?;
    let mut signals = Signals::listen()?;
    let mut found = Vec::new();
    for name in names {
        let loaded = wire.load(store, name).await?;
        check(args, &loaded)?;
        found.push(loaded);
    }
    let engine = wire.engine(store)?;
    let mut runs = Vec::new();
    for loaded in &found {
        match one(args, wire, &engine, loaded).await {
            Ok(running) => runs.extend(running),
            Err(failure) => {
                engine.shutdown(Leave::Park).await;
                return Err(failure);
            }
        }
    }
    if runs.is_empty() {
        engine.shutdown(Leave::Park).await;
        let mut results = Results::new(&wire.console);
        for View { name, .. } in found.iter().map(|loaded| &loaded.view) {
            results.add("Workflow", name, "resumed", &format!("workflow {name} resumed"))?;
        }
        results.finish()?;
        return Ok(Code::Ok);
    }
    run::to_the_end(wire, engine, &runs, &follow, &mut signals).await
}

/// Approves what waits, continues what was interrupted; answers what runs in this process now.
async fn one(args: &Args, wire: &Wire, engine: &Engine, loaded: &Loaded) -> Result<Option<Running>> {
    let name = &loaded.view.name;
    if waits(loaded) && !args.no_approve {
        let command = Command::Resume {
            selector: args.node_field_selector.clone(),
            parameters: args.parameters.iter().cloned().collect(),
            message: args.message.clone(),
        };
        engine.command(name, command).await?;
        if loaded.interrupted {
            wire.console.say(&format!("workflow {name} resumed"));
        }
    }
    if !loaded.interrupted {
        return Ok(None);
    }
    let running = engine.adopt(loaded).await?;
    let done = loaded.view.nodes.values().filter(|node| node.is_step() && node.fulfilled()).count();
    wire.console.say(&format!("continuing {name} from its checkpoint ({done} steps done)"));
    Ok(Some(running))
}

/// Whether there is anything to resume about it.
fn check(args: &Args, loaded: &Loaded) -> Result<()> {
    let (name, view) = (&loaded.view.name, &loaded.view);
    if view.completed() {
        let hint = match Code::of_phase(&view.phase) {
            Code::Failed => format!("to run its failed steps again: runner retry {name}"),
            _ => format!("to run it again: runner resubmit {name}"),
        };
        return Err(
            Failure::new(Code::Conflict, format!("{name} has ended already: {}", view.phase)).hint(hint)
        );
    }
    if !args.parameters.is_empty() && !waits(loaded) {
        return Err(Failure::new(
            Code::Conflict,
            format!("{name} does not wait for parameters: no node is suspended"),
        ));
    }
    let waiting = || view.nodes.values().filter(|node| node.suspended());
    let unknown =
        args.parameters.iter().find(|(key, _)| !waiting().any(|node| node.output_names.contains(key)));
    if let Some((unknown, _)) = unknown {
        let known: Vec<&str> =
            waiting().flat_map(|node| node.output_names.iter().map(String::as_str)).collect();
        let known = if known.is_empty() { "nothing".to_owned() } else { known.join(", ") };
        return Err(Failure::new(
            Code::Conflict,
            format!("{name} does not wait for `{unknown}`; it waits for {known}"),
        ));
    }
    if !loaded.interrupted && (!waits(loaded) || args.no_approve) {
        return Err(Failure::new(Code::Conflict, format!("{name} is running and does not wait for anybody"))
            .hint(format!("follow it: runner watch {name}")));
    }
    Ok(())
}

/// Open workflows that somebody has to do something about.
async fn resumable(wire: &Wire, store: &Arc<dyn Store>) -> Result<Vec<Loaded>> {
    let phases = ["", "Pending", "Running"].map(str::to_owned).to_vec();
    let query = WorkflowQuery { namespace: Some(wire.namespace.clone()), phases, ..WorkflowQuery::default() };
    let mut out = Vec::new();
    for row in catalog::rows(store.as_ref(), query).await? {
        let loaded = wire.load(store, &row.name).await?;
        if loaded.interrupted || waits(&loaded) {
            out.push(loaded);
        }
    }
    Ok(out)
}

/// Why it has stopped, and what would move it.
fn why(loaded: &Loaded) -> (String, String) {
    let name = &loaded.view.name;
    let nodes: Vec<&str> = loaded.view.waiting_for_people().map(|node| node.display_name.as_str()).collect();
    let mut reasons = Vec::new();
    if loaded.interrupted {
        reasons.push("interrupted: no engine runs it".to_owned());
    }
    if loaded.view.suspended {
        reasons.push("suspended".to_owned());
    }
    if !nodes.is_empty() {
        reasons.push(format!("waits for a person at {}", nodes.join(", ")));
    }
    let timed =
        loaded.view.nodes.values().filter(|node| node.suspended()).filter_map(|node| node.until).min();
    if nodes.is_empty()
        && let Some(until) = timed
    {
        reasons.push(format!("waits until {}", until.strftime("%Y-%m-%d %H:%M:%S UTC")));
    }
    (reasons.join("; "), format!("runner resume {name}"))
}

fn list(wire: &Wire, found: &[Loaded]) -> Result {
    let console = &wire.console;
    match console.format() {
        Format::Name => console.lines(found.iter().map(|one| &one.view.name))?,
        Format::Json | Format::Jsonl | Format::Yaml => {
            let values: Vec<Value> = found
                .iter()
                .map(|one| {
                    let (why, next) = why(one);
                    let nodes: Vec<&str> =
                        one.view.waiting_for_people().map(|n| n.display_name.as_str()).collect();
                    json!({"name": one.view.name, "namespace": one.view.namespace, "phase": one.view.phase,
                        "interrupted": one.interrupted, "waitingNodes": nodes, "why": why, "next": next})
                })
                .collect();
            console.documents(&values)?;
        }
        Format::Table | Format::Wide if found.is_empty() => console.hint("nothing to resume"),
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["NAME", "STATUS", "WHY", "NEXT"]);
            for one in found {
                let (why, next) = why(one);
                table.row([one.view.name.as_str(), one.view.phase_word(), &why, &next]);
            }
            console.lines(table.lines(console.headers))?;
        }
    }
    Ok(Code::Ok)
}
