//! `cargo xtask docs`: writes `docs/compatibility.md` from a conformance run; `--check` only compares.
//! Does not judge the numbers.

use std::process::ExitCode;

use runner_tests::conformance::features::table;
use runner_tests::conformance::fields::Schema;
use runner_tests::conformance::known::Known;
use runner_tests::conformance::page::page;
use runner_tests::conformance::suite::{Options, run};
use runner_tests::paths;

fn main() -> ExitCode {
    match write(std::env::args().any(|word| word == "--check")) {
        Ok(code) => code,
        Err(why) => {
            eprintln!("docs: {why}");
            ExitCode::FAILURE
        }
    }
}

fn write(check: bool) -> Result<ExitCode, String> {
    let read = |path: &std::path::Path| {
        std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
    };
    let root = paths::workspace();
    let known = Known::parse(&read(&root.join("tests/conformance-known.txt"))?)?;
    let report = run(&Options { dir: paths::conformance(), ..Options::default() })?;
    if !report.absent.is_empty() {
        eprintln!("docs: skipped, these corpora are not there: {}", report.absent.join(", "));
        return Ok(ExitCode::SUCCESS);
    }
    let schema = paths::conformance().join("../data/argo-workflows-schema.json");
    let Some(schema) = Schema::load(&schema)? else {
        eprintln!("docs: skipped, the schema is not there: {}", schema.display());
        return Ok(ExitCode::SUCCESS);
    };
    let table = table(&report, &schema, &paths::conformance())?;
    let (file, text) = (root.join("docs/compatibility.md"), page(&report, &known, &table));
    if check {
        let same = read(&file)? == text;
        eprintln!("docs: docs/compatibility.md is {}", if same { "up to date" } else { "out of date" });
        return Ok(if same { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
    println!("docs: wrote docs/compatibility.md");
    Ok(ExitCode::SUCCESS)
}
