//! Catalog, blobs and memo entries of the memory driver.
//! Deliberately filters and sorts by the definitions in `query`, which other drivers must agree with.

use std::collections::btree_map::Entry;

use jiff::Timestamp;

use super::MemoryStore;
use super::state::State;
use crate::query::CursorParts;
use crate::{
    Blobs, BoxFuture, Catalog, Digest, Error, Manifest, Memo, MemoEntry, NewManifest, NodeRow, Page, Result,
    StreamId, WorkflowQuery, WorkflowRow, limits, validate,
};

fn refused<'a, T: Send + 'a>(error: Error) -> BoxFuture<'a, Result<T>> {
    Box::pin(std::future::ready(Err(error)))
}

fn key(kind: &str, namespace: &str, name: &str) -> (String, String, String) {
    (kind.to_owned(), namespace.to_owned(), name.to_owned())
}

impl Catalog for MemoryStore {
    fn put_manifest(&self, manifest: NewManifest) -> BoxFuture<'_, Result<u64>> {
        match validate::manifest(&manifest) {
            Ok(()) => self.commit(|state| Ok(state.put_manifest(manifest))),
            Err(error) => refused(error),
        }
    }

    fn get_manifest<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<Manifest>>> {
        self.view(|state| Ok(state.manifests.get(&key(kind, namespace, name)).cloned()))
    }

    fn list_manifests<'a>(
        &'a self,
        kind: &'a str,
        namespace: Option<&'a str>,
    ) -> BoxFuture<'a, Result<Vec<Manifest>>> {
        self.view(|state| {
            let wanted = |m: &&Manifest| m.kind == kind && namespace.is_none_or(|ns| m.namespace == ns);
            Ok(state.manifests.values().filter(wanted).cloned().collect())
        })
    }

    fn delete_manifest<'a>(
        &'a self,
        kind: &'a str,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<bool>> {
        self.commit(|state| {
            state.manifests_moved += 1;
            Ok(state.manifests.remove(&key(kind, namespace, name)).is_some())
        })
    }

    fn list_workflows(&self, query: WorkflowQuery) -> BoxFuture<'_, Result<Page<WorkflowRow>>> {
        self.view(|state| state.list_workflows(&query))
    }

    fn get_workflow<'a>(
        &'a self,
        namespace: &'a str,
        name: &'a str,
    ) -> BoxFuture<'a, Result<Option<WorkflowRow>>> {
        self.view(|state| {
            let mut rows = state.streams.values().filter_map(|s| s.row.as_ref());
            Ok(rows.find(|row| row.namespace == namespace && row.name == name).cloned())
        })
    }

    fn delete_workflow<'a>(&'a self, stream: &'a StreamId) -> BoxFuture<'a, Result<()>> {
        self.commit(|state| state.delete(stream))
    }

    fn nodes<'a>(
        &'a self,
        stream: &'a StreamId,
        first: u32,
        limit: usize,
    ) -> BoxFuture<'a, Result<Vec<NodeRow>>> {
        self.view(|state| {
            let limit = validate::limit(limit, usize::MAX);
            let nodes = state.streams.get(stream).map(|s| s.nodes.range(first..));
            Ok(nodes.into_iter().flatten().take(limit).map(|(_, node)| node.clone()).collect())
        })
    }
}

impl State {
    fn put_manifest(&mut self, new: NewManifest) -> u64 {
        let NewManifest { kind, namespace, name, body, source, at } = new;
        self.manifests_moved += 1;
        match self.manifests.entry((kind.clone(), namespace.clone(), name.clone())) {
            Entry::Occupied(mut found) => {
                let manifest = found.get_mut();
                if manifest.body != body || manifest.source != source {
                    manifest.generation += 1;
                    manifest.body = body;
                    manifest.source = source;
                    manifest.updated_at = at;
                }
                manifest.generation
            }
            Entry::Vacant(place) => {
                let (created_at, updated_at) = (at, at);
                place.insert(Manifest {
                    kind,
                    namespace,
                    name,
                    generation: 1,
                    body,
                    source,
                    created_at,
                    updated_at,
                });
                1
            }
        }
    }

    fn list_workflows(&self, query: &WorkflowQuery) -> Result<Page<WorkflowRow>> {
        let after = query.cursor.as_ref().map(|c| CursorParts::decode(c, query.sort)).transpose()?;
        let mut rows: Vec<(CursorParts, &WorkflowRow)> = Vec::new();
        for row in self.streams.values().filter_map(|s| s.row.as_ref()).filter(|row| query.matches(row)) {
            let place = CursorParts::of(row, query.sort)?;
            if after.as_ref().is_none_or(|after| after.is_before(&place, query.sort)) {
                rows.push((place, row));
            }
        }
        rows.sort_by(|(a, _), (b, _)| {
            if a.is_before(b, query.sort) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
        });
        let limit = validate::limit(query.limit, limits::PAGE_MAX_ROWS);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(|(place, _)| place.encode()) } else { None };
        Ok(Page { items: rows.into_iter().map(|(_, row)| row.clone()).collect(), next })
    }

    fn delete(&mut self, stream: &StreamId) -> Result<()> {
        if !self.known(stream)?.closed {
            return Err(Error::StillOpen(stream.clone()));
        }
        self.streams.remove(stream);
        self.names.retain(|_, id| id != stream);
        self.keys.retain(|_, id| id != stream);
        self.inbox.retain(|_, command| command.stream != *stream);
        self.command_keys.retain(|(id, _), _| id != stream);
        self.locks.forget(stream);
        Ok(())
    }
}

impl Blobs for MemoryStore {
    fn put_blob(&self, bytes: Vec<u8>) -> BoxFuture<'_, Result<Digest>> {
        if let Err(error) = validate::body("blob", &bytes, limits::BODY_MAX_BYTES) {
            return refused(error);
        }
        self.commit(|state| {
            let digest = Digest::of(&bytes);
            state.blobs.insert(digest, bytes);
            Ok(digest)
        })
    }

    fn get_blob<'a>(&'a self, digest: &'a Digest) -> BoxFuture<'a, Result<Option<Vec<u8>>>> {
        self.view(|state| Ok(state.blobs.get(digest).cloned()))
    }
}

impl Memo for MemoryStore {
    fn put_memo<'a>(
        &'a self,
        cache: &'a str,
        key: &'a str,
        body: Vec<u8>,
        at: Timestamp,
    ) -> BoxFuture<'a, Result<()>> {
        if let Err(error) = validate::memo(cache, key, &body, at) {
            return refused(error);
        }
        self.commit(|state| {
            let entry = MemoEntry { body, created_at: at, last_hit_at: at };
            state.memo.insert((cache.to_owned(), key.to_owned()), entry);
            Ok(())
        })
    }

    fn get_memo<'a>(&'a self, cache: &'a str, key: &'a str) -> BoxFuture<'a, Result<Option<MemoEntry>>> {
        self.view(|state| Ok(state.memo.get(&(cache.to_owned(), key.to_owned())).cloned()))
    }

    fn touch_memo<'a>(&'a self, cache: &'a str, key: &'a str, at: Timestamp) -> BoxFuture<'a, Result<bool>> {
        if let Err(error) = validate::memo(cache, key, &[], at) {
            return refused(error);
        }
        self.commit(|state| {
            let entry = state.memo.get_mut(&(cache.to_owned(), key.to_owned()));
            Ok(entry.map(|entry| entry.last_hit_at = at).is_some())
        })
    }
}
