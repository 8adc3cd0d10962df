//! The store as one engine sees it: the real logic of the memory driver, with mishaps around each commit.
//! Does not decide which commit: `trouble` does.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_store::{
    Append, Appended, Blobs, BoxFuture, Catalog, Changes, ClaimRequest, Command, CommandId, Digest, Epoch,
    Error, Inbox, Journal, Lease, LockState, LockWaiter, Locks, Maintenance, Manifest, Memo, MemoEntry,
    MemoryStore, NewCommand, NewManifest, NodeRow, Page, Projection, Record, Result, Seq, StreamId,
    StreamInfo, VerifyReport, WorkflowQuery, WorkflowRow,
};

use super::canary::Canary;
use super::trouble::Mishap;
use super::world::World;
use super::{hands, planted};

/// The disk in the hands of one engine.
pub struct Disk {
    /// The world.
    pub world: Arc<World>,
    /// The engine.
    pub engine: u32,
}

/// The answer that a dead engine gets.
pub fn never<'a, T: Send + 'a>() -> BoxFuture<'a, T> {
    Box::pin(std::future::pending())
}

impl Disk {
    fn store(&self) -> &MemoryStore {
        &self.world.store
    }

    /// Whether the bug is planted.
    pub fn planted(&self, canary: Canary) -> bool {
        self.world.canary == Some(canary)
    }

    /// Reads; a dead engine gets no answer, one that stands still gets it later.
    fn read<'a, T: Send + 'a>(
        &'a self,
        run: impl FnOnce(&'a MemoryStore) -> BoxFuture<'a, Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        if !self.world.call(self.engine) {
            return never();
        }
        match self.world.frozen_until(self.engine) {
            None => run(self.store()),
            Some(until) => Box::pin(async move {
                self.world.clock.until(until).await;
                run(self.store()).await
            }),
        }
    }

    /// Writes one transaction, unless something goes wrong with it.
    fn write<'a, T: Send + 'a>(
        &'a self,
        what: &str,
        run: impl FnOnce(&'a Self) -> BoxFuture<'a, Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        let (world, engine) = (&self.world, self.engine);
        if !world.call(engine) {
            return never();
        }
        let (number, mishap) = world.commit(engine, what);
        let error = move |when: &str| Error::Io(format!("injected {when} commit {number}"));
        match mishap {
            None => match world.frozen_until(engine) {
                None => run(self),
                Some(until) => self.later(until, run),
            },
            Some(Mishap::CrashBefore) => {
                world.kill(engine);
                never()
            }
            Some(mishap @ (Mishap::CrashAfter | Mishap::Reboot)) => {
                // The memory driver does its work when it is called, not when it is awaited.
                drop(run(self));
                if mishap == Mishap::Reboot {
                    hands::reboot(&mut world.state());
                }
                world.kill(engine);
                never()
            }
            Some(Mishap::ErrorBefore) => Box::pin(std::future::ready(Err(error("before")))),
            Some(Mishap::ErrorAfter) => {
                let answer = run(self);
                Box::pin(async move { answer.await.and_then(|_| Err(error("after"))) })
            }
            Some(Mishap::Freeze) => {
                world.freeze(engine);
                match world.frozen_until(engine) {
                    Some(until) => self.later(until, run),
                    None => run(self),
                }
            }
        }
    }

    fn later<'a, T: Send + 'a>(
        &'a self,
        until: Timestamp,
        run: impl FnOnce(&'a Self) -> BoxFuture<'a, Result<T>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T>> {
        Box::pin(async move {
            self.world.clock.until(until).await;
            if self.world.is_dead(self.engine) {
                return std::future::pending().await;
            }
            run(self).await
        })
    }

    /// Appends and lets the world take notice when it was done.
    pub fn append_now(&self, append: Append) -> BoxFuture<'_, Result<Appended>> {
        let append = planted::on_append(self, append);
        let answer = Journal::append(self.store(), append.clone());
        // Ready at once: see the memory driver.
        let mut answer = answer;
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match answer.as_mut().poll(&mut context) {
            std::task::Poll::Ready(answer) => {
                if matches!(answer, Ok(Appended::Done(_))) {
                    self.world.committed(&append);
                }
                Box::pin(std::future::ready(answer))
            }
            std::task::Poll::Pending => answer,
        }
    }
}

impl Journal for Disk {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended>> {
        if self.planted(Canary::EffectBeforeCommit)
            && let Some(answer) = planted::answer_first(self, &append)
        {
            return Box::pin(std::future::ready(answer));
        }
        let what = format!("append {} records to {}", append.records.len(), append.stream);
        self.write(&what, |disk| disk.append_now(append))
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        let answer = self.read(move |store| Journal::read(store, stream, after, limit));
        Box::pin(async move { answer.await.map(|records| planted::on_read(self, records)) })
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Vec<Lease>>> {
        if !self.world.call(self.engine) {
            return never();
        }
        if let Some(until) = self.world.frozen_until(self.engine) {
            return self.later(until, |disk| Journal::claim(disk.store(), request));
        }
        let before = self.store().commits();
        let answer = Journal::claim(self.store(), request);
        if self.store().commits() == before {
            return answer;
        }
        // A crash before a claim is a crash after the commit before it: only the one after is worth a run.
        match self.world.commit(self.engine, "claim") {
            (_, Some(Mishap::CrashBefore | Mishap::CrashAfter | Mishap::Reboot)) => {
                self.world.kill(self.engine);
                never()
            }
            _ => answer,
        }
    }

    fn renew<'a>(
        &'a self,
        owner: &'a str,
        leases: &'a [Lease],
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Lease>>> {
        self.write("renew", move |disk| disk.store().renew(owner, leases, ttl, now))
    }

    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<()>> {
        self.write("release", move |disk| disk.store().release(leases))
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<(StreamId, Timestamp)>>> {
        self.read(move |store| store.due(now, limit))
    }

    fn close<'a>(&'a self, stream: &'a StreamId, epoch: Epoch) -> BoxFuture<'a, Result<()>> {
        self.write("close", move |disk| {
            let answer = disk.store().close(stream, epoch);
            let info = disk.store().snapshot_closed(stream);
            disk.world.close(stream, info);
            answer
        })
    }

    fn reopen<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<()>> {
        self.write("reopen", move |disk| {
            disk.world.close(stream, false);
            disk.store().reopen(stream)
        })
    }
}

/// Whether a stream is closed, without a future.
trait Peek {
    fn snapshot_closed(&self, stream: &StreamId) -> bool;
}

impl Peek for MemoryStore {
    fn snapshot_closed(&self, stream: &StreamId) -> bool {
        let mut answer = Maintenance::stream(self, stream);
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match answer.as_mut().poll(&mut context) {
            std::task::Poll::Ready(Ok(Some(info))) => info.closed,
            _ => false,
        }
    }
}

impl Inbox for Disk {
    fn post(&self, command: NewCommand) -> BoxFuture<'_, Result<CommandId>> {
        let command = planted::on_post(self, command);
        self.write("post a command", |disk| disk.store().post(command))
    }

    fn take<'a>(&'a self, owner: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Command>>> {
        self.read(move |store| store.take(owner, limit))
    }

    fn pending<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Vec<Command>>> {
        self.read(move |store| store.pending(stream))
    }

    fn changes(&self) -> BoxFuture<'_, Result<Changes>> {
        self.read(|store| store.changes())
    }
}

impl Catalog for Disk {
    fn put_manifest(&self, manifest: NewManifest) -> BoxFuture<'_, Result<u64>> {
        self.write("put a manifest", |disk| disk.store().put_manifest(manifest))
    }

    fn get_manifest<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Manifest>>> {
        self.read(move |store| store.get_manifest(kind, namespace, name))
    }

    fn list_manifests<'a>(
        &'a self,
        kind: &'a str,
        namespace: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Manifest>>> {
        self.read(move |store| store.list_manifests(kind, namespace))
    }

    fn delete_manifest<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        self.write("delete a manifest", move |disk| disk.store().delete_manifest(kind, namespace, name))
    }

    fn list_workflows(&self, query: WorkflowQuery) -> BoxFuture<'_, Result<Page<WorkflowRow>>> {
        self.read(move |store| store.list_workflows(query))
    }

    fn get_workflow<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<WorkflowRow>>> {
        self.read(move |store| store.get_workflow(namespace, name))
    }

    fn delete_workflow<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<()>> {
        self.write("delete a workflow", move |disk| disk.store().delete_workflow(stream))
    }

    fn nodes<'a>(
        &'a self,
        stream: &'a StreamId,
        first: u32,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<NodeRow>>> {
        self.read(move |store| store.nodes(stream, first, limit))
    }
}

impl Blobs for Disk {
    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest>> {
        self.write("put a blob", |disk| disk.store().put_blob(bytes))
    }

    fn get_blob<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        self.read(move |store| store.get_blob(digest))
    }
}

impl Memo for Disk {
    fn put_memo<'a>(
        &'a self,
        cache: &'a str,
        key: &'a str,
        body: Vec<u8>,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        self.write("put a memo", move |disk| disk.store().put_memo(cache, key, body, at))
    }

    fn get_memo<'a>(&'a self, cache: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<MemoEntry>>> {
        self.read(move |store| store.get_memo(cache, key))
    }

    fn touch_memo<'a>(&'a self, cache: &'a str, key: &'a str, at: Timestamp) -> BoxFuture<'a, Result<bool>> {
        self.write("touch a memo", move |disk| disk.store().touch_memo(cache, key, at))
    }
}

impl Locks for Disk {
    fn lock_state<'a>(&'a self, lock: &'a str) -> BoxFuture<'a, Result<LockState>> {
        let answer = self.read(move |store| store.lock_state(lock));
        Box::pin(async move { answer.await.map(|state| planted::on_lock_state(self, state)) })
    }

    fn waiting(&self) -> BoxFuture<'_, Result<Vec<LockWaiter>>> {
        self.read(|store| store.waiting())
    }
}

impl Maintenance for Disk {
    fn streams<'a>(
        &'a self,
        after: Option<&'a StreamId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>>> {
        self.read(move |store| store.streams(after, limit))
    }

    fn stream<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<StreamInfo>>> {
        self.read(move |store| store.stream(stream))
    }

    fn owners(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        self.read(|store| store.owners())
    }

    fn verify(&self) -> BoxFuture<'_, Result<VerifyReport>> {
        self.read(|store| store.verify())
    }

    fn projection<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Projection>>> {
        self.read(move |store| store.projection(stream))
    }

    fn rebuild<'a>(&'a self, stream: &'a StreamId, projection: Projection) -> BoxFuture<'a, Result<()>> {
        self.write("rebuild", move |disk| disk.store().rebuild(stream, projection))
    }

    fn backup<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<()>> {
        self.read(move |store| store.backup(target))
    }

    fn shutdown(&self) -> BoxFuture<'_, Result<()>> {
        self.read(|store| store.shutdown())
    }
}
