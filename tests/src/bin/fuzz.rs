//! `cargo xtask fuzz [--target NAME] [--seconds N] [--seed S]`: mutation fuzzing of the language, one target or all.
//! Does not keep inputs: a finding is printed, to become a test.

use std::process::ExitCode;
use std::time::Duration;

use runner_tests::fuzz::{Target, run, seeds};
use runner_tests::paths;

fn main() -> ExitCode {
    let mut targets = Target::ALL.to_vec();
    let (mut seconds, mut seed) = (10, 1);
    let mut args = std::env::args().skip(1);
    while let Some(flag) = args.next() {
        let value = args.next().unwrap_or_default();
        let known = match flag.as_str() {
            "--target" => Target::parse(&value).map(|target| targets = vec![target]).is_some(),
            "--seconds" => value.parse().map(|n| seconds = n).is_ok(),
            "--seed" => value.parse().map(|n| seed = n).is_ok(),
            _ => false,
        };
        if !known {
            let names: Vec<_> = Target::ALL.iter().map(|target| target.name()).collect();
            eprintln!("usage: cargo xtask fuzz [--target {}] [--seconds N] [--seed S]", names.join("|"));
            return ExitCode::from(2);
        }
    }
    let mut bad = 0;
    for target in targets {
        let folders = [paths::workspace().join("examples"), paths::conformance()];
        let folders: Vec<_> = folders.iter().map(std::path::PathBuf::as_path).collect();
        let found = run(target, &seeds(target, &folders), seed, Duration::from_secs(seconds));
        println!(
            "{:<11} {:>9} inputs, slowest {:?} ({} bytes), {} findings",
            target.name(),
            found.inputs,
            found.slowest.0,
            found.slowest.1.len(),
            found.bad.len()
        );
        for (input, why) in &found.bad {
            println!("  {why}: {input:?}");
        }
        bad += found.bad.len();
    }
    println!("fuzz: seed {seed}, {} findings", bad);
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
