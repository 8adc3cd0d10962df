//! A conformance run: picks corpora and cases, runs each under guard, collects the report.
//! Does not know what the cases of a corpus mean.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::guard::guarded;
use super::index::{CORPORA, Case, Index};
use super::outcome::{CaseResult, Outcome};
use super::report::Report;
use super::{controller, examples, lint};

/// A case without an answer after this is hung.
const LIMIT: Duration = Duration::from_secs(60);
/// The same for cases that run workflows, which have limits of their own.
const RUN_LIMIT: Duration = Duration::from_secs(1800);
/// Cases that run side by side: those that run workflows mostly wait.
const WORKERS: usize = 8;
/// Cases beside them that wait for a tick of the clock and do nothing else.
const WAITERS: usize = 16;

/// What to run.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Folder of the corpora.
    pub dir: PathBuf,
    /// Names of corpora, or prefixes of names; empty is all.
    pub corpora: Vec<String>,
    /// Texts that the id must contain; empty is all.
    pub cases: Vec<String>,
    /// Classes; empty is all.
    pub classes: Vec<String>,
    /// Keep what happened.
    pub verbose: bool,
}

impl Options {
    fn wants_corpus(&self, corpus: &str) -> bool {
        self.corpora.is_empty() || self.corpora.iter().any(|wanted| corpus.starts_with(wanted.as_str()))
    }

    fn wants(&self, case: &Case) -> bool {
        let id = self.cases.is_empty() || self.cases.iter().any(|wanted| case.id.contains(wanted.as_str()));
        id && (self.classes.is_empty() || self.classes.contains(&case.class))
    }
}

/// Runs what the options name.
///
/// # Errors
/// An index that cannot be read, or a corpus of a name that nobody knows.
pub fn run(options: &Options) -> Result<Report, String> {
    if let Some(unknown) =
        options.corpora.iter().find(|wanted| !CORPORA.iter().any(|name| name.starts_with(wanted.as_str())))
    {
        return Err(format!("there is no corpus `{unknown}`; there are {}", CORPORA.join(", ")));
    }
    let mut report = Report::default();
    for corpus in CORPORA.into_iter().filter(|corpus| options.wants_corpus(corpus)) {
        let Some(index) = Index::load(&options.dir, corpus)? else {
            report.absent.push(corpus.to_owned());
            continue;
        };
        let index = Arc::new(index);
        report.results.extend(all(&index, options));
    }
    Ok(report)
}

/// Runs the wanted cases side by side; the results keep the order of the index.
fn all(index: &Arc<Index>, options: &Options) -> Vec<CaseResult> {
    let cases = index.cases.iter().filter(|case| options.wants(case)).enumerate();
    let (waiting, working): (Vec<_>, Vec<_>) = cases.partition(|(_, case)| examples::waits(case));
    let results = Mutex::new(Vec::new());
    let (waiting, working) = (Queue::of(waiting), Queue::of(working));
    std::thread::scope(|scope| {
        for (queue, workers) in [(&waiting, WAITERS), (&working, WORKERS)] {
            for _ in 0..workers.min(queue.cases.len()) {
                scope.spawn(|| {
                    while let Some((number, case)) = queue.next() {
                        let result = one(index, case, options.verbose);
                        results.lock().unwrap_or_else(PoisonError::into_inner).push((number, result));
                    }
                });
            }
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Cases with their numbers, each given out once.
struct Queue<'c> {
    cases: Vec<(usize, &'c Case)>,
    next: AtomicUsize,
}

impl<'c> Queue<'c> {
    fn of(cases: Vec<(usize, &'c Case)>) -> Self {
        Self { cases, next: AtomicUsize::new(0) }
    }

    fn next(&self) -> Option<(usize, &'c Case)> {
        self.cases.get(self.next.fetch_add(1, Ordering::Relaxed)).copied()
    }
}

fn one(index: &Arc<Index>, case: &Case, verbose: bool) -> CaseResult {
    let (shared, body) = (Arc::clone(index), case.clone());
    let limit = if index.corpus == "workflows/examples" { RUN_LIMIT } else { LIMIT };
    let answer = guarded(limit, move || match shared.corpus.as_str() {
        "workflows/lint" => lint::run_case(&shared, &body),
        "workflows/controller" => controller::run_case(&shared, &body),
        _ => examples::run_case(&shared, &body),
    });
    let (outcome, log) = answer.unwrap_or_else(|why| (Outcome::Failed(vec![why]), Vec::new()));
    CaseResult {
        corpus: index.corpus.clone(),
        class: match index.corpus.as_str() {
            "workflows/examples" => examples::class(case),
            _ if case.class.is_empty() => case.confidence.clone(),
            _ => case.class.clone(),
        },
        id: case.id.clone(),
        confidence: if case.contested { "contested".to_owned() } else { case.confidence.clone() },
        outcome,
        log: if verbose { log } else { Vec::new() },
    }
}
