//! `runner wait`: waits for workflows that any process runs.
//! Does not run them and shows nothing but how they ended.

use jiff::SignedDuration;

use crate::exit::{Code, Failure, Result};
use crate::follow::{Outcome, Style, Until, follow};
use crate::output::Format;
use crate::signals::Signals;
use crate::wire::Wire;

/// Flags of `wait`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Workflows: names, unique prefixes, @latest, @-2
    #[arg(required = true)]
    names: Vec<String>,
    /// Leave with exit code 124 after this time
    #[arg(long, value_name = "DURATION", value_parser = super::duration)]
    timeout: Option<SignedDuration>,
    /// Leave with exit code 5 when a workflow waits for a person
    #[arg(long)]
    no_suspend: bool,
    /// A workflow that does not exist is no error
    #[arg(long)]
    ignore_not_found: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner wait hello
  $ runner wait @latest --timeout 5m

Waits until the workflows end and prints a line for each. Exit code 0 when all succeeded, 1 when one failed.";

/// Waits.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let mut signals = Signals::listen()?;
    let began = wire.now();
    let (mut code, mut documents) = (Code::Ok, Vec::new());
    for given in &args.names {
        let name = match named(wire, given).await {
            Err(failure) if args.ignore_not_found && failure.code == Code::NotFound => continue,
            other => other?,
        };
        let store = wire.existing_or_fail().await?;
        let left = args
            .timeout
            .map(|timeout| (timeout - wire.now().duration_since(began)).max(SignedDuration::ZERO));
        let until = Until { timeout: left, no_suspend: args.no_suspend, keep_on: false };
        let watcher = wire.watcher(&store, &name).await?;
        match follow(wire, watcher, None, Style::Silent, until, &mut signals).await? {
            Outcome::Ended(loaded) => {
                match wire.console.format {
                    Some(Format::Json | Format::Yaml) => documents.push(loaded.json),
                    _ => crate::run::ended(wire, &loaded)?,
                }
                code = code.or(Code::of_phase(&loaded.view.phase));
            }
            Outcome::Waiting(_) => {
                wire.console
                    .say(&format!("{name} waits for a person. next: runner resume {}", wire.again(&name)));
                code = code.or(Code::Waiting);
            }
            Outcome::Left(Code::Timeout) => {
                return Err(Failure::new(
                    Code::Timeout,
                    format!("{name} has not ended within the time given"),
                ));
            }
            Outcome::Left(code) => return Ok(code),
        }
    }
    match (wire.console.format, documents.as_slice()) {
        (Some(Format::Json | Format::Yaml), [one]) if args.names.len() == 1 => wire.console.document(one)?,
        (Some(Format::Json | Format::Yaml), several) => wire.console.documents(several)?,
        (_, _) => {}
    }
    Ok(code)
}

async fn named(wire: &Wire, given: &str) -> Result<String> {
    let store = wire.existing_or_fail().await?;
    wire.resolve(&store, given).await
}
