//! Lists of workflows: filters as bound parameters, order as an enum, pages by key.
//! Deliberately contains no text of the user in any statement (V36).

use std::collections::BTreeMap;

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Sqlite};

use super::plan::json;
use super::read::{self, get, optional_time, time};
use crate::query::{CursorParts, SortKey};
use crate::{
    Error, LabelTerm, Page, Projection, Result, Seq, StreamId, TimeRange, WorkflowQuery, WorkflowRow,
    WorkflowSort, limits, validate,
};

const COLUMNS: &str = "SELECT w.uid, w.namespace, w.name, w.created_at, w.phase, w.started_at, \
     w.finished_at, w.as_of, w.progress, w.message, w.labels, w.body FROM workflows w WHERE 1 ";

fn row(row: &SqliteRow) -> Result<WorkflowRow> {
    let labels: BTreeMap<String, String> = serde_json::from_str(get(row, "labels")?)
        .map_err(|e| Error::Corrupt(format!("stored labels: {e}")))?;
    Ok(WorkflowRow {
        uid: get(row, "uid")?,
        namespace: get(row, "namespace")?,
        name: get(row, "name")?,
        phase: get(row, "phase")?,
        labels,
        created_at: time(row, "created_at")?,
        started_at: optional_time(row, "started_at")?,
        finished_at: optional_time(row, "finished_at")?,
        progress: get(row, "progress")?,
        message: get(row, "message")?,
        body: get(row, "body")?,
        as_of: Seq(get::<i64>(row, "as_of")?.cast_unsigned()),
    })
}

/// One page.
pub(super) async fn page(readers: &SqlitePool, query: &WorkflowQuery) -> Result<Page<WorkflowRow>> {
    let limit = validate::limit(query.limit, limits::PAGE_MAX_ROWS);
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    filter(&mut sql, query)?;
    if let Some(cursor) = &query.cursor {
        after(&mut sql, &CursorParts::decode(cursor, query.sort)?, query.sort);
    }
    sql.push(match query.sort {
        WorkflowSort::CreatedDescending => " ORDER BY w.created_at DESC, w.uid DESC",
        WorkflowSort::CreatedAscending => " ORDER BY w.created_at, w.uid",
        WorkflowSort::NameAscending => " ORDER BY w.name, w.uid",
        WorkflowSort::FinishedDescending => " ORDER BY w.finished_at DESC, w.uid DESC",
    });
    sql.push(" LIMIT ").push_bind(read::sql_limit(limit + 1));
    let rows = sql.build().fetch_all(readers).await.map_err(|e| read::error(&e))?;
    let mut items = rows.iter().map(row).collect::<Result<Vec<_>>>()?;
    let more = items.len() > limit;
    items.truncate(limit);
    let last = if more { items.last() } else { None };
    let next = last.map(|row| CursorParts::of(row, query.sort)).transpose()?;
    Ok(Page { items, next: next.map(|parts| parts.encode()) })
}

fn filter(sql: &mut QueryBuilder<Sqlite>, query: &WorkflowQuery) -> Result<()> {
    if let Some(namespace) = &query.namespace {
        sql.push(" AND w.namespace = ").push_bind(namespace.as_str());
    }
    match query.phases.as_slice() {
        [] => {}
        [phase] => {
            sql.push(" AND w.phase = ").push_bind(phase.as_str());
        }
        phases => {
            let phases = json(phases.iter().map(String::as_str));
            sql.push(" AND w.phase IN (SELECT value FROM json_each(").push_bind(phases).push("))");
        }
    }
    range(sql, "w.created_at", &query.created)?;
    range(sql, "w.finished_at", &query.finished)?;
    if query.sort == WorkflowSort::FinishedDescending {
        sql.push(" AND w.finished_at IS NOT NULL");
    }
    if let Some(prefix) = &query.name_prefix {
        sql.push(" AND substr(w.name, 1, length(").push_bind(prefix.as_str());
        sql.push(")) = ").push_bind(prefix.as_str());
    }
    for term in &query.labels {
        label(sql, term);
    }
    Ok(())
}

fn range(sql: &mut QueryBuilder<Sqlite>, column: &'static str, range: &TimeRange) -> Result<()> {
    if let Some(from) = range.from {
        sql.push(" AND ").push(column).push(" >= ").push_bind(validate::nanoseconds(from)?);
    }
    if let Some(to) = range.to {
        sql.push(" AND ").push(column).push(" < ").push_bind(validate::nanoseconds(to)?);
    }
    Ok(())
}

fn label(sql: &mut QueryBuilder<Sqlite>, term: &LabelTerm) {
    let (wanted, key, values) = match term {
        LabelTerm::Equals(key, value) => (true, key, Some(json([value.as_str()]))),
        LabelTerm::NotEquals(key, value) => (false, key, Some(json([value.as_str()]))),
        LabelTerm::In(key, values) => (true, key, Some(json(values.iter().map(String::as_str)))),
        LabelTerm::NotIn(key, values) => (false, key, Some(json(values.iter().map(String::as_str)))),
        LabelTerm::Exists(key) => (true, key, None),
        LabelTerm::NotExists(key) => (false, key, None),
    };
    sql.push(if wanted { " AND EXISTS " } else { " AND NOT EXISTS " });
    sql.push("(SELECT 1 FROM json_each(w.labels) l WHERE l.key = ").push_bind(key.as_str());
    if let Some(values) = values {
        sql.push(" AND l.value IN (SELECT value FROM json_each(").push_bind(values).push("))");
    }
    sql.push(")");
}

fn after(sql: &mut QueryBuilder<Sqlite>, place: &CursorParts, sort: WorkflowSort) {
    sql.push(match sort {
        WorkflowSort::CreatedDescending => " AND (w.created_at, w.uid) < (",
        WorkflowSort::CreatedAscending => " AND (w.created_at, w.uid) > (",
        WorkflowSort::NameAscending => " AND (w.name, w.uid) > (",
        WorkflowSort::FinishedDescending => " AND (w.finished_at, w.uid) < (",
    });
    match &place.key {
        SortKey::Time(time) => sql.push_bind(*time),
        SortKey::Text(text) => sql.push_bind(text.as_str()),
    };
    sql.push(", ").push_bind(place.uid.as_str()).push(")");
}

/// The row of a workflow by name.
pub(super) async fn by_name(
    readers: &SqlitePool,
    namespace: &str,
    name: &str,
) -> Result<Option<WorkflowRow>> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    sql.push(" AND w.namespace = ").push_bind(namespace).push(" AND w.name = ").push_bind(name);
    let found = sql.build().fetch_optional(readers).await.map_err(|e| read::error(&e))?;
    found.as_ref().map(row).transpose()
}

/// The projection of a stream.
pub(super) async fn projection(readers: &SqlitePool, stream: &StreamId) -> Result<Option<Projection>> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    sql.push(" AND w.stream = (SELECT id FROM streams WHERE stream = ").push_bind(stream.as_str()).push(")");
    let found = sql.build().fetch_optional(readers).await.map_err(|e| read::error(&e))?;
    let Some(workflow) = found.as_ref().map(row).transpose()? else { return Ok(None) };
    let nodes = read::nodes(readers, stream, 0, 0).await?;
    Ok(Some(Projection { as_of: workflow.as_of, workflow, nodes }))
}
