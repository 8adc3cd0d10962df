//! The data of the memory driver, and the checks that several of its ports share.
//! Deliberately plain ordered maps: iteration order is part of being deterministic.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::locks::LockTable;
use crate::{
    Command, Digest, Epoch, Error, Lease, Manifest, MemoEntry, NodeRow, Record, Result, Seq, StreamId,
    WorkflowRow,
};

/// Kind, namespace, name.
pub(super) type NameKey = (String, String, String);

#[derive(Clone, Default)]
pub(super) struct State {
    pub(super) streams: BTreeMap<StreamId, Stream>,
    pub(super) names: BTreeMap<NameKey, StreamId>,
    /// By kind, namespace and idempotency key.
    pub(super) keys: BTreeMap<NameKey, StreamId>,
    pub(super) inbox: BTreeMap<u64, Command>,
    pub(super) command_keys: BTreeMap<(StreamId, String), u64>,
    pub(super) last_command: u64,
    /// Manifests that were put or removed so far.
    pub(super) manifests_moved: u64,
    pub(super) manifests: BTreeMap<NameKey, Manifest>,
    pub(super) blobs: BTreeMap<Digest, Vec<u8>>,
    pub(super) memo: BTreeMap<(String, String), MemoEntry>,
    pub(super) locks: LockTable,
    pub(super) changes: u64,
}

#[derive(Clone, Default)]
pub(super) struct Stream {
    pub(super) records: Vec<Record>,
    pub(super) epoch: Epoch,
    pub(super) lease: Option<(String, Timestamp)>,
    pub(super) closed: bool,
    pub(super) due_at: Option<Timestamp>,
    pub(super) row: Option<WorkflowRow>,
    pub(super) nodes: BTreeMap<u32, NodeRow>,
}

impl Stream {
    pub(super) fn last_seq(&self) -> Seq {
        self.records.last().map_or(Seq::ZERO, |record| record.seq)
    }

    /// It rests until it is opened again.
    pub(super) fn close(&mut self) {
        (self.closed, self.lease, self.due_at) = (true, None, None);
    }

    /// Whether somebody may claim the stream.
    pub(super) fn is_free(&self, now: Timestamp, dead_owners: &[String]) -> bool {
        !self.closed && self.lease.as_ref().is_none_or(|lease| has_ended(lease, now, dead_owners))
    }

    /// Whether a lease was left behind by somebody who did not release it.
    pub(super) fn is_abandoned(&self, now: Timestamp, dead_owners: &[String]) -> bool {
        self.lease.as_ref().is_some_and(|lease| has_ended(lease, now, dead_owners))
    }

    /// Whether this lease is still the newest and was not released.
    pub(super) fn is_leased_as(&self, epoch: Epoch) -> bool {
        self.epoch == epoch && self.lease.is_some()
    }

    /// Whether the lease as a whole is still the owner's.
    pub(super) fn is_leased_by(&self, owner: &str, epoch: Epoch) -> bool {
        self.epoch == epoch && self.lease.as_ref().is_some_and(|(name, _)| name == owner)
    }
}

fn has_ended((owner, until): &(String, Timestamp), now: Timestamp, dead_owners: &[String]) -> bool {
    *until <= now || dead_owners.contains(owner)
}

impl State {
    /// The stream, or not found.
    pub(super) fn known(&self, stream: &StreamId) -> Result<&Stream> {
        self.streams.get(stream).ok_or_else(|| not_found(stream))
    }

    /// The stream for a writer that must hold the lease of this epoch.
    pub(super) fn fenced(&mut self, stream: &StreamId, epoch: Epoch) -> Result<&mut Stream> {
        let found = self.streams.get_mut(stream).ok_or_else(|| not_found(stream))?;
        if !found.is_leased_as(epoch) {
            return Err(Error::StaleEpoch { stream: stream.clone(), given: epoch.0, current: found.epoch.0 });
        }
        Ok(found)
    }

    /// A stream that is closed.
    pub(super) fn finished(&mut self, stream: &StreamId, epoch: Epoch) -> Result<&mut Stream> {
        let found = self.streams.get_mut(stream).ok_or_else(|| not_found(stream))?;
        if !found.closed {
            return Err(Error::StaleEpoch { stream: stream.clone(), given: epoch.0, current: found.epoch.0 });
        }
        Ok(found)
    }

    /// The leases that are still what their holder believes.
    pub(super) fn still_held<'a>(
        &self,
        owner: &str,
        leases: &'a [Lease],
    ) -> (Vec<&'a Lease>, Vec<&'a Lease>) {
        leases.iter().partition(|lease| {
            self.streams.get(&lease.stream).is_some_and(|s| s.is_leased_by(owner, lease.epoch))
        })
    }
}

pub(super) fn not_found(stream: &StreamId) -> Error {
    Error::NotFound(stream.to_string())
}
