//! The kept inputs of every fuzz target, and a short fuzzing from there, so that findings stay fixed and harness and
//! seeds cannot rot. Long runs, guided by coverage, are `cargo xtask fuzz`.

use std::time::Duration;

use runner_tests::fuzz::{feed, kept, run};
use runner_tests::paths;

#[test]
fn f56_f57_nothing_that_strangers_write_panics_or_takes_long() {
    for (name, feed) in feed::ALL {
        let folder = paths::workspace().join("fuzz/corpus").join(name);
        let seeds = kept(&folder).unwrap_or_default();
        assert!(seeds.len() > 10, "{name}: only {} kept inputs in {}", seeds.len(), folder.display());
        let found = run(feed, &seeds, 7, Duration::from_secs(2));
        assert!(found.bad.is_empty(), "{name}: {:#?}", found.bad);
        assert!(found.inputs >= seeds.len() as u64, "{name}: only {} inputs", found.inputs);
    }
}
