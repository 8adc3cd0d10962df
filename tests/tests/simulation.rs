//! The simulation as a test: 2,000 seeds, and each planted bug is found within 1,000.

use runner_tests::simulation::canary::Canary;
use runner_tests::simulation::explore::Effort;
use runner_tests::simulation::suite::{Plan, describe, run};

/// Runs with a mishap per seed; `cargo xtask sim` tries more.
const RUNS: usize = 4;

#[test]
fn b1_two_thousand_seeds_end_as_foretold_whatever_crashes() {
    let effort = Effort { runs: RUNS, canary: None };
    let report = run(Plan { first: 0, count: 2000, effort, stop_early: false });
    println!("{}", report.summary());
    let findings: Vec<String> =
        report.findings.values().enumerate().map(|(n, finding)| describe(finding, None, n == 0)).collect();
    assert!(findings.is_empty(), "{}", findings.join("\n"));
    assert_eq!(report.seeds, 2000);
    let (foretold, ambiguous) = report.foretold;
    assert!(
        foretold > 1000 && ambiguous * 10 < foretold,
        "the oracle must know most ends: {}",
        report.summary()
    );
}

/// The planted bug is found within 1,000 seeds.
fn is_found(name: &str) {
    let canary = Canary::parse(name);
    assert!(canary.is_some(), "there is no canary {name}");
    let effort = Effort { runs: 12, canary };
    let report = run(Plan { first: 0, count: 1000, effort, stop_early: true });
    let finding = report.findings.values().next();
    assert!(finding.is_some(), "canary {name} was not found: {}", report.summary());
    println!("canary {name}: {}", finding.map(|f| describe(f, Some(name), false)).unwrap_or_default());
}

#[test]
fn b14_canary_effect_before_commit_is_found() {
    is_found("effect-before-commit");
}

#[test]
fn b14_canary_fold_forgets_retry_is_found() {
    is_found("fold-forgets-retry");
}

#[test]
fn b14_canary_recovery_forgets_timers_is_found() {
    is_found("recovery-forgets-timers");
}

#[test]
fn b14_canary_append_without_epoch_is_found() {
    is_found("append-without-epoch");
}

#[test]
fn b14_canary_dedup_in_memory_is_found() {
    is_found("dedup-in-memory");
}

#[test]
fn b14_canary_locks_without_capacity_is_found() {
    is_found("locks-without-capacity");
}

#[test]
fn b14_canary_start_instead_of_adopt_is_found() {
    is_found("start-instead-of-adopt");
}

#[test]
fn b14_canary_cancel_forgotten_is_found() {
    is_found("cancel-forgotten");
}

#[test]
fn b14_canary_rows_forgotten_is_found() {
    is_found("rows-forgotten");
}

#[test]
fn b14_canary_wakeup_forgotten_is_found() {
    is_found("wakeup-forgotten");
}
