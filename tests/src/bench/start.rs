//! B9: how soon the binary answers, and how large it is.
//! Resuming is in `resume`.

use std::process::{Command, Stdio};
use std::time::Instant;

use super::measure::{Bench, Metric, Sample, Side, Target};
use super::work::{self, FULL, Step};
use crate::binary::{Home, binary};

fn ours(name: &str, words: &'static [&'static str], before: &'static [&'static str]) -> Side {
    let run = move || {
        let home = Home::new("default")?;
        let file = home.folder().join("bench.yaml");
        std::fs::write(&file, work::chain(Step::Nothing, 1)).map_err(|error| error.to_string())?;
        if !before.is_empty() {
            work::timed(&home, before)?;
        }
        work::timed(&home, words)
    };
    Side { name: name.to_owned(), durability: FULL, ours: true, run: Box::new(run) }
}

fn nothing() -> Result<Sample, String> {
    let began = Instant::now();
    let status = Command::new("/bin/true").stdout(Stdio::null()).status();
    status.map_err(|error| format!("true: {error}"))?;
    Ok(Sample { seconds: began.elapsed().as_secs_f64(), units: 1.0, ..Sample::default() })
}

/// B9.
pub fn start() -> Result<Bench, String> {
    let size = std::fs::metadata(binary()?).map_err(|error| error.to_string())?.len();
    #[expect(clippy::cast_precision_loss, reason = "megabytes")]
    let megabytes = size as f64 / 1e6;
    const SUBMIT: &[&str] = &["submit", "bench.yaml", "--wait", "--quiet"];
    Ok(Bench {
        metric: Metric::Milliseconds,
        unit: "ms",
        sides: vec![
            ours("runner version", &["version"], &[]),
            ours("runner list, a store with one workflow", &["list"], SUBMIT),
            ours("runner submit, a fresh store, one no-op step", SUBMIT, &[]),
            Side {
                name: "limit: spawn of /bin/true".to_owned(),
                durability: "none",
                ours: false,
                run: Box::new(nothing),
            },
        ],
        targets: (0..3).map(|ours| Target { ours, other: None, bound: 50.0 }).collect(),
        notes: vec![format!(
            "The binary has {megabytes:.1} MB (release profile; the target is 25 MB). Times have a resolution of \
             about 1 ms."
        )],
    })
}
