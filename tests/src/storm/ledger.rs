//! The ledger: a file to which every step appends a line when it starts and one when it ends.
//! Believes nothing the engine says: only what processes did.

use std::collections::BTreeMap;
use std::path::Path;

use super::shape::Shape;

/// One execution: what the step was told, and how often it was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// `key attempt try` of each start. The key is that of the retried node: one for all its tries.
    pub starts: Vec<String>,
    /// `key attempt try` of each end.
    pub ends: Vec<String>,
}

/// The ledger by label and try.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// Executions by label and try.
    pub seen: BTreeMap<(String, u32), Seen>,
    /// Lines that are none of ours: torn or garbled.
    pub garbage: Vec<String>,
}

impl Ledger {
    /// Reads it; an absent file is an empty ledger.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(path: &Path) -> Result<Self, String> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            other => other.map_err(|error| format!("{}: {error}", path.display()))?,
        };
        let mut ledger = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let [kind @ ("start" | "end"), key, attempt, label, number] = words[..] else {
                ledger.garbage.push(line.to_owned());
                continue;
            };
            let Ok(number) = number.parse() else {
                ledger.garbage.push(line.to_owned());
                continue;
            };
            let seen = ledger.seen.entry((label.to_owned(), number)).or_default();
            let list = if kind == "start" { &mut seen.starts } else { &mut seen.ends };
            list.push(format!("{key} {attempt} {number}"));
        }
        Ok(ledger)
    }

    /// The identities (`RUNNER_STEP_KEY`) of all steps that were seen.
    pub fn keys(&self) -> Vec<&str> {
        let starts = self.seen.values().flat_map(|seen| &seen.starts);
        starts.filter_map(|identity| identity.split(' ').next()).collect()
    }

    /// What is wrong with it, for a workflow that has ended: each execution has exactly one start and one end
    /// under one identity, no identity is used twice, nothing is missing and nothing is too much.
    pub fn problems(&self, shape: &Shape) -> Vec<String> {
        let mut wrong: Vec<String> = self.garbage.iter().map(|line| format!("garbled: {line}")).collect();
        let mut owners: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for ((label, number), seen) in &self.seen {
            if seen.starts.len() != 1 || seen.ends != seen.starts {
                wrong.push(format!("{label} try {number}: started {:?}, ended {:?}", seen.starts, seen.ends));
            }
            if shape.runs.get(label).is_none_or(|runs| number >= runs) {
                wrong.push(format!("{label} try {number} should not have run"));
            }
            for identity in &seen.starts {
                owners.entry(identity).or_default().push(format!("{label} try {number}"));
            }
        }
        for (label, runs) in &shape.runs {
            let missing = (0..*runs).filter(|number| !self.seen.contains_key(&(label.clone(), *number)));
            wrong.extend(missing.map(|number| format!("{label} try {number} never ran")));
        }
        let shared = owners.iter().filter(|(_, labels)| labels.len() > 1);
        wrong.extend(shared.map(|(identity, labels)| format!("{identity} was given to {labels:?}")));
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(lines: &str) -> Vec<String> {
        let shape = Shape {
            name: String::new(),
            yaml: String::new(),
            runs: BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
        };
        let home = crate::binary::Home::new("default").unwrap_or_else(|why| panic!("{why}"));
        let path = home.folder().join("ledger");
        std::fs::write(&path, lines).unwrap_or_else(|why| panic!("{why}"));
        Ledger::read(&path).unwrap_or_else(|why| panic!("{why}")).problems(&shape)
    }

    const GOOD: &str =
        "start k1 0 a 0\nend k1 0 a 0\nstart k2 0 b 0\nend k2 0 b 0\nstart k3 0 b 1\nend k3 0 b 1\n";

    #[test]
    fn p3_what_was_lost_repeated_or_invented_is_found() {
        assert_eq!(problems(GOOD), Vec::<String>::new());
        let lost = GOOD.replace("start k1 0 a 0\nend k1 0 a 0\n", "");
        assert!(problems(&lost).iter().any(|why| why.contains("never ran")));
        let twice = format!("{GOOD}start k1 0 a 0\nend k1 0 a 0\n");
        assert!(problems(&twice).iter().any(|why| why.contains("a try 0: started")));
        let half = GOOD.replace("end k3 0 b 1\n", "");
        assert!(problems(&half).iter().any(|why| why.contains("b try 1: started")));
        let invented = format!("{GOOD}start k9 0 c 0\nend k9 0 c 0\n");
        assert!(problems(&invented).iter().any(|why| why.contains("should not have run")));
        let shared = GOOD.replace("k2", "k1");
        assert!(problems(&shared).iter().any(|why| why.contains("was given to")));
        assert!(problems(&format!("{GOOD}start k1")).iter().any(|why| why.contains("garbled")));
    }
}
