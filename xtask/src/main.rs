//! The menu of everything beyond build and test: `cargo xtask`.
//! Does none of the work itself: it starts cargo on the crates that do.

mod fuzz;

use std::process::{Command, ExitCode};

/// One entry of the menu.
struct Entry {
    name: &'static str,
    usage: &'static str,
    about: &'static str,
    run: fn(&[String]) -> ExitCode,
}

const MENU: [Entry; 7] = [
    Entry { name: "check", usage: "", about: "formatting, lints and all tests, as CI does", run: check },
    Entry {
        name: "conformance",
        usage: "[--dir DIR] [--corpus workflows/lint] [--case ID] [--class CLASS] [--json] [-v]",
        about: "run the conformance corpora; exit 0 only when nothing failed",
        run: |rest| tests("conformance", rest),
    },
    Entry {
        name: "sim",
        usage: "--seeds N [--seed S]",
        about: "simulate random workflows with crashes around every commit",
        run: |rest| tests("sim", rest),
    },
    Entry {
        name: "bench",
        usage: "lint | [NAME]... [--rounds N] [--patience SECONDS] [--write]",
        about: "benchmarks, each beside a limit measured in the same run; `lint` needs no engine",
        run: bench,
    },
    Entry {
        name: "storm",
        usage: "[--kills N] [--steps M] [--seed S] [--pause MS] [--life MS] [-v]",
        about: "kill the engine again and again under load",
        run: |rest| tests("storm", rest),
    },
    Entry {
        name: "fuzz",
        usage: fuzz::USAGE,
        about: "fuzz what reads strangers' texts, guided by coverage",
        run: fuzz::run,
    },
    Entry {
        name: "docs",
        usage: "[--check]",
        about: "write docs/compatibility.md from a conformance run",
        run: |rest| tests("docs", rest),
    },
];

fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    if words.is_empty() || matches!(words[0].as_str(), "help" | "-h" | "--help") {
        menu();
        return ExitCode::SUCCESS;
    }
    let name = words.remove(0);
    match MENU.iter().find(|entry| entry.name == name) {
        Some(entry) => (entry.run)(&words),
        None => {
            eprintln!("xtask: there is no `{name}`");
            menu();
            ExitCode::from(2)
        }
    }
}

fn menu() {
    println!("cargo xtask COMMAND");
    for Entry { name, usage, about, .. } in &MENU {
        println!("  {name:<12} {about}");
        if !usage.is_empty() {
            println!("  {:<12}   cargo xtask {name} {usage}", "");
        }
    }
}

fn check(_: &[String]) -> ExitCode {
    let steps: [&[&str]; 3] = [
        &["fmt", "--all", "--check"],
        &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"],
        &["test", "--workspace"],
    ];
    for step in steps {
        println!("xtask: cargo {}", step.join(" "));
        let code = cargo(step, &[]);
        if code != 0 {
            eprintln!("xtask: cargo {} failed", step.join(" "));
            return exit(code);
        }
    }
    println!("xtask: check passed");
    ExitCode::SUCCESS
}

/// Runs a binary of the package that holds the proofs, if it is built yet.
fn tests(bin: &str, rest: &[String]) -> ExitCode {
    proof(bin, &[], rest)
}

/// Lint is measured by a program of its own crate, everything else through the engine.
fn bench(rest: &[String]) -> ExitCode {
    match rest {
        [lint] if lint == "lint" => {
            exit(cargo(&["bench", "--quiet", "--package", "runner-workflows", "--bench", "lint"], &[]))
        }
        _engine => tests_release("bench", rest),
    }
}

fn tests_release(bin: &str, rest: &[String]) -> ExitCode {
    proof(bin, &["--release"], rest)
}

fn proof(bin: &str, flags: &[&str], rest: &[String]) -> ExitCode {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/src/bin/{bin}.rs"));
    if !source.exists() {
        eprintln!("xtask: `{bin}` does not exist yet");
        return ExitCode::FAILURE;
    }
    let mut words = vec!["run", "--quiet", "--package", "runner-tests", "--bin", bin];
    words.extend(flags);
    words.push("--");
    exit(cargo(&words, rest))
}

fn cargo(words: &[&str], rest: &[String]) -> i32 {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    match Command::new(cargo).args(words).args(rest).status() {
        Ok(status) => status.code().unwrap_or(1),
        Err(error) => {
            eprintln!("xtask: cargo does not start: {error}");
            1
        }
    }
}

fn exit(code: i32) -> ExitCode {
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
