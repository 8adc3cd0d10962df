//! `cargo xtask storm`: kills engines under load, as often as asked, and checks the ledger of the steps.
//! Exits 0 only when nothing was lost, repeated, different or left behind.

use std::process::ExitCode;

use runner_tests::storm::{Plan, run};

const USAGE: &str = "usage: storm [--kills N] [--steps M] [--seed S] [--pause MS] [--life MS] [-v]";

fn main() -> ExitCode {
    let plan = match plan() {
        Ok(plan) => plan,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    println!("storm: {} kills, workflows of {} steps, seed {}", plan.kills, plan.steps, plan.seed);
    match run(&plan) {
        Ok(report) => {
            println!("storm: {report}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("storm: {why}");
            ExitCode::FAILURE
        }
    }
}

fn plan() -> Result<Plan, String> {
    let mut plan =
        Plan { kills: 50, steps: 200, seed: fresh_seed(), pause_ms: 100, life_ms: 700, loud: false };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64, String> {
            let value = words.next().ok_or_else(|| format!("{word} needs a number"))?;
            value.parse().map_err(|_| format!("{word}: {value} is no number"))
        };
        let small = |number: u64| u32::try_from(number).map_err(|_| format!("{number} is too many"));
        match word.as_str() {
            "--kills" => plan.kills = small(number()?)?,
            "--steps" => plan.steps = small(number()?)?.max(1),
            "--seed" => plan.seed = number()?,
            "--pause" => plan.pause_ms = number()?,
            "--life" => plan.life_ms = number()?,
            "-v" | "--verbose" => plan.loud = true,
            other => return Err(format!("unknown flag {other}")),
        }
    }
    Ok(plan)
}

/// Another storm each time; the seed is printed.
fn fresh_seed() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
