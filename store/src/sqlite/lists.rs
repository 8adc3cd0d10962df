//! Lists of workflows: filters as bound parameters, order as an enum, pages by key.
//! Deliberately contains no text of the user in any statement (V36).

use std::collections::BTreeMap;

use sqlx::sqlite::{SqlitePool, SqliteRow};
use sqlx::{QueryBuilder, Sqlite};

use super::plan::json;
use super::read::{self, get, optional_time, time};
use super::ways::{self, Way};
use crate::query::{CursorParts, SortKey};
use crate::{
    Error, LabelTerm, Page, Projection, Result, Seq, StreamId, TimeRange, WorkflowQuery, WorkflowRow,
    WorkflowSort, limits, validate,
};

const COLUMNS: &str = "SELECT w.uid, w.namespace, w.name, w.created_at, w.phase, w.started_at, \
     w.finished_at, w.as_of, w.progress, w.message, w.labels, w.body FROM ";
/// The same without a choice of index.
const FROM_WORKFLOWS: &str = "workflows w WHERE 1 ";

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
    let after = query.cursor.as_ref().map(|cursor| CursorParts::decode(cursor, query.sort)).transpose()?;
    let mut found: Vec<(CursorParts, WorkflowRow)> = Vec::new();
    let parts = parts(readers, query).await?;
    for part in &parts {
        let mut sql = statement(part, query, after.as_ref())?;
        sql.push(" LIMIT ").push_bind(read::sql_limit(limit + 1));
        let rows = sql.build().fetch_all(readers).await.map_err(|e| read::error(&e))?;
        for found_row in &rows {
            let item = row(found_row)?;
            found.push((CursorParts::of(&item, query.sort)?, item));
        }
    }
    if parts.len() > 1 {
        found.sort_by(|(a, _), (b, _)| {
            if a.is_before(b, query.sort) { std::cmp::Ordering::Less } else { std::cmp::Ordering::Greater }
        });
    }
    let more = found.len() > limit;
    found.truncate(limit);
    let next = if more { found.last().map(|(place, _)| place.encode()) } else { None };
    Ok(Page { items: found.into_iter().map(|(_, item)| item).collect(), next })
}

/// A part of the answer, read along one index; parts do not overlap.
struct Part {
    way: Way,
    /// Only this phase.
    phase: Option<String>,
    /// Only ended workflows, or only others.
    ended: Option<bool>,
}

/// Cuts a question into parts that each have an index of their own.
async fn parts(readers: &SqlitePool, query: &WorkflowQuery) -> Result<Vec<Part>> {
    let way = ways::choose(readers, query).await?;
    let whole = |way: Way| vec![Part { way, phase: None, ended: None }];
    let by_order = matches!(query.sort, WorkflowSort::CreatedDescending | WorkflowSort::CreatedAscending);
    let open_way = !matches!(&way, Way::Label(..));
    if by_order && open_way && ways::few_of_that_duration(readers, query).await? {
        let part = |index, ended| Part { way: Way::Index(index), phase: None, ended: Some(ended) };
        return Ok(vec![part("workflows_duration", true), part("workflows_unfinished", false)]);
    }
    let ordered = matches!(&way, Way::Free | Way::Index("workflows_namespace" | "workflows_phase"));
    if !by_order || !ordered || query.phases.len() < 2 || query.phases.len() > 8 {
        return Ok(whole(way));
    }
    let mut phases = query.phases.clone();
    phases.sort();
    phases.dedup();
    let part = |phase| Part { way: Way::Index("workflows_phase"), phase: Some(phase), ended: None };
    Ok(phases.into_iter().map(part).collect())
}

fn statement(
    part: &Part,
    query: &WorkflowQuery,
    after_place: Option<&CursorParts>,
) -> Result<QueryBuilder<Sqlite>> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    let by_label = matches!(part.way, Way::Label(..));
    match &part.way {
        Way::Free => {
            sql.push(FROM_WORKFLOWS);
        }
        Way::Index(index) => {
            sql.push("workflows w INDEXED BY ").push(*index).push(" WHERE 1 ");
        }
        Way::Label(key, value) => {
            // CROSS keeps SQLite from turning the two around
            sql.push("workflow_labels d CROSS JOIN workflows w ON w.stream = d.stream WHERE d.key = ");
            sql.push_bind(key.clone()).push(" AND d.value = ").push_bind(value.clone());
        }
    }
    filter(&mut sql, query, part)?;
    if let Some(place) = after_place {
        after(&mut sql, place, query.sort, by_label);
    }
    sql.push(match query.sort {
        WorkflowSort::CreatedDescending if by_label => " ORDER BY d.created_at DESC, d.uid DESC",
        WorkflowSort::CreatedAscending if by_label => " ORDER BY d.created_at, d.uid",
        WorkflowSort::CreatedDescending => " ORDER BY w.created_at DESC, w.uid DESC",
        WorkflowSort::CreatedAscending => " ORDER BY w.created_at, w.uid",
        WorkflowSort::NameAscending => " ORDER BY w.name, w.uid",
        WorkflowSort::FinishedDescending => " ORDER BY w.finished_at DESC, w.uid DESC",
    });
    Ok(sql)
}

fn filter(sql: &mut QueryBuilder<Sqlite>, query: &WorkflowQuery, part: &Part) -> Result<()> {
    if let Some(namespace) = &query.namespace {
        sql.push(" AND w.namespace = ").push_bind(namespace.as_str());
    }
    match (&part.phase, query.phases.as_slice()) {
        (None, []) => {}
        (Some(phase), _) => {
            sql.push(" AND w.phase = ").push_bind(phase.clone());
        }
        (None, [phase]) => {
            sql.push(" AND w.phase = ").push_bind(phase.as_str());
        }
        (None, phases) => {
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
        if matches!(part.way, Way::Index("workflows_name" | "workflows_by_name")) {
            ways::name_range(sql, prefix);
        }
    }
    duration(sql, query, part)?;
    for text in &query.body_contains {
        sql.push(" AND instr(w.body, ").push_bind(text.as_bytes().to_vec()).push(") > 0");
    }
    for term in &query.labels {
        label(sql, term);
    }
    Ok(())
}

/// Nanoseconds as bounds are bound; what does not fit is longer than anything.
pub(super) fn span(duration: jiff::SignedDuration) -> i64 {
    let bound = if duration.is_negative() { i64::MIN } else { i64::MAX };
    i64::try_from(duration.as_nanos()).unwrap_or(bound)
}

fn duration(sql: &mut QueryBuilder<Sqlite>, query: &WorkflowQuery, part: &Part) -> Result<()> {
    match part.ended {
        Some(true) => sql.push(" AND w.finished_at IS NOT NULL"),
        Some(false) => sql.push(" AND w.finished_at IS NULL"),
        None => sql,
    };
    let Some(range) = &query.duration else { return Ok(()) };
    let now = validate::nanoseconds(range.now)?;
    sql.push(" AND w.started_at IS NOT NULL");
    for (operator, bound) in [(" >= ", range.from), (" < ", range.to)] {
        let Some(bound) = bound else { continue };
        if part.ended == Some(true) {
            // written as the index has it
            sql.push(" AND w.finished_at - w.started_at").push(operator).push_bind(span(bound));
        } else {
            sql.push(" AND coalesce(w.finished_at, ").push_bind(now).push(") - w.started_at");
            sql.push(operator).push_bind(span(bound));
        }
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

fn after(sql: &mut QueryBuilder<Sqlite>, place: &CursorParts, sort: WorkflowSort, by_label: bool) {
    sql.push(match sort {
        WorkflowSort::CreatedDescending if by_label => " AND (d.created_at, d.uid) < (",
        WorkflowSort::CreatedAscending if by_label => " AND (d.created_at, d.uid) > (",
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
    sql.push(FROM_WORKFLOWS)
        .push(" AND w.namespace = ")
        .push_bind(namespace)
        .push(" AND w.name = ")
        .push_bind(name);
    let found = sql.build().fetch_optional(readers).await.map_err(|e| read::error(&e))?;
    found.as_ref().map(row).transpose()
}

/// The projection of a stream.
pub(super) async fn projection(readers: &SqlitePool, stream: &StreamId) -> Result<Option<Projection>> {
    let mut sql: QueryBuilder<Sqlite> = QueryBuilder::new(COLUMNS);
    sql.push(FROM_WORKFLOWS)
        .push(" AND w.stream = (SELECT id FROM streams WHERE stream = ")
        .push_bind(stream.as_str())
        .push(")");
    let found = sql.build().fetch_optional(readers).await.map_err(|e| read::error(&e))?;
    let Some(workflow) = found.as_ref().map(row).transpose()? else { return Ok(None) };
    let nodes = read::nodes(readers, stream, 0, 0).await?;
    Ok(Some(Projection { as_of: workflow.as_of, workflow, nodes }))
}
