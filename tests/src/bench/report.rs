//! Prints what was measured: a table for people, one JSON line per measurement, a page for the documentation.
//! Measures nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::json;

use super::measure::{Done, Measured, Metric, Target, median, ratio, spread};

/// A number with three digits that count.
fn short(value: f64) -> String {
    match value.abs() {
        large if large >= 100.0 => {
            let whole = format!("{value:.0}");
            let mut out = String::new();
            for (at, digit) in whole.chars().enumerate() {
                if at > 0 && (whole.len() - at) % 3 == 0 {
                    out.push(',');
                }
                out.push(digit);
            }
            out
        }
        middle if middle >= 10.0 => format!("{value:.1}"),
        small if small >= 0.1 || small == 0.0 => format!("{value:.2}"),
        _tiny => format!("{value:.4}"),
    }
}

/// Whether a bound is kept; times are to be small, rates large.
fn kept(metric: Metric, value: f64, bound: f64) -> bool {
    match metric {
        Metric::Rate => value >= bound,
        Metric::Milliseconds | Metric::Microseconds => value <= bound,
    }
}

fn value_of(done: &Done, target: &Target) -> f64 {
    let ours = done.sides.get(target.ours).map_or(&[][..], |side| &side.values);
    match target.other.and_then(|other| done.sides.get(other)) {
        Some(other) => ratio(ours, &other.values),
        None => median(ours),
    }
}

/// The ratio of our first side over another one, and the targets that concern a side.
fn beside(done: &Done, at: usize) -> (String, String) {
    let Some((first, side)) = done.sides.first().zip(done.sides.get(at)) else {
        return (String::new(), String::new());
    };
    let over = if side.ours { String::new() } else { format!("{:.3}", ratio(&first.values, &side.values)) };
    let mut targets = Vec::new();
    for target in done.targets.iter().filter(|target| target.other.unwrap_or(target.ours) == at) {
        let value = value_of(done, target);
        let word = match (done.judged, kept(done.metric, value, target.bound)) {
            (false, _) => "not judged, too busy",
            (true, true) => "met",
            (true, false) => "missed",
        };
        let sign = if done.metric == Metric::Rate { "≥" } else { "≤" };
        targets.push(format!("{sign} {}: {word} ({})", short(target.bound), short(value)));
    }
    (over, targets.join("; "))
}

fn memory(side: &Measured) -> String {
    side.rss_kib.map(|kib| format!("{} MiB", kib / 1024)).unwrap_or_default()
}

fn disk(side: &Measured) -> String {
    #[expect(clippy::cast_precision_loss, reason = "bytes per step")]
    let per_unit = side.disk_bytes.map(|bytes| bytes as f64 / side.units.max(1.0));
    per_unit.map(|bytes| format!("{} B", short(bytes))).unwrap_or_default()
}

fn gaps(side: &Measured) -> String {
    let found = side.inside.map(|one| format!("{} / {}", short(one.gap_p50_us), short(one.gap_p99_us)));
    found.unwrap_or_default()
}

const HEADS: [&str; 12] = [
    "",
    "median",
    "spread",
    "unit",
    "runner over it",
    "target",
    "CPU ms/unit",
    "peak RSS",
    "disk/unit",
    "engine ms",
    "p50/p99 µs",
    "durability",
];

fn rows(done: &Done) -> Vec<[String; 12]> {
    let row = |(at, side): (usize, &Measured)| {
        let (low, high) = spread(&side.values);
        let (over, target) = beside(done, at);
        [
            side.name.clone(),
            short(median(&side.values)),
            format!("{} to {}", short(low), short(high)),
            done.unit.to_owned(),
            over,
            target,
            short(side.cpu_ms),
            memory(side),
            disk(side),
            side.inside.map(|inside| short(inside.engine_ms)).unwrap_or_default(),
            gaps(side),
            side.durability.to_owned(),
        ]
    };
    done.sides.iter().enumerate().map(row).collect()
}

/// How quiet and how fast the machine was.
fn weather(done: &Done) -> String {
    let (low, high) = spread(&done.calibration_ms);
    let (least, most) = spread(&done.foreign);
    let kind = if done.judged { "quiet rounds" } else { "rounds, too few of them quiet to judge" };
    format!(
        "{} {kind}, {} dropped; others used {least:.2} to {most:.2} processors meanwhile; fixed loop {} to {} ms",
        done.calibration_ms.len(),
        done.dropped,
        short(low),
        short(high)
    )
}

/// For people, in columns.
pub fn text(done: &Done) -> String {
    let rows = rows(done);
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([HEADS[column].chars().count()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..HEADS.len()).map(width).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut out = format!("\n{}: {}   ({})\n", done.name, done.about, weather(done));
    let _infallible = writeln!(out, "  {}", line(&mut HEADS.into_iter()));
    for row in &rows {
        let _infallible = writeln!(out, "  {}", line(&mut row.iter().map(String::as_str)));
    }
    for note in &done.notes {
        let _infallible = writeln!(out, "  {note}");
    }
    out
}

/// One JSON line for each side.
pub fn lines(done: &Done) -> String {
    let mut out = String::new();
    for (at, side) in done.sides.iter().enumerate() {
        let targets = done.targets.iter().filter(|target| target.ours == at);
        let targets: Vec<_> = targets
            .map(|target| {
                let value = value_of(done, target);
                let over = target.other.and_then(|other| done.sides.get(other)).map(|other| &other.name);
                json!({"over": over, "value": value, "bound": target.bound,
                    "met": done.judged.then(|| kept(done.metric, value, target.bound))})
            })
            .collect();
        let object = json!({
            "bench": done.name, "side": side.name, "unit": done.unit, "median": median(&side.values),
            "rounds": side.values, "units": side.units, "cpuMsPerUnit": side.cpu_ms,
            "peakRssKib": side.rss_kib, "diskBytes": side.disk_bytes, "durability": side.durability,
            "engineMs": side.inside.map(|one| one.engine_ms),
            "gapP50Us": side.inside.map(|one| one.gap_p50_us), "gapP99Us": side.inside.map(|one| one.gap_p99_us),
            "targets": targets, "foreignCpu": done.foreign, "judged": done.judged, "calibrationMs": done.calibration_ms,
        });
        let _infallible = writeln!(out, "{object}");
    }
    out
}

/// The machine, in a line.
fn machine() -> String {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let kernel = read("/proc/sys/kernel/osrelease");
    let cpu = read("/proc/cpuinfo");
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let count = cpu.lines().filter(|line| line.starts_with("processor")).count();
    let memory = read("/proc/meminfo");
    let kib = memory.split_ascii_whitespace().nth(1).and_then(|word| word.parse::<u64>().ok()).unwrap_or(0);
    format!(
        "Linux {}, {count} processors ({}), {} GiB",
        kernel.trim(),
        model.trim_start_matches(['\t', ' ', ':']).trim(),
        kib >> 20
    )
}

/// The page `docs/performance.md`: what was measured in this run, and of the page before what was not.
pub fn page(all: &[Done], command: &str, before: &str) -> String {
    let mut out = "# Performance\n\nWritten by `cargo xtask bench --write`; each section says which run it is of, or stems from an \
         earlier one.\n\n\
         Each number stands beside a physical limit or a peer that was measured in the same run, in turns, so that a \
         machine that drifts drifts for all of them: trust the ratios (medians of the ratios of each round), not the \
         absolute numbers. \"engine ms\" is the time from the creation of the \
         first workflow to the end of the last one, as the store has it; p50/p99 is the time between the ends of two \
         nodes, and of events that from a request to its answer. Durability says what is on disk before the next step starts. A missed target is printed as missed. \
         A round in which other processes used more than a quarter of a processor is dropped; with fewer than three \
         quiet rounds nothing is judged, and the numbers say little: beside a busy compiler a limit can look slower \
         than the engine.\n"
        .to_owned();
    let mut new: BTreeMap<&str, String> =
        all.iter().map(|done| (done.name, section(done, command))).collect();
    let (mut kept, mut last) = (Vec::new(), Vec::new());
    for old in before.split("\n## ").skip(1) {
        let name = old.split(':').next().unwrap_or_default();
        let text = new.remove(name).unwrap_or_else(|| format!("\n## {}\n", old.trim_end()));
        // what is measured without an engine stands at the end
        if name == "lint" { last.push(text) } else { kept.push(text) }
    }
    let added = all.iter().filter_map(|done| new.remove(done.name));
    kept.into_iter().chain(added).chain(last).for_each(|text| out.push_str(&text));
    out
}

fn section(done: &Done, command: &str) -> String {
    let mut out = format!("\n## {}: {}\n\n| {} |\n|", done.name, done.about, HEADS.join(" | "));
    HEADS.iter().for_each(|_| out.push_str("---|"));
    out.push('\n');
    for row in rows(done) {
        let _infallible = writeln!(out, "| {} |", row.join(" | "));
    }
    let _infallible = writeln!(out, "\n{}.", weather(done));
    for note in &done.notes {
        let _infallible = writeln!(out, "{note}");
    }
    let _infallible = writeln!(out, "Run: `{command}`; {}.", machine());
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_keeps_what_was_not_measured_again() {
        let done = |name| Done {
            name,
            about: "new",
            metric: Metric::Rate,
            unit: "events/s",
            sides: Vec::new(),
            targets: Vec::new(),
            notes: Vec::new(),
            calibration_ms: vec![2.4],
            foreign: vec![0.0],
            dropped: 0,
            judged: true,
        };
        let before =
            "# Old\n\nhead\n\n## b1: old one\n\ntext\n\n## b2: old two\n\ntext\n\n## lint: last\n\nend\n";
        let page = page(&[done("b2"), done("b6")], "bench b2 b6", before);
        let heads: Vec<&str> = page.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(heads, ["## b1: old one", "## b2: new", "## b6: new", "## lint: last"]);
        assert!(page.contains("\n## b1: old one\n\ntext\n\n## b2: new\n") && page.ends_with("\n\nend\n"));
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(1_234_567.8), "1,234,568");
        assert_eq!(short(123.4), "123");
        assert_eq!(short(12.34), "12.3");
        assert_eq!(short(0.123), "0.12");
    }

    #[test]
    fn times_are_to_be_small_and_rates_large() {
        assert!(kept(Metric::Rate, 0.5, 0.4) && !kept(Metric::Rate, 0.3, 0.4));
        assert!(kept(Metric::Milliseconds, 40.0, 50.0) && !kept(Metric::Milliseconds, 60.0, 50.0));
    }
}
