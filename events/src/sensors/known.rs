//! A sensor as this process knows it: status, place in the journal, lease, and the events that it took lately.
//! Knows no bus; gives no verdict.
//!
//! Now and then the status is written down beside the journal, so that the next start reads only what came since.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use runner_sensors::machine::{Fact, Input, Status, advance, fold, restore, snapshot};
use runner_store::{
    Append, Appended, Journal, Lease, Manifest, Memo, NewRecord, Record, Seq, Store, StreamId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::error::{Error, Result};
use super::lead;
use crate::ingress::identity::sha256;

/// Events that are remembered: more than can be in flight when a process dies.
const RECENT: usize = 4096;

/// Records of the journal after which the status is written down again.
const KEEP_EVERY: u64 = 2000;
/// Where it is written down, by the key of the stream.
const SNAPSHOTS: &str = "runner-sensor";

/// What a sensor is known to be.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) status: Status,
    pub(super) lease: Lease,
    pub(super) recent: Recent,
    seq: Seq,
    /// Place in the journal of the last snapshot.
    kept: Seq,
}

/// Events that were taken lately, with the triggers that fired because of them.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Recent {
    order: VecDeque<String>,
    fired: BTreeMap<String, Vec<String>>,
    latest: String,
}

impl Recent {
    /// The triggers that fired because of an event, if it was taken.
    pub(super) fn fired(&self, event: &str) -> Option<&[String]> {
        self.fired.get(event).map(Vec::as_slice)
    }

    fn note(&mut self, fact: &Fact) {
        match fact {
            Fact::EventTaken { event, .. } => {
                if !self.fired.contains_key(event) {
                    self.order.push_back(event.clone());
                }
                self.fired.entry(event.clone()).or_default();
                self.latest.clone_from(event);
                if self.order.len() > RECENT
                    && let Some(old) = self.order.pop_front()
                {
                    self.fired.remove(&old);
                }
            }
            Fact::TriggerFired { trigger, .. } => {
                if let Some(fired) = self.fired.get_mut(&self.latest)
                    && !fired.contains(trigger)
                {
                    fired.push(trigger.clone());
                }
            }
            _ => {}
        }
    }
}

impl Known {
    /// Opens the stream of a sensor, made if need be. None while another process has it.
    pub(super) async fn open(
        store: &dyn Store,
        manifest: &Manifest,
        owner: &str,
        now: Timestamp,
        dead: Vec<String>,
    ) -> Result<Option<Self>> {
        let stream = StreamId::sensor(&manifest.namespace, &manifest.name)?;
        let name = (manifest.namespace.as_str(), manifest.name.as_str());
        let Some((lease, made)) = lead::lease(store, stream.clone(), name, owner, now, dead).await? else {
            return Ok(None);
        };
        if let Some(seq) = made {
            let (status, recent) = (Status::default(), Recent::default());
            return Ok(Some(Self { status, lease, recent, seq, kept: seq }));
        }
        let (mut status, mut recent, kept) = kept(store, &stream).await.unwrap_or_default();
        let mut seq = kept;
        replay(store, &stream, &mut status, &mut recent, &mut seq).await?;
        let mut known = Self { status, lease, recent, seq, kept };
        known.keep(store, now).await;
        Ok(Some(known))
    }

    /// Takes a turn: decides what inputs mean, and makes that durable. The facts of each input.
    ///
    /// After an error the sensor must be dropped: its status may be ahead of the journal.
    pub(super) async fn turn(
        &mut self,
        store: &dyn Store,
        inputs: Vec<Input>,
        now: Timestamp,
    ) -> Result<Vec<Vec<Fact>>> {
        let mut all = Vec::with_capacity(inputs.len());
        for input in inputs {
            let facts =
                advance(&mut self.status, input, now).map_err(|error| self.corrupt(error.to_string()))?;
            facts.iter().for_each(|fact| self.recent.note(fact));
            all.push(facts);
        }
        let records = all.iter().flatten().map(record).collect::<std::result::Result<Vec<_>, _>>();
        let records = records.map_err(|why| self.corrupt(why))?;
        if records.is_empty() {
            return Ok(all);
        }
        let append = Append::new(self.lease.stream.clone(), self.lease.epoch, self.seq, now, records);
        match Journal::append(store, append).await? {
            Appended::Done(seq) => self.seq = seq,
            Appended::Exists { .. } => return Err(self.corrupt("it exists twice".to_owned())),
        }
        self.keep(store, now).await;
        Ok(all)
    }

    /// Writes the status down when the journal has grown enough since the last time. It need not work: the journal has all.
    async fn keep(&mut self, store: &dyn Store, now: Timestamp) {
        if self.seq.0.saturating_sub(self.kept.0) < KEEP_EVERY {
            return;
        }
        self.kept = self.seq;
        let stream = &self.lease.stream;
        let last = Journal::read(store, stream, Seq(self.seq.0.saturating_sub(1)), 1).await;
        let Some(last) = last.ok().and_then(|records| records.into_iter().next()) else { return };
        let whole = json!({"seq": self.seq.0, "record": sha256(&last.body), "at": last.at,
            "status": snapshot(&self.status), "recent": self.recent});
        let put = Memo::put_memo(store, SNAPSHOTS, stream.key(), whole.to_string().into_bytes(), now).await;
        if let Err(error) = put {
            tracing::warn!(sensor = stream.key(), %error, "the status of a sensor is not written down");
        }
    }

    fn corrupt(&self, why: String) -> Error {
        Error::Corrupt { stream: self.lease.stream.to_string(), why }
    }
}

/// What is known of a sensor without driving it; the default status when it never was driven.
///
/// # Errors
/// What the store says, or [`Error::Corrupt`].
pub async fn load(store: &dyn Store, namespace: &str, name: &str) -> Result<Status> {
    let stream = StreamId::sensor(namespace, name)?;
    let (mut status, mut recent, mut seq) = kept(store, &stream).await.unwrap_or_default();
    replay(store, &stream, &mut status, &mut recent, &mut seq).await?;
    Ok(status)
}

/// The status as it was written down last, and up to which record it goes. None unless that very record is in the journal:
/// a sensor that was deleted and made again has another one.
async fn kept(store: &dyn Store, stream: &StreamId) -> Option<(Status, Recent, Seq)> {
    let entry = Memo::get_memo(store, SNAPSHOTS, stream.key()).await.ok()??;
    let mut whole: Value = serde_json::from_slice(&entry.body).ok()?;
    let seq = whole["seq"].as_u64().filter(|seq| *seq > 0)?;
    let last = Journal::read(store, stream, Seq(seq - 1), 1).await.ok()?.into_iter().next()?;
    let same = last.seq == Seq(seq)
        && whole["record"] == sha256(&last.body).as_str()
        && whole["at"] == json!(last.at);
    if !same {
        return None;
    }
    let status = restore(whole["status"].take())?;
    let recent = serde_json::from_value(whole["recent"].take()).ok()?;
    Some((status, recent, Seq(seq)))
}

async fn replay(
    store: &dyn Store,
    stream: &StreamId,
    status: &mut Status,
    recent: &mut Recent,
    seq: &mut Seq,
) -> Result<()> {
    loop {
        let records = Journal::read(store, stream, *seq, 0).await?;
        if records.is_empty() {
            return Ok(());
        }
        for one in &records {
            let corrupt = |why: String| Error::Corrupt { stream: stream.to_string(), why };
            let fact = read(one).map_err(corrupt)?;
            fold(status, &fact).map_err(|error| corrupt(format!("record {}: {error}", one.seq.0)))?;
            recent.note(&fact);
            *seq = one.seq;
        }
    }
}

/// The record of a fact; its kind is the tag that stands in the body too.
fn record(fact: &Fact) -> std::result::Result<NewRecord, String> {
    let body = serde_json::to_value(fact).map_err(|error| error.to_string())?;
    let kind = body["fact"].as_str().ok_or("a fact without a name")?.to_owned();
    Ok(NewRecord { kind, body: body.to_string().into_bytes() })
}

fn read(record: &Record) -> std::result::Result<Fact, String> {
    serde_json::from_slice(&record.body)
        .map_err(|error| format!("record {} `{}`: {error}", record.seq.0, record.kind))
}

#[cfg(test)]
mod tests;
