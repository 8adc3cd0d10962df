//! `runner secret`: which Secrets there are, and where. Values are never printed.
//! Storing them is `runner apply`.

use serde_json::json;

use crate::exit::{Code, Failure, Result};
use crate::output::Format;
use crate::output::results::Results;
use crate::output::table::Table;
use crate::secrets::Listed;
use crate::wire::Wire;

/// Flags of `secret`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// List Secrets of all sources
    #[command(visible_alias = "ls", long_about = LIST)]
    List,
    /// Show the keys of a Secret
    #[command(long_about = GET)]
    Get {
        /// Name
        name: String,
        /// Only the keys, one per line
        #[arg(long)]
        keys: bool,
    },
    /// Delete Secrets that were applied
    #[command(long_about = DELETE)]
    Delete {
        /// Names
        #[arg(required = true)]
        names: Vec<String>,
    },
}

const LIST: &str = "Examples:
  $ runner secret list
  $ runner secret list --secrets ./secrets -o json

Lists the Secrets that steps of the namespace can use: the directory or file of --secrets, variables \
RUNNER_SECRET_<NAME>_<KEY>, and what was applied. Values are never printed.";

const GET: &str = "Examples:
  $ runner secret get forge
  $ runner secret get forge --keys

Shows where a Secret comes from and which keys it has. Values are never printed.";

const DELETE: &str = "Examples:
  $ runner secret delete forge
  $ runner secret delete mail chat

Deletes Secrets that `runner apply` has stored. Files and variables are not touched.";

/// Carries out.
pub fn run(args: &Args, wire: &Wire) -> Result {
    match &args.action {
        Action::List => list(wire, &wire.sources().list(&wire.namespace)?),
        Action::Get { name, keys } => get(wire, name, *keys),
        Action::Delete { names } => delete(wire, names),
    }
}

fn shown(one: &Listed) -> serde_json::Value {
    json!({"name": one.name, "keys": one.keys, "source": one.source})
}

fn list(wire: &Wire, found: &[Listed]) -> Result {
    let console = &wire.console;
    match console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => {
            console.documents(&found.iter().map(shown).collect::<Vec<_>>())?;
        }
        Format::Name => console.lines(found.iter().map(|one| &one.name))?,
        Format::Table | Format::Wide if found.is_empty() => console.hint("no secrets"),
        Format::Table | Format::Wide => {
            let mut table = Table::new(&["NAME", "KEYS", "SOURCE"]);
            for one in found {
                table.row(vec![one.name.clone(), one.keys.join(","), one.source.clone()]);
            }
            console.lines(table.lines(console.headers))?;
        }
    }
    Ok(Code::Ok)
}

fn get(wire: &Wire, name: &str, keys: bool) -> Result {
    let found: Vec<Listed> =
        wire.sources().list(&wire.namespace)?.into_iter().filter(|one| one.name == name).collect();
    let Some(data) = wire.sources().all(&wire.namespace, name)? else {
        let missing = Failure::not_found(format!("there is no Secret `{name}`"));
        return Err(missing.hint(wire.sources().hint(name, None)));
    };
    if keys {
        wire.console.lines(data.keys())?;
        return Ok(Code::Ok);
    }
    if found.is_empty() {
        // of the environment: its variables do not tell where the name ends
        let keys = data.into_keys().collect();
        let one = Listed { name: name.to_owned(), keys, source: "environment".to_owned(), stored: false };
        return list(wire, &[one]);
    }
    list(wire, &found)
}

fn delete(wire: &Wire, names: &[String]) -> Result {
    let vault = wire.vault()?;
    let mut results = Results::new(&wire.console);
    let mut code = Code::Ok;
    for name in names {
        if vault.delete(&wire.namespace, name)? {
            results.add("Secret", name, "deleted", &format!("secret/{name} deleted"))?;
        } else {
            wire.console.complain(&format!("no Secret `{name}` was applied in namespace {}", wire.namespace));
            code = code.or(Code::NotFound);
        }
    }
    results.finish()?;
    Ok(code)
}
