//! What goes wrong in a run, and at which commit.
//! Does not make it go wrong: `disk` does.

use std::collections::BTreeMap;
use std::fmt;

use super::rng::Rng;

/// What happens to one commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mishap {
    /// The engine dies; the commit is not there.
    CrashBefore,
    /// The engine dies; the commit is there.
    CrashAfter,
    /// The engine gets an error; the commit is not there.
    ErrorBefore,
    /// The engine gets an error; the commit is there.
    ErrorAfter,
    /// The engine dies with all processes; the commit is there.
    Reboot,
    /// The engine stands still for longer than its lease lasts, then goes on with this commit.
    Freeze,
}

/// The mishaps of one run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trouble {
    /// By number of the commit, from 1.
    pub at: BTreeMap<u64, Mishap>,
    /// Crashes at that many of a thousand commits, drawn from a seed, at most ten.
    pub chaos: Option<(u64, u64)>,
    /// How long after a crash the next engine starts.
    pub downtime_ns: u64,
}

impl Trouble {
    /// One mishap at one commit; the next engine starts at the same moment.
    pub fn one(commit: u64, mishap: Mishap) -> Self {
        Self { at: BTreeMap::from([(commit, mishap)]), ..Self::default() }
    }

    /// The same with a pause before the next engine.
    pub fn after(self, downtime_ns: u64) -> Self {
        Self { downtime_ns, ..self }
    }

    /// What happens to the commit of that number, after so many crashes.
    pub fn of(&self, commit: u64, crashes: usize) -> Option<Mishap> {
        if let Some(mishap) = self.at.get(&commit) {
            return Some(*mishap);
        }
        let (permille, seed) = self.chaos.filter(|_| crashes < 10)?;
        let mut rng = Rng::new(seed ^ commit, "chaos");
        let crash = if rng.chance(500) { Mishap::CrashBefore } else { Mishap::CrashAfter };
        rng.chance(permille).then_some(crash)
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.at.is_empty() && self.chaos.is_none() {
            return f.write_str("undisturbed");
        }
        for (commit, mishap) in &self.at {
            write!(f, "{mishap:?} at commit {commit}")?;
        }
        if self.chaos.is_some() {
            f.write_str("crashes at random commits")?;
        }
        write!(f, ", {} ms down", self.downtime_ns / 1_000_000)
    }
}
