//! Opens connections with the settings that durability depends on, and checks that SQLite took them.
//! Deliberately leaves the schema to `migrate`.

use std::io::{ErrorKind, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, SqliteConnection};

use super::{Options, codes, place};
use crate::{Error, Result, limits};

fn base(path: &Path, options: &Options) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .busy_timeout(options.busy_timeout)
        .foreign_keys(false)
        .statement_cache_capacity(256)
        .thread_name(|id| format!("store-{id}"))
        .disable_statement_logging()
}

/// A connection that can only look, and changes nothing on closing.
pub(super) async fn for_inspection(path: &Path, options: &Options) -> Result<SqliteConnection> {
    base(path, options).read_only(true).connect().await.map_err(|e| codes::error(&e))
}

/// A connection that writes.
pub(super) async fn for_writing(path: &Path, options: &Options) -> Result<SqliteConnection> {
    let mut connection = base(path, options)
        .pragma("trusted_schema", "OFF")
        .pragma("temp_store", "MEMORY")
        .pragma("cache_size", "-16384")
        .pragma("wal_autocheckpoint", limits::WAL_AUTOCHECKPOINT_PAGES.to_string())
        .pragma("journal_size_limit", limits::WAL_MAX_BYTES.to_string())
        .pragma("synchronous", "FULL")
        .connect()
        .await
        .map_err(|e| codes::error(&e))?;
    switch_to_wal(&mut connection, options.busy_timeout).await?;
    check_settings(&mut connection).await?;
    Ok(connection)
}

/// Connections that read.
pub(super) async fn for_reading(path: &Path, options: &Options) -> Result<SqlitePool> {
    let connect = base(path, options).read_only(true).pragma("temp_store", "MEMORY");
    SqlitePoolOptions::new()
        .max_connections(options.readers.max(1))
        .min_connections(0)
        .test_before_acquire(false)
        .max_lifetime(None)
        .idle_timeout(None)
        .acquire_timeout(Duration::from_secs(30))
        .connect_with(connect)
        .await
        .map_err(|e| codes::error(&e))
}

/// The change of journal mode needs the file for itself and does not wait by itself.
async fn switch_to_wal(connection: &mut SqliteConnection, patience: Duration) -> Result<()> {
    let pause = Duration::from_millis(10);
    let mut waited = Duration::ZERO;
    loop {
        let mode: sqlx::Result<String> =
            sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await;
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => return Err(Error::UnsafePlace(format!("journal mode is {mode}, not wal"))),
            Err(error) => match codes::error(&error) {
                Error::Busy(_) if waited < patience => {}
                other => return Err(other),
            },
        }
        tokio::time::sleep(pause).await;
        waited += pause;
    }
}

async fn check_settings(connection: &mut SqliteConnection) -> Result<()> {
    let version: String = one(connection, "SELECT sqlite_version()").await?;
    check_version(&version)?;
    let synchronous: i64 = one(connection, "PRAGMA synchronous").await?;
    let checkpoint: i64 = one(connection, "PRAGMA wal_autocheckpoint").await?;
    let threads: i64 = one(connection, "SELECT sqlite_compileoption_used('THREADSAFE=0')").await?;
    if synchronous != 2 || checkpoint != i64::from(limits::WAL_AUTOCHECKPOINT_PAGES) || threads != 0 {
        return Err(Error::UnsafePlace(format!(
            "SQLite did not take its settings: synchronous {synchronous}, wal_autocheckpoint {checkpoint}"
        )));
    }
    Ok(())
}

async fn one<T>(connection: &mut SqliteConnection, sql: &'static str) -> Result<T>
where
    T: Send + Unpin + for<'r> sqlx::Decode<'r, sqlx::Sqlite> + sqlx::Type<sqlx::Sqlite>,
{
    sqlx::query_scalar(sql).fetch_one(connection).await.map_err(|e| codes::error(&e))
}

/// Refuses a SQLite older than [`limits::SQLITE_MIN_VERSION`].
fn check_version(version: &str) -> Result<()> {
    let mut parts = version.split('.').map(|part| part.parse::<u32>().unwrap_or(0));
    let mut next = || parts.next().unwrap_or(0);
    let found = (next(), next(), next());
    if found < limits::SQLITE_MIN_VERSION { Err(Error::SqliteTooOld(version.to_owned())) } else { Ok(()) }
}

/// How the last step of growing the log ended.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// There is more to do.
    Going,
    /// It has its size, or there is no room for it.
    Done,
}

/// Bytes per step: short enough that a commit that waits for it does not notice.
const GROWTH_STEP_BYTES: u64 = 1 << 20;

/// Grows the write-ahead log by one step of zeros, so that commits overwrite allocated blocks. SQLite ignores
/// them: they carry no valid frame. The write lock is held meanwhile, so nobody can append where zeros go.
///
/// # Errors
/// [`Error::Io`] when writing or syncing failed for another reason than a full disk: no more commits then.
pub(super) async fn grow_log(connection: &mut SqliteConnection, path: &Path, bytes: u64) -> Result<Growth> {
    let wal = place::beside(path, "-wal");
    sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await.map_err(|e| codes::error(&e))?;
    // In place: the writer has its thread to itself, which outlives a runtime that is shut down.
    let grown = grow(&wal, bytes);
    sqlx::query("ROLLBACK").execute(&mut *connection).await.map_err(|e| codes::error(&e))?;
    match grown {
        Ok(growth) => Ok(growth),
        Err(error) if matches!(error.kind(), ErrorKind::StorageFull | ErrorKind::QuotaExceeded) => {
            tracing::warn!(%error, "no room to grow the write-ahead log; commits are slower");
            Ok(Growth::Done)
        }
        Err(error) => Err(Error::Io(format!("growing the write-ahead log: {error}"))),
    }
}

fn grow(wal: &Path, bytes: u64) -> std::io::Result<Growth> {
    let mut file = std::fs::OpenOptions::new().write(true).open(wal)?;
    let before = file.metadata()?.len();
    let step = bytes.saturating_sub(before).min(GROWTH_STEP_BYTES);
    file.seek(SeekFrom::Start(before))?;
    let zeros = vec![0_u8; usize::try_from(step).unwrap_or(0)];
    if let Err(error) = file.write_all(&zeros) {
        file.set_len(before)?;
        return Err(error);
    }
    file.sync_data()?;
    Ok(if before + step < bytes { Growth::Going } else { Growth::Done })
}

#[cfg(test)]
mod tests {
    use super::check_version;
    use crate::Error;

    #[test]
    fn f23_an_old_sqlite_is_refused() {
        assert_eq!(check_version("3.51.3"), Ok(()));
        assert_eq!(check_version("3.52.0"), Ok(()));
        assert_eq!(check_version("4.0"), Ok(()));
        for old in ["3.40.1", "3.51.2", "3.9.9", "", "x"] {
            assert_eq!(check_version(old), Err(Error::SqliteTooOld(old.to_owned())));
        }
    }
}
