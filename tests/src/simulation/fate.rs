//! What becomes of a simulated process: decided by the seed and the node's name alone.
//! Does not run anything; runner and oracle both ask here.

use super::rng::{Rng, hash};

/// How often in a thousand a process ends badly, and how long it may run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chances {
    /// Exit code other than 0.
    pub fail: u64,
    /// Something around the step goes wrong.
    pub error: u64,
    /// It disappears.
    pub lost: u64,
    /// Longest run in milliseconds.
    pub longest_ms: u64,
}

/// How a process ends by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With this exit code.
    Exit(i32),
    /// As an Error.
    Error,
    /// Without a record.
    Lost,
}

/// The life of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fate {
    /// How long it runs. Odd nanoseconds, so that two processes never end at the same moment.
    pub duration_ns: u64,
    /// How it ends.
    pub end: End,
    /// How long it lives on after a TERM.
    pub dying_ns: u64,
    /// A number it may write.
    pub number: u64,
    /// A list it may write.
    pub list: Vec<u64>,
}

/// The life of the process of a node.
pub fn fate(seed: u64, workflow: &str, node: &str, chances: Chances) -> Fate {
    let mut rng = Rng::new(hash(seed, &[workflow, node]), "fate");
    let duration_ns = 1_000_000 + rng.below(chances.longest_ms.max(1) * 1_000_000);
    let draw = rng.below(1000);
    let code = i32::try_from(rng.between(1, 4)).unwrap_or(1);
    let end = if draw < chances.fail {
        End::Exit(code)
    } else if draw < chances.fail + chances.error {
        End::Error
    } else if draw < chances.fail + chances.error + chances.lost {
        End::Lost
    } else {
        End::Exit(0)
    };
    let len = rng.below(4);
    Fate {
        duration_ns,
        end,
        dying_ns: 1_000_000 + rng.below(2_000_000_000),
        number: rng.below(4),
        list: (0..len).map(|_| rng.below(4)).collect(),
    }
}

impl Fate {
    /// The list as JSON.
    pub fn list_text(&self) -> String {
        let items: Vec<String> = self.list.iter().map(u64::to_string).collect();
        format!("[{}]", items.join(","))
    }
}

/// What somebody supplies to a pause when it is resumed.
pub fn supplied(seed: u64, workflow: &str, node: &str) -> String {
    format!("s{}", hash(seed, &[workflow, node, "supplied"]) % 100)
}

/// How long somebody thinks before resuming a pause, in nanoseconds.
pub fn thinking_ns(seed: u64, workflow: &str, node: &str) -> u64 {
    1_000_000 + hash(seed, &[workflow, node, "thinking"]) % 30_000_000_000
}
