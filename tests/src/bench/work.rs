//! Workloads as Argo YAML, and the command that runs them.
//! There is no private fast path: what is measured is what a user runs, start-up and submit included.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use super::limits::inside;
use super::measure::Sample;
use super::probe::peak_rss_kib;
use crate::binary::Home;

/// Longest time of one run.
pub const PATIENCE: Duration = Duration::from_secs(300);
/// What is on disk before the next step starts.
pub const FULL: &str = "SQLite WAL, synchronous=FULL";

/// What a step does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Suspends for no time: the engine alone works, but intent, timer and outcome are facts like any other.
    Nothing,
    /// `sh -c true`, its output captured.
    Shell,
}

impl Step {
    fn template(self) -> &'static str {
        match self {
            Self::Nothing => "  - name: step\n    suspend: {duration: \"0\"}\n",
            Self::Shell => {
                "  - name: step\n    container: {image: \"alpine:3\", command: [sh, -c, \"true\"]}\n"
            }
        }
    }
}

fn head(step: Step, more: &str) -> String {
    format!(
        "apiVersion: argoproj.io/v1alpha1\nkind: Workflow\nmetadata: {{generateName: bench-}}\nspec:\n  \
         entrypoint: main\n{more}  templates:\n{}  - name: main\n    dag:\n      tasks:\n",
        step.template()
    )
}

/// A chain of so many tasks.
pub fn chain(step: Step, count: usize) -> String {
    let mut yaml = head(step, "");
    for at in 0..count {
        let depends = at.checked_sub(1).map(|before| format!(", depends: t{before}")).unwrap_or_default();
        let _infallible = writeln!(yaml, "      - {{name: t{at}, template: step{depends}}}");
    }
    yaml
}

/// So many steps at once, then one that joins them. Limited in flight where a number is given.
pub fn fan(step: Step, count: usize, in_flight: Option<usize>) -> String {
    let limit = in_flight.map(|limit| format!("  parallelism: {limit}\n")).unwrap_or_default();
    format!(
        "{}      - {{name: fan, template: step, withSequence: {{count: \"{count}\"}}}}\n      \
         - {{name: join, template: step, depends: fan}}\n",
        head(step, &limit)
    )
}

/// Several workflows in one file.
pub fn several(one: &str, count: usize) -> String {
    vec![one; count].join("---\n")
}

/// Submits a manifest in a fresh home and waits for its end.
///
/// # Errors
/// It does not succeed.
pub fn submit(yaml: &str, units: usize) -> Result<Sample, String> {
    let home = Home::new("default")?;
    let file = home.folder().join("bench.yaml");
    std::fs::write(&file, yaml).map_err(|error| format!("{}: {error}", file.display()))?;
    let mut sample = timed(&home, &["submit", "bench.yaml", "--wait", "--quiet"])?;
    #[expect(clippy::cast_precision_loss, reason = "counts of steps")]
    let count = units as f64;
    sample.units = count;
    let backup = home.folder().join("backup.db");
    let said = home.run(&["db", "backup", "backup.db"], PATIENCE)?;
    if said.code == Some(0) {
        sample.disk_bytes = std::fs::metadata(&backup).map(|stat| stat.len()).ok();
    }
    sample.inside = inside(&home.folder().join("store/runner.db"));
    Ok(sample)
}

/// Runs a command of the binary to its end; one unit.
///
/// # Errors
/// It fails.
pub fn timed(home: &Home, words: &[&str]) -> Result<Sample, String> {
    // The first start links the binary into the home.
    home.prepare()?;
    let began = Instant::now();
    let mut running = home.start(home.folder(), words)?;
    let mut rss_kib = None;
    while !running.ended() && began.elapsed() < PATIENCE {
        rss_kib = peak_rss_kib(running.id()).or(rss_kib);
        std::thread::sleep(Duration::from_millis(1));
    }
    let seconds = began.elapsed().as_secs_f64();
    let said = running.wait(Duration::ZERO);
    if said.code != Some(0) {
        return Err(format!("exit {:?}: {}", said.code, said.both()));
    }
    Ok(Sample { seconds, units: 1.0, rss_kib, ..Sample::default() })
}
