//! The corpus `workflows/examples`: manifests that must lint as said, and run to the phase that is said.
//! Runs those of class `local` with the built binary; the others are linted.

mod lint;
mod local;
mod steps;
mod subject;

use super::index::{Case, Index};
use super::outcome::Outcome;

/// Runs one case; the second value tells what was found.
pub fn run_case(index: &Index, case: &Case) -> (Outcome, Vec<String>) {
    let (linted, mut log) = lint::run_case(index, case);
    if matches!(linted, Outcome::Failed(_)) || case.class != "local" {
        return (linted, log);
    }
    let (outcome, more) = local::run_case(index, case);
    log.extend(more);
    (outcome, log)
}
