//! B1, B2, B3: what the engine itself costs, with steps that do nothing.
//! Real steps are in `shell`.

use super::limits::{batched_commits, scattered_commits, single_commits};
use super::measure::{Bench, Metric, Sample, Side, Target};
use super::work::{self, FULL, Step};

const NOTHING: &str = "A no-op step is `suspend: {duration: \"0\"}`: no process, but a node whose creation and end \
     are facts in the journal. Wall time of the whole `runner submit --wait`: start-up, parsing and a fresh store included.";

fn ours(name: &str, yaml: String, units: usize) -> Side {
    let run = Box::new(move || work::submit(&yaml, units));
    Side { name: name.to_owned(), durability: FULL, ours: true, run }
}

/// B1: 1,000 steps, one after the other.
pub fn chain() -> Result<Bench, String> {
    let count = 1_000;
    Ok(Bench {
        metric: Metric::Rate,
        unit: "steps/s",
        sides: vec![
            ours("runner", work::chain(Step::Nothing, count), count),
            single_commits(count),
            ours("runner, 5,000 steps", work::chain(Step::Nothing, 5 * count), 5 * count),
        ],
        targets: vec![Target { ours: 0, other: Some(1), bound: 0.4 }],
        notes: vec![NOTHING.to_owned()],
    })
}

/// B2: many steps at once, and a join.
pub fn fan(count: usize) -> Result<Bench, String> {
    Ok(Bench {
        metric: Metric::Rate,
        unit: "steps/s",
        sides: vec![
            ours("runner", work::fan(Step::Nothing, count, None), count + 1),
            scattered_commits(count.max(20_000)),
            batched_commits(count.max(20_000)),
        ],
        targets: vec![Target { ours: 0, other: Some(1), bound: 0.3 }],
        notes: vec![NOTHING.to_owned()],
    })
}

/// B3: many small workflows, from submit to the end of all.
pub fn many() -> Result<Bench, String> {
    let count = 1_000;
    let yaml = work::several(&work::chain(Step::Nothing, 3), count);
    // Six rows are one workflow: itself, its root, three steps, its end.
    let per_workflow = |mut side: Side| {
        let mut inner = side.run;
        side.run = Box::new(move || inner().map(|sample| Sample { units: sample.units / 6.0, ..sample }));
        side.name += ", 6 rows each";
        side
    };
    Ok(Bench {
        metric: Metric::Rate,
        unit: "workflows/s",
        sides: vec![
            ours("runner", yaml, count),
            per_workflow(scattered_commits(24 * count)),
            per_workflow(batched_commits(24 * count)),
        ],
        targets: vec![Target { ours: 0, other: Some(1), bound: 0.25 }],
        notes: vec![
            NOTHING.to_owned(),
            "One file with 1,000 documents; each is answered before the next one is submitted.".to_owned(),
        ],
    })
}
