//! `runner delete`: removes workflows with their logs and artifacts.
//! Does not stop them: an open workflow is refused unless `--force`.

use std::sync::Arc;

use jiff::SignedDuration;
use runner_controller::Leave;
use runner_store::Store;

use crate::exit::{Code, Failure, Result};
use crate::follow::{Outcome, Style, Until, follow};
use crate::names::Known;
use crate::output::list::Entry;
use crate::output::results::Results;
use crate::output::text;
use crate::pick::{self, Pick};
use crate::signals::Signals;
use crate::wire::{Engine, Wire};

/// Label of a run with the name of the one that it was resubmitted from, as Argo sets it.
const RESUBMITTED_FROM: &str = "workflows.argoproj.io/resubmitted-from-workflow";

/// Flags of `delete`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    pick: Pick,
    /// Only workflows that ended longer ago than this, e.g. 7d
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    older: Option<SignedDuration>,
    /// Only workflows that ended
    #[arg(long)]
    completed: bool,
    /// Only these phases
    #[arg(long, value_delimiter = ',', value_name = "PHASE", value_parser = super::phase)]
    status: Vec<String>,
    /// Only workflows that were made by resubmitting another
    #[arg(long)]
    resubmitted: bool,
    /// Only names that begin with this
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// Terminate workflows that have not ended, then delete them
    #[arg(long)]
    force: bool,
    /// Do not mention workflows that do not exist
    #[arg(long)]
    ignore_not_found: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner delete hello --dry-run
  $ runner delete --completed --older 7d

Deletes workflows: their history, logs and artifacts. Workflows that have not ended are refused unless --force. \
One that does not exist is mentioned, and is no error.";

/// Deletes.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let mut results = Results::new(&wire.console);
    let Some(store) = wire.existing().await? else {
        args.pick.names.iter().try_for_each(|name| missing(args, &mut results, name))?;
        results.finish()?;
        return Ok(Code::Ok);
    };
    let filtered = args.older.is_some()
        || args.completed
        || args.resubmitted
        || !args.status.is_empty()
        || args.prefix.is_some();
    let pick = Pick { all: args.pick.all || (args.pick.nothing() && filtered), ..clone(&args.pick) };
    let (names, absent) = found(wire, &store, &pick).await?;
    absent.iter().try_for_each(|name| missing(args, &mut results, name))?;
    let mut chosen = Vec::new();
    for known in names {
        if let Some(row) = store.get_workflow(&wire.namespace, &known.name).await? {
            let entry = crate::catalog::entry(row);
            if matches(args, &entry, wire.now()) {
                chosen.push(entry);
            }
        }
    }
    if chosen.is_empty() {
        if absent.is_empty() {
            wire.console.hint("no workflow matches");
        }
        results.finish()?;
        return Ok(Code::Ok);
    }
    if pick.dry_run {
        for Entry { name, .. } in &chosen {
            results.add("Workflow", name, "unchanged", &format!("Workflow '{name}' deleted (dry-run)"))?;
        }
        results.finish()?;
        return Ok(Code::Ok);
    }
    let engine = wire.engine(&store)?;
    let mut code = Ok(Code::Ok);
    for entry in chosen {
        if let Err(failure) = one(args, wire, &store, &engine, &entry).await {
            code = Err(failure);
            break;
        }
        code = results
            .add("Workflow", &entry.name, "deleted", &format!("Workflow '{}' deleted", entry.name))
            .map(|()| Code::Ok);
    }
    engine.shutdown(Leave::Park).await;
    results.finish()?;
    code
}

/// The workflows that are meant, and the names that no workflow has.
async fn found(wire: &Wire, store: &Arc<dyn Store>, pick: &Pick) -> Result<(Vec<Known>, Vec<String>)> {
    let (mut known, mut absent) = (Vec::new(), Vec::new());
    if pick.names.is_empty() {
        return Ok((pick::any(wire, store, pick).await?, absent));
    }
    for name in &pick.names {
        let alone = Pick { names: vec![name.clone()], ..clone(pick) };
        match pick::any(wire, store, &alone).await {
            Ok(one) => known.extend(one.into_iter().filter(|one| !known.contains(one)).collect::<Vec<_>>()),
            Err(failure) if failure.code == Code::NotFound => absent.push(name.clone()),
            Err(failure) => return Err(failure),
        }
    }
    Ok((known, absent))
}

/// As Argo and unlike kubectl: what is gone already is as it should be, so a script may ask twice.
fn missing(args: &Args, results: &mut Results<'_>, name: &str) -> Result<()> {
    if args.ignore_not_found {
        return Ok(());
    }
    results.add("Workflow", name, "not found", &format!("Workflow '{}' not found", text::plain(name)))
}

async fn one(args: &Args, wire: &Wire, store: &Arc<dyn Store>, engine: &Engine, entry: &Entry) -> Result<()> {
    if !ended(entry) {
        if !args.force {
            let what = if entry.phase.is_empty() { "Pending" } else { &entry.phase };
            return Err(Failure::new(Code::Conflict, format!("{} has not ended: {what}", entry.name))
                .hint(format!("runner terminate {} first, or --force", entry.name)));
        }
        engine.command(&entry.name, runner_machine::Command::Terminate).await?;
        let mut signals = Signals::listen()?;
        let watcher = wire.watcher(store, &entry.name).await?;
        let until = Until { timeout: Some(SignedDuration::from_mins(2)), no_suspend: false, keep_on: false };
        match follow(wire, watcher, None, Style::Silent, until, &mut signals).await? {
            Outcome::Ended(_) => {}
            Outcome::Waiting(_) | Outcome::Left(_) => {
                return Err(Failure::new(
                    Code::Timeout,
                    format!("{} has not ended; it is not deleted", entry.name),
                ));
            }
        }
    }
    let forced = wire.now();
    loop {
        // the end is seen a moment before the journal is closed behind it
        match engine.delete(&entry.name).await {
            Err(failure)
                if failure.code == Code::Conflict
                    && args.force
                    && wire.now().duration_since(forced) < SignedDuration::from_secs(10) =>
            {
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
            done => return done,
        }
    }
}

fn clone(pick: &Pick) -> Pick {
    Pick {
        names: pick.names.clone(),
        selector: pick.selector.clone(),
        field_selector: pick.field_selector.clone(),
        all: pick.all,
        dry_run: pick.dry_run,
    }
}

fn ended(entry: &Entry) -> bool {
    matches!(entry.phase.as_str(), "Succeeded" | "Failed" | "Error")
}

fn matches(args: &Args, entry: &Entry, now: jiff::Timestamp) -> bool {
    let old = |older: SignedDuration| entry.finished.is_some_and(|at| now.duration_since(at) > older);
    args.older.is_none_or(old)
        && (!args.completed || ended(entry))
        && (!args.resubmitted || entry.labels.contains_key(RESUBMITTED_FROM))
        && (args.status.is_empty() || args.status.contains(&entry.phase))
        && args.prefix.as_ref().is_none_or(|prefix| entry.name.starts_with(prefix.as_str()))
}
