//! The supervisor and the typed steps alone, for the tests of this crate.
//! The product's binary is `cli`; it calls the same two functions.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    let supervisor = runner_runners::dispatch(&args);
    supervisor.or_else(|| runner_plugins::dispatch(&args)).unwrap_or(ExitCode::from(2))
}
