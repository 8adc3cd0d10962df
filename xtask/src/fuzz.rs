//! `cargo xtask fuzz`: starts cargo-fuzz on the targets of `fuzz/`, with their limits and dictionaries.
//! Does not judge inputs: that is done by the feeds of `fuzz/src/feed.rs`.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Name, dictionary, longest input.
const TARGETS: [(&str, &str, u32); 9] = [
    ("workflow", "yaml.dict", 16_384),
    ("tags", "language.dict", 4096),
    ("conditions", "language.dict", 4096),
    ("cron", "cron.dict", 256),
    ("filters", "language.dict", 4096),
    ("transforms", "language.dict", 4096),
    ("paths", "language.dict", 2048),
    ("triggers", "yaml.dict", 8192),
    ("signatures", "signatures.dict", 4096),
];
/// How it is called.
pub(crate) const USAGE: &str =
    "[--target workflow|tags|conditions|cron|filters|transforms|paths|triggers|signatures] [--minutes N]";

/// Fuzzes one target, or all one after the other. New inputs are kept in `fuzz/grown`, findings in `fuzz/artifacts`.
pub(crate) fn run(rest: &[String]) -> ExitCode {
    let (mut wanted, mut minutes) = (None, 1_u32);
    for pair in rest.chunks(2) {
        let known = match pair {
            [flag, name] if flag == "--target" && TARGETS.iter().any(|(target, ..)| target == name) => {
                wanted = Some(name.clone());
                true
            }
            [flag, number] if flag == "--minutes" => number.parse().map(|n| minutes = n).is_ok(),
            _ => false,
        };
        if !known {
            eprintln!("usage: cargo xtask fuzz {USAGE}");
            return ExitCode::from(2);
        }
    }
    let there =
        Command::new(cargo()).args(["fuzz", "--version"]).output().is_ok_and(|said| said.status.success());
    if !there {
        eprintln!("xtask: cargo-fuzz is missing; install it: cargo install cargo-fuzz --locked");
        return ExitCode::FAILURE;
    }
    let chosen = TARGETS.iter().filter(|(name, ..)| wanted.as_ref().is_none_or(|wanted| wanted == name));
    let bad: Vec<&str> = chosen.filter(|target| !fuzz(target, minutes)).map(|(name, ..)| *name).collect();
    if bad.is_empty() { ExitCode::SUCCESS } else { failed(&bad) }
}

fn failed(bad: &[&str]) -> ExitCode {
    eprintln!("xtask: findings in {}; the inputs are in fuzz/artifacts", bad.join(", "));
    ExitCode::FAILURE
}

/// True when there was no finding.
fn fuzz((name, dictionary, most_bytes): &(&str, &str, u32), minutes: u32) -> bool {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz");
    let grown = folder.join("grown").join(name);
    if let Err(why) = unpack(&folder.join("corpus").join(format!("{name}.jsonl")), &grown) {
        eprintln!("xtask: {why}");
        return false;
    }
    println!("xtask: fuzzing {name} for {minutes} min");
    let status = Command::new(cargo())
        .current_dir(folder.join(".."))
        // libFuzzer's coverage asks for options that stable compilers hide; the code has no unsafe for a sanitizer
        .env("RUSTC_BOOTSTRAP", "1")
        .args(["fuzz", "run", "--sanitizer", "none", name])
        .args([grown, folder.join("corpus").join(name)])
        .arg("--")
        .arg(format!("-dict={}", folder.join(dictionary).display()))
        .arg(format!("-max_len={most_bytes}"))
        .arg(format!("-max_total_time={}", minutes.saturating_mul(60)))
        // the time that an input may take is judged by the feeds, in processor time; this is for what never ends
        .args(["-rss_limit_mb=512", "-timeout=120", "-print_final_stats=1"])
        .status();
    status.is_ok_and(|status| status.success())
}

/// Writes the inputs of earlier runs, one JSON string in each line, as the files that libFuzzer wants.
fn unpack(found: &Path, into: &Path) -> Result<(), String> {
    let fail = |error: &dyn std::fmt::Display| format!("{}: {error}", found.display());
    std::fs::create_dir_all(into).map_err(|error| fail(&error))?;
    let text = std::fs::read_to_string(found).map_err(|error| fail(&error))?;
    for (number, line) in text.lines().enumerate() {
        let input: String = serde_json::from_str(line).map_err(|error| fail(&error))?;
        std::fs::write(into.join(format!("kept-{number}")), input).map_err(|error| fail(&error))?;
    }
    Ok(())
}

fn cargo() -> std::ffi::OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}
