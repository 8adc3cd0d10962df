//! The corpus `workflows/examples`: manifests that must lint as said, and run to the phase that is said.
//! Runs those of the classes `local` and `cli` with the built binary; the others are linted and planned.

mod cron;
mod late;
mod lint;
mod local;
mod steps;
mod subject;

use super::index::{Case, Index};
use super::outcome::Outcome;

/// Set to a `runner.yaml` that makes containers or pods the executor, to run the cases of class `container` with it.
const CONTAINERS: &str = "CONFORMANCE_CONTAINERS";

/// Set to a `runner.yaml` that makes a cluster the executor, to run the cases of class `kubernetes` with it.
const CLUSTER: &str = "CONFORMANCE_CLUSTER";

/// The settings with which cases of a class run, if they are to run.
fn settings(class: &str) -> Option<std::ffi::OsString> {
    match class {
        "container" => std::env::var_os(CONTAINERS),
        "kubernetes" => std::env::var_os(CLUSTER),
        _other => None,
    }
}

/// The class as reports show it: it says when cases are only linted and planned.
pub fn class(case: &Case) -> String {
    match case.class.as_str() {
        "local" | "cli" | "lint-only" => case.class.clone(),
        class if settings(class).is_some() => case.class.clone(),
        class => format!("{class} (lint and plan)"),
    }
}

/// Cases that draw lots and may fail with everything right. Three steps that are tried eleven times and fail two times
/// out of three: 3.5 % of the runs. Three runs in a row: four in 100,000.
const BY_CHANCE: [&str; 1] = ["examples/workflow-template/retry-with-steps"];

/// Whether a case waits for a tick of a schedule.
pub fn waits(case: &Case) -> bool {
    let kind = |entry: &serde_json::Value| {
        entry.get("kind").and_then(serde_json::Value::as_str) == Some("CronWorkflow")
    };
    let filed = case.list("kinds").iter().any(|kind| kind.as_str() == Some("CronWorkflow"));
    case.class == "local" && (filed || case.list("given").iter().any(kind))
}

/// Runs one case; the second value tells what was found.
pub fn run_case(index: &Index, case: &Case) -> (Outcome, Vec<String>) {
    let (linted, mut log) = lint::run_case(index, case);
    let run = match case.class.as_str() {
        "local" | "cli" => true,
        class => settings(class).is_some(),
    };
    if matches!(linted, Outcome::Failed(_)) || !run {
        return (linted, log);
    }
    let mut tries = if BY_CHANCE.contains(&case.id.as_str()) { 3 } else { 1 };
    loop {
        let (outcome, more) = local::run_case(index, case);
        log.extend(more);
        tries -= 1;
        if tries == 0 || !matches!(outcome, Outcome::Failed(_)) {
            return (outcome, log);
        }
    }
}
