//! `runner db`: verify, backup, rebuild.
//! Does not change facts.

use std::path::PathBuf;

use serde_json::json;

use crate::exit::{Code, Failure, Result};
use crate::output::Format;
use crate::wire::Wire;

/// Flags of `db`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Check the database, and every workflow against its history
    #[command(long_about = VERIFY)]
    Verify,
    /// Write a consistent copy while others go on working
    #[command(long_about = BACKUP)]
    Backup {
        /// File to write; it must not exist
        file: PathBuf,
    },
    /// Make lists and nodes anew from the history
    #[command(long_about = REBUILD)]
    Rebuild,
}

const VERIFY: &str = "Examples:
  $ runner db verify
  $ runner db verify -o json

Runs the database's own check, looks for gaps and damage in every history, replays every workflow and compares the \
result with what lists show. Exit code 1 when anything is wrong.";

const BACKUP: &str = "Examples:
  $ runner db backup copy.db
  $ runner db backup other.db -q

Writes a consistent copy of the database; workflows may run meanwhile. Logs and artifacts are files beside the \
database and are not part of it.";

const REBUILD: &str = "Examples:
  $ runner db rebuild
  $ runner db rebuild -q

Replays every workflow and writes its list entry and nodes anew. Histories are not changed.";

/// Carries out.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    match &args.action {
        Action::Verify => verify(wire).await,
        Action::Backup { file } => {
            let store = wire.existing_or_fail().await?;
            if file.exists() {
                return Err(Failure::new(Code::Conflict, format!("{}: exists already", file.display())));
            }
            store.backup(file).await?;
            wire.console.data(&format!("backup written to {}", file.display()))?;
            Ok(Code::Ok)
        }
        Action::Rebuild => {
            let store = wire.existing_or_fail().await?;
            let (count, failed) = wire.reader(&store)?.rebuild().await?;
            wire.console.data(&format!("{count} workflows rebuilt"))?;
            failed.iter().for_each(|problem| wire.console.complain(problem));
            Ok(if failed.is_empty() { Code::Ok } else { Code::Failed })
        }
    }
}

async fn verify(wire: &Wire) -> Result {
    let store = wire.existing_or_fail().await?;
    let found = wire.reader(&store)?.verify().await?;
    let damaged = found.store.problems.iter().map(|p| format!("{}: {}", p.stream, p.problem));
    let problems: Vec<String> =
        found.store.database.iter().cloned().chain(damaged).chain(found.problems.iter().cloned()).collect();
    match wire.console.format() {
        Format::Json | Format::Jsonl | Format::Yaml => wire.console.document(&json!({
            "clean": found.is_clean(), "workflows": found.workflows, "records": found.store.records,
            "blobs": found.store.blobs, "problems": problems,
        }))?,
        Format::Table | Format::Wide | Format::Name => {
            wire.console.lines(&problems)?;
            let what = format!(
                "{} workflows, {} records, {} blobs",
                found.workflows, found.store.records, found.store.blobs
            );
            let word = match problems.len() {
                0 => "✔ no problems".to_owned(),
                1 => "✖ 1 problem".to_owned(),
                n => format!("✖ {n} problems"),
            };
            wire.console.data(&format!("{word} in {what}"))?;
        }
    }
    if found.is_clean() {
        return Ok(Code::Ok);
    }
    wire.console.hint("if only lists and nodes differ: runner db rebuild");
    Ok(Code::Failed)
}
