//! `runner list`.
//! Does not show nodes: `get` does.

use jiff::{SignedDuration, Timestamp};
use runner_controller::{LABEL_ARCHIVED, PERSISTED};
use runner_store::{Cursor, LabelTerm, TimeRange, WorkflowQuery};

use crate::condition::Condition;
use crate::exit::{Code, Failure, Result};
use crate::output::{Format, list};
use crate::selector;
use crate::wire::Wire;

/// Flags of `list`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these phases, e.g. Running,Failed
    #[arg(long, value_delimiter = ',', value_name = "PHASE", value_parser = super::phase)]
    status: Vec<String>,
    /// Only workflows that run
    #[arg(long, conflicts_with = "status")]
    running: bool,
    /// Only workflows that ended
    #[arg(long, conflicts_with_all = ["status", "running"])]
    completed: bool,
    /// Only workflows that their ttlStrategy has put into the archive; other lists leave them out
    #[arg(long)]
    archived: bool,
    /// Only workflows submitted within this time, e.g. 2h
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    since: Option<SignedDuration>,
    /// Only workflows that ended longer ago than this, e.g. 7d
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    older: Option<SignedDuration>,
    /// Label selector, e.g. app=web,tier!=db
    #[arg(short = 'l', long, value_name = "SELECTOR")]
    selector: Option<String>,
    /// Field selector, e.g. metadata.name=hello
    #[arg(long, value_name = "SELECTOR")]
    field_selector: Option<String>,
    /// Only workflows for which this holds, e.g. 'duration > 10m && params.env == "prod"'
    #[arg(long = "where", value_name = "EXPRESSION")]
    condition: Option<String>,
    /// Only names that begin with this
    #[arg(long, value_name = "TEXT")]
    prefix: Option<String>,
    /// At most so many; 0 for all
    #[arg(long, default_value_t = 100, value_name = "N")]
    limit: usize,
    /// Continue a list that was cut, with the cursor printed there
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// All namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner list
  $ runner list --where 'duration > 10m && params.env == \"prod\"' -o json

Lists workflows, the newest first. --where takes the language of `when` and `expression`: name, phase, message, \
duration, age, created, started, finished, priority, labels.X, params.X. The JSON form of an empty list is [].";

/// What `--where` and `--field-selector` ask for together.
fn condition(args: &Args) -> Result<Option<String>> {
    let fields = args.field_selector.as_deref().map(selector::fields).transpose()?.unwrap_or_default();
    let given = args.condition.iter().map(|text| format!("({text})"));
    let parts: Vec<_> = fields.iter().map(selector::Field::condition).chain(given).collect();
    match args.condition.as_ref().filter(|_| fields.is_empty()) {
        // alone it stays as it was written, so that errors point into it
        Some(alone) => Ok(Some(alone.clone())),
        None => Ok((!parts.is_empty()).then(|| parts.join(" && "))),
    }
}

/// Lists.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let console = &wire.console;
    let now = wire.now();
    let mut query = query(args, wire, now)?;
    let mut entries = Vec::new();
    let mut next = None;
    let condition = condition(args)?.map(|text| Condition::new(&text, now)).transpose()?;
    if let Some(condition) = &condition {
        condition.narrow(&mut query);
    }
    if let Some(store) = wire.existing().await? {
        loop {
            let left = if args.limit == 0 { 0 } else { args.limit - entries.len() };
            // with a condition most of a page may go: whole pages are read, and the cursor is of the last row shown
            query.limit = if condition.is_some() { 1000 } else { left.min(1000) };
            let page = store.list_workflows(query.clone()).await?;
            let more = page.next.is_some();
            let mut rest = page.items.into_iter();
            for row in rest.by_ref() {
                if condition.as_ref().map_or(Ok(true), |condition| condition.matches(&row))? {
                    let place = Cursor::after(&row, query.sort)?;
                    entries.push(crate::catalog::entry(row));
                    if args.limit > 0 && entries.len() >= args.limit {
                        next = Some(place);
                        break;
                    }
                }
            }
            if next.is_some() {
                next = next.filter(|_| more || rest.next().is_some());
                break;
            }
            query.cursor = page.next;
            if !more {
                break;
            }
        }
    }
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => {
            let values: Vec<_> = entries.iter().map(list::Entry::json).collect();
            console.documents(&values)?;
        }
        Format::Name => console.lines(entries.iter().map(|entry| &entry.name))?,
        Format::Table | Format::Wide if entries.is_empty() => console.hint("no workflows"),
        Format::Table | Format::Wide => {
            let wide = console.format() == Format::Wide;
            console.lines(list::table(&entries, wide, args.all_namespaces, now).lines(console.headers))?;
        }
    }
    if let Some(Cursor(cursor)) = next {
        console.hint(&format!("there is more: --limit 0, or --cursor '{cursor}'"));
    }
    Ok(Code::Ok)
}

fn query(args: &Args, wire: &Wire, now: Timestamp) -> Result<WorkflowQuery> {
    let before = |ago: SignedDuration| {
        now.checked_sub(ago).map_err(|_| Failure::usage("that long ago there was nothing to list"))
    };
    let mut phases = args.status.clone();
    if phases.iter().any(|phase| phase == "Pending") {
        phases.push(String::new());
    }
    if args.running {
        phases = vec!["Running".to_owned()];
    }
    if args.completed {
        phases = ["Succeeded", "Failed", "Error"].map(str::to_owned).to_vec();
    }
    let mut labels = args.selector.as_deref().map(selector::parse).transpose()?.unwrap_or_default();
    let (label, value) = (LABEL_ARCHIVED.to_owned(), PERSISTED.to_owned());
    labels.push(if args.archived {
        LabelTerm::Equals(label, value)
    } else {
        LabelTerm::NotEquals(label, value)
    });
    Ok(WorkflowQuery {
        namespace: (!args.all_namespaces).then(|| wire.namespace.clone()),
        phases,
        labels,
        created: TimeRange { from: args.since.map(before).transpose()?, to: None },
        finished: TimeRange { from: None, to: args.older.map(before).transpose()? },
        name_prefix: args.prefix.clone(),
        cursor: args.cursor.clone().map(Cursor),
        ..WorkflowQuery::default()
    })
}
