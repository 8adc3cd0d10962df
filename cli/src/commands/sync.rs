//! `runner sync`: the limits of semaphores, in the lock database of the store or in a ConfigMap.
//! Does not take or give locks: the engine does.

use std::sync::Arc;

use clap::ValueEnum;
use runner_controller::SYNC_LIMIT;
use runner_store::{NewManifest, Store};
use serde_json::{Value, json};

use crate::exit::{Code, Failure, Result};
use crate::output::Format;
use crate::wire::Wire;

/// Flags of `sync`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Set a limit that is not there yet
    #[command(long_about = CREATE)]
    Create {
        #[command(flatten)]
        at: At,
        /// How many may hold it at once
        #[arg(long, value_name = "N")]
        limit: u32,
    },
    /// Change a limit
    #[command(long_about = UPDATE)]
    Update {
        #[command(flatten)]
        at: At,
        /// How many may hold it at once
        #[arg(long, value_name = "N")]
        limit: u32,
    },
    /// Show a limit
    #[command(long_about = GET)]
    Get(At),
    /// Remove a limit
    #[command(long_about = DELETE)]
    Delete(At),
}

const CREATE: &str = "Examples:
  $ runner sync create deploys --type database --limit 2
  $ runner sync create builds --type configmap --cm-name limits --limit 3

Sets the limit of a semaphore: of `database: {key: deploys}`, or of `configMapKeyRef: {name: limits, key: builds}`. \
The ConfigMap is made if there is none. Exit code 7 when the limit is there already.";

const UPDATE: &str = "Examples:
  $ runner sync update capacity --type database --limit 2
  $ runner sync update width --type configmap --cm-name sizes --limit 3

Changes the limit of a semaphore. Who holds it keeps it; a smaller limit counts for those that come.";

const GET: &str = "Examples:
  $ runner sync get capacity --type database
  $ runner sync get width --type configmap --cm-name sizes -o json

Shows the limit of a semaphore.";

const DELETE: &str = "Examples:
  $ runner sync delete capacity --type database
  $ runner sync delete width --type configmap --cm-name sizes

Removes the limit of a semaphore. Steps that ask for it afterwards wait until it is there again.";

/// Where a limit is.
#[derive(Debug, clap::Args)]
struct At {
    /// Key of the limit
    key: String,
    /// Where limits are kept
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    place: Place,
    /// Name of the ConfigMap
    #[arg(long, value_name = "NAME", required_if_eq("place", "configmap"))]
    cm_name: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Place {
    /// The lock database of the store
    Database,
    /// A key of a ConfigMap
    #[value(name = "configmap")]
    ConfigMap,
}

impl At {
    fn name(&self) -> &str {
        match (self.place, &self.cm_name) {
            (Place::ConfigMap, Some(name)) => name,
            (Place::ConfigMap | Place::Database, _) => &self.key,
        }
    }

    fn kind(&self) -> &'static str {
        match self.place {
            Place::Database => SYNC_LIMIT,
            Place::ConfigMap => "ConfigMap",
        }
    }
}

/// Carries out.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    match &args.action {
        Action::Create { at, limit } => {
            let store = wire.store().await?;
            let body = body(wire, &store, at).await?;
            if let Some(known) = body.as_ref().and_then(|body| limit_of(at, body)) {
                let why = format!("there is a limit `{}` already: {known}", at.key);
                let hint = format!("runner sync update {} changes it", at.key);
                return Err(Failure::new(Code::Conflict, why).hint(hint));
            }
            put(wire, &store, at, body, Some(*limit)).await?;
            show(wire, at, "Sync limit created", Some(&limit.to_string()))
        }
        Action::Update { at, limit } => {
            let (store, body, _) = existing(wire, at).await?;
            put(wire, &store, at, Some(body), Some(*limit)).await?;
            show(wire, at, "Sync limit updated", Some(&limit.to_string()))
        }
        Action::Get(at) => {
            let (_, _, limit) = existing(wire, at).await?;
            show(wire, at, "", Some(&limit))
        }
        Action::Delete(at) => {
            let (store, body, _) = existing(wire, at).await?;
            match at.place {
                Place::Database => {
                    store.delete_manifest(SYNC_LIMIT, &wire.namespace, &at.key).await?;
                }
                Place::ConfigMap => put(wire, &store, at, Some(body), None).await?,
            }
            show(wire, at, "Sync limit deleted", None)
        }
    }
}

async fn body(wire: &Wire, store: &Arc<dyn Store>, at: &At) -> Result<Option<Value>> {
    let stored = store.get_manifest(at.kind(), &wire.namespace, at.name()).await?;
    Ok(stored.map(|stored| serde_json::from_slice(&stored.body).unwrap_or_default()))
}

/// The limit as it is written; it may be a text or a number.
fn limit_of(at: &At, body: &Value) -> Option<String> {
    let value = match at.place {
        Place::Database => body.get("limit")?,
        Place::ConfigMap => body.get("data")?.get(&at.key)?,
    };
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

async fn existing(wire: &Wire, at: &At) -> Result<(Arc<dyn Store>, Value, String)> {
    let missing = || {
        let place = match at.place {
            Place::Database => "the lock database".to_owned(),
            Place::ConfigMap => format!("the ConfigMap `{}`", at.name()),
        };
        let why = format!("no limit `{}` in {place} of namespace {}", at.key, wire.namespace);
        Failure::not_found(why).hint(format!("runner sync create {} --limit N sets it", at.key))
    };
    let store = wire.existing().await?.ok_or_else(missing)?;
    let body = body(wire, &store, at).await?.ok_or_else(missing)?;
    let limit = limit_of(at, &body).ok_or_else(missing)?;
    Ok((store, body, limit))
}

/// Writes the limit, or takes it out of its ConfigMap.
async fn put(
    wire: &Wire,
    store: &Arc<dyn Store>,
    at: &At,
    before: Option<Value>,
    limit: Option<u32>,
) -> Result<()> {
    let name = at.name();
    let (body, source) = match at.place {
        Place::Database => {
            let limit = limit.map(|limit| limit.to_string());
            let metadata = json!({"name": name, "namespace": wire.namespace});
            let whole = json!({"apiVersion": "runner/v1", "kind": SYNC_LIMIT, "metadata": metadata, "spec": {"limit": limit}});
            (json!({"limit": limit}), whole)
        }
        Place::ConfigMap => {
            let mut whole = before.unwrap_or_else(|| {
                json!({"apiVersion": "v1", "kind": "ConfigMap",
                       "metadata": {"name": name, "namespace": wire.namespace}, "data": {}})
            });
            if !whole["data"].is_object() {
                whole["data"] = json!({});
            }
            if let Some(data) = whole["data"].as_object_mut() {
                match limit {
                    Some(limit) => data.insert(at.key.clone(), json!(limit.to_string())),
                    None => data.remove(&at.key),
                };
            }
            (whole.clone(), whole)
        }
    };
    let new = NewManifest {
        kind: at.kind().to_owned(),
        namespace: wire.namespace.clone(),
        name: name.to_owned(),
        body: serde_json::to_vec(&body).unwrap_or_default(),
        source: serde_json::to_string_pretty(&source).unwrap_or_default(),
        at: wire.now(),
    };
    store.put_manifest(new).await?;
    Ok(())
}

/// In the words of Argo's command line, which scripts look for.
fn show(wire: &Wire, at: &At, sentence: &str, limit: Option<&str>) -> Result {
    let kind = match at.place {
        Place::Database => "database",
        Place::ConfigMap => "configmap",
    };
    match wire.console.format() {
        Format::Name => wire.console.data(&at.key)?,
        Format::Json | Format::Jsonl | Format::Yaml => {
            let mut out = json!({"key": at.key, "type": kind, "namespace": wire.namespace});
            if at.place == Place::ConfigMap {
                out["configMapName"] = json!(at.name());
            }
            out["limit"] = json!(limit.and_then(|limit| limit.trim().parse::<u32>().ok()));
            wire.console.document(&out)?;
        }
        Format::Table | Format::Wide => {
            let mut lines = Vec::new();
            if !sentence.is_empty() {
                lines.push(sentence.to_owned());
            }
            if let Some(limit) = limit {
                lines.extend([format!("Key: {}", at.key), format!("Type: {kind}")]);
                if at.place == Place::ConfigMap {
                    lines.push(format!("ConfigMap Name: {}", at.name()));
                }
                lines.extend([format!("Namespace: {}", wire.namespace), format!("Limit: {limit}")]);
            }
            wire.console.lines(lines)?;
        }
    }
    Ok(Code::Ok)
}
