//! Mutexes and semaphores in SQL: changes inside the writing transaction, and queries.
//! Deliberately counts and picks heads by index: a queue of ten thousand is not read to serve one.

use sqlx::{Row as _, SqliteConnection, SqlitePool};

use super::read::{self, stream_id};
use crate::{Append, Error, LockChange, LockHolder, LockState, LockWaiter, Result, validate};

/// Applies the changes of one append under a savepoint: either all of them or, with an error inside, none.
pub(super) async fn apply(
    connection: &mut SqliteConnection,
    stream: i64,
    append: &Append,
) -> sqlx::Result<Result<()>> {
    sqlx::query("SAVEPOINT locks").execute(&mut *connection).await?;
    for change in &append.locks {
        let applied = apply_one(connection, stream, append, change).await?;
        if applied.is_err() {
            sqlx::query("ROLLBACK TO locks").execute(&mut *connection).await?;
            sqlx::query("RELEASE locks").execute(&mut *connection).await?;
            return Ok(applied);
        }
    }
    sqlx::query("RELEASE locks").execute(&mut *connection).await?;
    Ok(Ok(()))
}

async fn apply_one(
    connection: &mut SqliteConnection,
    stream: i64,
    append: &Append,
    change: &LockChange,
) -> sqlx::Result<Result<()>> {
    match change {
        LockChange::Request { holder, locks, priority, at } => {
            let at = validate::nanoseconds(*at).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
            for lock in locks {
                sqlx::query(
                    "INSERT INTO lock_waiters (lock, holder, stream, priority, at) SELECT ?1, ?2, ?3, ?4, ?5 \
                     WHERE NOT EXISTS (SELECT 1 FROM lock_holders WHERE lock = ?1 AND holder = ?2) \
                     ON CONFLICT DO NOTHING",
                )
                .bind(lock)
                .bind(holder)
                .bind(stream)
                .bind(priority)
                .bind(at)
                .execute(&mut *connection)
                .await?;
            }
            Ok(Ok(()))
        }
        LockChange::Grant { holder, locks } => {
            let since = validate::nanoseconds(append.at).map_err(|e| sqlx::Error::Encode(Box::new(e)))?;
            for (lock, limit) in locks {
                if !grant(connection, stream, holder, lock, *limit, since).await? {
                    return Ok(Err(Error::LockBusy { lock: lock.clone(), holder: holder.clone() }));
                }
            }
            Ok(Ok(()))
        }
        LockChange::Release { holder } => {
            for sql in [
                "DELETE FROM lock_holders WHERE stream = ? AND holder = ?",
                "DELETE FROM lock_waiters WHERE stream = ? AND holder = ?",
            ] {
                sqlx::query(sql).bind(stream).bind(holder).execute(&mut *connection).await?;
            }
            Ok(Ok(()))
        }
    }
}

async fn grant(
    connection: &mut SqliteConnection,
    stream: i64,
    holder: &str,
    lock: &str,
    limit: u32,
    since: i64,
) -> sqlx::Result<bool> {
    let held: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM lock_holders WHERE lock = ? AND holder = ? AND stream = ?")
            .bind(lock)
            .bind(holder)
            .bind(stream)
            .fetch_optional(&mut *connection)
            .await?;
    if held.is_some() {
        return Ok(true);
    }
    let count: i64 = sqlx::query_scalar("SELECT count(*) FROM lock_holders WHERE lock = ?")
        .bind(lock)
        .fetch_one(&mut *connection)
        .await?;
    let head: Option<(String, i64)> = sqlx::query_as(
        "SELECT holder, stream FROM lock_waiters WHERE lock = ? ORDER BY priority DESC, at, holder LIMIT 1",
    )
    .bind(lock)
    .fetch_optional(&mut *connection)
    .await?;
    let is_head = head.is_some_and(|(name, owner)| name == holder && owner == stream);
    if !is_head || count >= i64::from(limit) {
        return Ok(false);
    }
    sqlx::query("DELETE FROM lock_waiters WHERE lock = ? AND holder = ?")
        .bind(lock)
        .bind(holder)
        .execute(&mut *connection)
        .await?;
    sqlx::query("INSERT INTO lock_holders (lock, holder, stream, since) VALUES (?, ?, ?, ?)")
        .bind(lock)
        .bind(holder)
        .bind(stream)
        .bind(since)
        .execute(&mut *connection)
        .await?;
    Ok(true)
}

const WAITERS: &str = "SELECT q.lock, q.holder, s.stream, q.priority, q.at FROM lock_waiters q \
     JOIN streams s ON s.id = q.stream WHERE ?1 IS NULL OR q.lock = ?1 \
     ORDER BY q.lock, q.priority DESC, q.at, q.holder";

/// Everybody who waits, for one lock or for all.
pub(super) async fn waiters(readers: &SqlitePool, lock: Option<&str>) -> Result<Vec<LockWaiter>> {
    let rows = sqlx::query(WAITERS).bind(lock).fetch_all(readers).await.map_err(|e| read::error(&e))?;
    rows.iter()
        .map(|row| {
            Ok(LockWaiter {
                lock: read::get(row, "lock")?,
                holder: read::get(row, "holder")?,
                stream: stream_id(row)?,
                priority: read::get(row, "priority")?,
                at: read::time(row, "at")?,
            })
        })
        .collect()
}

/// Holders and waiters of one lock.
pub(super) async fn state(readers: &SqlitePool, lock: &str) -> Result<LockState> {
    let rows = sqlx::query(
        "SELECT h.holder, s.stream, h.since FROM lock_holders h JOIN streams s ON s.id = h.stream \
         WHERE h.lock = ? ORDER BY h.holder",
    )
    .bind(lock)
    .fetch_all(readers)
    .await
    .map_err(|e| read::error(&e))?;
    let mut holders = Vec::with_capacity(rows.len());
    for row in &rows {
        let holder: String = row.try_get("holder").map_err(|e| read::error(&e))?;
        holders.push(LockHolder { holder, stream: stream_id(row)?, since: read::time(row, "since")? });
    }
    Ok(LockState { holders, waiters: waiters(readers, Some(lock)).await? })
}
