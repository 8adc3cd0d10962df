//! `runner events replay` and `send`: events are put on the bus by hand.
//! Performs nothing: the daemon does.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use runner_events::bus::NewEvent;
use runner_events::daemon::KIND;
use runner_store::Store;
use serde_json::{Value, json};

use super::look::{bus, failure};
use crate::exit::{Code, Failure, Result};
use crate::output::results::Results;
use crate::wire::Wire;

/// Flags of `events replay`.
#[derive(Debug, clap::Args)]
pub(crate) struct ReplayArgs {
    /// Ids of events
    #[arg(required = true, value_name = "ID")]
    ids: Vec<String>,
    /// As new events: everything is done again, also what worked
    #[arg(long)]
    new_id: bool,
    /// Only say what would be replayed
    #[arg(long)]
    dry_run: bool,
}

/// Flags of `events send`.
#[derive(Debug, clap::Args)]
pub(crate) struct SendArgs {
    /// SOURCE/EVENT
    #[arg(long, value_name = "SOURCE/EVENT")]
    source: String,
    /// The body as JSON: a file, or - for stdin
    #[arg(long, value_name = "FILE", default_value = "-")]
    payload: PathBuf,
    /// A header, name=value
    #[arg(long, value_name = "NAME=VALUE", value_parser = crate::commands::pair)]
    header: Vec<(String, String)>,
    /// The payload is the whole data, not the body of a request
    #[arg(long)]
    data: bool,
    /// Sent twice under one id it is one event
    #[arg(long, value_name = "ID")]
    id: Option<String>,
}

pub(super) const REPLAY: &str = "Examples:
  $ runner events replay @latest --dry-run
  $ runner events replay @latest --new-id --dry-run

Offers events to their triggers once more; a running daemon takes them. What worked before is not done again, what \
failed is. With --new-id a copy with a new id is made, and everything is done again.";

pub(super) const SEND: &str = "Examples:
  $ runner events send --source webhook/example --payload event.json
  $ runner events send --source webhook/example --payload event.json --id 1

Puts an event on the bus as if SOURCE had received it: the payload is the body of a request, in `body` of the data.";

pub(super) async fn replay(args: &ReplayArgs, wire: &Wire) -> Result {
    let store = wire.existing_or_fail().await?;
    let bus = bus(&store);
    let mut results = Results::new(&wire.console);
    for id in &args.ids {
        let id = match id.as_str() {
            "@latest" => bus.latest().await.map_err(failure)?.unwrap_or_else(|| id.clone()),
            id => id.to_owned(),
        };
        let event = bus.event(&id).await.map_err(failure)?;
        if args.dry_run {
            results.add(
                "Event",
                &id,
                "unchanged",
                &format!("event {id} of {} would be replayed", event.from()),
            )?;
        } else if args.new_id {
            let copy = NewEvent {
                namespace: event.namespace,
                source: event.source,
                name: event.name,
                kind: event.kind,
                data: event.data,
                copy_of: Some(id.clone()),
                ..NewEvent::default()
            };
            let new = bus.publish(copy).await.map_err(failure)?;
            results.add("Event", &new.id, "created", &format!("event {id} replayed as {}", new.id))?;
        } else {
            bus.replay(&id, &crate::commands::who()).await.map_err(failure)?;
            results.add("Event", &id, "replayed", &format!("event {id} replayed"))?;
        }
    }
    results.finish()?;
    Ok(Code::Ok)
}

pub(super) async fn send(args: &SendArgs, wire: &Wire) -> Result {
    let (source, name) = args
        .source
        .split_once('/')
        .ok_or_else(|| Failure::usage("--source: write SOURCE/EVENT, as sensors name them"))?;
    let body = payload(&args.payload)?;
    let data = if args.data { body } else { request(&args.header, body, "header") };
    let store = wire.store().await?;
    let event = NewEvent {
        namespace: namespace(&store, source, wire).await?,
        source: source.to_owned(),
        name: name.to_owned(),
        kind: "webhook".to_owned(),
        data,
        key: args.id.clone(),
        ..NewEvent::default()
    };
    let receipt = bus(&store).publish(event).await.map_err(failure)?;
    if receipt.conflict {
        let why = format!("event {} was sent under this id with another body", receipt.id);
        return Err(Failure::new(Code::Conflict, why));
    }
    let word = if receipt.duplicate { "unchanged" } else { "created" };
    let sentence = if receipt.duplicate { "was sent before" } else { "is on the bus" };
    let mut results = Results::new(&wire.console);
    results.add("Event", &receipt.id, word, &format!("event {} {sentence}", receipt.id))?;
    results.finish()?;
    Ok(Code::Ok)
}

/// Where an event of a source belongs: where the EventSource is, unless it was said.
async fn namespace(store: &Arc<dyn Store>, source: &str, wire: &Wire) -> Result<String> {
    if wire.namespace_given {
        return Ok(wire.namespace.clone());
    }
    let all = store.list_manifests(KIND, None).await?;
    let mut places: Vec<String> =
        all.into_iter().filter(|one| one.name == source).map(|one| one.namespace).collect();
    match places.as_slice() {
        [] => {
            let here = &wire.namespace;
            wire.console.complain(&format!(
                "warning: no EventSource `{source}` is applied; sensors of namespace {here} see the event"
            ));
            Ok(here.clone())
        }
        several if several.len() > 1 && !several.contains(&wire.namespace) => Err(Failure::usage(format!(
            "EventSource `{source}` is in the namespaces {}: say which by -n",
            several.join(", ")
        ))),
        [_] => Ok(places.swap_remove(0)),
        _ => Ok(wire.namespace.clone()),
    }
}

/// The data of a request.
pub(super) fn request(headers: &[(String, String)], body: Value, name: &str) -> Value {
    let mut map = serde_json::Map::new();
    for (header, value) in headers {
        if let Value::Array(list) = map.entry(header.clone()).or_insert_with(|| json!([])) {
            list.push(json!(value));
        }
    }
    json!({name: map, "body": body})
}

/// JSON of a file or of stdin.
pub(super) fn payload(path: &Path) -> Result<Value> {
    let shown = path.display();
    let text = if path.as_os_str() == "-" {
        let mut text = String::new();
        let read = std::io::stdin().lock().take(64 * 1024 * 1024).read_to_string(&mut text);
        read.map(|_| text).map_err(|error| Failure::usage(format!("stdin: {error}")))?
    } else {
        std::fs::read_to_string(path).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::not_found(format!("{shown}: no such file")),
            _ => Failure::usage(format!("{shown}: {error}")),
        })?
    };
    serde_json::from_str(&text).map_err(|error| Failure::new(Code::Invalid, format!("{shown}: {error}")))
}
