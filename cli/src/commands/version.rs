//! `runner version`.
//! Does not look for newer ones.

use serde_json::json;

use crate::exit::{Code, Result};
use crate::output::{Console, Format};

/// Flags of `version`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The number only
    #[arg(long)]
    short: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner version
  $ runner version -o json

Prints the version of this binary.";

/// Prints the version.
pub fn run(args: &Args, console: &Console) -> Result {
    let version = env!("CARGO_PKG_VERSION");
    match console.format {
        Some(Format::Json | Format::Jsonl | Format::Yaml) => {
            let debug = cfg!(debug_assertions);
            console.document(&json!({"version": version, "debug": debug, "os": std::env::consts::OS, "arch": std::env::consts::ARCH}))?;
        }
        Some(Format::Table | Format::Wide | Format::Name) | None if args.short => console.data(version)?,
        Some(Format::Table | Format::Wide | Format::Name) | None => {
            console.data(&format!("runner {version}"))?
        }
    }
    Ok(Code::Ok)
}
