//! The registry: sums of what was emitted, as a snapshot that a server can show.
//! Does not survive the process, as Argo's does not: a scraper keeps the history.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{Change, Emission, Realtime};
use crate::Timestamp;

/// Prefix of every custom metric, as Argo's controller shows them.
const PREFIX: &str = "argo_workflows_";
/// Most series of one registry: labels made of results could otherwise fill the memory.
const MAX_SERIES: usize = 20_000;
/// Prometheus' default buckets.
const BUCKETS: [f64; 11] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The type of a family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution.
    Histogram,
}

impl Kind {
    /// Prometheus' word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// All series of one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Family {
    /// Type.
    pub kind: Kind,
    /// Help text.
    pub help: String,
    /// Series by their labels, sorted by name of the label.
    pub series: BTreeMap<Vec<(String, String)>, Sample>,
}

/// The value of one series.
#[derive(Clone, Debug, PartialEq)]
pub enum Sample {
    /// Of a counter or gauge.
    Value(f64),
    /// Of a histogram.
    Histogram {
        /// Upper bounds and how many values were at most that; ascending.
        buckets: Vec<(f64, u64)>,
        /// Number of values.
        count: u64,
        /// Their sum.
        sum: f64,
    },
}

/// Sums of emissions.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Registry {
    families: BTreeMap<String, Family>,
    series: usize,
}

impl Registry {
    /// Takes an emission.
    ///
    /// # Errors
    /// A text for people: a bad name, another type or help than before, or too many series.
    pub fn record(&mut self, emission: &Emission) -> Result<(), String> {
        let Emission { name, help, labels, change } = emission;
        check_names(name, labels)?;
        let kind = match change {
            Change::Count(_) => Kind::Counter,
            Change::Set(_) | Change::Add(_) | Change::Sub(_) => Kind::Gauge,
            Change::Observe { .. } => Kind::Histogram,
        };
        let new = || Family { kind, help: help.clone(), series: BTreeMap::new() };
        let family = self.families.entry(name.clone()).or_insert_with(new);
        if family.kind != kind {
            return Err(format!("metric '{name}' is a {} already", family.kind.as_str()));
        }
        if family.help != *help {
            return Err(format!("metric '{name}' has another help text already: {}", family.help));
        }
        let mut key = labels.clone();
        key.sort();
        if !family.series.contains_key(&key) {
            if self.series >= MAX_SERIES {
                return Err(format!("metric '{name}': there are {MAX_SERIES} series already"));
            }
            self.series += 1;
        }
        let sample = family.series.entry(key).or_insert_with(|| match change {
            Change::Observe { buckets, .. } => empty_histogram(buckets),
            Change::Count(_) | Change::Set(_) | Change::Add(_) | Change::Sub(_) => Sample::Value(0.0),
        });
        apply(sample, change);
        Ok(())
    }

    /// The families by name, without the prefix.
    pub fn families(&self) -> &BTreeMap<String, Family> {
        &self.families
    }

    /// Prometheus' text format, with gauges of passing time as they are now.
    pub fn render(&self, realtime: &[Realtime], now: Timestamp) -> String {
        let mut all = self.families.clone();
        for gauge in realtime.iter().filter(|gauge| check_names(&gauge.name, &gauge.labels).is_ok()) {
            let new = || Family { kind: Kind::Gauge, help: gauge.help.clone(), series: BTreeMap::new() };
            let family = all.entry(gauge.name.clone()).or_insert_with(new);
            if family.kind == Kind::Gauge {
                let mut key = gauge.labels.clone();
                key.sort();
                family.series.insert(key, Sample::Value(gauge.value(now)));
            }
        }
        let mut out = String::new();
        for (name, family) in &all {
            write_family(&mut out, &format!("{PREFIX}{name}"), family);
        }
        out
    }
}

fn check_names(name: &str, labels: &[(String, String)]) -> Result<(), String> {
    let valid = |text: &str| {
        !text.is_empty()
            && !text.starts_with(|c: char| c.is_ascii_digit())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    if !valid(name) {
        return Err(format!(
            "metric name '{name}' is invalid. Metric names must contain alphanumeric characters or '_'"
        ));
    }
    match labels.iter().find(|(key, _)| !valid(key)) {
        Some((key, _)) => Err(format!("metric '{name}': '{key}' is no name of a label")),
        None => Ok(()),
    }
}

fn empty_histogram(buckets: &[f64]) -> Sample {
    let mut bounds: Vec<f64> = if buckets.is_empty() { BUCKETS.to_vec() } else { buckets.to_vec() };
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    Sample::Histogram { buckets: bounds.into_iter().map(|bound| (bound, 0)).collect(), count: 0, sum: 0.0 }
}

fn apply(sample: &mut Sample, change: &Change) {
    match (sample, change) {
        (Sample::Value(value), Change::Count(by) | Change::Add(by)) => *value += by,
        (Sample::Value(value), Change::Sub(by)) => *value -= by,
        (Sample::Value(value), Change::Set(to)) => *value = *to,
        (Sample::Histogram { buckets, count, sum }, Change::Observe { value, .. }) => {
            for (_, seen) in buckets.iter_mut().filter(|(bound, _)| value <= bound) {
                *seen += 1;
            }
            *count += 1;
            *sum += value;
        }
        // The type of a family is checked before.
        (Sample::Value(_), Change::Observe { .. }) | (Sample::Histogram { .. }, _) => {}
    }
}

fn write_family(out: &mut String, name: &str, family: &Family) {
    let help = family.help.replace('\\', "\\\\").replace('\n', "\\n");
    // Writing to a text cannot fail.
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {}", family.kind.as_str());
    for (labels, sample) in &family.series {
        match sample {
            Sample::Value(value) => {
                let _ = writeln!(out, "{name}{} {value}", braces(labels, None));
            }
            Sample::Histogram { buckets, count, sum } => {
                for (bound, seen) in buckets {
                    let label = braces(labels, Some(&bound.to_string()));
                    let _ = writeln!(out, "{name}_bucket{label} {seen}");
                }
                let _ = writeln!(out, "{name}_bucket{} {count}", braces(labels, Some("+Inf")));
                let _ = writeln!(out, "{name}_sum{} {sum}", braces(labels, None));
                let _ = writeln!(out, "{name}_count{} {count}", braces(labels, None));
            }
        }
    }
}

/// Labels in braces; nothing without labels.
fn braces(labels: &[(String, String)], bound: Option<&str>) -> String {
    let escaped = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    let own = labels.iter().map(|(key, value)| format!("{key}=\"{}\"", escaped(value)));
    let all: Vec<String> = own.chain(bound.map(|bound| format!("le=\"{bound}\""))).collect();
    if all.is_empty() { String::new() } else { format!("{{{}}}", all.join(",")) }
}
