//! What the writer can be asked to do, what it answers, and which statements do it.
//! Deliberately checks before it writes: a refusal leaves nothing to roll back.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::SqliteConnection;

use super::plan::json;
use super::{flush, write_catalog};
use crate::{
    Append, Appended, ClaimRequest, CommandId, Digest, Epoch, Error, Lease, NewCommand, NewManifest,
    Projection, Result, Seq, StreamId, limits, validate,
};

/// One request to the writer. Times are checked before they get here.
#[derive(Debug)]
pub(super) enum Write {
    Append(Append),
    Claim { request: ClaimRequest, until: Timestamp },
    Renew { owner: String, leases: Vec<Lease>, until: Timestamp },
    Release(Vec<Lease>),
    Close { stream: StreamId, epoch: Epoch },
    Reopen(StreamId),
    Post(NewCommand),
    PutManifest(NewManifest),
    DeleteManifest { kind: String, namespace: String, name: String },
    DeleteStream(StreamId),
    PutBlob { digest: Digest, bytes: Vec<u8> },
    PutMemo { cache: String, key: String, body: Vec<u8>, at: Timestamp },
    TouchMemo { cache: String, key: String, at: Timestamp },
    Rebuild { stream: StreamId, projection: Projection },
}

impl Write {
    /// How many rows it adds, roughly; used to bound a commit.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Append(append) => 1 + append.records.len() + append.nodes.len(),
            Self::Rebuild { projection, .. } => 1 + projection.nodes.len(),
            Self::Claim { .. }
            | Self::Renew { .. }
            | Self::Release(_)
            | Self::Close { .. }
            | Self::Reopen(_)
            | Self::Post(_)
            | Self::PutManifest(_)
            | Self::DeleteManifest { .. }
            | Self::DeleteStream(_)
            | Self::PutBlob { .. }
            | Self::PutMemo { .. }
            | Self::TouchMemo { .. } => 1,
        }
    }

    /// Whether it waits a little for others to share its commit.
    pub(super) fn is_patient(&self) -> bool {
        matches!(self, Self::Append(append) if append.patient)
    }

    /// How many bytes of values it adds, roughly; used to decide when to checkpoint.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Append(append) => append.records.iter().map(|record| record.body.len() + 64).sum(),
            Self::PutBlob { bytes, .. } => bytes.len(),
            Self::PutMemo { body, .. } => body.len(),
            Self::PutManifest(manifest) => manifest.body.len() + manifest.source.len(),
            Self::Post(command) => command.body.len(),
            Self::Rebuild { projection, .. } => projection.nodes.len() * 256,
            Self::Claim { .. }
            | Self::Renew { .. }
            | Self::Release(_)
            | Self::Close { .. }
            | Self::Reopen(_)
            | Self::DeleteManifest { .. }
            | Self::DeleteStream(_)
            | Self::TouchMemo { .. } => 0,
        }
    }
}

/// What the writer answers, once durable.
#[derive(Debug)]
pub(super) enum Answer {
    Appended(Appended),
    Leases(Vec<Lease>),
    Command(CommandId),
    Generation(u64),
    Flag(bool),
    Unit,
}

/// Outside: the transaction cannot go on. Inside: this request is refused and the others go on.
pub(super) type Outcome = sqlx::Result<Result<Answer>>;

/// Runs any request but appends and closes, which are taken together.
pub(super) async fn run(connection: &mut SqliteConnection, write: &Write) -> Outcome {
    match write {
        Write::Append(_) | Write::Close { .. } => {
            Ok(Err(Error::Invalid("appends and closes are taken together".to_owned())))
        }
        Write::Claim { request, until } => claim(connection, request, *until).await,
        Write::Renew { owner, leases, until } => renew(connection, owner, leases, *until).await,
        Write::Release(leases) => release(connection, leases).await,
        Write::Reopen(stream) => reopen(connection, stream).await,
        Write::Post(command) => post(connection, command).await,
        Write::Rebuild { stream, projection } => rebuild(connection, stream, projection).await,
        Write::PutManifest(_)
        | Write::DeleteManifest { .. }
        | Write::DeleteStream(_)
        | Write::PutBlob { .. }
        | Write::PutMemo { .. }
        | Write::TouchMemo { .. } => write_catalog::run(connection, write).await,
    }
}

/// A time that was validated before it was sent to the writer.
pub(super) fn stored(at: Timestamp) -> sqlx::Result<i64> {
    validate::nanoseconds(at).map_err(|e| sqlx::Error::Encode(Box::new(e)))
}

fn parse(stream: &str) -> sqlx::Result<StreamId> {
    StreamId::parse(stream).map_err(|e| sqlx::Error::Decode(Box::new(e)))
}

/// Row id, epoch, whether leased.
async fn head(
    connection: &mut SqliteConnection,
    stream: &StreamId,
) -> sqlx::Result<Option<(i64, i64, bool)>> {
    sqlx::query_as(
        "SELECT s.id, l.epoch, l.owner IS NOT NULL FROM streams s JOIN leases l ON l.stream = s.id \
         WHERE s.stream = ?",
    )
    .bind(stream.as_str())
    .fetch_optional(connection)
    .await
}

fn not_found(stream: &StreamId) -> Outcome {
    Ok(Err(Error::NotFound(stream.to_string())))
}

/// Streams with something to do: wakeups, leases that were left behind, commands.
macro_rules! claim_due {
    ($wakeups:literal) => {
        concat!(
            "SELECT s.id, s.stream, l.epoch FROM ( SELECT id FROM (",
            $wakeups,
            ") \
             UNION SELECT stream FROM leases INDEXED BY leases_held WHERE owner IS NOT NULL AND until <= ?1 \
             UNION SELECT stream FROM leases INDEXED BY leases_held \
             WHERE owner IS NOT NULL AND owner IN (SELECT value FROM json_each(?2)) \
             UNION SELECT stream FROM inbox) c \
             CROSS JOIN streams s ON s.id = c.id CROSS JOIN leases l ON l.stream = s.id \
             LEFT JOIN wakeups w ON w.stream = s.id WHERE s.closed = 0 AND (?4 IS NULL OR s.kind = ?4) AND \
             (l.owner IS NULL OR l.until <= ?1 OR l.owner IN (SELECT value FROM json_each(?2))) \
             ORDER BY w.due_at IS NULL, w.due_at, s.stream LIMIT ?3"
        )
    };
}

/// Row id, name, epoch of free open streams. ?1 now, ?2 dead owners, ?3 limit, ?4 the kind, ?5 the one stream.
const CLAIM_ANY: &str = "SELECT s.id, s.stream, l.epoch FROM streams s JOIN leases l ON l.stream = s.id \
     LEFT JOIN wakeups w ON w.stream = s.id WHERE s.closed = 0 AND (?4 IS NULL OR s.kind = ?4) AND \
     (l.owner IS NULL OR l.until <= ?1 OR l.owner IN (SELECT value FROM json_each(?2))) \
     ORDER BY w.due_at IS NULL, w.due_at, s.stream LIMIT ?3";
/// Of all that is due only the first are looked at: there may be a hundred thousand. `CROSS JOIN` is SQLite's way to say in
/// which order.
pub(super) const CLAIM_DUE: &str = claim_due!(
    "SELECT w.stream AS id FROM wakeups w INDEXED BY wakeups_kind_due CROSS JOIN streams s CROSS JOIN leases l \
     WHERE w.kind = ?4 AND w.due_at <= ?1 AND s.id = w.stream AND l.stream = w.stream AND s.closed = 0 AND \
     (l.owner IS NULL OR l.until <= ?1 OR l.owner IN (SELECT value FROM json_each(?2))) \
     ORDER BY w.due_at, s.stream LIMIT ?3"
);
const CLAIM_DUE_OF_ALL: &str = claim_due!("SELECT stream AS id FROM wakeups WHERE due_at <= ?1");
const CLAIM_ONE: &str = "SELECT s.id, s.stream, l.epoch FROM streams s JOIN leases l ON l.stream = s.id \
     WHERE s.stream = ?5 AND s.closed = 0 AND (?4 IS NULL OR s.kind = ?4) AND \
     (l.owner IS NULL OR l.until <= ?1 OR l.owner IN (SELECT value FROM json_each(?2))) LIMIT ?3";
const CLAIM_ONE_DUE: &str = "SELECT s.id, s.stream, l.epoch FROM streams s JOIN leases l ON l.stream = s.id \
     WHERE s.stream = ?5 AND s.closed = 0 AND (?4 IS NULL OR s.kind = ?4) AND \
     (l.owner IS NULL OR l.until <= ?1 OR l.owner IN (SELECT value FROM json_each(?2))) AND \
     (l.owner IS NOT NULL OR EXISTS (SELECT 1 FROM wakeups w WHERE w.stream = s.id AND w.due_at <= ?1) \
     OR EXISTS (SELECT 1 FROM inbox i WHERE i.stream = s.id)) LIMIT ?3";

async fn claim(connection: &mut SqliteConnection, request: &ClaimRequest, until: Timestamp) -> Outcome {
    let sql = match (&request.only, request.due_only) {
        (None, false) => CLAIM_ANY,
        (None, true) if request.kind.is_some() => CLAIM_DUE,
        (None, true) => CLAIM_DUE_OF_ALL,
        (Some(_), false) => CLAIM_ONE,
        (Some(_), true) => CLAIM_ONE_DUE,
    };
    let limit = validate::limit(request.limit, limits::CLAIM_MAX_STREAMS);
    let mut query = sqlx::query_as(sql)
        .bind(stored(request.now)?)
        .bind(json(request.dead_owners.iter().map(String::as_str)))
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .bind(request.kind.as_deref());
    if let Some(only) = &request.only {
        query = query.bind(only.as_str());
    }
    let found: Vec<(i64, String, i64)> = query.fetch_all(&mut *connection).await?;
    let mut leases = Vec::with_capacity(found.len());
    for (_, stream, epoch) in &found {
        leases.push(Lease { stream: parse(stream)?, epoch: Epoch(epoch.cast_unsigned() + 1), until });
    }
    if !found.is_empty() {
        sqlx::query(
            "UPDATE leases SET epoch = epoch + 1, owner = ?1, until = ?2 \
             WHERE stream IN (SELECT value FROM json_each(?3))",
        )
        .bind(&request.owner)
        .bind(stored(until)?)
        .bind(json(found.iter().map(|(id, _, _)| *id)))
        .execute(&mut *connection)
        .await?;
    }
    Ok(Ok(Answer::Leases(leases)))
}

/// For each given lease the row id, if it is still valid (and, where an owner is given, still theirs).
async fn still_held(
    connection: &mut SqliteConnection,
    owner: Option<&str>,
    leases: &[Lease],
) -> sqlx::Result<Vec<Option<i64>>> {
    let rows: Vec<(String, i64, i64)> = sqlx::query_as(
        "SELECT s.stream, s.id, l.epoch FROM json_each(?1) n JOIN streams s ON s.stream = n.value \
         JOIN leases l ON l.stream = s.id WHERE l.owner IS NOT NULL AND (?2 IS NULL OR l.owner = ?2)",
    )
    .bind(json(leases.iter().map(|lease| lease.stream.as_str())))
    .bind(owner)
    .fetch_all(connection)
    .await?;
    let held: BTreeMap<&str, (i64, i64)> =
        rows.iter().map(|(stream, id, epoch)| (stream.as_str(), (*id, *epoch))).collect();
    let row_of = |lease: &Lease| {
        let (id, epoch) = held.get(lease.stream.as_str())?;
        (epoch.cast_unsigned() == lease.epoch.0).then_some(*id)
    };
    Ok(leases.iter().map(row_of).collect())
}

async fn renew(
    connection: &mut SqliteConnection,
    owner: &str,
    leases: &[Lease],
    until: Timestamp,
) -> Outcome {
    let rows = still_held(connection, Some(owner), leases).await?;
    sqlx::query("UPDATE leases SET until = ?1 WHERE stream IN (SELECT value FROM json_each(?2))")
        .bind(stored(until)?)
        .bind(json(rows.iter().flatten().copied()))
        .execute(&mut *connection)
        .await?;
    let lost = leases.iter().zip(&rows).filter(|(_, row)| row.is_none());
    Ok(Ok(Answer::Leases(lost.map(|(lease, _)| lease.clone()).collect())))
}

async fn release(connection: &mut SqliteConnection, leases: &[Lease]) -> Outcome {
    let rows = still_held(connection, None, leases).await?;
    sqlx::query(
        "UPDATE leases SET owner = NULL, until = NULL WHERE stream IN (SELECT value FROM json_each(?))",
    )
    .bind(json(rows.iter().flatten().copied()))
    .execute(&mut *connection)
    .await?;
    Ok(Ok(Answer::Unit))
}

/// Ends streams that are leased as said. Many at once: each trip to SQLite's thread costs more than what it does.
pub(super) async fn close(
    connection: &mut SqliteConnection,
    closes: &[(&StreamId, Epoch)],
) -> sqlx::Result<Vec<Result<Answer>>> {
    let rows: Vec<(String, i64, i64, bool)> = sqlx::query_as(
        "SELECT s.stream, s.id, l.epoch, l.owner IS NOT NULL FROM json_each(?) n \
         JOIN streams s ON s.stream = n.value JOIN leases l ON l.stream = s.id",
    )
    .bind(json(closes.iter().map(|(stream, _)| stream.as_str())))
    .fetch_all(&mut *connection)
    .await?;
    let mut heads: BTreeMap<&str, (i64, i64, bool)> =
        rows.iter().map(|(stream, id, epoch, leased)| (stream.as_str(), (*id, *epoch, *leased))).collect();
    let (mut ids, mut results) = (Vec::with_capacity(closes.len()), Vec::with_capacity(closes.len()));
    for (stream, epoch) in closes {
        results.push(match heads.get_mut(stream.as_str()) {
            None => Err(Error::NotFound(stream.to_string())),
            Some((id, current, leased)) if *leased && current.cast_unsigned() == epoch.0 => {
                *leased = false;
                ids.push(*id);
                Ok(Answer::Unit)
            }
            Some((_, current, _)) => {
                let (stream, current) = ((*stream).clone(), current.cast_unsigned());
                Err(Error::StaleEpoch { stream, given: epoch.0, current })
            }
        });
    }
    flush::close(connection, &ids).await?;
    Ok(results)
}

async fn reopen(connection: &mut SqliteConnection, stream: &StreamId) -> Outcome {
    let Some((id, ..)) = head(connection, stream).await? else { return not_found(stream) };
    sqlx::query("UPDATE streams SET closed = 0 WHERE id = ? AND closed = 1")
        .bind(id)
        .execute(&mut *connection)
        .await?;
    Ok(Ok(Answer::Unit))
}

async fn post(connection: &mut SqliteConnection, command: &NewCommand) -> Outcome {
    let Some((stream, ..)) = head(connection, &command.stream).await? else {
        return not_found(&command.stream);
    };
    if let Some(key) = &command.client_key {
        let earlier: Option<i64> =
            sqlx::query_scalar("SELECT id FROM inbox_keys WHERE stream = ? AND client_key = ?")
                .bind(stream)
                .bind(key)
                .fetch_optional(&mut *connection)
                .await?;
        if let Some(id) = earlier {
            return Ok(Ok(Answer::Command(CommandId(id.cast_unsigned()))));
        }
    }
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO inbox (stream, body, client_key, at) VALUES (?, ?, ?, ?) RETURNING id",
    )
    .bind(stream)
    .bind(command.body.as_slice())
    .bind(command.client_key.as_deref())
    .bind(stored(command.at)?)
    .fetch_one(&mut *connection)
    .await?;
    if let Some(key) = &command.client_key {
        sqlx::query("INSERT INTO inbox_keys (stream, client_key, id) VALUES (?, ?, ?)")
            .bind(stream)
            .bind(key)
            .bind(id)
            .execute(&mut *connection)
            .await?;
    }
    Ok(Ok(Answer::Command(CommandId(id.cast_unsigned()))))
}

async fn rebuild(connection: &mut SqliteConnection, stream: &StreamId, projection: &Projection) -> Outcome {
    let Some((id, ..)) = head(connection, stream).await? else { return not_found(stream) };
    let actual: i64 = sqlx::query_scalar("SELECT coalesce(max(seq), 0) FROM journal WHERE stream = ?")
        .bind(id)
        .fetch_one(&mut *connection)
        .await?;
    let actual = Seq(actual.cast_unsigned());
    if actual != projection.as_of {
        return Ok(Err(Error::SeqConflict { stream: stream.clone(), actual }));
    }
    flush::replace_projection(connection, id, projection).await?;
    Ok(Ok(Answer::Unit))
}
