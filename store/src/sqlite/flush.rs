//! Writes a plan with few statements: many rows per statement, of few sizes so that they stay prepared.
//! Deliberately without any check: what arrives here was judged by `plan`.

use sqlx::query_builder::Separated;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

use super::plan::{NewRow, NewStream, Plan, RowChange, json};
use crate::{NodeRow, WorkflowRow, validate};

type Tuple<'q, 'b> = Separated<'b, Sqlite, &'static str>;

/// Rows per statement, largest first; the last must be 1.
const SIZES: [usize; 6] = [128, 32, 8, 4, 2, 1];

/// Cuts the rows into pieces whose lengths are all in [`SIZES`].
fn pieces<T>(mut rows: &[T]) -> Vec<&[T]> {
    let mut pieces = Vec::new();
    for size in SIZES {
        while let Some((piece, rest)) = rows.split_at_checked(size) {
            if piece.is_empty() {
                break;
            }
            pieces.push(piece);
            rows = rest;
        }
    }
    pieces
}

/// Plans up to this many rows go to SQLite in one trip; larger ones statement by statement, so that the number of
/// different texts stays small enough to keep all of them prepared.
const ONE_TRIP_ROWS: usize = 12;

/// Statements on their way to SQLite.
struct Script<'c> {
    connection: &'c mut SqliteConnection,
    builder: QueryBuilder<Sqlite>,
    one_trip: bool,
}

impl<'c> Script<'c> {
    fn new(connection: &'c mut SqliteConnection, rows: usize) -> Self {
        Self { connection, builder: QueryBuilder::new(""), one_trip: rows <= ONE_TRIP_ROWS }
    }

    /// Adds multi-row inserts for these rows.
    async fn insert<T>(
        &mut self,
        head: &'static str,
        rows: &[T],
        tail: &'static str,
        mut bind: impl FnMut(Tuple<'_, '_>, &T),
    ) -> sqlx::Result<()> {
        for piece in pieces(rows) {
            self.builder.push(head);
            self.builder.push_values(piece, &mut bind);
            self.builder.push(tail);
            self.end_statement().await?;
        }
        Ok(())
    }

    async fn end_statement(&mut self) -> sqlx::Result<()> {
        self.builder.push("; ");
        if self.one_trip { Ok(()) } else { self.send().await }
    }

    /// Runs what has been added so far.
    async fn send(&mut self) -> sqlx::Result<()> {
        let mut builder = std::mem::replace(&mut self.builder, QueryBuilder::new(""));
        if !builder.sql().as_str().is_empty() {
            builder.build().execute(&mut *self.connection).await?;
        }
        Ok(())
    }
}

fn encode_error(error: crate::Error) -> sqlx::Error {
    sqlx::Error::Encode(Box::new(error))
}

/// Writes everything in the plan, and runs `end` after it.
pub(super) async fn write(
    connection: &mut SqliteConnection,
    plan: &Plan<'_>,
    end: &'static str,
) -> sqlx::Result<()> {
    let mut script = Script::new(connection, plan.rows());
    write_streams(&mut script, &plan.streams).await?;
    write_journal(&mut script, &plan.records).await?;
    write_workflows(&mut script, plan).await?;
    let nodes: Vec<(i64, &NodeRow, i64)> =
        plan.nodes.iter().map(|((stream, _), (node, as_of))| (*stream, *node, *as_of)).collect();
    write_nodes(&mut script, &nodes).await?;
    write_wakeups(&mut script, plan).await?;
    for (stream, id) in &plan.consumed {
        script.builder.push("DELETE FROM inbox WHERE id = ").push_bind(*id);
        script.builder.push(" AND stream = ").push_bind(*stream);
        script.end_statement().await?;
    }
    write_closed(&mut script, &plan.closed).await?;
    script.builder.push(end);
    script.send().await
}

/// Ends streams: no lease, no wakeup, not claimed until they are opened again.
pub(super) async fn close(connection: &mut SqliteConnection, streams: &[i64]) -> sqlx::Result<()> {
    let mut script = Script::new(connection, streams.len());
    write_closed(&mut script, streams).await?;
    script.send().await
}

async fn write_closed(script: &mut Script<'_>, streams: &[i64]) -> sqlx::Result<()> {
    if streams.is_empty() {
        return Ok(());
    }
    for sql in [
        "UPDATE streams SET closed = 1 WHERE id IN (SELECT value FROM json_each(",
        "UPDATE leases SET owner = NULL, until = NULL WHERE stream IN (SELECT value FROM json_each(",
        "DELETE FROM wakeups WHERE stream IN (SELECT value FROM json_each(",
    ] {
        script.builder.push(sql);
        script.builder.push_bind(json(streams.iter().copied())).push("))");
        script.end_statement().await?;
    }
    Ok(())
}

async fn write_streams(script: &mut Script<'_>, streams: &[NewStream<'_>]) -> sqlx::Result<()> {
    let head = "INSERT INTO streams (id, stream, kind, namespace, name, client_key, closed) ";
    script
        .insert(head, streams, "", |mut tuple, new| {
            tuple.push_bind(new.id);
            tuple.push_bind(new.stream.as_str());
            tuple.push_bind(new.stream.kind());
            tuple.push_bind(new.create.namespace.as_str());
            tuple.push_bind(new.create.name.as_str());
            tuple.push_bind(new.create.idempotency_key.as_deref());
            tuple.push_bind(0_i64);
        })
        .await?;
    let mut leases = Vec::with_capacity(streams.len());
    for new in streams {
        let lease = new.create.lease.as_ref();
        let until = lease.map(|l| validate::nanoseconds(l.until)).transpose().map_err(encode_error)?;
        leases.push((new.id, i64::from(lease.is_some()), lease.map(|l| l.owner.as_str()), until));
    }
    let head = "INSERT INTO leases (stream, epoch, owner, until) ";
    script
        .insert(head, &leases, "", |mut tuple, (id, epoch, owner, until)| {
            tuple.push_bind(*id);
            tuple.push_bind(*epoch);
            tuple.push_bind(*owner);
            tuple.push_bind(*until);
        })
        .await
}

async fn write_journal(script: &mut Script<'_>, records: &[NewRow<'_>]) -> sqlx::Result<()> {
    for row in records {
        if let Some(digest) = &row.blob {
            script.builder.push("INSERT INTO blobs (digest, pinned, bytes) VALUES (");
            script.builder.push_bind(digest.as_bytes().to_vec()).push(", 0, ");
            script.builder.push_bind(row.record.body.as_slice()).push(") ON CONFLICT DO NOTHING");
            script.end_statement().await?;
        }
    }
    let head = "INSERT INTO journal (stream, seq, at, checksum, kind, body, blob) ";
    script
        .insert(head, records, "", |mut tuple, row| {
            let body = if row.blob.is_some() { &[][..] } else { row.record.body.as_slice() };
            tuple.push_bind(row.stream);
            tuple.push_bind(row.seq);
            tuple.push_bind(row.at);
            tuple.push_bind(i64::from(row.checksum));
            tuple.push_bind(row.record.kind.as_str());
            tuple.push_bind(body);
            tuple.push_bind(row.blob.map(|digest| digest.as_bytes().to_vec()));
        })
        .await
}

const INSERT_WORKFLOWS: &str = "INSERT INTO workflows (stream, uid, namespace, name, created_at, phase, \
     started_at, finished_at, as_of, progress, message, labels, body) ";
const UPDATE_ALL: &str = " ON CONFLICT (stream) DO UPDATE SET phase = excluded.phase, \
     started_at = excluded.started_at, finished_at = excluded.finished_at, as_of = excluded.as_of, \
     progress = excluded.progress, message = excluded.message, labels = excluded.labels, body = excluded.body";
const UPDATE_SAME_PHASE: &str = " ON CONFLICT (stream) DO UPDATE SET started_at = excluded.started_at, \
     finished_at = excluded.finished_at, as_of = excluded.as_of, progress = excluded.progress, \
     message = excluded.message, labels = excluded.labels, body = excluded.body";

struct WorkflowValues<'a> {
    stream: i64,
    row: &'a WorkflowRow,
    as_of: i64,
    created_at: i64,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    labels: String,
}

impl<'a> WorkflowValues<'a> {
    fn of(stream: i64, row: &'a WorkflowRow, as_of: i64) -> sqlx::Result<Self> {
        let time = |at: Option<_>| at.map(validate::nanoseconds).transpose().map_err(encode_error);
        Ok(Self {
            stream,
            row,
            as_of,
            created_at: validate::nanoseconds(row.created_at).map_err(encode_error)?,
            started_at: time(row.started_at)?,
            finished_at: time(row.finished_at)?,
            labels: serde_json::to_string(&row.labels).map_err(|e| sqlx::Error::Encode(Box::new(e)))?,
        })
    }
}

async fn write_workflows(script: &mut Script<'_>, plan: &Plan<'_>) -> sqlx::Result<()> {
    for (phase_changes, tail) in [(true, UPDATE_ALL), (false, UPDATE_SAME_PHASE)] {
        let wanted = |change: &&RowChange<'_>| change.phase_changes == phase_changes;
        let changes = plan.workflows.iter().filter(|(_, change)| wanted(change));
        let values = changes.map(|(stream, change)| WorkflowValues::of(*stream, change.row, change.as_of));
        let values: Vec<WorkflowValues<'_>> = values.collect::<sqlx::Result<_>>()?;
        upsert_workflows(script, &values, tail).await?;
    }
    Ok(())
}

async fn upsert_workflows(
    script: &mut Script<'_>,
    values: &[WorkflowValues<'_>],
    tail: &'static str,
) -> sqlx::Result<()> {
    script
        .insert(INSERT_WORKFLOWS, values, tail, |mut tuple, v| {
            tuple.push_bind(v.stream);
            tuple.push_bind(v.row.uid.as_str());
            tuple.push_bind(v.row.namespace.as_str());
            tuple.push_bind(v.row.name.as_str());
            tuple.push_bind(v.created_at);
            tuple.push_bind(v.row.phase.as_str());
            tuple.push_bind(v.started_at);
            tuple.push_bind(v.finished_at);
            tuple.push_bind(v.as_of);
            tuple.push_bind(v.row.progress.as_str());
            tuple.push_bind(v.row.message.as_str());
            tuple.push_bind(v.labels.as_str());
            tuple.push_bind(v.row.body.as_slice());
        })
        .await
}

const INSERT_NODES: &str = "INSERT INTO nodes (stream, ordinal, as_of, id, name, display_name, node_type, \
     template_name, boundary_id, phase, started_at, finished_at, message, body) ";
const UPDATE_NODES: &str = " ON CONFLICT (stream, ordinal) DO UPDATE SET as_of = excluded.as_of, \
     id = excluded.id, name = excluded.name, display_name = excluded.display_name, \
     node_type = excluded.node_type, template_name = excluded.template_name, \
     boundary_id = excluded.boundary_id, phase = excluded.phase, started_at = excluded.started_at, \
     finished_at = excluded.finished_at, message = excluded.message, body = excluded.body";

async fn write_nodes(script: &mut Script<'_>, nodes: &[(i64, &NodeRow, i64)]) -> sqlx::Result<()> {
    let mut values = Vec::with_capacity(nodes.len());
    for (stream, node, as_of) in nodes {
        let time = |at: Option<_>| at.map(validate::nanoseconds).transpose().map_err(encode_error);
        values.push((*stream, *node, *as_of, time(node.started_at)?, time(node.finished_at)?));
    }
    script
        .insert(INSERT_NODES, &values, UPDATE_NODES, |mut tuple, (stream, node, as_of, start, end)| {
            tuple.push_bind(*stream);
            tuple.push_bind(i64::from(node.ordinal));
            tuple.push_bind(*as_of);
            tuple.push_bind(node.id.as_str());
            tuple.push_bind(node.name.as_str());
            tuple.push_bind(node.display_name.as_str());
            tuple.push_bind(node.node_type.as_str());
            tuple.push_bind(node.template_name.as_str());
            tuple.push_bind(node.boundary_id.as_str());
            tuple.push_bind(node.phase.as_str());
            tuple.push_bind(*start);
            tuple.push_bind(*end);
            tuple.push_bind(node.message.as_str());
            tuple.push_bind(node.body.as_slice());
        })
        .await
}

async fn write_wakeups(script: &mut Script<'_>, plan: &Plan<'_>) -> sqlx::Result<()> {
    let set: Vec<(i64, i64, &str)> =
        plan.wakeups.iter().filter_map(|(stream, due)| due.map(|(due, kind)| (*stream, due, kind))).collect();
    let (head, tail) = (
        "INSERT INTO wakeups (stream, due_at, kind) ",
        " ON CONFLICT (stream) DO UPDATE SET due_at = excluded.due_at",
    );
    script
        .insert(head, &set, tail, |mut tuple, (stream, due, kind)| {
            tuple.push_bind(*stream);
            tuple.push_bind(*due);
            tuple.push_bind(*kind);
        })
        .await?;
    let cleared: Vec<i64> =
        plan.wakeups.iter().filter(|(_, due)| due.is_none()).map(|(stream, _)| *stream).collect();
    if cleared.is_empty() {
        return Ok(());
    }
    script.builder.push("DELETE FROM wakeups WHERE stream IN (SELECT value FROM json_each(");
    script.builder.push_bind(json(cleared)).push("))");
    script.end_statement().await
}

/// Replaces the projection rows of one stream.
pub(super) async fn replace_projection(
    connection: &mut SqliteConnection,
    stream: i64,
    projection: &crate::Projection,
) -> sqlx::Result<()> {
    for sql in ["DELETE FROM workflows WHERE stream = ?", "DELETE FROM nodes WHERE stream = ?"] {
        sqlx::query(sql).bind(stream).execute(&mut *connection).await?;
    }
    let as_of = projection.as_of.0.cast_signed();
    let row = WorkflowValues::of(stream, &projection.workflow, as_of)?;
    let mut script = Script::new(connection, 1 + projection.nodes.len());
    upsert_workflows(&mut script, &[row], UPDATE_ALL).await?;
    let nodes: Vec<(i64, &NodeRow, i64)> =
        projection.nodes.iter().map(|node| (stream, node, as_of)).collect();
    write_nodes(&mut script, &nodes).await?;
    script.send().await
}

#[cfg(test)]
mod tests {
    use super::{SIZES, pieces};

    #[test]
    fn pieces_cover_all_rows_with_few_sizes() {
        for count in [0, 1, 2, 15, 16, 17, 127, 128, 129, 145, 1000] {
            let rows: Vec<usize> = (0..count).collect();
            let cut = pieces(&rows);
            assert_eq!(cut.concat(), rows);
            assert!(cut.iter().all(|piece| SIZES.contains(&piece.len())));
        }
    }
}
