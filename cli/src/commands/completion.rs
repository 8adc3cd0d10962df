//! `runner completion`: scripts for shells.
//! Does not install them.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::exit::{Code, Result};

/// Flags of `completion`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Shell
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) const LONG: &str = "Examples:
  $ runner completion bash
  $ runner completion zsh

Prints a completion script. For bash: runner completion bash > ~/.local/share/bash-completion/completions/runner";

/// Prints the script.
pub fn run(args: &Args) -> Result {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::cli::Cli::command(), "runner", &mut script);
    std::io::Write::write_all(&mut std::io::stdout().lock(), &script)?;
    Ok(Code::Ok)
}
