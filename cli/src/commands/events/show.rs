//! `runner events show`: an event, what each trigger made of it, and what was started.
//! Changes nothing.

use runner_events::bus::{History, Note, Verdict};
use runner_sensors::machine::Judgement;
use serde_json::json;

use super::look::{bus, failure, json_of};
use crate::exit::{Code, Result};
use crate::output::{Format, text, time};
use crate::wire::Wire;

/// Flags of `events show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Id of the event, or @latest
    id: String,
    /// The data as well
    #[arg(long)]
    payload: bool,
    /// Every clause of every filter
    #[arg(long)]
    why: bool,
}

pub(super) const LONG: &str = "Examples:
  $ runner events show @latest
  $ runner events show @latest --why --payload

Shows an event: for each trigger whether it fired and why or why not, and what it started.";

pub(super) async fn run(args: &Args, wire: &Wire) -> Result {
    let store = wire.existing_or_fail().await?;
    let bus = bus(&store);
    let id = match args.id.as_str() {
        "@latest" => bus.latest().await.map_err(failure)?.unwrap_or_else(|| args.id.clone()),
        id => id.to_owned(),
    };
    let history = bus.history(&id).await.map_err(failure)?;
    let console = &wire.console;
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => {
            let mut document = json_of(&history);
            let notes: Vec<_> =
                history.notes.iter().map(|(at, note)| json!({"at": at.to_string(), "note": note})).collect();
            document["notes"] = json!(notes);
            document["data"] = history.event.data.clone();
            if let Some(key) = &history.event.key {
                document["key"] = json!(key);
            }
            console.document(&document)?;
        }
        Format::Name => console.data(&history.event.id)?,
        Format::Table | Format::Wide => console.lines(lines(&history, args))?,
    }
    Ok(Code::Ok)
}

fn lines(history: &History, args: &Args) -> Vec<String> {
    let event = &history.event;
    let mut out = vec![
        format!("Id:      {}", event.id),
        format!("Event:   {}/{} ({})", event.namespace, text::plain(&event.from()), event.kind),
        format!("Time:    {}", time::whole(event.time)),
        format!("Status:  {}", history.state().as_str()),
    ];
    if let Some(key) = &event.key {
        out.push(format!("Key:     {}", text::plain(key)));
    }
    if let Some(first) = &event.copy_of {
        out.push(format!("Copy of: {first}"));
    }
    if args.payload {
        out.push("Data:".to_owned());
        let data = serde_json::to_string_pretty(&event.data).unwrap_or_default();
        out.extend(data.lines().map(|line| format!("  {}", text::plain(line))));
    }
    out.push("Triggers:".to_owned());
    let before = out.len();
    for verdict in history.verdicts() {
        out.extend(verdict_lines(verdict, args.why));
    }
    if out.len() == before {
        out.push("  no sensor listens to it".to_owned());
    }
    let mut acted = history.notes.iter().filter_map(|(at, note)| match note {
        Note::Acted(outcome) => Some((at, outcome)),
        _ => None,
    });
    if let Some(first) = acted.next() {
        out.push("Done:".to_owned());
        for (at, outcome) in std::iter::once(first).chain(acted) {
            let mark = if outcome.ok { '✓' } else { '✗' };
            let end = if outcome.dead { "; not tried again: runner events replay" } else { "" };
            let message = text::plain(&outcome.message);
            out.push(format!("  {mark} {} {}: {message}{end}", time::whole(*at), outcome.trigger));
        }
    }
    out
}

/// What a sensor says, one line per trigger, and on request one per clause.
pub(super) fn verdict_lines(verdict: &Verdict, clauses: bool) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(problem) = &verdict.problem {
        out.push(format!("  ✗ {}: {}", verdict.sensor, text::plain(problem)));
    }
    for trigger in &verdict.triggers {
        let mark = if trigger.fires { '✓' } else { '✗' };
        out.push(format!("  {mark} {} {}: {}", verdict.sensor, trigger.trigger, text::plain(&trigger.why)));
    }
    if clauses {
        for one in &verdict.dependencies {
            let Ok(judged) = serde_json::from_value::<Judgement>(one.clone()) else { continue };
            let mark = if judged.verdict.passed { '✓' } else { '✗' };
            out.push(format!("    {mark} dependency {}", judged.dependency));
            if let Some(error) = &judged.verdict.error {
                out.push(format!("      {}", text::plain(error)));
            }
            out.extend(judged.verdict.tree().lines().map(|line| format!("      {}", text::plain(line))));
        }
    }
    out
}
