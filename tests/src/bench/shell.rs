//! B4: real steps, `sh -c true` with its output captured, beside make and beside bare spawns.
//! What the engine costs without processes is in `engine`.

use super::limits::{make, spawn_and_commit, spawns};
use super::measure::{Bench, Metric, Side, Target};
use super::work::{self, FULL, Step};

const STEP: &str = "A step runs under a supervisor of its own in a private root (namespaces and an overlay), at nice 19, \
     with captured output and a synced exit record; make and bare spawns have none of that.";

fn ours(yaml: String, units: usize) -> Side {
    let run = Box::new(move || work::submit(&yaml, units));
    Side { name: "runner".to_owned(), durability: FULL, ours: true, run }
}

/// B4a: one after the other.
pub fn chain() -> Result<Bench, String> {
    let count = 300;
    Ok(Bench {
        metric: Metric::Rate,
        unit: "steps/s",
        sides: vec![
            ours(work::chain(Step::Shell, count), count),
            make(count, 1),
            spawn_and_commit(count),
            spawns(count, 1),
        ],
        targets: vec![
            Target { ours: 0, other: Some(1), bound: 0.75 },
            Target { ours: 0, other: Some(2), bound: 0.7 },
        ],
        notes: vec![STEP.to_owned()],
    })
}

/// B4b: independent steps, so many in flight.
pub fn fan(in_flight: usize) -> Result<Bench, String> {
    let count = 500;
    Ok(Bench {
        metric: Metric::Rate,
        unit: "steps/s",
        sides: vec![
            ours(work::fan(Step::Shell, count, Some(in_flight)), count + 1),
            make(count, in_flight),
            spawns(count, in_flight),
        ],
        targets: vec![Target { ours: 0, other: Some(1), bound: 0.85 }],
        notes: vec![STEP.to_owned()],
    })
}
