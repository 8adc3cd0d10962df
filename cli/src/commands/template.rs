//! `runner template`: WorkflowTemplates and ClusterWorkflowTemplates in the store.
//! Does not run them: `submit --from` does.

use std::path::PathBuf;

use runner_store::Manifest as Stored;
use serde_json::Value;

use super::apply::Templates;
use super::lint::Strict;
use crate::exit::{Code, Failure, Result};
use crate::output::results::Results;
use crate::output::table::Table;
use crate::output::{Format, time};
use crate::wire::Wire;

/// Flags of `template`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Store templates from files
    #[command(visible_aliases = ["create", "update"], long_about = APPLY)]
    Apply(Templates),
    /// Check templates without storing them
    #[command(long_about = LINT)]
    Lint {
        /// Files, directories, or - for stdin
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        strict: Strict,
    },
    /// List stored templates
    #[command(visible_alias = "ls", long_about = LIST)]
    List {
        /// ClusterWorkflowTemplates
        #[arg(long)]
        cluster: bool,
        /// All namespaces
        #[arg(short = 'A', long)]
        all_namespaces: bool,
    },
    /// Show a stored template
    #[command(long_about = GET)]
    Get {
        /// Name
        name: String,
        /// A ClusterWorkflowTemplate
        #[arg(long)]
        cluster: bool,
    },
    /// Delete stored templates
    #[command(long_about = DELETE)]
    Delete {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
        /// ClusterWorkflowTemplates
        #[arg(long)]
        cluster: bool,
    },
}

const APPLY: &str = "Examples:
  $ runner template apply templates.yaml
  $ runner template apply templates.yaml --strict

Stores WorkflowTemplates and ClusterWorkflowTemplates. Applying the same file again changes nothing.";

const LINT: &str = "Examples:
  $ runner template lint templates.yaml
  $ runner template lint templates.yaml --strict

Checks the WorkflowTemplates of files, and nothing else in them.";

const LIST: &str = "Examples:
  $ runner template list
  $ runner template list -o json

Lists the WorkflowTemplates of the namespace, or with --cluster the ClusterWorkflowTemplates.";

const GET: &str = "Examples:
  $ runner template get greet
  $ runner template get greet -o json

Shows a stored template: by default the text that was applied.";

const DELETE: &str = "Examples:
  $ runner template delete greet
  $ runner template delete everywhere --cluster

Deletes stored templates. Workflows that were submitted from them are not touched.";

fn kind(cluster: bool) -> &'static str {
    if cluster { "ClusterWorkflowTemplate" } else { "WorkflowTemplate" }
}

/// Carries out.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    match &args.action {
        Action::Apply(templates) => templates.store(wire, "WorkflowTemplate").await,
        Action::Lint { files, strict } => {
            super::lint::run(&super::lint::Args::of(files, *strict, kind(false)), &wire.console)
        }
        Action::List { cluster, all_namespaces } => list(wire, *cluster, *all_namespaces).await,
        Action::Get { name, cluster } => get(wire, name, *cluster).await,
        Action::Delete { names, cluster } => delete(wire, names, *cluster).await,
    }
}

fn namespace(wire: &Wire, cluster: bool) -> &str {
    if cluster { "" } else { &wire.namespace }
}

fn body(stored: &Stored) -> Value {
    serde_json::from_slice(&stored.body).unwrap_or(Value::Null)
}

pub(super) async fn list(wire: &Wire, cluster: bool, all: bool) -> Result {
    let mut found = match wire.existing().await? {
        Some(store) => {
            let namespace = if all || cluster { None } else { Some(wire.namespace.as_str()) };
            store.list_manifests(kind(cluster), namespace).await?
        }
        None => Vec::new(),
    };
    if !cluster {
        add_shipped(&mut found, wire);
    }
    let console = &wire.console;
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => {
            console.documents(&found.iter().map(body).collect::<Vec<_>>())?
        }
        Format::Name => console.lines(found.iter().map(|one| &one.name))?,
        Format::Table | Format::Wide if found.is_empty() => console.hint("no templates"),
        Format::Table | Format::Wide => {
            let mut table = Table::new(if all {
                &["NAMESPACE", "NAME", "AGE", "PARAMETERS"]
            } else {
                &["NAME", "AGE", "PARAMETERS"]
            });
            for one in &found {
                let names = body(one)["spec"]["arguments"]["parameters"].as_array().map(|items| {
                    items.iter().filter_map(|p| p["name"].as_str()).collect::<Vec<_>>().join(",")
                });
                let age = match one.generation {
                    0 => "shipped".to_owned(),
                    _stored => time::age(wire.now().duration_since(one.created_at)),
                };
                let mut row = vec![one.name.clone(), age, names.unwrap_or_default()];
                if all {
                    row.insert(0, one.namespace.clone());
                }
                table.row(row);
            }
            console.lines(table.lines(console.headers))?;
        }
    }
    Ok(Code::Ok)
}

/// The templates of the product that nobody replaced by a stored one; they have generation 0.
fn add_shipped(found: &mut Vec<Stored>, wire: &Wire) {
    for (name, source) in runner_workflows::library::SHIPPED {
        let Some(template) = runner_workflows::library::workflow_template(name) else { continue };
        if found.iter().any(|one| one.name == name && one.namespace == wire.namespace) {
            continue;
        }
        found.push(Stored {
            kind: kind(false).to_owned(),
            namespace: wire.namespace.clone(),
            name: name.to_owned(),
            body: serde_json::to_vec(template).unwrap_or_default(),
            source: source.to_owned(),
            generation: 0,
            created_at: wire.now(),
            updated_at: wire.now(),
        });
    }
}

pub(super) async fn get(wire: &Wire, name: &str, cluster: bool) -> Result {
    let missing = || Failure::not_found(format!("no {} `{name}` in the store", kind(cluster)));
    let mut stored = match wire.existing().await? {
        Some(store) => store.get_manifest(kind(cluster), namespace(wire, cluster), name).await?,
        None => None,
    };
    if stored.is_none() && !cluster {
        let mut shipped = Vec::new();
        add_shipped(&mut shipped, wire);
        stored = shipped.into_iter().find(|one| one.name == name);
    }
    let stored = stored.ok_or_else(missing)?;
    match wire.console.format {
        Some(Format::Json | Format::Jsonl | Format::Yaml) => wire.console.document(&body(&stored))?,
        Some(Format::Name) => wire.console.data(&stored.name)?,
        Some(Format::Table | Format::Wide) | None => wire.console.data(stored.source.trim_end())?,
    }
    Ok(Code::Ok)
}

pub(super) async fn delete(wire: &Wire, names: &[String], cluster: bool) -> Result {
    let store = wire.existing().await?;
    let mut results = Results::new(&wire.console);
    for name in names {
        let found = match &store {
            Some(store) => store.delete_manifest(kind(cluster), namespace(wire, cluster), name).await?,
            None => false,
        };
        if !found {
            return Err(Failure::not_found(format!("no {} `{name}` in the store", kind(cluster))));
        }
        results.add(kind(cluster), name, "deleted", &format!("{} '{name}' deleted", kind(cluster)))?;
    }
    results.finish()?;
    Ok(Code::Ok)
}
