//! Marks of the events with which something went wrong, so that they are found without reading all others: a stream
//! `eventtrouble/<id>` beside that of the event, without records. Whether something is wrong still, the event says.

use runner_store::{Append, Catalog, Create, Epoch, FirstLease, Journal, Maintenance, Seq, StreamId};

use super::{Bus, Note, Result};

/// Kind of the marks.
pub(super) const KIND: &str = "eventtrouble";

/// The mark of an event.
fn mark(id: &str) -> Result<StreamId> {
    Ok(StreamId::parse(&format!("{KIND}/{id}"))?)
}

/// Whether a note tells of something that went wrong.
fn tells(note: &Note) -> bool {
    match note {
        Note::Acted(outcome) => !outcome.ok,
        Note::Judged(verdict) => verdict.problem.is_some(),
        Note::Received(_) | Note::Settled { .. } | Note::Carried | Note::Replayed { .. } => false,
    }
}

impl Bus {
    /// Marks an event of which these notes are about to be taken, where they tell of trouble. Before the notes: a mark
    /// too many costs a look, one too few hides a failure.
    pub(super) async fn mark(&self, id: &str, notes: &[Note]) -> Result<()> {
        if !notes.iter().any(tells) {
            return Ok(());
        }
        let stream = mark(id)?;
        if Maintenance::stream(self.store.as_ref(), &stream).await?.is_some() {
            return Ok(());
        }
        let now = self.clock.now();
        let mut append = Append::new(stream, Epoch::FIRST, Seq::ZERO, now, Vec::new());
        append.create = Some(Create {
            namespace: KIND.to_owned(),
            name: id.to_owned(),
            idempotency_key: None,
            lease: Some(FirstLease { owner: self.owner.clone(), until: now }),
        });
        append.closes = true;
        match Journal::append(self.store.as_ref(), append).await {
            // Somebody else was faster.
            Err(runner_store::Error::SeqConflict { .. }) => Ok(()),
            done => Ok(done.map(drop)?),
        }
    }

    /// Removes the mark of an event that is about to be forgotten.
    pub(super) async fn unmark(&self, id: &str) -> Result<()> {
        let stream = mark(id)?;
        if Maintenance::stream(self.store.as_ref(), &stream).await?.is_some() {
            Catalog::delete_workflow(self.store.as_ref(), &stream).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::sync::Arc;

    use jiff::Timestamp;
    use runner_controller::{SystemClock, SystemIds};
    use runner_store::MemoryStore;

    use super::super::{NewEvent, Outcome, Query, State, TriggerVerdict, Verdict};
    use super::*;

    fn acted(ok: bool, dead: bool) -> Note {
        let text = |text: &str| text.to_owned();
        Note::Acted(Outcome {
            sensor: text("n/s"),
            trigger: text("t"),
            firing: text("f"),
            ok,
            dead,
            message: String::new(),
            workflow: None,
        })
    }

    fn judged(problem: Option<&str>) -> Note {
        let fires = TriggerVerdict { trigger: "t".to_owned(), fires: problem.is_none(), why: String::new() };
        let problem = problem.map(str::to_owned);
        Note::Judged(Verdict {
            sensor: "n/s".to_owned(),
            dependencies: vec![],
            triggers: vec![fires],
            problem,
        })
    }

    async fn found(bus: &Bus, state: State) -> Vec<u64> {
        let query = Query { state: Some(state), ..Query::default() };
        let all = bus.list(&query).await.unwrap();
        all.iter().map(|one| one.event.data["n"].as_u64().unwrap()).collect()
    }

    #[tokio::test]
    async fn what_failed_is_found_by_its_mark_and_the_mark_goes_with_the_event() {
        let bus = Bus::new(Arc::new(MemoryStore::new()), Arc::new(SystemClock), Arc::new(SystemIds));
        let settled = Note::Settled { gated: false };
        let stories = [
            vec![judged(None), settled.clone(), acted(true, false)],
            vec![judged(None), settled.clone(), acted(false, false)],
            vec![judged(Some("no such field")), settled.clone()],
            vec![judged(None), settled.clone(), acted(false, true)],
            vec![judged(None), settled.clone(), acted(false, false), acted(true, false)],
        ];
        for (n, story) in stories.iter().enumerate() {
            let event = NewEvent { data: serde_json::json!({ "n": n }), ..NewEvent::default() };
            let id = bus.publish(NewEvent { namespace: "n".to_owned(), ..event }).await.unwrap().id;
            let taken = bus.take(1).await.unwrap().remove(0);
            let (first, rest) = story.split_at(2);
            bus.settle(taken, first).await.unwrap();
            for note in rest {
                bus.annotate(&id, std::slice::from_ref(note)).await.unwrap();
            }
        }
        assert_eq!(found(&bus, State::Failed).await, [2, 1], "the latest first; the last worked in the end");
        assert_eq!(found(&bus, State::Dead).await, [3]);
        assert_eq!(found(&bus, State::Matched).await, [4, 0]);
        assert_eq!(bus.forget(Timestamp::MAX, 10).await.unwrap(), 5);
        assert!(Maintenance::streams(bus.store.as_ref(), None, 0).await.unwrap().is_empty());
    }
}
