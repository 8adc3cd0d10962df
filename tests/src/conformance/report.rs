//! The report of a conformance run, as text and as JSON.
//! Does not run cases.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::known::Known;
use super::outcome::{CaseResult, Outcome};

/// Numbers of one class of one corpus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Passed.
    pub passed: usize,
    /// Failed.
    pub failed: usize,
    /// Skipped.
    pub skipped: usize,
}

impl Tally {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }
}

/// What a run found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// All results, in order.
    pub results: Vec<CaseResult>,
    /// Corpora that were asked for and are not there.
    pub absent: Vec<String>,
}

impl Report {
    /// Numbers by corpus and class.
    pub fn tallies(&self) -> BTreeMap<(String, String), Tally> {
        let mut tallies: BTreeMap<(String, String), Tally> = BTreeMap::new();
        for result in &self.results {
            tallies.entry((result.corpus.clone(), result.class.clone())).or_default().add(&result.outcome);
        }
        tallies
    }

    /// Numbers of the whole run; an absent corpus is one skip.
    pub fn total(&self) -> Tally {
        let mut total = Tally { skipped: self.absent.len(), ..Tally::default() };
        for result in &self.results {
            total.add(&result.outcome);
        }
        total
    }

    /// The report for people: one line per failure and skip, then the numbers.
    pub fn text(&self, known: &Known) -> String {
        let mut out = String::new();
        for result in &self.results {
            let label = format!("{} {}", result.corpus, result.id);
            match &result.outcome {
                Outcome::Passed => {}
                Outcome::Failed(why) => {
                    let mark = known
                        .reason(&result.corpus, &result.id)
                        .map(|reason| format!(" (known: {reason})"))
                        .unwrap_or_default();
                    line(
                        &mut out,
                        &format!("FAIL {label} [{}]{mark}: {}", result.confidence, why.join(" | ")),
                    );
                }
                Outcome::Skipped(why) => line(&mut out, &format!("SKIP {label}: {why}")),
            }
        }
        for corpus in &self.absent {
            line(&mut out, &format!("SKIP {corpus}: the corpus is not there"));
        }
        line(&mut out, &format!("{:<42} {:>6} {:>6} {:>7}", "corpus / class", "passed", "failed", "skipped"));
        for ((corpus, class), tally) in self.tallies() {
            let label = if class.is_empty() { corpus } else { format!("{corpus} {class}") };
            let Tally { passed, failed, skipped } = tally;
            line(&mut out, &format!("{label:<42} {passed:>6} {failed:>6} {skipped:>7}"));
        }
        let Tally { passed, failed, skipped } = self.total();
        line(&mut out, &format!("conformance: {passed} passed, {failed} failed, {skipped} skipped"));
        out
    }

    /// The report for programs.
    pub fn json(&self) -> Value {
        let tally = |tally: &Tally| json!({ "passed": tally.passed, "failed": tally.failed, "skipped": tally.skipped });
        let classes: Vec<Value> = self
            .tallies()
            .iter()
            .map(|((corpus, class), numbers)| {
                json!({ "corpus": corpus, "class": class, "tally": tally(numbers) })
            })
            .collect();
        json!({
            "total": tally(&self.total()),
            "classes": classes,
            "absent": self.absent,
            "cases": self.results,
        })
    }
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", text.replace('\n', "⏎"));
}
