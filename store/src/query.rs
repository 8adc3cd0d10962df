//! Questions about lists of workflows: filters, order, pages. Values only, so that no caller writes SQL.
//! Deliberately has no text syntax for selectors; parsing `a in (b, c)` is the caller's.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::{Error, Result, WorkflowRow};

/// One term of a label selector; all terms must hold. As Kubernetes' set-based requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LabelTerm {
    /// The label has this value.
    Equals(String, String),
    /// The label is absent or has another value.
    NotEquals(String, String),
    /// The label has one of these values.
    In(String, Vec<String>),
    /// The label is absent or has none of these values.
    NotIn(String, Vec<String>),
    /// The label is present.
    Exists(String),
    /// The label is absent.
    NotExists(String),
}

impl LabelTerm {
    /// Whether the labels satisfy the term.
    #[must_use]
    pub fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        match self {
            Self::Equals(key, value) => labels.get(key) == Some(value),
            Self::NotEquals(key, value) => labels.get(key) != Some(value),
            Self::In(key, values) => labels.get(key).is_some_and(|v| values.contains(v)),
            Self::NotIn(key, values) => labels.get(key).is_none_or(|v| !values.contains(v)),
            Self::Exists(key) => labels.contains_key(key),
            Self::NotExists(key) => !labels.contains_key(key),
        }
    }
}

/// From (inclusive) and to (exclusive); open where `None`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TimeRange {
    /// Not before.
    pub from: Option<Timestamp>,
    /// Before.
    pub to: Option<Timestamp>,
}

impl TimeRange {
    /// Whether the time is inside.
    #[must_use]
    pub fn contains(&self, at: Timestamp) -> bool {
        self.from.is_none_or(|from| at >= from) && self.to.is_none_or(|to| at < to)
    }

    /// Whether it excludes nothing.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.from.is_none() && self.to.is_none()
    }
}

/// How long a workflow ran, from its start to its end or, while it runs, to `now`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DurationRange {
    /// Not shorter.
    pub from: Option<SignedDuration>,
    /// Shorter.
    pub to: Option<SignedDuration>,
    /// The end of what has none yet.
    pub now: Timestamp,
}

impl DurationRange {
    /// Whether the row is inside; what has not started has no duration.
    #[must_use]
    pub fn contains(&self, row: &WorkflowRow) -> bool {
        let Some(started) = row.started_at else { return false };
        let took = row.finished_at.unwrap_or(self.now).duration_since(started);
        self.from.is_none_or(|from| took >= from) && self.to.is_none_or(|to| took < to)
    }
}

/// Order of a list. Ties are broken by uid, so that pages neither repeat nor skip.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WorkflowSort {
    /// Newest first.
    #[default]
    CreatedDescending,
    /// Oldest first.
    CreatedAscending,
    /// By name.
    NameAscending,
    /// Last finished first; unfinished ones are not listed.
    FinishedDescending,
}

/// Place in a list after which the next page begins. Opaque text for the caller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor(pub String);

impl Cursor {
    /// The place behind a row, for callers that stop in the middle of a page.
    ///
    /// # Errors
    /// [`Error::Invalid`] when a time of the row cannot be kept.
    pub fn after(row: &WorkflowRow, sort: WorkflowSort) -> Result<Self> {
        Ok(CursorParts::of(row, sort)?.encode())
    }
}

/// Which workflows, in which order, how many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct WorkflowQuery {
    /// Only this namespace.
    pub namespace: Option<String>,
    /// Only these phases; empty means any.
    pub phases: Vec<String>,
    /// All of these terms.
    pub labels: Vec<LabelTerm>,
    /// Created in this range.
    pub created: TimeRange,
    /// Finished in this range; a range that excludes something also excludes the unfinished.
    pub finished: TimeRange,
    /// Names that begin with this text, as it is (no wildcards).
    pub name_prefix: Option<String>,
    /// Ran that long.
    pub duration: Option<DurationRange>,
    /// Rows whose body holds each of these texts somewhere: a quick filter for callers that look closer.
    pub body_contains: Vec<String>,
    /// Order.
    pub sort: WorkflowSort,
    /// Rows per page; 0 means the largest page.
    pub limit: usize,
    /// Continue after this place.
    pub cursor: Option<Cursor>,
}

impl WorkflowQuery {
    /// Whether the row belongs into the list, the cursor aside.
    #[must_use]
    pub fn matches(&self, row: &WorkflowRow) -> bool {
        let finished = match row.finished_at {
            Some(at) => self.finished.contains(at),
            None => self.finished.is_open() && self.sort != WorkflowSort::FinishedDescending,
        };
        finished
            && self.namespace.as_ref().is_none_or(|ns| *ns == row.namespace)
            && (self.phases.is_empty() || self.phases.contains(&row.phase))
            && self.created.contains(row.created_at)
            && self.name_prefix.as_ref().is_none_or(|prefix| row.name.starts_with(prefix.as_str()))
            && self.labels.iter().all(|term| term.matches(&row.labels))
            && self.duration.is_none_or(|range| range.contains(row))
            && self.body_contains.iter().all(|text| holds(&row.body, text.as_bytes()))
    }
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where the next page begins, if there is more.
    pub next: Option<Cursor>,
}

/// A cursor in parts: the sort value of the last row and its uid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CursorParts {
    pub(crate) key: SortKey,
    pub(crate) uid: String,
}

/// The value a list is ordered by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SortKey {
    Time(i64),
    Text(String),
}

impl CursorParts {
    /// The place of this row in a list of this order.
    pub(crate) fn of(row: &WorkflowRow, sort: WorkflowSort) -> Result<Self> {
        let key = match sort {
            WorkflowSort::CreatedDescending | WorkflowSort::CreatedAscending => {
                SortKey::Time(crate::validate::nanoseconds(row.created_at)?)
            }
            WorkflowSort::NameAscending => SortKey::Text(row.name.clone()),
            WorkflowSort::FinishedDescending => {
                SortKey::Time(row.finished_at.map(crate::validate::nanoseconds).transpose()?.unwrap_or(0))
            }
        };
        Ok(Self { key, uid: row.uid.clone() })
    }

    pub(crate) fn encode(&self) -> Cursor {
        match &self.key {
            SortKey::Time(time) => Cursor(format!("t{time}|{}", self.uid)),
            SortKey::Text(text) => Cursor(format!("n{text}|{}", self.uid)),
        }
    }

    /// Reads a cursor that must fit the order of the query.
    pub(crate) fn decode(cursor: &Cursor, sort: WorkflowSort) -> Result<Self> {
        let bad = || Error::Invalid("cursor does not belong to this list".to_owned());
        let (key, uid) = cursor.0.rsplit_once('|').ok_or_else(bad)?;
        let by_name = sort == WorkflowSort::NameAscending;
        let key = match (key.strip_prefix('t'), key.strip_prefix('n')) {
            (Some(time), _) if !by_name => SortKey::Time(time.parse().map_err(|_| bad())?),
            (_, Some(name)) if by_name => SortKey::Text(name.to_owned()),
            (Some(_) | None, Some(_) | None) => return Err(bad()),
        };
        Ok(Self { key, uid: uid.to_owned() })
    }

    /// Whether a row with these parts comes after this place.
    pub(crate) fn is_before(&self, other: &Self, sort: WorkflowSort) -> bool {
        let (mine, theirs) = ((&self.key, &self.uid), (&other.key, &other.uid));
        match sort {
            WorkflowSort::CreatedDescending | WorkflowSort::FinishedDescending => theirs < mine,
            WorkflowSort::CreatedAscending | WorkflowSort::NameAscending => theirs > mine,
        }
    }
}
