//! A sync from the question whether it is needed to the application being as it should be (F67).
//! One loop over what Argo CD shows; what it shows last goes into the message when time is up.

use std::time::{Duration, Instant};

use super::calls::{Asked, Server};
use super::view::{Operation, View};
use super::{Sync, Wait};
use crate::work::fields::Span;
use crate::work::{Failure, Outputs, Result, Step, say};

const TIMEOUT: Duration = Duration::from_secs(600);
const POLL: Duration = Duration::from_secs(2);

/// Asks again until something is there or time is up.
struct Patience {
    end: Instant,
    limit: Duration,
    poll: Duration,
    said: String,
}

impl Patience {
    fn new(limit: Option<Span>, poll: Option<Span>) -> Self {
        let limit = limit.map_or(TIMEOUT, |span| span.0);
        let poll = poll.map_or(POLL, |span| span.0).clamp(Duration::from_millis(10), Duration::from_secs(60));
        Self { end: Instant::now() + limit, limit, poll, said: String::new() }
    }

    /// Logs a state once and pauses.
    ///
    /// # Errors
    /// Time is up.
    fn pause(&mut self, state: &str) -> Result<()> {
        if self.said != state {
            say(state);
            self.said = state.to_owned();
        }
        if Instant::now() >= self.end {
            return Err(Failure::Trouble(format!("after {:?}: {state}", self.limit)));
        }
        std::thread::sleep(self.poll.min(self.end.saturating_duration_since(Instant::now())));
        Ok(())
    }

    /// Asks; trouble on the way is waited out, a refusal is not.
    fn look(&mut self, server: &Server, app: &str, namespace: &str, refresh: bool) -> Result<View> {
        loop {
            match server.get(app, namespace, refresh) {
                Err(Failure::Trouble(text)) => self.pause(&text)?,
                other => return other,
            }
        }
    }
}

/// Syncs and waits.
pub(super) fn run(server: &Server, sync: &Sync, step: &Step) -> Result<Outputs> {
    if server.dry() {
        say(&format!("dry run: would sync {} with:\n{:#}", sync.app, Server::sync_body(sync, step)));
        return Ok(Outputs::new());
    }
    if step.key.is_empty() {
        return Err(Failure::Input("the step has no key: it could not recognise its own sync".to_owned()));
    }
    let mut patience = Patience::new(sync.timeout, sync.poll);
    let operation = ensure(server, sync, step, &mut patience)?;
    if matches!(operation.phase.as_str(), "Failed" | "Error") {
        return Err(Failure::Refused(format!(
            "sync of {}: {}: {}",
            sync.app, operation.phase, operation.message
        )));
    }
    say(&format!("sync of {} {}: {}", sync.app, operation.phase, operation.message));
    if sync.dry_run.0 {
        return Ok(Outputs::from([("revision".to_owned(), operation.revision)]));
    }
    let reached = |view: &View| {
        // What was compared before the operation ended says nothing about its outcome.
        let fresh = match (operation.finished, view.reconciled) {
            (Some(finished), Some(reconciled)) => reconciled >= finished,
            _unknown => true,
        };
        let same = operation.revision.is_empty() || view.revision == operation.revision;
        fresh && same && view.sync == "Synced" && (!sync.health.0 || view.health == "Healthy")
    };
    until(server, &sync.app, &sync.app_namespace, &mut patience, reached)
}

/// Waits for an application that somebody else syncs.
pub(super) fn wait(server: &Server, wait: &Wait) -> Result<Outputs> {
    if server.dry() {
        say(&format!("dry run: would wait for {}", wait.app));
        return Ok(Outputs::new());
    }
    let mut patience = Patience::new(wait.timeout, wait.poll);
    let reached = |view: &View| {
        let same = wait.revision.is_empty() || view.revision == wait.revision;
        let quiet = !view.requested && !view.operation.as_ref().is_some_and(Operation::runs);
        quiet && same && view.sync == "Synced" && view.health == "Healthy"
    };
    until(server, &wait.app, &wait.app_namespace, &mut patience, reached)
}

/// Waits for the end of the operation of this step: it is joined if it is there, and started once if not.
fn ensure(server: &Server, sync: &Sync, step: &Step, patience: &mut Patience) -> Result<Operation> {
    let mut asked = false;
    loop {
        let view = patience.look(server, &sync.app, &sync.app_namespace, false)?;
        match view.operation {
            // Ours by its key, whether this execution or one before asked for it.
            Some(operation) if operation.key.as_deref() == Some(&step.key) && !view.requested => {
                if operation.wanted != sync.revision
                    && !sync.revision.is_empty()
                    && !operation.wanted.is_empty()
                {
                    return Err(Failure::Refused(format!(
                        "this step synced {} to {} before, not to {}",
                        sync.app, operation.wanted, sync.revision
                    )));
                }
                if !operation.runs() {
                    return Ok(operation);
                }
                patience.pause(&format!("the sync of {} runs: {}", sync.app, operation.message))?;
            }
            Some(operation) if operation.runs() || view.requested => {
                patience.pause(&format!("another operation of {} runs: waiting for its end", sync.app))?;
            }
            None if view.requested => patience.pause(&format!("an operation of {} begins", sync.app))?,
            // Argo CD shows a request as `operation` until it begins; there is a moment between them.
            _none if asked => patience.pause(&format!("the sync of {} was asked for", sync.app))?,
            _none => match server.sync(sync, step) {
                Ok(Asked::Started) => {
                    asked = true;
                    say(&format!("asked for a sync of {}", sync.app));
                }
                Ok(Asked::Busy) => {
                    patience.pause(&format!("another operation of {} came first", sync.app))?
                }
                // Perhaps it was heard: the next look finds our key, or asks anew.
                Err(Failure::Trouble(text)) => patience.pause(&text)?,
                Err(other) => return Err(other),
            },
        }
    }
}

fn until(
    server: &Server,
    app: &str,
    namespace: &str,
    patience: &mut Patience,
    reached: impl Fn(&View) -> bool,
) -> Result<Outputs> {
    loop {
        let view = patience.look(server, app, namespace, true)?;
        if reached(&view) {
            say(&format!("{app} is {} at {}", view.shown(), view.revision));
            return Ok(Outputs::from([
                ("revision".to_owned(), view.revision),
                ("sync".to_owned(), view.sync),
                ("health".to_owned(), view.health),
            ]));
        }
        patience.pause(&format!("{app} is {}", view.shown()))?;
    }
}
