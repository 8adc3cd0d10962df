//! Benchmarks: the real binary and Argo YAML, beside a physical limit or a peer measured in the same run.
//! Never part of the test run; a number means nothing without the number next to it.

pub mod engine;
pub mod ingest;
pub mod limits;
pub mod measure;
pub mod probe;
pub mod report;
pub mod resume;
pub mod scale;
pub mod shell;
pub mod start;
pub mod work;

use measure::{Bench, Done, Options};

/// One entry: its name on the command line, what it is, and how its sides are made.
pub struct Entry {
    /// Name.
    pub name: &'static str,
    /// What is measured.
    pub about: &'static str,
    /// Makes it.
    pub make: fn() -> Result<Bench, String>,
}

/// All benchmarks, in the order in which they are run.
pub const ENTRIES: [Entry; 18] = [
    Entry { name: "b1", about: "a chain of 1,000 no-op steps", make: engine::chain },
    Entry { name: "b2", about: "1,000 no-op steps at once, then a join", make: || engine::fan(1_000) },
    Entry { name: "b2-10k", about: "10,000 no-op steps at once, then a join", make: || engine::fan(10_000) },
    Entry { name: "b3", about: "1,000 workflows of 3 no-op steps", make: engine::many },
    Entry { name: "b4a", about: "a chain of `sh -c true`, logs captured", make: shell::chain },
    Entry { name: "b4b-2", about: "`sh -c true`, two in flight", make: || shell::fan(2) },
    Entry { name: "b4b-4", about: "`sh -c true`, four in flight", make: || shell::fan(4) },
    Entry { name: "b6-1", about: "events over one connection", make: || Ok(ingest::ingest_of(1)) },
    Entry { name: "b6-16", about: "events over 16 connections", make: || Ok(ingest::ingest_of(16)) },
    Entry { name: "b6-64", about: "events over 64 connections", make: || Ok(ingest::ingest_of(64)) },
    Entry { name: "b6-burst", about: "a burst of ten times the events", make: || Ok(ingest::burst()) },
    Entry { name: "b6-flow", about: "a workflow for each event", make: || Ok(ingest::started()) },
    Entry { name: "b7-100", about: "resume after kill -9, 100 nodes", make: || resume::resume(100) },
    Entry { name: "b7-1k", about: "resume after kill -9, 1,000 nodes", make: || resume::resume(1_000) },
    Entry { name: "b7-10k", about: "resume after kill -9, 10,000 nodes", make: || resume::resume(10_000) },
    Entry { name: "b9", about: "cold start", make: start::start },
    Entry { name: "b10-chain", about: "one workflow, a chain that grows", make: || scale::scale(true) },
    Entry { name: "b10-fan", about: "one workflow, a fan-out that grows", make: || scale::scale(false) },
];

/// `b4` means `b4a` and `b4b-2`, but `b1` does not mean `b10`.
fn chosen(name: &str, word: &str) -> bool {
    let rest = name.strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
}

/// Runs the benchmarks that the given words mean; all without a word.
///
/// # Errors
/// One of them cannot be run.
pub fn run(words: &[String], options: Options) -> Result<Vec<Done>, String> {
    crate::binary::binary()?;
    let entries: Vec<&Entry> = ENTRIES
        .iter()
        .filter(|entry| words.is_empty() || words.iter().any(|word| chosen(entry.name, word)))
        .collect();
    if entries.is_empty() {
        let names: Vec<&str> = ENTRIES.iter().map(|entry| entry.name).collect();
        return Err(format!("no benchmark of that name; there are {}", names.join(", ")));
    }
    let mut done = Vec::new();
    for entry in entries {
        eprintln!("{}: {}", entry.name, entry.about);
        let bench = (entry.make)()?;
        done.push(measure::interleaved(entry, bench, options)?);
    }
    Ok(done)
}

#[cfg(test)]
mod tests {
    use super::chosen;

    #[test]
    fn a_word_means_a_benchmark_or_a_family() {
        assert!(
            chosen("b1", "b1") && chosen("b4a", "b4") && chosen("b4b-2", "b4b") && chosen("b10-fan", "b10")
        );
        assert!(!chosen("b10-fan", "b1") && !chosen("b2", "b3"));
    }
}
