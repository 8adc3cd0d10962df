//! `runner demo`: writes a small workflow and runs it.
//! Does not overwrite a file.

use std::path::Path;

use crate::commands::submit;
use crate::exit::{Code, Failure, Result};
use crate::wire::Wire;

/// Flags of `demo`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the file and do not run it
    #[arg(long)]
    no_run: bool,
}

pub(crate) const LONG: &str = "Examples:
  $ runner demo
  $ runner demo --no-run

Writes hello.wf.yaml into the current directory, unless it is there already, and runs it: a DAG with a loop, a \
condition, a retry and a pause that ends by itself after three seconds.";

/// The workflow.
pub const WORKFLOW: &str = include_str!("demo.wf.yaml");
/// Its file.
const FILE: &str = "hello.wf.yaml";

/// Writes and runs.
pub async fn run(args: &Args, wire: &Wire) -> Result {
    let console = &wire.console;
    let written = std::fs::OpenOptions::new().write(true).create_new(true).open(FILE);
    match written.and_then(|mut file| std::io::Write::write_all(&mut file, WORKFLOW.as_bytes())) {
        Ok(()) => console.say(&format!("wrote {FILE} ({} lines)", WORKFLOW.lines().count())),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            console.say(&format!("{FILE} is there already"));
        }
        Err(error) => return Err(Failure::new(Code::Failed, format!("cannot write {FILE}: {error}"))),
    }
    if args.no_run {
        return Ok(Code::Ok);
    }
    let submit = submit::Args { files: vec![Path::new(FILE).to_owned()], ..submit::Args::default() };
    let code = submit::run(&submit, wire).await?;
    if code == Code::Ok {
        console.hint(&format!(
            "try:  runner submit {FILE}, kill -9 it, then runner resume (finished steps stay finished)"
        ));
    }
    Ok(code)
}
