//! Tests of what only this driver has.
//! Deliberately leaves what every driver promises to the conformance suite, which runs here too.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::Arc;

use super::*;
use crate::conformance::Pair;
use crate::{Journal as _, Seq, StreamId};

/// A fake: what SQLite reports when a sync fails (`SQLITE_IOERR_FSYNC`).
#[derive(Debug)]
pub(super) struct FakeDiskError;

impl fmt::Display for FakeDiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(code: 1034) disk I/O error")
    }
}

impl std::error::Error for FakeDiskError {}

impl sqlx::error::DatabaseError for FakeDiskError {
    fn message(&self) -> &str {
        "disk I/O error"
    }

    fn code(&self) -> Option<std::borrow::Cow<'_, str>> {
        Some("1034".into())
    }

    fn as_error(&self) -> &(dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn as_error_mut(&mut self) -> &mut (dyn std::error::Error + Send + Sync + 'static) {
        self
    }

    fn into_error(self: Box<Self>) -> Box<dyn std::error::Error + Send + Sync + 'static> {
        self
    }

    fn kind(&self) -> sqlx::error::ErrorKind {
        sqlx::error::ErrorKind::Other
    }
}

fn small() -> Options {
    Options { pregrow_wal_bytes: 0, ..Options::default() }
}

async fn open() -> Pair {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let a = SqliteStore::open(&path, small()).await.unwrap();
    let b = SqliteStore::open(&path, small()).await.unwrap();
    Pair { a: Arc::new(a), b: Arc::new(b), guard: Box::new(directory) }
}

mod suite {
    crate::conformance_tests!(super::open);
}

/// Records of `workflow/<uid>`.
async fn length(store: &SqliteStore, uid: &str) -> usize {
    store.read(&StreamId::workflow(uid).unwrap(), Seq::ZERO, 0).await.unwrap().len()
}

async fn fresh() -> (tempfile::TempDir, PathBuf, SqliteStore) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, small()).await.unwrap();
    (directory, path, store)
}

async fn raw(path: &Path) -> SqliteConnection {
    connect::for_writing(path, &small()).await.unwrap()
}

async fn execute(path: &Path, sql: &'static str) {
    let mut connection = raw(path).await;
    sqlx::query(sql).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

mod commits;
mod disk;
mod schema;
