//! `runner events history` and `tail`: lists of events.
//! Changes nothing.

use jiff::SignedDuration;
use runner_controller::{SystemClock, SystemIds};
use runner_events::bus::{Bus, History, Query, State};
use serde_json::{Value, json};
use std::sync::Arc;

use super::settings::{GATED, Settings};
use crate::exit::{Code, Failure, Result};
use crate::output::table::Table;
use crate::output::{Format, text, time};
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `events history`.
#[derive(Debug, clap::Args)]
pub(crate) struct HistoryArgs {
    /// Only of this EventSource
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only so far back
    #[arg(long, value_name = "DURATION", value_parser = crate::commands::duration)]
    since: Option<SignedDuration>,
    /// Only in this state: received, matched, no-match, failed, dead, gated
    #[arg(long, value_name = "STATE", value_parser = state)]
    status: Option<State>,
    /// At most so many
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// All namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// Flags of `events tail`.
#[derive(Debug, clap::Args)]
pub(crate) struct TailArgs {
    /// Go on until Ctrl-C
    #[arg(short, long)]
    follow: bool,
    /// Begin with so many
    #[arg(long, default_value_t = 10, value_name = "N")]
    limit: usize,
}

pub(super) const HISTORY: &str = "Examples:
  $ runner events history
  $ runner events history --since 1h --status failed

Lists events, latest first. `runner events show ID` says why each trigger did or did not fire.";

pub(super) const TAIL: &str = "Examples:
  $ runner events tail
  $ runner events tail --limit 3

Prints the latest events, and with -f every event once all sensors have judged it.";

/// The bus of the store, for commands that look or publish.
pub(super) fn bus(store: &Arc<dyn runner_store::Store>) -> Bus {
    Bus::new(Arc::clone(store), Arc::new(SystemClock), Arc::new(SystemIds))
}

/// An error of the bus as the user sees it.
pub(super) fn failure(error: runner_events::bus::Error) -> Failure {
    use runner_events::bus::Error as E;
    match error {
        E::Store(error) => error.into(),
        E::NotFound(_) => {
            Failure::not_found(error.to_string()).hint("runner events history lists what there is")
        }
        E::Corrupt { .. } | E::Busy(_) => Failure::new(Code::Unreachable, error.to_string()),
    }
}

fn state(text: &str) -> std::result::Result<State, String> {
    let all = [State::Received, State::NoMatch, State::Matched, State::Failed, State::Dead, State::Gated];
    let names: Vec<&str> = all.iter().map(|state| state.as_str()).collect();
    all.into_iter()
        .find(|state| state.as_str() == text)
        .ok_or_else(|| format!("use one of {}", names.join(", ")))
}

/// The document of an event.
pub(super) fn json_of(history: &History) -> Value {
    let event = &history.event;
    let workflows: Vec<&str> = history.outcomes().filter_map(|outcome| outcome.workflow.as_deref()).collect();
    json!({
        "id": event.id,
        "namespace": event.namespace,
        "source": event.source,
        "event": event.name,
        "type": event.kind,
        "time": event.time.to_string(),
        "status": history.state().as_str(),
        "workflows": workflows,
    })
}

pub(super) async fn history(args: &HistoryArgs, wire: &Wire) -> Result {
    let Some(store) = wire.existing().await? else { return print(wire, &[]) };
    let query = Query {
        namespace: (!args.all_namespaces && wire.namespace_given).then(|| wire.namespace.clone()),
        source: args.source.clone(),
        since: args.since.and_then(|since| wire.now().checked_sub(since).ok()),
        state: args.status,
        limit: args.limit,
    };
    let found = bus(&store).list(&query).await.map_err(failure)?;
    print(wire, &found)?;
    if !Settings::load()?.fuses.cicd {
        wire.console.hint(GATED);
    }
    Ok(Code::Ok)
}

fn print(wire: &Wire, found: &[History]) -> Result {
    let console = &wire.console;
    let all: Vec<Value> = found.iter().map(json_of).collect();
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => console.documents(&all)?,
        Format::Name => console.lines(found.iter().map(|one| one.event.id.clone()))?,
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["ID", "AGE", "EVENT", "STATUS", "STARTED"]);
            for one in found {
                table.row(row(one, wire));
            }
            console.lines(table.lines(console.headers))?;
        }
    }
    Ok(Code::Ok)
}

fn row(one: &History, wire: &Wire) -> Vec<String> {
    let event = &one.event;
    let mut started: Vec<&str> = one.outcomes().filter_map(|outcome| outcome.workflow.as_deref()).collect();
    started.sort_unstable();
    started.dedup();
    vec![
        event.id.clone(),
        time::age(wire.now().duration_since(event.time)),
        text::plain(&format!("{}/{}", event.namespace, event.from())),
        one.state().as_str().to_owned(),
        started.join(" "),
    ]
}

pub(super) async fn tail(args: &TailArgs, wire: &Wire) -> Result {
    let store = wire.existing_or_fail().await?;
    let bus = bus(&store);
    let query = Query { limit: args.limit, ..Query::default() };
    let mut found = bus.list(&query).await.map_err(failure)?;
    found.reverse();
    let mut last = found.last().map(|one| one.event.id.clone());
    for one in &found {
        line(one, wire)?;
    }
    if !args.follow {
        return Ok(Code::Ok);
    }
    let mut signals = Signals::listen()?;
    loop {
        tokio::select! {
            biased;
            code = signals.first() => return Ok(code),
            () = tokio::time::sleep(std::time::Duration::from_millis(300)) => {}
        }
        let since = wire.now().checked_sub(SignedDuration::from_mins(10)).ok();
        for id in bus.ids_since(since).await.map_err(failure)? {
            if last.as_ref().is_some_and(|last| id <= *last) {
                continue;
            }
            let one = bus.history(&id).await.map_err(failure)?;
            if one.state() == State::Received {
                break;
            }
            line(&one, wire)?;
            last = Some(id);
        }
    }
}

fn line(one: &History, wire: &Wire) -> Result<()> {
    match wire.console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => wire.console.line(&json_of(one)),
        Format::Name => wire.console.data(&one.event.id),
        Format::Table | Format::Wide => wire.console.data(&row(one, wire).join("  ")),
    }
}
