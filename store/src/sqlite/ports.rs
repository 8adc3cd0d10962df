//! The ports of the SQLite driver: checks the arguments, then asks the writer or the readers.
//! Deliberately thin; statements are in the neighbouring files.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use super::write::{Answer, Write};
use super::{SqliteStore, connect, lists, locks, read, verify};
use crate::{
    Append, Appended, Blobs, BoxFuture, Catalog, Changes, ClaimRequest, Command, CommandId, Digest, Epoch,
    Error, Inbox, Journal, Lease, LockState, LockWaiter, Locks, Maintenance, Manifest, Memo, MemoEntry,
    NewCommand, NewManifest, NodeRow, Page, Projection, Record, Result, Seq, StreamId, StreamInfo,
    VerifyReport, WorkflowQuery, WorkflowRow, limits, validate,
};

fn unexpected<T>(answer: &Answer) -> Result<T> {
    Err(Error::Corrupt(format!("the writer answered {answer:?}")))
}

impl SqliteStore {
    async fn write_unit(&self, write: Write) -> Result<()> {
        match self.write(write).await? {
            Answer::Unit => Ok(()),
            other => unexpected(&other),
        }
    }

    async fn write_flag(&self, write: Write) -> Result<bool> {
        match self.write(write).await? {
            Answer::Flag(flag) => Ok(flag),
            other => unexpected(&other),
        }
    }

    async fn write_leases(&self, write: Write) -> Result<Vec<Lease>> {
        match self.write(write).await? {
            Answer::Leases(leases) => Ok(leases),
            other => unexpected(&other),
        }
    }
}

impl Journal for SqliteStore {
    fn append(&self, append: Append) -> BoxFuture<'_, Result<Appended>> {
        Box::pin(async move {
            validate::append(&append)?;
            match self.write(Write::Append(append)).await? {
                Answer::Appended(appended) => Ok(appended),
                other => unexpected(&other),
            }
        })
    }

    fn read<'a>(
        &'a self,
        stream: &'a StreamId,
        after: Seq,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<Record>>> {
        Box::pin(read::records(&self.readers, stream, after, limit))
    }

    fn claim(&self, request: ClaimRequest) -> BoxFuture<'_, Result<Vec<Lease>>> {
        Box::pin(async move {
            let until = validate::claim(&request)?;
            self.write_leases(Write::Claim { request, until }).await
        })
    }

    fn renew<'a>(
        &'a self,
        owner: &'a str,
        leases: &'a [Lease],
        ttl: Duration,
        now: Timestamp,
    ) -> BoxFuture<'a, Result<Vec<Lease>>> {
        Box::pin(async move {
            let until = validate::later(now, ttl)?;
            self.write_leases(Write::Renew { owner: owner.to_owned(), leases: leases.to_vec(), until }).await
        })
    }

    fn release<'a>(&'a self, leases: &'a [Lease]) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.write_unit(Write::Release(leases.to_vec())))
    }

    fn due(&self, now: Timestamp, limit: usize) -> BoxFuture<'_, Result<Vec<(StreamId, Timestamp)>>> {
        Box::pin(read::due(&self.readers, now, limit))
    }

    fn close<'a>(&'a self, stream: &'a StreamId, epoch: Epoch) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.write_unit(Write::Close { stream: stream.clone(), epoch }))
    }

    fn reopen<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.write_unit(Write::Reopen(stream.clone())))
    }
}

impl Inbox for SqliteStore {
    fn post(&self, command: NewCommand) -> BoxFuture<'_, Result<CommandId>> {
        Box::pin(async move {
            validate::command(&command)?;
            match self.write(Write::Post(command)).await? {
                Answer::Command(id) => Ok(id),
                other => unexpected(&other),
            }
        })
    }

    fn take<'a>(&'a self, owner: &'a str, limit: usize) -> BoxFuture<'a, Result<Vec<Command>>> {
        Box::pin(read::commands_of_owner(&self.readers, owner, limit))
    }

    fn pending<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Vec<Command>>> {
        Box::pin(read::commands_of_stream(&self.readers, stream))
    }

    fn changes(&self) -> BoxFuture<'_, Result<Changes>> {
        Box::pin(self.look_for_changes())
    }
}

impl Catalog for SqliteStore {
    fn put_manifest(&self, manifest: NewManifest) -> BoxFuture<'_, Result<u64>> {
        Box::pin(async move {
            validate::manifest(&manifest)?;
            match self.write(Write::PutManifest(manifest)).await? {
                Answer::Generation(generation) => Ok(generation),
                other => unexpected(&other),
            }
        })
    }

    fn get_manifest<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Manifest>>> {
        Box::pin(
            async move { Ok(read::manifests(&self.readers, kind, Some(namespace), Some(name)).await?.pop()) },
        )
    }

    fn list_manifests<'a>(
        &'a self,
        kind: &'a str,
        namespace: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Manifest>>> {
        Box::pin(read::manifests(&self.readers, kind, namespace, None))
    }

    fn delete_manifest<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        let (kind, namespace, name) = (kind.to_owned(), namespace.to_owned(), name.to_owned());
        Box::pin(self.write_flag(Write::DeleteManifest { kind, namespace, name }))
    }

    fn list_workflows(&self, query: WorkflowQuery) -> BoxFuture<'_, Result<Page<WorkflowRow>>> {
        Box::pin(async move { lists::page(&self.readers, &query).await })
    }

    fn get_workflow<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<WorkflowRow>>> {
        Box::pin(lists::by_name(&self.readers, namespace, name))
    }

    fn delete_workflow<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<()>> {
        Box::pin(self.write_unit(Write::DeleteStream(stream.clone())))
    }

    fn nodes<'a>(
        &'a self,
        stream: &'a StreamId,
        first: u32,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<NodeRow>>> {
        Box::pin(read::nodes(&self.readers, stream, first, limit))
    }
}

impl Blobs for SqliteStore {
    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest>> {
        Box::pin(async move {
            validate::body("blob", &bytes, limits::BODY_MAX_BYTES)?;
            let digest = Digest::of(&bytes);
            self.write_unit(Write::PutBlob { digest, bytes }).await.map(|()| digest)
        })
    }

    fn get_blob<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        Box::pin(read::blob(&self.readers, digest))
    }
}

impl Memo for SqliteStore {
    fn put_memo<'a>(
        &'a self,
        cache: &'a str,
        key: &'a str,
        body: Vec<u8>,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            validate::memo(cache, key, &body, at)?;
            self.write_unit(Write::PutMemo { cache: cache.to_owned(), key: key.to_owned(), body, at }).await
        })
    }

    fn get_memo<'a>(&'a self, cache: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<MemoEntry>>> {
        Box::pin(read::memo(&self.readers, cache, key))
    }

    fn touch_memo<'a>(&'a self, cache: &'a str, key: &'a str, at: Timestamp) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            validate::memo(cache, key, &[], at)?;
            self.write_flag(Write::TouchMemo { cache: cache.to_owned(), key: key.to_owned(), at }).await
        })
    }
}

impl Locks for SqliteStore {
    fn lock_state<'a>(&'a self, lock: &'a str) -> BoxFuture<'a, Result<LockState>> {
        Box::pin(locks::state(&self.readers, lock))
    }

    fn waiting(&self) -> BoxFuture<'_, Result<Vec<LockWaiter>>> {
        Box::pin(locks::waiters(&self.readers, None))
    }
}

impl Maintenance for SqliteStore {
    fn streams<'a>(
        &'a self,
        after: Option<&'a StreamId>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<StreamInfo>>> {
        Box::pin(read::streams(&self.readers, after.map_or("", StreamId::as_str), limit))
    }

    fn stream<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<StreamInfo>>> {
        Box::pin(read::stream(&self.readers, stream))
    }

    fn owners(&self) -> BoxFuture<'_, Result<Vec<String>>> {
        Box::pin(read::owners(&self.readers))
    }

    fn verify(&self) -> BoxFuture<'_, Result<VerifyReport>> {
        Box::pin(async move {
            self.check_open()?;
            verify::verify(&self.readers).await
        })
    }

    fn projection<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<Option<Projection>>> {
        Box::pin(lists::projection(&self.readers, stream))
    }

    fn rebuild<'a>(&'a self, stream: &'a StreamId, projection: Projection) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            validate::workflow_row(stream.key(), &projection.workflow)?;
            projection.nodes.iter().try_for_each(validate::node_row)?;
            self.write_unit(Write::Rebuild { stream: stream.clone(), projection }).await
        })
    }

    fn backup<'a>(&'a self, target: &'a Path) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move {
            self.check_open()?;
            let connection = connect::for_writing(&self.path, &self.options).await?;
            verify::backup(connection, target).await
        })
    }

    fn shutdown(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.close_all())
    }
}
