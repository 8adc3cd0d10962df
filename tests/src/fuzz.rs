//! Fuzzing without coverage, on any compiler: the kept inputs of `fuzz/corpus`, then changes of them, for a short time.
//! Finds what a change broke; new inputs are found by `cargo xtask fuzz`, which is guided by coverage.

use std::path::Path;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

#[path = "../../fuzz/src/feed.rs"]
pub mod feed;

/// Slower than this for each MiB of input is a finding, on top of a fixed allowance.
const SLOW_PER_MIB: Duration = Duration::from_secs(1);
/// What any input may take, however short: an unoptimized build.
const ALLOWANCE: Duration = Duration::from_millis(750);
/// Inputs grow to this size and no further.
const MOST_BYTES: usize = 64 * 1024;

/// What came of a run.
#[derive(Debug, Default)]
pub struct Findings {
    /// Inputs fed.
    pub inputs: u64,
    /// The slowest input, and how long it took.
    pub slowest: (Duration, String),
    /// Inputs that panicked or were too slow, with the reason.
    pub bad: Vec<(String, String)>,
}

/// Feeds the seeds, then changes of them for a while. The same seed feeds the same inputs.
pub fn run(feed: fn(&str), seeds: &[String], seed: u64, time: Duration) -> Findings {
    let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
    let mut pool: Vec<String> = seeds.to_vec();
    if pool.is_empty() {
        pool.push(String::new());
    }
    let mut findings = Findings::default();
    let start = Instant::now();
    let mut kept = seeds.iter();
    while findings.bad.len() < 5 {
        let input = match kept.next() {
            Some(seed) => seed.clone(),
            None if start.elapsed() < time => random.mutate(&pool),
            None => break,
        };
        let before = spent();
        let outcome = std::panic::catch_unwind(|| feed(&input));
        let took = spent().saturating_sub(before);
        findings.inputs += 1;
        if took > findings.slowest.0 {
            findings.slowest = (took, input.clone());
        }
        let mebibytes = u32::try_from(input.len() / (1024 * 1024) + 1).unwrap_or(u32::MAX);
        if outcome.is_err() {
            findings.bad.push((input.clone(), "it panics".to_owned()));
        } else if took > ALLOWANCE + SLOW_PER_MIB * mebibytes {
            findings.bad.push((input.clone(), format!("it takes {took:?}")));
        }
        if pool.len() < 4096 && random.below(50) == 0 {
            pool.push(input);
        }
    }
    findings
}

/// Processor time of this thread so far: neighbours on a busy machine are not a finding.
fn spent() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// The kept inputs of a target: the files of a folder, written by hand, and the lines of `<folder>.jsonl`, which
/// fuzzing has found and made few.
///
/// # Errors
/// The folder or a file of it cannot be read.
pub fn kept(folder: &Path) -> Result<Vec<String>, String> {
    let fail = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries: Result<Vec<_>, _> = std::fs::read_dir(folder).map_err(fail)?.collect();
    let mut paths: Vec<_> = entries.map_err(fail)?.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    // What is no UTF-8 is no input: libFuzzer's entry takes texts only.
    let texts = paths.iter().map(|path| std::fs::read(path).map(|bytes| String::from_utf8(bytes).ok()));
    let mut all: Vec<String> =
        texts.collect::<Result<Vec<_>, _>>().map_err(fail)?.into_iter().flatten().collect();
    let found = std::fs::read_to_string(folder.with_extension("jsonl")).map_err(fail)?;
    for line in found.lines() {
        all.push(serde_json::from_str(line).map_err(|error| format!("{}: {error}", folder.display()))?);
    }
    Ok(all)
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.draw() % u64::try_from(n.max(1)).unwrap_or(1)).unwrap_or(0)
    }

    fn mutate(&mut self, pool: &[String]) -> String {
        const WORDS: [&str; 24] = [
            "{{",
            "}}",
            "{{=",
            "[",
            "]",
            "(",
            ")",
            "{",
            "}",
            "'",
            "\"",
            "\\",
            "\n",
            "  ",
            "- ",
            ": ",
            "&a ",
            "*a",
            "|",
            "..",
            "1e309",
            "\u{202e}",
            "-9223372036854775808",
            "sprig.repeat(99999, 'x')",
        ];
        let mut bytes: Vec<char> = pool[self.below(pool.len())].chars().collect();
        for _ in 0..=self.below(6) {
            let at = self.below(bytes.len() + 1);
            match self.below(6) {
                0 => bytes.splice(at..at, WORDS[self.below(WORDS.len())].chars()).for_each(drop),
                1 => {
                    let end = (at + self.below(24)).min(bytes.len());
                    bytes.drain(at..end);
                }
                2 => {
                    let other: Vec<char> = pool[self.below(pool.len())].chars().collect();
                    let from = self.below(other.len() + 1);
                    let end = (from + self.below(400)).min(other.len());
                    bytes.splice(at..at, other[from..end].iter().copied()).for_each(drop);
                }
                3 => {
                    let end = (at + self.below(64)).min(bytes.len());
                    let part: Vec<char> = bytes[at..end].to_vec();
                    for _ in 0..self.below(8) {
                        bytes.splice(at..at, part.iter().copied()).for_each(drop);
                    }
                }
                4 if at < bytes.len() => bytes[at] = char::from(u8::try_from(self.below(128)).unwrap_or(0)),
                _ => {
                    let word = WORDS[self.below(WORDS.len())].repeat(self.below(200));
                    bytes.splice(at..at, word.chars()).for_each(drop);
                }
            }
        }
        bytes.truncate(MOST_BYTES);
        bytes.into_iter().collect()
    }
}
