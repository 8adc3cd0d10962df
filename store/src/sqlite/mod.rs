//! The SQLite driver: one writer with group commit, readers beside it, several processes per file.
//! Deliberately knows tables and no meanings; what a port promises is written at the port.

mod checkpoint;
mod codes;
mod connect;
mod flush;
mod lists;
mod locks;
mod migrate;
mod place;
mod plan;
mod ports;
mod read;
#[cfg(test)]
mod tests;
mod transact;
mod verify;
mod ways;
mod write;
mod write_catalog;
mod writer;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use sqlx::sqlite::SqlitePool;
use sqlx::{Connection as _, Row as _, SqliteConnection};
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

use self::write::{Answer, Write};
use self::writer::{Request, Writer};
use crate::{Changes, Error, Result, limits};

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// The write-ahead log is grown to this size after opening, whenever the writer is idle and otherwise between
    /// commits; 0 leaves it as it is.
    pub pregrow_wal_bytes: u64,
    /// Connections that read.
    pub readers: u32,
    /// How long to wait for another process.
    pub busy_timeout: Duration,
    /// Accept a file system whose locks may not work. For tests and for people who know.
    pub allow_network_file_system: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            pregrow_wal_bytes: limits::WAL_PREGROWN_BYTES,
            readers: limits::READERS,
            busy_timeout: limits::BUSY_TIMEOUT,
            allow_network_file_system: false,
        }
    }
}

impl Options {
    /// For a command that does one thing and ends.
    #[must_use]
    pub fn brief() -> Self {
        Self { pregrow_wal_bytes: 0, readers: 1, ..Self::default() }
    }
}

/// A store in one SQLite file.
pub struct SqliteStore {
    path: PathBuf,
    options: Options,
    readers: SqlitePool,
    requests: std::sync::Mutex<Option<mpsc::Sender<Request>>>,
    watch: Mutex<Watch>,
    tasks: std::sync::Mutex<Vec<JoinHandle<()>>>,
    #[cfg(test)]
    faults: TestFaults,
}

/// The connection that looks for changes.
struct Watch {
    connection: Option<SqliteConnection>,
    seen: Changes,
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the database at `path`, creating it (0600, missing directories 0700) and bringing its schema up to
    /// date. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// [`Error::SchemaTooNew`], [`Error::SqliteTooOld`], [`Error::UnsafePlace`], [`Error::Corrupt`] and what
    /// the file system says.
    pub async fn open(path: impl AsRef<Path>, options: Options) -> Result<Self> {
        Self::open_with(path.as_ref(), options, migrate::MIGRATIONS).await
    }

    async fn open_with(path: &Path, options: Options, migrations: &[&str]) -> Result<Self> {
        let (wanted, allow) = (path.to_owned(), options.allow_network_file_system);
        let prepared = tokio::task::spawn_blocking(move || place::prepare(&wanted, allow)).await;
        let is_new = prepared.map_err(|e| Error::Io(e.to_string()))??;
        if !is_new {
            let mut look = connect::for_inspection(path, &options).await?;
            let version = migrate::check(&mut look, migrations).await;
            look.close().await.map_err(|e| codes::error(&e))?;
            version?;
        }
        let mut connection = connect::for_writing(path, &options).await?;
        migrate::apply(&mut connection, migrations).await?;
        Self::start(path, options, connection).await
    }

    async fn start(path: &Path, options: Options, connection: SqliteConnection) -> Result<Self> {
        let readers = connect::for_reading(path, &options).await?;
        let (requests, incoming) = mpsc::channel(limits::WRITER_QUEUE);
        let (checkpoint, checkpoints) = mpsc::channel(1);
        let checkpointed = Arc::new(AtomicBool::new(false));
        let beside = connect::for_writing(path, &options).await?;
        #[cfg(test)]
        let faults = TestFaults::default();
        let writer = Writer {
            connection,
            path: path.to_owned(),
            options: options.clone(),
            requests: incoming,
            checkpoint,
            checkpointed: Arc::clone(&checkpointed),
            written: 0,
            log_grows: options.pregrow_wal_bytes > 0,
            dead: None,
            #[cfg(test)]
            faults: faults.clone(),
        };
        let tasks = vec![writer.start()?, tokio::spawn(checkpoint::run(beside, checkpoints, checkpointed))];
        Ok(Self {
            path: path.to_owned(),
            options,
            readers,
            requests: std::sync::Mutex::new(Some(requests)),
            watch: Mutex::new(Watch { connection: None, seen: Changes::default() }),
            tasks: std::sync::Mutex::new(tasks),
            #[cfg(test)]
            faults,
        })
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Hands a request to the writer and waits for the commit.
    async fn write(&self, write: Write) -> Result<Answer> {
        let sender = self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (answer, answered) = oneshot::channel();
        let request = Request { write, answer };
        sender.ok_or(Error::Closed)?.send(request).await.map_err(|_| Error::Closed)?;
        answered.await.map_err(|_| Error::Io("the writer stopped before it answered".to_owned()))?
    }

    fn check_open(&self) -> Result<()> {
        let open = self.requests.lock().unwrap_or_else(PoisonError::into_inner).is_some();
        if open { Ok(()) } else { Err(Error::Closed) }
    }

    async fn close_all(&self) -> Result<()> {
        let sender = self.requests.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(sender);
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        self.readers.close().await;
        if let Some(watch) = self.watch.lock().await.connection.take() {
            watch.close().await.map_err(|e| codes::error(&e))?;
        }
        for task in tasks {
            task.await.map_err(|e| Error::Io(e.to_string()))?;
        }
        Ok(())
    }

    /// `data_version` moves when any other connection has committed.
    async fn look_for_changes(&self) -> Result<Changes> {
        self.check_open()?;
        let mut watch = self.watch.lock().await;
        let Watch { connection, seen } = &mut *watch;
        let connection = match connection {
            Some(connection) => connection,
            None => connection.insert(connect::for_inspection(&self.path, &self.options).await?),
        };
        // One trip; what is committed in between is seen as well, and moves the version the next time.
        let rows = sqlx::query(LOOK).fetch_all(&mut *connection).await.map_err(|e| codes::error(&e))?;
        let number = |row: usize, column: usize| {
            let value = rows.get(row).map(|row| row.try_get::<i64, _>(column)).transpose();
            value.map(|value| value.unwrap_or(0).cast_unsigned()).map_err(|e| codes::error(&e))
        };
        *seen = Changes { any: number(0, 0)?, commands: number(1, 0)?, manifests: number(1, 1)? };
        Ok(*seen)
    }
}

const LOOK: &str = "PRAGMA data_version; \
     SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'inbox'), 0), \
     coalesce((SELECT value FROM counters WHERE name = 'manifests'), 0)";

/// Faults that a test can plant into the writer of one store, and what it did.
#[cfg(test)]
#[derive(Debug, Clone, Default)]
struct TestFaults {
    fail_before_commit: Arc<AtomicBool>,
    lose_commit_answer: Arc<AtomicBool>,
    fail_commit_on_disk: Arc<AtomicBool>,
    commits: Arc<std::sync::atomic::AtomicU64>,
}

#[cfg(test)]
impl TestFaults {
    /// What ends a transaction: perhaps a statement that fails for no fault of any request.
    fn end(&self) -> &'static str {
        use std::sync::atomic::Ordering;
        if self.fail_before_commit.swap(false, Ordering::AcqRel) {
            return "INSERT INTO streams (id) VALUES (NULL); COMMIT";
        }
        writer::COMMIT
    }

    /// Replaces the answer to a commit that happened.
    fn after_commit<T>(&self, committed: sqlx::Result<T>) -> sqlx::Result<T> {
        use std::sync::atomic::Ordering;
        self.commits.fetch_add(1, Ordering::AcqRel);
        if self.lose_commit_answer.swap(false, Ordering::AcqRel) {
            return Err(sqlx::Error::WorkerCrashed);
        }
        if self.fail_commit_on_disk.swap(false, Ordering::AcqRel) {
            return Err(sqlx::Error::Database(Box::new(tests::FakeDiskError)));
        }
        committed
    }
}
