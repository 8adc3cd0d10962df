//! Which index answers a question about a list: with a million workflows the wrong one costs seconds.
//! Deliberately only a choice: every way gives the same rows, because every filter is applied anyway.
//!
//! Lists are wanted newest first. Reading in that order and dropping what does not fit is quick when much fits;
//! collecting what fits and sorting it is quick when little fits. How much fits is counted, up to [`FEW`].

use sqlx::sqlite::SqlitePool;
use sqlx::{QueryBuilder, Sqlite};

use super::read;
use crate::query::LabelTerm;
use crate::{Result, WorkflowQuery, WorkflowSort};

/// Rows that are collected and sorted without thinking twice.
const FEW: i64 = 10_000;

/// Labels that the index of labels does not have.
const NOT_INDEXED: [&str; 2] = ["workflows.argoproj.io/phase", "workflows.argoproj.io/completed"];

/// How to go through the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Way {
    /// As SQLite sees fit.
    Free,
    /// Along the index of labels, in the order of the list.
    Label(String, String),
    /// Along an index of `workflows`.
    Index(&'static str),
}

/// Chooses for a question.
pub(super) async fn choose(readers: &SqlitePool, query: &WorkflowQuery) -> Result<Way> {
    if !matches!(query.sort, WorkflowSort::CreatedDescending | WorkflowSort::CreatedAscending) {
        return Ok(Way::Free);
    }
    let mut best: Option<(i64, Way)> = None;
    let mut offer = |count: i64, way: Way| {
        if best.as_ref().is_none_or(|(least, _)| count < *least) {
            best = Some((count, way));
        }
    };
    for (key, value) in query.labels.iter().filter_map(equals) {
        // in the order of the list already: good however many there are
        let mut sql = counting("workflow_labels l WHERE l.key = ");
        sql.push_bind(key).push(" AND l.value = ").push_bind(value);
        offer(count(readers, sql).await?, Way::Label(key.to_owned(), value.to_owned()));
    }
    if let Some(prefix) = query.name_prefix.as_deref().filter(|prefix| !prefix.is_empty()) {
        let index = if query.namespace.is_some() { "workflows_name" } else { "workflows_by_name" };
        let mut sql = counting("workflows w INDEXED BY ");
        sql.push(index).push(" WHERE 1 ");
        if let Some(namespace) = &query.namespace {
            sql.push(" AND w.namespace = ").push_bind(namespace.as_str());
        }
        name_range(&mut sql, prefix);
        let found = count(readers, sql).await?;
        if found < FEW {
            offer(found, Way::Index(index));
        }
    }
    if let Some(namespace) = &query.namespace {
        let mut sql = counting("workflows w INDEXED BY workflows_namespace WHERE w.namespace = ");
        sql.push_bind(namespace.as_str());
        let found = count(readers, sql).await?;
        if found < FEW {
            offer(found, Way::Index("workflows_namespace"));
        }
    }
    Ok(match best {
        Some((_, way)) => way,
        None if query.phases.len() == 1 => Way::Index("workflows_phase"),
        None if query.namespace.is_some() => Way::Index("workflows_namespace"),
        None => Way::Free,
    })
}

/// Whether so few ended workflows took that long that they are collected by the index of durations.
pub(super) async fn few_of_that_duration(readers: &SqlitePool, query: &WorkflowQuery) -> Result<bool> {
    let Some(range) = &query.duration else { return Ok(false) };
    let mut sql = counting("workflows w INDEXED BY workflows_duration WHERE w.finished_at IS NOT NULL ");
    for (operator, bound) in [(" >= ", range.from), (" < ", range.to)] {
        if let Some(bound) = bound {
            sql.push(" AND w.finished_at - w.started_at").push(operator).push_bind(super::lists::span(bound));
        }
    }
    Ok(count(readers, sql).await? < FEW)
}

fn equals(term: &LabelTerm) -> Option<(&str, &str)> {
    let (key, value) = match term {
        LabelTerm::Equals(key, value) => (key, value),
        LabelTerm::In(key, values) => match values.as_slice() {
            [value] => (key, value),
            _ => return None,
        },
        LabelTerm::NotEquals(..) | LabelTerm::NotIn(..) | LabelTerm::Exists(_) | LabelTerm::NotExists(_) => {
            return None;
        }
    };
    (!NOT_INDEXED.contains(&key.as_str())).then_some((key.as_str(), value.as_str()))
}

fn counting(from: &'static str) -> QueryBuilder<Sqlite> {
    QueryBuilder::new(format!("SELECT count(*) FROM (SELECT 1 FROM {from}"))
}

async fn count(readers: &SqlitePool, mut sql: QueryBuilder<Sqlite>) -> Result<i64> {
    sql.push(" LIMIT ").push_bind(FEW).push(")");
    sql.build_query_scalar().fetch_one(readers).await.map_err(|e| read::error(&e))
}

/// Names between a prefix and the first text behind all names that have it.
pub(super) fn name_range(sql: &mut QueryBuilder<Sqlite>, prefix: &str) {
    sql.push(" AND w.name >= ").push_bind(prefix.to_owned());
    if let Some(end) = behind(prefix) {
        sql.push(" AND w.name < ").push_bind(end);
    }
}

/// The first text after all that begin with the prefix, in the order of their bytes.
fn behind(prefix: &str) -> Option<String> {
    let mut text = prefix.to_owned();
    while let Some(last) = text.pop() {
        let mut next = u32::from(last) + 1;
        if (0xD800..0xE000).contains(&next) {
            next = 0xE000;
        }
        if let Some(next) = char::from_u32(next) {
            text.push(next);
            return Some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::behind;

    #[test]
    fn the_end_of_a_prefix_is_behind_all_names_that_have_it() {
        assert_eq!(behind("build-"), Some("build.".to_owned()));
        assert_eq!(behind("a\u{10FFFF}"), Some("b".to_owned()));
        assert_eq!(behind("\u{D7FF}"), Some("\u{E000}".to_owned()));
        assert_eq!(behind("\u{10FFFF}"), None);
        assert_eq!(behind(""), None);
    }
}
