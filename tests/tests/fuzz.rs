//! A short fuzzing of every target, so that the harness and the seeds cannot rot.
//! Long runs are `cargo xtask fuzz`.

use std::time::Duration;

use runner_tests::fuzz::{Target, run, seeds};
use runner_tests::paths;

#[test]
fn f56_f57_nothing_that_strangers_write_panics_or_takes_long() {
    let examples = paths::workspace().join("examples");
    for target in Target::ALL {
        let seeds = seeds(target, &[&examples]);
        let found = run(target, &seeds, 7, Duration::from_secs(2));
        assert!(found.bad.is_empty(), "{}: {:#?}", target.name(), found.bad);
        assert!(found.inputs > 100, "{}: only {} inputs", target.name(), found.inputs);
    }
}
