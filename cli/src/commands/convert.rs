//! `runner convert`: v3 spellings to v4 ones, in the text of the files.
//! Does not open a store.

use std::path::PathBuf;

use serde_json::json;

use crate::exit::{Code, Result};
use crate::output::{Console, Format};
use crate::rewrite::{Rewritten, each, write_back};

/// Flags of `convert`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Files, directories, or - for stdin
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,
    /// Write the files instead of printing them
    #[arg(short, long)]
    write: bool,
    /// Only say what would change; exit code 1 when anything would
    #[arg(long, conflicts_with = "write")]
    check: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner convert workflows --check
  $ runner convert workflows --write

Rewrites the spellings of Argo Workflows v3 that v4 removed: schedule to schedules, mutex to mutexes, semaphore to \
semaphores, stopStrategy.condition to expression. Comments, quotes and order stay. Without --write the new text goes to \
stdout. Files run unchanged either way: this is for those who also use an Argo server of version 4.";

/// Converts.
pub fn run(args: &Args, console: &Console) -> Result {
    let mut changed = 0;
    let mut documents = Vec::new();
    for one in each(&args.files)? {
        let converted = match runner_workflows::convert::convert(&one.name, &one.text) {
            Ok(converted) => converted,
            Err(problems) => return crate::rewrite::refused(console, &problems),
        };
        let new = Rewritten { new: converted.text, ..one };
        changed += usize::from(!converted.changes.is_empty());
        let lines = converted.changes.iter();
        let shown: Vec<_> = lines.map(|c| json!({"line": c.line, "from": c.from, "to": c.to})).collect();
        match console.format() {
            Format::Json | Format::Jsonl | Format::Yaml => {
                documents.push(json!({"file": new.name, "changes": shown}));
            }
            Format::Table | Format::Wide | Format::Name => {
                for change in &converted.changes {
                    console.say(&format!("{}:{}: {} → {}", new.name, change.line, change.from, change.to));
                }
                if !args.check && !args.write {
                    console.raw(&new.new)?;
                }
            }
        }
        if args.write {
            write_back(&new)?;
        }
    }
    if matches!(console.format(), Format::Json | Format::Jsonl | Format::Yaml) {
        console.documents(&documents)?;
    }
    Ok(if args.check && changed > 0 { Code::Failed } else { Code::Ok })
}
