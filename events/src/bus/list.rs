//! Looking back: the history of an event, lists of events, and forgetting what is old.
//! Changes nothing but by [`Bus::forget`].

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use runner_store::{Catalog, Journal, Maintenance, Seq, StreamId};

use super::back::{Back, before};
use super::note::{self, Dated};
use super::{
    Bus, Error, Event, Note, Outcome, Result, STREAM_KIND, State, Verdict, stream as stream_of, trouble,
};

/// An event and everything that came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct History {
    /// The event.
    pub event: Event,
    /// What was recorded since, in order.
    pub notes: Vec<Dated>,
}

impl History {
    /// How far it is.
    #[must_use]
    pub fn state(&self) -> State {
        let mut state = State::Received;
        for (_, note) in &self.notes {
            state = match note {
                Note::Received(_) | Note::Judged(_) | Note::Carried => state,
                Note::Replayed { .. } => State::Received,
                Note::Settled { gated } => {
                    let fires = self.verdicts().any(|verdict| verdict.triggers.iter().any(|t| t.fires));
                    match (fires, gated) {
                        (true, true) => State::Gated,
                        (true, false) => self.outcome_state(),
                        (false, _) if self.verdicts().any(|verdict| verdict.problem.is_some()) => {
                            State::Failed
                        }
                        (false, _) => State::NoMatch,
                    }
                }
                Note::Acted(_) if state == State::Received => state,
                Note::Acted(_) => self.outcome_state(),
            };
        }
        state
    }

    /// The EventBus that has to bring it before sensors may judge it.
    #[must_use]
    pub fn awaited_from(&self) -> Option<&str> {
        let carried = self.notes.iter().any(|(_, note)| matches!(note, Note::Carried));
        self.event.carrier.as_deref().filter(|_| !carried)
    }

    /// The last word of each firing decides.
    fn outcome_state(&self) -> State {
        let mut last = std::collections::BTreeMap::new();
        last.extend(self.outcomes().map(|outcome| (outcome.firing.as_str(), outcome)));
        let worst = last.values().map(|outcome| match (outcome.ok, outcome.dead) {
            (true, _) => State::Matched,
            (false, false) => State::Failed,
            (false, true) => State::Dead,
        });
        worst.max().unwrap_or(State::Matched)
    }

    /// The verdicts of sensors, of the last time that it was taken.
    pub fn verdicts(&self) -> impl Iterator<Item = &Verdict> {
        let from =
            self.notes.iter().rposition(|(_, note)| matches!(note, Note::Replayed { .. })).unwrap_or(0);
        self.notes.iter().skip(from).filter_map(|(_, note)| match note {
            Note::Judged(verdict) => Some(verdict),
            _ => None,
        })
    }

    /// What triggers did.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.notes.iter().filter_map(|(_, note)| match note {
            Note::Acted(outcome) => Some(outcome),
            _ => None,
        })
    }
}

/// Which events.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// Only of this namespace.
    pub namespace: Option<String>,
    /// Only of this EventSource.
    pub source: Option<String>,
    /// Came at or after this time.
    pub since: Option<Timestamp>,
    /// Only in this state.
    pub state: Option<State>,
    /// At most so many, the latest.
    pub limit: usize,
}

impl Query {
    fn fits(&self, history: &History) -> bool {
        let event = &history.event;
        self.namespace.as_ref().is_none_or(|wanted| *wanted == event.namespace)
            && self.source.as_ref().is_none_or(|wanted| *wanted == event.source)
            && self.state.is_none_or(|wanted| wanted == history.state())
    }
}

/// Events that are read at the same time.
const READS: usize = 8;
/// Streams per page when walking through the store.
const PAGE: usize = 1000;

impl Bus {
    /// Everything known about an event.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], or what the store says.
    pub async fn history(&self, id: &str) -> Result<History> {
        let stream = stream_of(id).map_err(|_| Error::NotFound(id.to_owned()))?;
        let (mut notes, mut seq) = (Vec::new(), Seq::ZERO);
        loop {
            let records = Journal::read(self.store.as_ref(), &stream, seq, 0).await?;
            let Some(last) = records.last() else { break };
            seq = last.seq;
            for record in &records {
                notes.push((record.at, note::read(record)?));
            }
        }
        let mut notes = notes.into_iter();
        match notes.next() {
            Some((_, Note::Received(event))) => Ok(History { event: *event, notes: notes.collect() }),
            Some(_) => {
                Err(Error::Corrupt { id: id.to_owned(), why: "the first record is no event".to_owned() })
            }
            None => Err(Error::NotFound(id.to_owned())),
        }
    }

    /// Events that match, latest first.
    ///
    /// # Errors
    /// What the store says, [`Error::Corrupt`].
    pub async fn list(&self, query: &Query) -> Result<Vec<History>> {
        // what failed bears a mark, and is rare
        let failed = matches!(query.state, Some(State::Failed | State::Dead));
        let mut back = self.back(if failed { trouble::KIND } else { STREAM_KIND }, query.since)?;
        let mut out = Vec::new();
        loop {
            let page = back.next().await?;
            if page.is_empty() {
                return Ok(out);
            }
            // what is not settled is received, and what is received is not settled
            let asked = page
                .iter()
                .filter(|info| query.state.is_none_or(|state| state != State::Received || !info.closed));
            let mut found = stream::iter(asked.map(|info| self.history(info.stream.key()))).buffered(READS);
            while let Some(history) = found.next().await {
                let history = match history {
                    // forgotten between the two looks
                    Err(Error::NotFound(_)) => continue,
                    found => found?,
                };
                if query.fits(&history) {
                    out.push(history);
                }
                if query.limit > 0 && out.len() >= query.limit {
                    return Ok(out);
                }
            }
        }
    }

    /// The id of the latest event.
    ///
    /// # Errors
    /// What the store says.
    pub async fn latest(&self) -> Result<Option<String>> {
        Ok(self.back(STREAM_KIND, None)?.next().await?.first().map(|info| info.stream.key().to_owned()))
    }

    fn back(&self, kind: &'static str, since: Option<Timestamp>) -> Result<Back<'_>> {
        let since = since.map_or(0, |since| u64::try_from(since.as_millisecond()).unwrap_or(0));
        Back::new(self, kind, since, u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0))
    }

    /// Ids of all events since a time, earliest first.
    ///
    /// # Errors
    /// What the store says.
    pub async fn ids_since(&self, since: Option<Timestamp>) -> Result<Vec<String>> {
        let mut after = start(since)?;
        let mut ids = Vec::new();
        loop {
            let page = Maintenance::streams(self.store.as_ref(), Some(&after), PAGE).await?;
            let events = page.iter().take_while(|info| info.stream.kind() == STREAM_KIND);
            let found: Vec<String> = events.map(|info| info.stream.key().to_owned()).collect();
            let ended = found.len() < PAGE;
            if let Some(last) = found.last() {
                after = stream_of(last)?;
            }
            ids.extend(found);
            if ended {
                return Ok(ids);
            }
        }
    }

    /// Forgets settled events that came before a time, at most `limit`; answers how many. One that still waits is
    /// never forgotten.
    ///
    /// # Errors
    /// What the store says.
    pub async fn forget(&self, before: Timestamp, limit: usize) -> Result<usize> {
        let first = start(None)?;
        let end = start(Some(before))?;
        let mut gone = 0;
        for info in Maintenance::streams(self.store.as_ref(), Some(&first), PAGE.max(limit)).await? {
            if info.stream.kind() != STREAM_KIND || info.stream >= end || gone >= limit {
                break;
            }
            if info.closed {
                self.unmark(info.stream.key()).await?;
                Catalog::delete_workflow(self.store.as_ref(), &info.stream).await?;
                gone += 1;
            }
        }
        Ok(gone)
    }
}

/// The stream after which the events of a time begin.
fn start(since: Option<Timestamp>) -> Result<StreamId> {
    match since {
        None => stream_of("0"),
        Some(since) => before(STREAM_KIND, u64::try_from(since.as_millisecond()).unwrap_or(0)),
    }
}
