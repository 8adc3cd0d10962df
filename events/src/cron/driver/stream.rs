//! One turn of one CronWorkflow: read what is new, decide, append under a lease, give the lease back.
//! Does nothing in the world; that comes after the turn, from what is outstanding.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runner_store::{
    Append, Appended, Catalog, ClaimRequest, Create, Epoch, Journal, Lease, Maintenance, Manifest, NewRecord,
    Record, Seq, Store, StreamId,
};
use runner_workflows::spec::CronWorkflow;

use super::error::{Error, Result};
use super::{Crons, later};
use crate::cron::machine::{Fact, Input, Status, decide, fold};

/// Life of a lease; a turn takes milliseconds.
const TTL: Duration = Duration::from_secs(10);
/// How long another process's turn is waited for: longer than its lease can live.
const PATIENCE: SignedDuration = SignedDuration::from_secs(12);
const MOMENT: SignedDuration = SignedDuration::from_millis(20);

/// A CronWorkflow as far as its journal was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    seq: Seq,
    created_at: Option<Timestamp>,
    pub(super) status: Status,
}

/// A manifest as an input.
pub(super) fn applied(manifest: &Manifest) -> Result<Input> {
    let cron: CronWorkflow = serde_json::from_slice(&manifest.body)
        .map_err(|error| Error::Manifest { name: manifest.name.clone(), why: error.to_string() })?;
    Ok(Input::Apply {
        namespace: manifest.namespace.clone(),
        name: manifest.name.clone(),
        generation: manifest.generation,
        labels: cron.metadata.labels,
        annotations: cron.metadata.annotations,
        spec: Box::new(cron.spec),
    })
}

impl Crons {
    /// Forgets what is known of an earlier CronWorkflow of the same name. Answers whether this one is new here.
    pub(super) async fn forget_if_older(&self, stream: &StreamId, created_at: Timestamp) -> bool {
        let mut known = self.known.lock().await;
        let fresh = known.get(stream).and_then(|known| known.created_at) != Some(created_at);
        if fresh {
            known.insert(stream.clone(), Known { created_at: Some(created_at), ..Known::default() });
        }
        fresh
    }

    /// What is known of a CronWorkflow without taking a turn; the default status when it has no journal.
    pub(super) async fn look(&self, stream: &StreamId) -> Result<Status> {
        let mut known = Known::default();
        advance(self.store.as_ref(), stream, &mut known).await?;
        Ok(known.status)
    }

    /// Takes a turn. When it returns, the facts are durable.
    pub(super) async fn turn(&self, stream: &StreamId, inputs: Vec<Input>) -> Result<Status> {
        let mut all = self.known.lock().await;
        let mut known = all.remove(stream).unwrap_or_default();
        let deadline = later(self.clock.now(), PATIENCE);
        loop {
            match self.try_turn(stream, &mut known, &inputs).await {
                Ok(true) => {
                    let status = known.status.clone();
                    all.insert(stream.clone(), known);
                    return Ok(status);
                }
                Ok(false) => {}
                // somebody else wrote in between: read it, and decide again
                Err(Error::Store(
                    runner_store::Error::StaleEpoch { .. }
                    | runner_store::Error::SeqConflict { .. }
                    | runner_store::Error::NameTaken { .. },
                )) => known = Known { created_at: known.created_at, ..Known::default() },
                Err(error) => return Err(error),
            }
            if self.clock.now() >= deadline {
                return Err(Error::Busy(stream.to_string()));
            }
            self.clock.sleep_until(later(self.clock.now(), MOMENT)).await;
        }
    }

    /// False when another process has its turn now.
    async fn try_turn(&self, stream: &StreamId, known: &mut Known, inputs: &[Input]) -> Result<bool> {
        let store = self.store.as_ref();
        advance(store, stream, known).await?;
        let now = self.clock.now();
        if all_facts(&known.status, inputs, now)?.0.is_empty() {
            return Ok(true);
        }
        let Some(info) = Maintenance::stream(store, stream).await? else {
            self.append(stream, known, inputs, Epoch::ZERO, true).await?;
            return Ok(true);
        };
        if info.closed {
            // the rest of a deletion that was cut off
            Catalog::delete_workflow(store, stream).await?;
            *known = Known { created_at: known.created_at, ..Known::default() };
            return Ok(false);
        }
        let Some(lease) = self.claim(stream).await? else { return Ok(false) };
        let done = async {
            advance(store, stream, known).await?;
            self.append(stream, known, inputs, lease.epoch, false).await
        };
        let done = done.await;
        if let Err(error) = Journal::release(store, std::slice::from_ref(&lease)).await {
            tracing::warn!(%stream, %error, "lease could not be given back; it will run out");
        }
        done.map(|()| true)
    }

    pub(super) async fn claim(&self, stream: &StreamId) -> Result<Option<Lease>> {
        let store = self.store.as_ref();
        let mut request = ClaimRequest::only(&self.owner, TTL, self.clock.now(), stream.clone());
        request.dead_owners = Maintenance::owners(store).await?;
        request.dead_owners.retain(|owner| *owner != self.owner && runner_controller::is_dead(owner));
        Ok(Journal::claim(store, request).await?.into_iter().next())
    }

    async fn append(
        &self,
        stream: &StreamId,
        known: &mut Known,
        inputs: &[Input],
        epoch: Epoch,
        new: bool,
    ) -> Result<()> {
        let now = self.clock.now();
        let (facts, status) = all_facts(&known.status, inputs, now)?;
        if facts.is_empty() {
            return Ok(());
        }
        let records = facts.iter().map(record).collect::<Result<Vec<_>>>()?;
        let mut append = Append::new(stream.clone(), epoch, known.seq, now, records);
        append.create = new.then(|| Create {
            namespace: status.namespace.clone(),
            name: status.name.clone(),
            idempotency_key: None,
            lease: None,
        });
        match Journal::append(self.store.as_ref(), append).await? {
            Appended::Done(seq) => (known.seq, known.status) = (seq, status),
            Appended::Exists { .. } => *known = Known { created_at: known.created_at, ..Known::default() },
        }
        Ok(())
    }
}

/// The facts of several inputs, each decided after the ones before it, and the status after them.
fn all_facts(status: &Status, inputs: &[Input], now: Timestamp) -> Result<(Vec<Fact>, Status)> {
    let (mut status, mut out) = (status.clone(), Vec::new());
    for input in inputs {
        for fact in decide(&status, input.clone(), now)? {
            fold(&mut status, &fact)?;
            out.push(fact);
        }
    }
    Ok((out, status))
}

/// Reads what is new in the journal.
async fn advance(store: &dyn Store, stream: &StreamId, known: &mut Known) -> Result<()> {
    loop {
        let records = Journal::read(store, stream, known.seq, 0).await?;
        if records.is_empty() {
            return Ok(());
        }
        for one in &records {
            let corrupt = |why: String| Error::Corrupt { stream: stream.to_string(), why };
            let fact = read(one).map_err(corrupt)?;
            fold(&mut known.status, &fact)
                .map_err(|error| corrupt(format!("record {}: {error}", one.seq.0)))?;
            known.seq = one.seq;
        }
    }
}

/// The record of a fact: the kind is a column of its own.
fn record(fact: &Fact) -> Result<NewRecord> {
    let corrupt = |why: String| Error::Corrupt { stream: "cron".to_owned(), why };
    let text = serde_json::to_vec(fact).map_err(|error| corrupt(error.to_string()))?;
    let kind = fact.kind();
    let body = text
        .strip_prefix(format!("{{\"{kind}\":").as_bytes())
        .and_then(|rest| rest.strip_suffix(b"}"))
        .ok_or_else(|| corrupt(format!("fact `{kind}` has an unexpected form")))?;
    Ok(NewRecord { kind: kind.to_owned(), body: body.to_vec() })
}

fn read(record: &Record) -> std::result::Result<Fact, String> {
    let mut text = format!("{{\"{}\":", record.kind).into_bytes();
    text.extend_from_slice(&record.body);
    text.push(b'}');
    serde_json::from_slice(&text)
        .map_err(|error| format!("record {} `{}`: {error}", record.seq.0, record.kind))
}
