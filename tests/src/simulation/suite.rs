//! Many seeds on all cores, and the report.
//! Does not look into a seed: `explore` does.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::explore::{Effort, Explored, Finding, explore};
use super::play::catch_panics;

/// Which seeds, and how hard.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// First seed.
    pub first: u64,
    /// Number of seeds.
    pub count: u64,
    /// Effort per seed.
    pub effort: Effort,
    /// Stop at the first finding.
    pub stop_early: bool,
}

/// What all seeds came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Seeds explored.
    pub seeds: u64,
    /// Runs.
    pub runs: usize,
    /// Nodes of the undisturbed runs.
    pub nodes: usize,
    /// Commits of the undisturbed runs.
    pub commits: u64,
    /// Workflows that the oracle foretold, and that it could not.
    pub foretold: (usize, usize),
    /// What is wrong, by seed.
    pub findings: BTreeMap<u64, Finding>,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    fn add(&mut self, seed: u64, explored: Explored) {
        self.seeds += 1;
        self.runs += explored.runs;
        self.nodes += explored.nodes;
        self.commits += explored.commits;
        self.foretold.0 += explored.foretold.0;
        self.foretold.1 += explored.foretold.1;
        if let Some(finding) = explored.finding {
            self.findings.insert(seed, *finding);
        }
    }

    /// One line.
    pub fn summary(&self) -> String {
        format!(
            "simulation: {} seeds, {} runs, {} nodes and {} commits undisturbed, {} workflows foretold ({} \
             ambiguous), {} findings in {:.1} s",
            self.seeds,
            self.runs,
            self.nodes,
            self.commits,
            self.foretold.0,
            self.foretold.1,
            self.findings.len(),
            self.took.as_secs_f64()
        )
    }
}

/// Explores seeds on all cores.
pub fn run(plan: Plan) -> Report {
    static PANICS: std::sync::Once = std::sync::Once::new();
    PANICS.call_once(catch_panics);
    let start = Instant::now();
    let (next, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let report = Mutex::new(Report::default());
    let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= plan.count || stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let seed = plan.first + number;
                    let explored = explore(seed, plan.effort);
                    if plan.stop_early && explored.finding.is_some() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    report.lock().unwrap_or_else(PoisonError::into_inner).add(seed, explored);
                }
            });
        }
    });
    let mut report = report.into_inner().unwrap_or_else(PoisonError::into_inner);
    report.took = start.elapsed();
    report
}

/// A finding as people want it: what, which workflow, how it came, and how to see it again.
pub fn describe(finding: &Finding, canary: Option<&str>, trace: bool) -> String {
    let mut lines: Vec<String> = Vec::new();
    let canary = canary.map(|name| format!(" --canary {name}")).unwrap_or_default();
    let mut line = |text: &str| lines.push(text.to_owned());
    line(&format!("seed {} ({}):", finding.seed, finding.trouble));
    finding.lines.iter().for_each(|text| line(&format!("  {text}")));
    if trace {
        line(&finding.script);
        line(&finding.yaml);
        finding.trace.iter().for_each(|text| line(text));
    }
    line(&format!("  again: cargo xtask sim --seed {}{canary}", finding.seed));
    lines.join("\n")
}
