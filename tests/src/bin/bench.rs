//! `cargo xtask bench`: measures the real binary beside limits and peers, and prints tables and JSON lines.
//! Fails only when something cannot be run: a missed target is a number, not an error.

use std::process::ExitCode;
use std::time::Duration;

use runner_tests::bench::measure::Options;
use runner_tests::bench::{ENTRIES, report, run};
use runner_tests::paths::workspace;

const USAGE: &str = "usage: bench [NAME]... [--rounds N] [--patience SECONDS] [--write]\n\
     NAME is a benchmark or the beginning of several; --write makes docs/performance.md; \
     --patience is how long one of them may wait for quiet rounds";

fn main() -> ExitCode {
    match bench() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn bench() -> Result<(), String> {
    let mut options = Options { rounds: 5, patience: Duration::from_secs(45) };
    let (mut names, mut write) = (Vec::new(), false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--rounds" => {
                let rounds = words.next().and_then(|value| value.parse().ok());
                options.rounds = rounds.ok_or(USAGE)?;
            }
            "--patience" => {
                let seconds = words.next().and_then(|value| value.parse().ok());
                options.patience = Duration::from_secs(seconds.ok_or(USAGE)?);
            }
            "--write" => write = true,
            "--list" => {
                ENTRIES.iter().for_each(|entry| println!("{:<10} {}", entry.name, entry.about));
                return Ok(());
            }
            flag if flag.starts_with('-') => return Err(format!("unknown flag {flag}\n{USAGE}")),
            _name => names.push(word),
        }
    }
    if cfg!(debug_assertions) {
        eprintln!("bench: this is a debug build; its numbers mean nothing");
    }
    let done = run(&names, options)?;
    for one in &done {
        println!("{}", report::text(one));
    }
    for one in &done {
        print!("{}", report::lines(one));
    }
    if write {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let path = workspace().join("docs/performance.md");
        let before = std::fs::read_to_string(&path).unwrap_or_default();
        let page = report::page(&done, &format!("cargo xtask bench {}", words.join(" ")), &before);
        std::fs::write(&path, page).map_err(|error| format!("{}: {error}", path.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
