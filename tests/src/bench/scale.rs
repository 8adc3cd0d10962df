//! B10: what a step costs as its workflow grows.
//! One workflow at a time; many workflows are in `engine`.

use super::limits::single_commits;
use super::measure::{Bench, Metric, Side, Target};
use super::work::{self, FULL, Step};

/// Sizes of the workflow.
const SIZES: [usize; 5] = [1, 10, 100, 1_000, 10_000];

/// B10: a chain, or a fan-out with its join.
pub fn scale(chain: bool) -> Result<Bench, String> {
    let side = |count: usize| {
        let yaml =
            if chain { work::chain(Step::Nothing, count) } else { work::fan(Step::Nothing, count, None) };
        let run = Box::new(move || work::submit(&yaml, count));
        Side { name: format!("runner, {count} steps"), durability: FULL, ours: true, run }
    };
    let mut sides: Vec<Side> = SIZES.into_iter().map(side).collect();
    sides.push(single_commits(1_000));
    Ok(Bench {
        metric: Metric::Microseconds,
        unit: "µs/step",
        sides,
        targets: vec![Target { ours: 4, other: Some(3), bound: 1.3 }],
        notes: vec![
            "Start-up, parsing and submit are part of each number, so small workflows show the cold start. The target \
             compares 10,000 steps with 1,000. On disk: size of `runner db backup` afterwards."
                .to_owned(),
        ],
    })
}
