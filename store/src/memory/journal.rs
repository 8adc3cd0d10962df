//! Journal and inbox of the memory driver.
//! Deliberately checks first and changes afterwards, so that a refused call leaves no trace.

use std::time::Duration;

use jiff::Timestamp;

use super::MemoryStore;
use super::state::{State, Stream, not_found};
use crate::{
    Append, Appended, BoxFuture, Changes, ClaimRequest, Command, CommandId, Create, Epoch, Error, Inbox,
    Journal, Lease, NewCommand, Record, Result, Seq, StreamId, Wakeup, limits, validate,
};

impl Journal for MemoryStore {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended>> {
        if let Err(error) = validate::append(&append) {
            return Box::pin(std::future::ready(Err(error)));
        }
        self.commit(|state| state.append(append))
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        self.view(|state| {
            let records = state.streams.get(stream).map_or(&[][..], |s| s.records.as_slice());
            let first = records.partition_point(|record| record.seq <= after);
            let limit = validate::limit(limit, limits::READ_MAX_RECORDS);
            Ok(records.iter().skip(first).take(limit).cloned().collect())
        })
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Vec<Lease>>> {
        let until = match validate::claim(&request) {
            Ok(until) => until,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        let mut inner = self.lock();
        if !inner.shut_down && inner.state.claimable(&request).is_empty() {
            return Box::pin(std::future::ready(Ok(Vec::new())));
        }
        Box::pin(std::future::ready(inner.commit(|state| Ok(state.claim(&request, until)))))
    }

    fn renew<'a>(
        &'a self,
        owner: &'a str,
        leases: &'a [Lease],
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Lease>>> {
        let until = match validate::later(now, ttl) {
            Ok(until) => until,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        self.commit(|state| {
            let (held, lost) = state.still_held(owner, leases);
            for lease in held {
                if let Some(stream) = state.streams.get_mut(&lease.stream) {
                    stream.lease = Some((owner.to_owned(), until));
                }
            }
            Ok(lost.into_iter().cloned().collect())
        })
    }

    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<()>> {
        self.commit(|state| {
            for lease in leases {
                if let Some(stream) = state.streams.get_mut(&lease.stream)
                    && stream.is_leased_as(lease.epoch)
                {
                    stream.lease = None;
                }
            }
            Ok(())
        })
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<(StreamId, Timestamp)>>> {
        self.view(|state| {
            let mut due: Vec<(StreamId, Timestamp)> = Vec::new();
            for (id, stream) in state.streams.iter().filter(|(_, s)| s.is_free(now, &[])) {
                if let Some(at) = stream.due_at.filter(|at| *at <= now) {
                    due.push((id.clone(), at));
                }
            }
            due.sort_by(|a, b| (a.1, &a.0).cmp(&(b.1, &b.0)));
            due.truncate(validate::limit(limit, limits::CLAIM_MAX_STREAMS));
            Ok(due)
        })
    }

    fn close<'a>(&'a self, stream: &'a StreamId, epoch: Epoch) -> BoxFuture<'a, Result<()>> {
        self.commit(|state| {
            state.fenced(stream, epoch)?.close();
            Ok(())
        })
    }

    fn reopen<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<()>> {
        self.commit(|state| {
            state.streams.get_mut(stream).ok_or_else(|| not_found(stream))?.closed = false;
            Ok(())
        })
    }
}

impl Inbox for MemoryStore {
    fn post(&self, command: NewCommand) -> BoxFuture<'_, Result<CommandId>> {
        if let Err(error) = validate::command(&command) {
            return Box::pin(std::future::ready(Err(error)));
        }
        self.commit(|state| state.post(command))
    }

    fn take<'a>(&'a self, owner: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Command>>> {
        self.view(|state| {
            let leased = |stream: &StreamId| {
                let lease = state.streams.get(stream).and_then(|s| s.lease.as_ref());
                lease.is_some_and(|(name, _)| name == owner)
            };
            let limit = validate::limit(limit, limits::CLAIM_MAX_STREAMS);
            Ok(state.inbox.values().filter(|c| leased(&c.stream)).take(limit).cloned().collect())
        })
    }

    fn pending<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Vec<Command>>> {
        self.view(|state| Ok(state.inbox.values().filter(|c| c.stream == *stream).cloned().collect()))
    }

    fn changes(&self) -> BoxFuture<'_, Result<Changes>> {
        self.view(|state| {
            Ok(Changes { any: state.changes, commands: state.last_command, manifests: state.manifests_moved })
        })
    }
}

impl State {
    fn append(&mut self, append: Append) -> Result<Appended> {
        if let Some(create) = &append.create
            && let Some(existing) = self.check_create(&append, create)?
        {
            return Ok(Appended::Exists { stream: existing });
        }
        if append.create.is_none() {
            let stream = if append.afterword {
                self.finished(&append.stream, append.epoch)?
            } else {
                self.fenced(&append.stream, append.epoch)?
            };
            let actual = stream.last_seq();
            if actual != append.expected {
                return Err(Error::SeqConflict { stream: append.stream, actual });
            }
        }
        if !append.locks.is_empty() {
            let mut locks = self.locks.clone();
            append.locks.iter().try_for_each(|change| locks.apply(&append.stream, change, append.at))?;
            self.locks = locks;
        }
        for command in &append.consumed {
            if self.inbox.get(&command.0).is_some_and(|c| c.stream == append.stream) {
                self.inbox.remove(&command.0);
            }
        }
        if let Some(create) = &append.create {
            self.create(&append.stream, create);
        }
        let stream = self.streams.entry(append.stream.clone()).or_default();
        Ok(Appended::Done(stream.write(append)))
    }

    /// The stream an earlier create with the same key made, or an error when the new one cannot be made.
    fn check_create(&self, append: &Append, create: &Create) -> Result<Option<StreamId>> {
        let kind = append.stream.kind();
        let in_namespace = |text: &str| (kind.to_owned(), create.namespace.clone(), text.to_owned());
        let earlier = create.idempotency_key.as_ref().and_then(|key| self.keys.get(&in_namespace(key)));
        if earlier.is_some() {
            return Ok(earlier.cloned());
        }
        if let Some(stream) = self.streams.get(&append.stream) {
            return Err(Error::SeqConflict { stream: append.stream.clone(), actual: stream.last_seq() });
        }
        match self.names.get(&in_namespace(&create.name)) {
            None => Ok(None),
            Some(stream) => Err(Error::NameTaken {
                namespace: create.namespace.clone(),
                name: create.name.clone(),
                stream: stream.clone(),
            }),
        }
    }

    fn create(&mut self, id: &StreamId, create: &Create) {
        let in_namespace = |text: &str| (id.kind().to_owned(), create.namespace.clone(), text.to_owned());
        self.names.insert(in_namespace(&create.name), id.clone());
        if let Some(key) = &create.idempotency_key {
            self.keys.insert(in_namespace(key), id.clone());
        }
        let mut stream = Stream::default();
        if let Some(lease) = &create.lease {
            stream.epoch = Epoch::FIRST;
            stream.lease = Some((lease.owner.clone(), lease.until));
        }
        self.streams.insert(id.clone(), stream);
    }

    fn claimable(&self, request: &ClaimRequest) -> Vec<StreamId> {
        let (now, dead) = (request.now, &request.dead_owners);
        let mut found: Vec<(Option<Timestamp>, &StreamId)> = Vec::new();
        for (id, stream) in &self.streams {
            let wanted = request.only.as_ref().is_none_or(|only| only == id)
                && request.kind.as_ref().is_none_or(|kind| kind == id.kind());
            let busy = || {
                stream.due_at.is_some_and(|at| at <= now)
                    || stream.is_abandoned(now, dead)
                    || self.inbox.values().any(|command| command.stream == *id)
            };
            if wanted && stream.is_free(now, dead) && (!request.due_only || busy()) {
                found.push((stream.due_at, id));
            }
        }
        found.sort_by_key(|(due, id)| (due.is_none(), *due, *id));
        found.truncate(validate::limit(request.limit, limits::CLAIM_MAX_STREAMS));
        found.into_iter().map(|(_, id)| id.clone()).collect()
    }

    fn claim(&mut self, request: &ClaimRequest, until: Timestamp) -> Vec<Lease> {
        let mut leases = Vec::new();
        for id in self.claimable(request) {
            if let Some(stream) = self.streams.get_mut(&id) {
                stream.epoch = Epoch(stream.epoch.0 + 1);
                stream.lease = Some((request.owner.clone(), until));
                leases.push(Lease { stream: id, epoch: stream.epoch, until });
            }
        }
        leases
    }

    fn post(&mut self, command: NewCommand) -> Result<CommandId> {
        self.known(&command.stream)?;
        let key = command.client_key.clone().map(|key| (command.stream.clone(), key));
        if let Some(earlier) = key.as_ref().and_then(|key| self.command_keys.get(key)) {
            return Ok(CommandId(*earlier));
        }
        self.last_command += 1;
        let id = self.last_command;
        if let Some(key) = key {
            self.command_keys.insert(key, id);
        }
        let NewCommand { stream, body, client_key, at } = command;
        self.inbox.insert(id, Command { id: CommandId(id), stream, body, client_key, at });
        Ok(CommandId(id))
    }
}

impl Stream {
    /// Writes what passed all checks.
    fn write(&mut self, append: Append) -> Seq {
        let mut seq = self.last_seq();
        for new in append.records {
            seq = Seq(seq.0 + 1);
            self.records.push(Record { seq, kind: new.kind, body: new.body, at: append.at });
        }
        if let Some(mut row) = append.workflow {
            row.as_of = seq;
            if let Some(old) = self.row.take() {
                (row.namespace, row.name, row.created_at) = (old.namespace, old.name, old.created_at);
            }
            self.row = Some(row);
        }
        for mut node in append.nodes {
            node.as_of = seq;
            self.nodes.insert(node.ordinal, node);
        }
        match append.wakeup {
            Wakeup::Keep => {}
            Wakeup::Clear => self.due_at = None,
            Wakeup::At(at) => self.due_at = Some(at),
        }
        if append.closes {
            self.close();
        }
        seq
    }
}
