//! `cargo xtask conformance`: runs the corpora and prints the report.
//! Exits 0 only when nothing failed; with `--known`, when only reviewed cases fail.

use std::path::PathBuf;
use std::process::ExitCode;

use runner_tests::conformance::known::Known;
use runner_tests::conformance::suite::{Options, run};
use runner_tests::paths;

const USAGE: &str = "usage: conformance [--dir DIR] [--corpus NAME]... [--class CLASS]... [--case TEXT]... [--json] [--known] [-v]";

/// The command line.
struct Flags {
    options: Options,
    json: bool,
    known: bool,
}

fn main() -> ExitCode {
    let flags = match flags() {
        Ok(flags) => flags,
        Err(why) => {
            eprintln!("{why}\n{USAGE}");
            return ExitCode::from(2);
        }
    };
    match answer(&flags) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("conformance: {why}");
            ExitCode::from(2)
        }
    }
}

fn flags() -> Result<Flags, String> {
    let mut options = Options { dir: paths::conformance(), ..Options::default() };
    let (mut json, mut known) = (false, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a value"));
        match word.as_str() {
            "--dir" => options.dir = PathBuf::from(value()?),
            "--corpus" => options.corpora.push(value()?),
            "--class" => options.classes.push(value()?),
            "--case" => options.cases.push(value()?),
            "--json" => json = true,
            "--known" => known = true,
            "-v" | "--verbose" => options.verbose = true,
            "-h" | "--help" => return Err("runs the conformance corpora".to_owned()),
            other => return Err(format!("unknown flag {other}")),
        }
    }
    Ok(Flags { options, json, known })
}

fn answer(flags: &Flags) -> Result<bool, String> {
    let list = std::fs::read_to_string(paths::workspace().join("tests/conformance-known.txt"));
    let known = Known::parse(&list.map_err(|error| format!("conformance-known.txt: {error}"))?)?;
    // A panic of a case is its failure; its backtrace is noise unless asked for.
    if !flags.options.verbose {
        std::panic::set_hook(Box::new(|_| {}));
    }
    let report = run(&flags.options)?;
    if flags.json {
        let json = serde_json::to_string_pretty(&report.json()).map_err(|error| error.to_string())?;
        println!("{json}");
    } else {
        for result in &report.results {
            if !result.log.is_empty() {
                println!("{} {}\n{}", result.corpus, result.id, result.log.join("\n"));
            }
        }
        print!("{}", report.text(&known));
    }
    if !flags.known {
        return Ok(report.total().failed == 0);
    }
    let wrong = known.review(&report.results);
    wrong.iter().for_each(|line| eprintln!("{line}"));
    Ok(wrong.is_empty())
}
