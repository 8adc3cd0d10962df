//! The reviewed list of cases that are known to fail, each with an issue and a reason.
//! Excuses nothing in a conformance run: only the test run reads it, as a ratchet.
//!
//! Format of `tests/conformance-known.txt`: one case per line, `<corpus> <id> #<issue> <reason>`; `//` starts a
//! comment line. `#<issue>!` says that the judgement of the corpus is wrong, which only a judged case can be: no defect.

use std::collections::BTreeMap;

use super::outcome::{CaseResult, Outcome};

/// Behind the issue number of a case that the corpus judges wrongly.
const MISJUDGED: char = '!';

/// Cases that are known to fail, by corpus and id.
#[derive(Clone, Debug, Default)]
pub struct Known {
    entries: BTreeMap<(String, String), String>,
}

impl Known {
    /// Reads the list.
    ///
    /// # Errors
    /// A line without an issue number or a reason, or a case listed twice.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut entries = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with("//") {
                continue;
            }
            let wrong = |what: &str| format!("line {}: {what}: {line}", number + 1);
            let mut words = line.split_whitespace();
            let (Some(corpus), Some(id), Some(issue)) = (words.next(), words.next(), words.next()) else {
                return Err(wrong("needs corpus, id, #issue and reason"));
            };
            let digits = issue.strip_prefix('#').map(|rest| rest.strip_suffix(MISJUDGED).unwrap_or(rest));
            if digits.is_none_or(|digits| digits.parse::<u32>().is_err()) {
                return Err(wrong("has no issue number"));
            }
            let reason = words.collect::<Vec<_>>().join(" ");
            if reason.is_empty() {
                return Err(wrong("has no reason"));
            }
            if entries.insert((corpus.to_owned(), id.to_owned()), format!("{issue} {reason}")).is_some() {
                return Err(wrong("is listed twice"));
            }
        }
        Ok(Self { entries })
    }

    /// Why this case is known to fail.
    pub fn reason(&self, corpus: &str, id: &str) -> Option<&str> {
        self.entries.get(&(corpus.to_owned(), id.to_owned())).map(String::as_str)
    }

    /// Whether this case fails only because the corpus judges it wrongly.
    pub fn misjudged(&self, corpus: &str, id: &str) -> bool {
        let issue = self.reason(corpus, id).and_then(|reason| reason.split(' ').next());
        issue.is_some_and(|issue| issue.ends_with(MISJUDGED))
    }

    /// How many are listed for a corpus.
    pub fn count(&self, corpus: &str) -> usize {
        self.entries.keys().filter(|(listed, _)| listed == corpus).count()
    }

    /// What is wrong with a run by this list: cases that fail and are not listed, and listed ones that pass.
    /// A listed case that is not in the corpus at hand says nothing.
    pub fn review(&self, results: &[CaseResult]) -> Vec<String> {
        let mut wrong = Vec::new();
        for result in results {
            let known = self.reason(&result.corpus, &result.id);
            match (&result.outcome, known) {
                (Outcome::Failed(why), None) => {
                    wrong.push(format!("{} {} fails: {}", result.corpus, result.id, why.join("; ")));
                }
                (Outcome::Passed, Some(_)) => {
                    wrong.push(format!("{} {} passes now: take it off the list", result.corpus, result.id));
                }
                (Outcome::Failed(_), Some(_))
                    if self.misjudged(&result.corpus, &result.id) && result.confidence != "judged" =>
                {
                    let (corpus, id, confidence) = (&result.corpus, &result.id, &result.confidence);
                    wrong.push(format!("{corpus} {id} is {confidence}: it cannot be a wrong judgement"));
                }
                (Outcome::Failed(_), Some(_)) | (Outcome::Passed, None) | (Outcome::Skipped(_), _) => {}
            }
        }
        wrong
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    fn result(id: &str, outcome: Outcome) -> CaseResult {
        let (corpus, class, confidence) = ("workflows/lint".into(), String::new(), String::new());
        CaseResult { corpus, class, id: id.into(), confidence, outcome, log: Vec::new() }
    }

    #[test]
    fn a_listed_case_must_fail_and_an_unlisted_one_must_not() {
        let known =
            Known::parse("// why\nworkflows/lint a #3 not yet\nworkflows/lint b #3 not yet\n").unwrap();
        let failed = || Outcome::Failed(vec!["no".into()]);
        let results = [result("a", failed()), result("b", Outcome::Passed), result("c", failed())];
        let wrong = known.review(&results);
        assert_eq!(wrong.len(), 2, "{wrong:?}");
        assert!(wrong.iter().any(|text| text.contains("b passes now")));
        assert!(wrong.iter().any(|text| text.contains("c fails: no")));
    }

    #[test]
    fn only_a_judged_case_can_be_judged_wrongly() {
        let known =
            Known::parse("workflows/lint a #3! it exits with 1\nworkflows/lint b #3 not yet\n").unwrap();
        assert!(known.misjudged("workflows/lint", "a") && !known.misjudged("workflows/lint", "b"));
        let mut judged = result("a", Outcome::Failed(vec!["no".into()]));
        judged.confidence = "judged".into();
        assert!(known.review(&[judged.clone()]).is_empty());
        judged.confidence = "go-asserted".into();
        assert!(known.review(&[judged])[0].contains("cannot be a wrong judgement"));
    }

    #[test]
    fn an_entry_needs_an_issue_and_a_reason() {
        assert!(Known::parse("workflows/lint a not yet").is_err());
        assert!(Known::parse("workflows/lint a #3").is_err());
        assert!(Known::parse("workflows/lint a #3 x\nworkflows/lint a #3 x").is_err());
    }
}
