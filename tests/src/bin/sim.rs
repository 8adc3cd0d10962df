//! `cargo xtask sim`: explores seeds, or one seed with everything that is known of it.
//! Exits 0 only when nothing was found; with `--canary`, only when the planted bug was found.

use std::process::ExitCode;

use runner_tests::simulation::canary::Canary;
use runner_tests::simulation::explore::{Effort, undisturbed};
use runner_tests::simulation::suite::{Plan, describe, run};

const USAGE: &str = "usage: sim [--seeds N] [--from S | --seed S] [--runs N] [--canary NAME] [--trace]";

/// The command line.
struct Flags {
    plan: Plan,
    canary: Option<String>,
    one: bool,
    trace: bool,
}

fn main() -> ExitCode {
    let flags = match flags() {
        Ok(flags) => flags,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            let names: Vec<&str> = Canary::ALL.iter().map(|(name, _)| *name).collect();
            eprintln!("canaries: {}", names.join(", "));
            return ExitCode::from(2);
        }
    };
    if flags.trace {
        undisturbed(flags.plan.first).iter().for_each(|line| println!("{line}"));
        return ExitCode::SUCCESS;
    }
    let report = run(flags.plan);
    for (number, finding) in report.findings.values().enumerate() {
        // Everything is told of the first; the others are one command away.
        println!("{}", describe(finding, flags.canary.as_deref(), flags.one || number == 0));
    }
    println!("{}", report.summary());
    let found = !report.findings.is_empty();
    match &flags.canary {
        Some(name) if found => println!("canary {name}: found"),
        Some(name) => println!("canary {name}: NOT found"),
        None => {}
    }
    if found == flags.canary.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn flags() -> Result<Flags, String> {
    let (mut first, mut count, mut runs) = (0, 1000, 60);
    let (mut canary, mut one, mut trace) = (None, false, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{word}: {text} is no number"));
        match word.as_str() {
            "--seeds" => count = number(value()?)?,
            "--from" => first = number(value()?)?,
            "--seed" => {
                first = number(value()?)?;
                (count, one) = (1, true);
            }
            "--trace" => trace = true,
            "--runs" => runs = number(value()?)?,
            "--canary" => canary = Some(value()?),
            "-h" | "--help" => {
                return Err("simulates random workflows with crashes at their commits".to_owned());
            }
            other => return Err(format!("unknown flag {other}")),
        }
    }
    let planted = match &canary {
        Some(name) => Some(Canary::parse(name).ok_or_else(|| format!("there is no canary {name}"))?),
        None => None,
    };
    let runs = usize::try_from(runs).unwrap_or(usize::MAX);
    let effort = Effort { runs, canary: planted };
    Ok(Flags { plan: Plan { first, count, effort, stop_early: canary.is_some() }, canary, one, trace })
}
