//! Mutation fuzzing of everything that reads what strangers write: manifests, texts with tags, expressions, `when`.
//! Finds panics and slow inputs within a budget; coverage-guided fuzzing needs a compiler that this build does not ask for.

use std::path::Path;
use std::time::{Duration, Instant};

use runner_workflows::expr::depends;
use runner_workflows::expr::{Fuel, Program, Text, Vars, when};
use runner_workflows::parse::{Limits, parse_file};
use runner_workflows::resolve::Catalog;
use runner_workflows::validate::{Options, validate};

/// Slower than this for each MiB of input is a finding, on top of a fixed allowance.
const SLOW_PER_MIB: Duration = Duration::from_secs(1);
/// What any input may take, however short: an unoptimized build on a busy machine.
const ALLOWANCE: Duration = Duration::from_millis(750);
/// Inputs grow to this size and no further.
const MOST_BYTES: usize = 64 * 1024;

/// What is fed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// Whole files: parse, validate.
    Manifest,
    /// Texts with `{{tags}}`.
    Text,
    /// Expressions.
    Expression,
    /// Conditions of steps.
    When,
    /// `depends` of tasks.
    Depends,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Manifest, Self::Text, Self::Expression, Self::When, Self::Depends];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Text => "text",
            Self::Expression => "expression",
            Self::When => "when",
            Self::Depends => "depends",
        }
    }

    /// The target of that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name() == name)
    }

    /// Feeds one input. Errors are what is expected; a panic is a finding.
    pub fn feed(self, input: &str) {
        let mut vars = Vars::new();
        vars.set("workflow.name", "wf");
        vars.set("inputs.parameters.message", "{{not.again}}");
        match self {
            Self::Manifest => {
                let (manifests, _) = parse_file("fuzz.yaml", input, Limits::default());
                let catalog = Catalog::default();
                for manifest in &manifests {
                    let _ = validate(manifest, Options::default(), &catalog);
                }
            }
            Self::Text => {
                if let Ok(text) = Text::compile(input) {
                    let _ = text.render(&vars, &mut Fuel::default());
                }
            }
            Self::Expression => {
                if let Ok(program) = Program::compile(input) {
                    let _ = program.eval(&vars, &mut Fuel::default());
                }
            }
            Self::When => {
                let _ = when::evaluate(input, &mut Fuel::default());
            }
            Self::Depends => {
                if let Ok(parsed) = depends::parse(input) {
                    parsed.evaluate(&|_, _| true);
                }
            }
        }
    }
}

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

/// Fuzzes one target for a while. The same seed feeds the same inputs.
pub fn run(target: Target, seeds: &[String], seed: u64, time: Duration) -> Findings {
    let mut random = Random(seed ^ 0x9e37_79b9_7f4a_7c15);
    let mut pool: Vec<String> = seeds.to_vec();
    if pool.is_empty() {
        pool.push(String::new());
    }
    let mut findings = Findings::default();
    let start = Instant::now();
    while start.elapsed() < time && findings.bad.len() < 5 {
        let input = random.mutate(&pool);
        let before = Instant::now();
        let outcome = std::panic::catch_unwind(|| target.feed(&input));
        let took = before.elapsed();
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

/// Texts to begin with: files of folders, and for the small languages every tag and condition in them.
pub fn seeds(target: Target, folders: &[&Path]) -> Vec<String> {
    let mut files = Vec::new();
    for folder in folders {
        collect(folder, &mut files);
    }
    if target == Target::Manifest {
        return files;
    }
    let mut found = Vec::new();
    for line in files.iter().flat_map(|file| file.lines()) {
        let value = line.split_once(": ").map_or(line, |(_, value)| value).trim().trim_matches('"');
        let wanted = match target {
            Target::Manifest => false,
            Target::Text => value.contains("{{"),
            Target::Expression => line.contains("xpression:") || value.contains("{{="),
            Target::When => line.contains("when:"),
            Target::Depends => line.contains("depends:"),
        };
        if wanted {
            found.push(value.trim_start_matches("{{=").trim_end_matches("}}").to_owned());
        }
    }
    found
}

fn collect(folder: &Path, files: &mut Vec<String>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|e| e == "yaml")
            && let Ok(text) = std::fs::read_to_string(&path)
        {
            files.push(text);
        }
    }
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
