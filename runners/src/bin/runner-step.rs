//! The supervisor and the applets alone, for the tests and benchmarks of this crate.
//! The product's binary is `cli`; it calls the same `dispatch`.

use std::process::ExitCode;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().collect();
    runner_runners::dispatch(&args).unwrap_or(ExitCode::from(2))
}
