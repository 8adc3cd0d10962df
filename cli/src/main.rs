//! The binary `runner`.
//! Holds nothing but the entry point.

use std::process::ExitCode;

fn main() -> ExitCode {
    runner_cli::main(std::env::args_os().collect())
}
