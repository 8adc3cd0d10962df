//! Queries of the journal, the inbox and the catalog on the read-only connections.
//! Deliberately checks each record against its checksum: a damaged row is an error, never a fact.

use jiff::Timestamp;
use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{Row as _, Sqlite};

use super::codes;
use crate::{
    Command, CommandId, Digest, Epoch, Error, Manifest, MemoEntry, NodeRow, Record, Result, Seq, StreamId,
    StreamInfo, fingerprint, limits, validate,
};

pub(super) fn error(error: &sqlx::Error) -> Error {
    codes::error(error)
}

/// A column.
pub(super) fn get<'r, T>(row: &'r SqliteRow, column: &str) -> Result<T>
where
    T: sqlx::Decode<'r, Sqlite> + sqlx::Type<Sqlite>,
{
    row.try_get(column).map_err(|e| error(&e))
}

/// A time column.
pub(super) fn time(row: &SqliteRow, column: &str) -> Result<Timestamp> {
    validate::timestamp(get(row, column)?)
}

/// A time column that may be NULL.
pub(super) fn optional_time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>> {
    get::<Option<i64>>(row, column)?.map(validate::timestamp).transpose()
}

/// The column `stream` as an id.
pub(super) fn stream_id(row: &SqliteRow) -> Result<StreamId> {
    let text: &str = get(row, "stream")?;
    StreamId::parse(text).map_err(|_| Error::Corrupt(format!("stored stream id {text:?}")))
}

fn seq(row: &SqliteRow, column: &str) -> Result<Seq> {
    Ok(Seq(get::<i64>(row, column)?.cast_unsigned()))
}

pub(super) fn sql_limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

const RECORDS: &str = "SELECT j.seq, j.kind, j.at, j.checksum, j.body, j.blob, b.bytes FROM journal j \
     LEFT JOIN blobs b ON b.digest = j.blob WHERE j.stream = (SELECT id FROM streams WHERE stream = ?) \
     AND j.seq > ? ORDER BY j.seq LIMIT ?";

/// Places in [`RECORDS`]; looking columns up by name is most of the cost of a row.
const SEQ: usize = 0;
const KIND: usize = 1;
const AT: usize = 2;
const CHECKSUM: usize = 3;
const BODY: usize = 4;
const BLOB: usize = 5;
const BYTES: usize = 6;

/// Records after `after`. A gap, a missing blob or a wrong checksum is [`Error::Corrupt`].
pub(super) async fn records(
    readers: &SqlitePool,
    stream: &StreamId,
    after: Seq,
    limit: usize,
) -> Result<Vec<Record>> {
    let rows = sqlx::query(RECORDS)
        .bind(stream.as_str())
        .bind(after.0.cast_signed())
        .bind(sql_limit(validate::limit(limit, limits::READ_MAX_RECORDS)))
        .fetch_all(readers)
        .await
        .map_err(|e| error(&e))?;
    let mut expected = after.0;
    rows.iter()
        .map(|row| {
            expected += 1;
            record(stream, expected, row)
        })
        .collect()
}

fn record(stream: &StreamId, expected: u64, row: &SqliteRow) -> Result<Record> {
    let corrupt = |what: &str| Error::Corrupt(format!("{stream} record {expected}: {what}"));
    let column = |e: sqlx::Error| error(&e);
    let found = Seq(row.try_get::<i64, _>(SEQ).map_err(column)?.cast_unsigned());
    if found.0 != expected {
        return Err(corrupt(&format!("missing, the next one is {}", found.0)));
    }
    let is_blob = row.try_get::<Option<&[u8]>, _>(BLOB).map_err(column)?.is_some();
    let body: Vec<u8> = if is_blob {
        let bytes: Option<Vec<u8>> = row.try_get(BYTES).map_err(column)?;
        bytes.ok_or_else(|| corrupt("its blob is missing"))?
    } else {
        row.try_get(BODY).map_err(column)?
    };
    let kind: String = row.try_get(KIND).map_err(column)?;
    let at: i64 = row.try_get(AT).map_err(column)?;
    let checksum = fingerprint::of_record(stream.as_str(), expected, &kind, at, &body);
    if i64::from(checksum) != row.try_get::<i64, _>(CHECKSUM).map_err(column)? {
        return Err(corrupt("wrong checksum"));
    }
    Ok(Record { seq: found, kind, body, at: validate::timestamp(at)? })
}

fn command(row: &SqliteRow) -> Result<Command> {
    Ok(Command {
        id: CommandId(get::<i64>(row, "id")?.cast_unsigned()),
        stream: stream_id(row)?,
        body: get(row, "body")?,
        client_key: get(row, "client_key")?,
        at: time(row, "at")?,
    })
}

/// Commands for streams that `owner` leases.
pub(super) async fn commands_of_owner(
    readers: &SqlitePool,
    owner: &str,
    limit: usize,
) -> Result<Vec<Command>> {
    let rows = sqlx::query(
        "SELECT i.id, s.stream, i.body, i.client_key, i.at FROM inbox i JOIN leases l ON l.stream = i.stream \
         JOIN streams s ON s.id = i.stream WHERE l.owner = ? ORDER BY i.id LIMIT ?",
    )
    .bind(owner)
    .bind(sql_limit(validate::limit(limit, limits::CLAIM_MAX_STREAMS)))
    .fetch_all(readers)
    .await
    .map_err(|e| error(&e))?;
    rows.iter().map(command).collect()
}

/// Commands for one stream.
pub(super) async fn commands_of_stream(readers: &SqlitePool, stream: &StreamId) -> Result<Vec<Command>> {
    let rows = sqlx::query(
        "SELECT i.id, s.stream, i.body, i.client_key, i.at FROM streams s JOIN inbox i ON i.stream = s.id \
         WHERE s.stream = ? ORDER BY i.id",
    )
    .bind(stream.as_str())
    .fetch_all(readers)
    .await
    .map_err(|e| error(&e))?;
    rows.iter().map(command).collect()
}

/// Free open streams whose wakeup has come.
pub(super) async fn due(
    readers: &SqlitePool,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<(StreamId, Timestamp)>> {
    let rows = sqlx::query(
        "SELECT s.stream, w.due_at FROM wakeups w JOIN streams s ON s.id = w.stream \
         JOIN leases l ON l.stream = w.stream WHERE w.due_at <= ?1 AND s.closed = 0 \
         AND (l.owner IS NULL OR l.until <= ?1) ORDER BY w.due_at, s.stream LIMIT ?2",
    )
    .bind(validate::nanoseconds(now)?)
    .bind(sql_limit(validate::limit(limit, limits::CLAIM_MAX_STREAMS)))
    .fetch_all(readers)
    .await
    .map_err(|e| error(&e))?;
    rows.iter().map(|row| Ok((stream_id(row)?, time(row, "due_at")?))).collect()
}

/// Node rows of a stream.
pub(super) async fn nodes(
    readers: &SqlitePool,
    stream: &StreamId,
    first: u32,
    limit: usize,
) -> Result<Vec<NodeRow>> {
    let rows = sqlx::query(
        "SELECT n.* FROM nodes n WHERE n.stream = (SELECT id FROM streams WHERE stream = ?) \
         AND n.ordinal >= ? ORDER BY n.ordinal LIMIT ?",
    )
    .bind(stream.as_str())
    .bind(i64::from(first))
    .bind(sql_limit(validate::limit(limit, usize::MAX)))
    .fetch_all(readers)
    .await
    .map_err(|e| error(&e))?;
    rows.iter().map(node).collect()
}

fn node(row: &SqliteRow) -> Result<NodeRow> {
    Ok(NodeRow {
        ordinal: get(row, "ordinal")?,
        id: get(row, "id")?,
        name: get(row, "name")?,
        display_name: get(row, "display_name")?,
        node_type: get(row, "node_type")?,
        template_name: get(row, "template_name")?,
        boundary_id: get(row, "boundary_id")?,
        phase: get(row, "phase")?,
        started_at: optional_time(row, "started_at")?,
        finished_at: optional_time(row, "finished_at")?,
        message: get(row, "message")?,
        body: get(row, "body")?,
        as_of: seq(row, "as_of")?,
    })
}

/// Manifests of a kind, of one namespace or all, of one name or all.
pub(super) async fn manifests(
    readers: &SqlitePool,
    kind: &str,
    namespace: Option<&str>,
    name: Option<&str>,
) -> Result<Vec<Manifest>> {
    let rows = sqlx::query(
        "SELECT * FROM manifests WHERE kind = ?1 AND (?2 IS NULL OR namespace = ?2) \
         AND (?3 IS NULL OR name = ?3) ORDER BY namespace, name",
    )
    .bind(kind)
    .bind(namespace)
    .bind(name)
    .fetch_all(readers)
    .await
    .map_err(|e| error(&e))?;
    let manifest = |row: &SqliteRow| {
        Ok(Manifest {
            kind: get(row, "kind")?,
            namespace: get(row, "namespace")?,
            name: get(row, "name")?,
            generation: get::<i64>(row, "generation")?.cast_unsigned(),
            body: get(row, "body")?,
            source: get(row, "source")?,
            created_at: time(row, "created_at")?,
            updated_at: time(row, "updated_at")?,
        })
    };
    rows.iter().map(manifest).collect()
}

/// The bytes of a blob, checked.
pub(super) async fn blob(readers: &SqlitePool, digest: &Digest) -> Result<Option<Vec<u8>>> {
    let bytes: Option<Vec<u8>> = sqlx::query_scalar("SELECT bytes FROM blobs WHERE digest = ?")
        .bind(&digest.as_bytes()[..])
        .fetch_optional(readers)
        .await
        .map_err(|e| error(&e))?;
    match bytes {
        Some(bytes) if Digest::of(&bytes) != *digest => Err(Error::Corrupt(format!("blob {digest}"))),
        other => Ok(other),
    }
}

/// A memo entry.
pub(super) async fn memo(readers: &SqlitePool, cache: &str, key: &str) -> Result<Option<MemoEntry>> {
    let row = sqlx::query("SELECT body, created_at, last_hit_at FROM memo WHERE cache = ? AND key = ?")
        .bind(cache)
        .bind(key)
        .fetch_optional(readers)
        .await
        .map_err(|e| error(&e))?;
    let entry = |row: &SqliteRow| {
        Ok(MemoEntry {
            body: get(row, "body")?,
            created_at: time(row, "created_at")?,
            last_hit_at: time(row, "last_hit_at")?,
        })
    };
    row.as_ref().map(entry).transpose()
}

const STREAMS: &str = "SELECT s.stream, s.closed, l.epoch, l.owner, l.until, w.due_at, \
     coalesce((SELECT max(j.seq) FROM journal j WHERE j.stream = s.id), 0) AS last_seq \
     FROM streams s JOIN leases l ON l.stream = s.id LEFT JOIN wakeups w ON w.stream = s.id ";

fn info(row: &SqliteRow) -> Result<StreamInfo> {
    Ok(StreamInfo {
        stream: stream_id(row)?,
        last_seq: seq(row, "last_seq")?,
        epoch: Epoch(get::<i64>(row, "epoch")?.cast_unsigned()),
        owner: get(row, "owner")?,
        until: optional_time(row, "until")?,
        closed: get(row, "closed")?,
        due_at: optional_time(row, "due_at")?,
    })
}

/// Streams after `after` in the order of their ids.
pub(super) async fn streams(readers: &SqlitePool, after: &str, limit: usize) -> Result<Vec<StreamInfo>> {
    let sql = const_format(STREAMS, "WHERE s.stream > ? ORDER BY s.stream LIMIT ?");
    let rows = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(after)
        .bind(sql_limit(validate::limit(limit, limits::PAGE_MAX_ROWS)))
        .fetch_all(readers)
        .await
        .map_err(|e| error(&e))?;
    rows.iter().map(info).collect()
}

/// One stream.
pub(super) async fn stream(readers: &SqlitePool, stream: &StreamId) -> Result<Option<StreamInfo>> {
    let sql = const_format(STREAMS, "WHERE s.stream = ?");
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(stream.as_str())
        .fetch_optional(readers)
        .await
        .map_err(|e| error(&e))?;
    row.as_ref().map(info).transpose()
}

/// Joins two constant pieces of SQL; there is no user text in either.
fn const_format(head: &'static str, tail: &'static str) -> String {
    [head, tail].concat()
}

/// Everybody who leases an open stream.
pub(super) async fn owners(readers: &SqlitePool) -> Result<Vec<String>> {
    sqlx::query_scalar("SELECT DISTINCT owner FROM leases WHERE owner IS NOT NULL ORDER BY owner")
        .fetch_all(readers)
        .await
        .map_err(|e| error(&e))
}
