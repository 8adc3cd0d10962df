//! Interleaved rounds: every side once per round, so that a machine that drifts drifts for all of them.
//! Judges nothing; ratios are made per round and their median is reported.

use std::time::{Duration, Instant};

use super::Entry;
use super::probe::{Cpu, calibrate};

/// How to measure.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Rounds; five at least say something.
    pub rounds: usize,
    /// How long one benchmark may go on in search of quiet rounds.
    pub patience: Duration,
}

/// A round in which others used more processors than this is dropped.
pub const FOREIGN: f64 = 0.25;
/// Fewer quiet rounds than this are no ground for a judgement.
const ENOUGH: usize = 3;

/// What one side did in one round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    /// Wall time.
    pub seconds: f64,
    /// What was done in it, e.g. steps.
    pub units: f64,
    /// Largest resident set of the process, where it was looked at.
    pub rss_kib: Option<u64>,
    /// Size of the store afterwards, where it was looked at.
    pub disk_bytes: Option<u64>,
    /// What the store says about the time in between.
    pub inside: Option<Inside>,
}

/// Times that are in the store.
#[derive(Clone, Copy, Debug)]
pub struct Inside {
    /// From the creation of the first workflow to the end of the last one, in milliseconds.
    pub engine_ms: f64,
    /// Between the ends of two nodes, in microseconds: the median.
    pub gap_p50_us: f64,
    /// The same for the slowest of a hundred.
    pub gap_p99_us: f64,
}

/// How numbers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Units per second; more is better.
    Rate,
    /// Milliseconds for one unit; less is better.
    Milliseconds,
    /// Microseconds for one unit; less is better.
    Microseconds,
}

impl Metric {
    /// The number of a sample.
    pub fn of(self, sample: &Sample) -> f64 {
        match self {
            Self::Rate => sample.units / sample.seconds,
            Self::Milliseconds => sample.seconds * 1e3 / sample.units,
            Self::Microseconds => sample.seconds * 1e6 / sample.units,
        }
    }
}

/// Measures once.
pub type Run = Box<dyn FnMut() -> Result<Sample, String>>;

/// One thing that is measured.
pub struct Side {
    /// What it is.
    pub name: String,
    /// How durable it is: what is on disk before the next step starts.
    pub durability: &'static str,
    /// Ours, with targets; otherwise a limit or a peer.
    pub ours: bool,
    /// Measures once.
    pub run: Run,
}

/// A bound from the plan: ours over another side must be at least (or, for times, at most) this.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Index of our side.
    pub ours: usize,
    /// Index of the other side; none: an absolute bound on the number itself.
    pub other: Option<usize>,
    /// The bound.
    pub bound: f64,
}

/// One benchmark.
pub struct Bench {
    /// How numbers are read.
    pub metric: Metric,
    /// What is counted.
    pub unit: &'static str,
    /// What is measured.
    pub sides: Vec<Side>,
    /// What is wanted.
    pub targets: Vec<Target>,
    /// What has to be known to read the numbers.
    pub notes: Vec<String>,
}

/// What was measured of a side.
#[derive(Clone, Debug)]
pub struct Measured {
    /// What it is.
    pub name: String,
    /// How durable it is.
    pub durability: &'static str,
    /// Ours.
    pub ours: bool,
    /// One number per round.
    pub values: Vec<f64>,
    /// Processor milliseconds per unit, own processes and their children; median.
    pub cpu_ms: f64,
    /// Largest resident set of all rounds.
    pub rss_kib: Option<u64>,
    /// Size of the store after the last round.
    pub disk_bytes: Option<u64>,
    /// Units of a round.
    pub units: f64,
    /// What the store says, medians over the rounds.
    pub inside: Option<Inside>,
}

/// A benchmark that was run.
pub struct Done {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub about: &'static str,
    /// How numbers are read.
    pub metric: Metric,
    /// What is counted.
    pub unit: &'static str,
    /// What was measured.
    pub sides: Vec<Measured>,
    /// What is wanted.
    pub targets: Vec<Target>,
    /// What has to be known.
    pub notes: Vec<String>,
    /// Processors that others used meanwhile, one number per round (1.0 is one processor).
    pub foreign: Vec<f64>,
    /// Milliseconds of a fixed loop, one number per round: how fast the machine was.
    pub calibration_ms: Vec<f64>,
    /// There were enough quiet rounds, and only those are here; otherwise all are, and mean little.
    pub judged: bool,
    /// Rounds that were not quiet and are not here.
    pub dropped: usize,
}

/// Runs a benchmark: as many rounds as asked for, and more until enough of them were quiet or time is up.
///
/// # Errors
/// A side cannot be run.
pub fn interleaved(entry: &Entry, mut bench: Bench, options: Options) -> Result<Done, String> {
    let mut rounds = Vec::new();
    let began = Instant::now();
    while rounds.len() < options.rounds
        || quiet(&rounds) < options.rounds && began.elapsed() < options.patience
    {
        let round = once(entry, &mut bench, rounds.len())?;
        rounds.push(round);
    }
    let all = rounds.len();
    let judged = quiet(&rounds) >= ENOUGH;
    if judged {
        rounds.retain(Round::quiet);
    }
    let of = |at: usize| -> Vec<(Sample, f64)> {
        rounds.iter().filter_map(|round| round.samples.get(at).copied()).collect()
    };
    let sides = bench.sides.into_iter().enumerate().map(|(at, side)| {
        let samples = of(at);
        Measured {
            name: side.name,
            durability: side.durability,
            ours: side.ours,
            values: samples.iter().map(|(sample, _)| bench.metric.of(sample)).collect(),
            cpu_ms: median(&samples.iter().map(|(_, cpu)| *cpu).collect::<Vec<_>>()),
            rss_kib: samples.iter().filter_map(|(sample, _)| sample.rss_kib).max(),
            disk_bytes: samples.last().and_then(|(sample, _)| sample.disk_bytes),
            units: samples.last().map_or(0.0, |(sample, _)| sample.units),
            inside: inside(&samples),
        }
    });
    Ok(Done {
        name: entry.name,
        about: entry.about,
        metric: bench.metric,
        unit: bench.unit,
        sides: sides.collect(),
        targets: bench.targets,
        notes: bench.notes,
        foreign: rounds.iter().map(|round| round.foreign).collect(),
        calibration_ms: rounds.iter().map(|round| round.calibration_ms).collect(),
        judged,
        dropped: all - rounds.len(),
    })
}

/// Every side once.
struct Round {
    samples: Vec<(Sample, f64)>,
    foreign: f64,
    calibration_ms: f64,
}

impl Round {
    fn quiet(&self) -> bool {
        self.foreign <= FOREIGN
    }
}

fn quiet(rounds: &[Round]) -> usize {
    rounds.iter().filter(|round| round.quiet()).count()
}

fn once(entry: &Entry, bench: &mut Bench, number: usize) -> Result<Round, String> {
    let calibration_ms = calibrate();
    let (began, before) = (Instant::now(), Cpu::now());
    let mut samples = Vec::new();
    for side in &mut bench.sides {
        let cpu = Cpu::now();
        let sample = (side.run)().map_err(|why| format!("{}: {}: {why}", entry.name, side.name))?;
        let cpu_ms = Cpu::now().own_since(&cpu) * 1e3 / sample.units;
        eprintln!("  round {number}: {}: {:.1}", side.name, bench.metric.of(&sample));
        samples.push((sample, cpu_ms));
    }
    let foreign = Cpu::now().foreign_since(&before) / began.elapsed().as_secs_f64();
    Ok(Round { samples, foreign, calibration_ms })
}

fn inside(samples: &[(Sample, f64)]) -> Option<Inside> {
    let all: Vec<Inside> = samples.iter().filter_map(|(sample, _)| sample.inside).collect();
    let middle = |of: fn(&Inside) -> f64| median(&all.iter().map(of).collect::<Vec<_>>());
    let found = Inside {
        engine_ms: middle(|one| one.engine_ms),
        gap_p50_us: middle(|one| one.gap_p50_us),
        gap_p99_us: middle(|one| one.gap_p99_us),
    };
    (!all.is_empty()).then_some(found)
}

/// The middle value; of an even number the mean of the two.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match (sorted.len() % 2, sorted.get(middle), middle.checked_sub(1).and_then(|below| sorted.get(below))) {
        (1, Some(value), _) => *value,
        (0, Some(high), Some(low)) => (high + low) / 2.0,
        _ => f64::NAN,
    }
}

/// Smallest and largest value.
pub fn spread(values: &[f64]) -> (f64, f64) {
    values
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)))
}

/// Median over the rounds of one side over the other.
pub fn ratio(ours: &[f64], other: &[f64]) -> f64 {
    median(&ours.iter().zip(other).map(|(a, b)| a / b).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_spreads_and_ratios() {
        assert!((median(&[3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < 1e-9);
        assert!(median(&[]).is_nan());
        assert_eq!(spread(&[3.0, 1.0, 2.0]), (1.0, 3.0));
        // A machine that was half as fast in the second round changes no ratio.
        assert!((ratio(&[4.0, 2.0, 6.0], &[8.0, 4.0, 12.0]) - 0.5).abs() < 1e-9);
    }
}
