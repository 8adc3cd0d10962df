//! The writer's statements for manifests, blobs, memo entries and the removal of streams.
//! Deliberately separate from `write`, which holds what the journal needs.

use sqlx::SqliteConnection;

use super::plan::json;
use super::write::{Answer, Outcome, Write, stored};
use crate::{Error, NewManifest, StreamId};

const MANIFESTS_MOVED: &str = "UPDATE counters SET value = value + 1 WHERE name = 'manifests'";

/// Runs one of these requests.
pub(super) async fn run(connection: &mut SqliteConnection, write: &Write) -> Outcome {
    match write {
        Write::PutManifest(manifest) => put_manifest(connection, manifest).await,
        Write::DeleteManifest { kind, namespace, name } => {
            let done = sqlx::query("DELETE FROM manifests WHERE kind = ? AND namespace = ? AND name = ?")
                .bind(kind)
                .bind(namespace)
                .bind(name)
                .execute(&mut *connection)
                .await?;
            sqlx::query(MANIFESTS_MOVED).execute(connection).await?;
            Ok(Ok(Answer::Flag(done.rows_affected() > 0)))
        }
        Write::DeleteStream(stream) => delete_stream(connection, stream).await,
        Write::PutBlob { digest, bytes } => {
            sqlx::query(
                "INSERT INTO blobs (digest, pinned, bytes) VALUES (?, 1, ?) \
                 ON CONFLICT (digest) DO UPDATE SET pinned = 1",
            )
            .bind(&digest.as_bytes()[..])
            .bind(bytes.as_slice())
            .execute(connection)
            .await?;
            Ok(Ok(Answer::Unit))
        }
        Write::PutMemo { cache, key, body, at } => {
            sqlx::query(
                "INSERT INTO memo (cache, key, created_at, last_hit_at, body) VALUES (?1, ?2, ?3, ?3, ?4) \
                 ON CONFLICT (cache, key) DO UPDATE SET created_at = excluded.created_at, \
                 last_hit_at = excluded.last_hit_at, body = excluded.body",
            )
            .bind(cache)
            .bind(key)
            .bind(stored(*at)?)
            .bind(body.as_slice())
            .execute(connection)
            .await?;
            Ok(Ok(Answer::Unit))
        }
        Write::TouchMemo { cache, key, at } => {
            let done = sqlx::query("UPDATE memo SET last_hit_at = ? WHERE cache = ? AND key = ?")
                .bind(stored(*at)?)
                .bind(cache)
                .bind(key)
                .execute(connection)
                .await?;
            Ok(Ok(Answer::Flag(done.rows_affected() > 0)))
        }
        Write::Append(_)
        | Write::Claim { .. }
        | Write::Renew { .. }
        | Write::Release(_)
        | Write::Close { .. }
        | Write::Reopen(_)
        | Write::Post(_)
        | Write::Rebuild { .. } => Ok(Err(Error::Invalid("not a catalog request".to_owned()))),
    }
}

async fn put_manifest(connection: &mut SqliteConnection, manifest: &NewManifest) -> Outcome {
    let generation: i64 = sqlx::query_scalar(
        "INSERT INTO manifests (kind, namespace, name, generation, created_at, updated_at, body, source) \
         VALUES (?1, ?2, ?3, 1, ?4, ?4, ?5, ?6) ON CONFLICT (kind, namespace, name) DO UPDATE SET \
         generation = generation + (body <> excluded.body OR source <> excluded.source), \
         updated_at = iif(body <> excluded.body OR source <> excluded.source, excluded.updated_at, updated_at), \
         body = excluded.body, source = excluded.source RETURNING generation",
    )
    .bind(&manifest.kind)
    .bind(&manifest.namespace)
    .bind(&manifest.name)
    .bind(stored(manifest.at)?)
    .bind(manifest.body.as_slice())
    .bind(&manifest.source)
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query(MANIFESTS_MOVED).execute(connection).await?;
    Ok(Ok(Answer::Generation(generation.cast_unsigned())))
}

/// Everything that belongs to a stream, but its blobs.
const REMOVALS: [&str; 10] = [
    "DELETE FROM journal WHERE stream = ?",
    "DELETE FROM workflows WHERE stream = ?",
    "DELETE FROM nodes WHERE stream = ?",
    "DELETE FROM inbox WHERE stream = ?",
    "DELETE FROM inbox_keys WHERE stream = ?",
    "DELETE FROM lock_holders WHERE stream = ?",
    "DELETE FROM lock_waiters WHERE stream = ?",
    "DELETE FROM wakeups WHERE stream = ?",
    "DELETE FROM leases WHERE stream = ?",
    "DELETE FROM streams WHERE id = ?",
];

async fn delete_stream(connection: &mut SqliteConnection, stream: &StreamId) -> Outcome {
    let found: Option<(i64, bool)> = sqlx::query_as("SELECT id, closed FROM streams WHERE stream = ?")
        .bind(stream.as_str())
        .fetch_optional(&mut *connection)
        .await?;
    let Some((id, closed)) = found else { return Ok(Err(Error::NotFound(stream.to_string()))) };
    if !closed {
        return Ok(Err(Error::StillOpen(stream.clone())));
    }
    let digests: Vec<String> =
        sqlx::query_scalar("SELECT DISTINCT hex(blob) FROM journal WHERE stream = ? AND blob IS NOT NULL")
            .bind(id)
            .fetch_all(&mut *connection)
            .await?;
    for sql in REMOVALS {
        sqlx::query(sql).bind(id).execute(&mut *connection).await?;
    }
    if !digests.is_empty() {
        sqlx::query(
            "DELETE FROM blobs WHERE digest IN (SELECT unhex(value) FROM json_each(?)) AND pinned = 0 \
             AND NOT EXISTS (SELECT 1 FROM journal j WHERE j.blob = blobs.digest)",
        )
        .bind(json(digests))
        .execute(&mut *connection)
        .await?;
    }
    Ok(Ok(Answer::Unit))
}
