//! Promises of lists: filters mean what `query` defines, pages are complete, user text is never SQL.
//! Deliberately compares with the definition instead of spelling out every combination.

use super::*;
use crate::{Cursor, DurationRange, Error, LabelTerm, TimeRange, WorkflowQuery, WorkflowSort};

const PHASES: [&str; 4] = ["Running", "Succeeded", "Failed", "Pending"];

/// Forty workflows that differ in everything a filter can see, some of them at the same time.
async fn fill(pair: &Pair) -> Vec<WorkflowRow> {
    let mut rows = Vec::new();
    for number in 0..40_usize {
        let seconds = i64::try_from(number / 2).unwrap();
        let mut row = row(&format!("u{number:02}"));
        row.namespace = ["default", "other"][number % 2].to_owned();
        row.name = format!("{}-{}", ["build", "BUILD", "deploy_x", "100%"][number % 4], number / 4);
        row.phase = PHASES[number % 4].to_owned();
        row.created_at = at(seconds);
        row.finished_at = (number % 3 == 0).then(|| at(seconds * 2));
        row.started_at = (number % 7 != 0).then(|| at(seconds - 10));
        row.body = format!("{{\"env\":\"{}\"}}", ["prod", "test", "100%"][number % 3]).into_bytes();
        row.labels.clear();
        if number % 2 == 0 {
            row.labels.insert("team".to_owned(), ["red", "blue"][(number / 2) % 2].to_owned());
        }
        if number % 5 == 0 {
            row.labels.insert("a.b/c".to_owned(), String::new());
        }
        let mut append = create(&row.uid, "a");
        append.create = Some(Create {
            namespace: row.namespace.clone(),
            name: row.name.clone(),
            idempotency_key: None,
            lease: None,
        });
        append.epoch = Epoch::ZERO;
        append.workflow = Some(row.clone());
        done(&pair.a, append).await;
        row.as_of = Seq(1);
        rows.push(row);
    }
    rows
}

fn queries() -> Vec<WorkflowQuery> {
    let text = str::to_owned;
    let base = WorkflowQuery::default;
    let labels = |labels: Vec<LabelTerm>| WorkflowQuery { labels, ..base() };
    let values = || vec![text("red"), text("green")];
    let range = |from: Option<i64>, to: Option<i64>| TimeRange { from: from.map(at), to: to.map(at) };
    let took = |from: Option<i64>, to: Option<i64>| {
        let bound = |seconds: Option<i64>| seconds.map(jiff::SignedDuration::from_secs);
        let duration = DurationRange { from: bound(from), to: bound(to), now: at(30) };
        WorkflowQuery { duration: Some(duration), ..base() }
    };
    vec![
        base(),
        WorkflowQuery { namespace: Some(text("other")), ..base() },
        WorkflowQuery { phases: vec![text("Failed")], ..base() },
        WorkflowQuery { phases: vec![text("Failed"), text("Running"), text("Nope")], ..base() },
        WorkflowQuery { name_prefix: Some(text("build")), ..base() },
        WorkflowQuery { name_prefix: Some(text("100%")), ..base() },
        WorkflowQuery { name_prefix: Some(text("deploy_")), ..base() },
        WorkflowQuery { created: range(Some(5), Some(9)), ..base() },
        WorkflowQuery { created: range(None, Some(3)), namespace: Some(text("default")), ..base() },
        WorkflowQuery { finished: range(Some(10), None), ..base() },
        WorkflowQuery { finished: range(None, Some(20)), phases: vec![text("Running")], ..base() },
        labels(vec![LabelTerm::Equals(text("team"), text("red"))]),
        labels(vec![LabelTerm::NotEquals(text("team"), text("red"))]),
        labels(vec![LabelTerm::In(text("team"), values())]),
        labels(vec![LabelTerm::NotIn(text("team"), values())]),
        labels(vec![LabelTerm::In(text("team"), vec![])]),
        labels(vec![LabelTerm::Exists(text("a.b/c"))]),
        labels(vec![LabelTerm::NotExists(text("a.b/c")), LabelTerm::Exists(text("team"))]),
        labels(vec![LabelTerm::Equals(text("a.b/c"), String::new())]),
        labels(vec![LabelTerm::Equals(text("team"), text("red")), LabelTerm::Exists(text("a.b/c"))]),
        WorkflowQuery {
            phases: vec![text("Failed"), text("Running")],
            namespace: Some(text("default")),
            ..labels(vec![LabelTerm::Equals(text("team"), text("blue"))])
        },
        WorkflowQuery { name_prefix: Some(text("build-1")), namespace: Some(text("default")), ..base() },
        took(Some(25), None),
        took(None, Some(15)),
        WorkflowQuery { phases: vec![text("Running"), text("Failed")], ..took(Some(12), Some(40)) },
        WorkflowQuery { namespace: Some(text("other")), ..took(Some(20), None) },
        WorkflowQuery { body_contains: vec![text("prod")], ..base() },
        WorkflowQuery { body_contains: vec![text("100%"), text("env")], ..base() },
    ]
}

const SORTS: [WorkflowSort; 4] = [
    WorkflowSort::CreatedDescending,
    WorkflowSort::CreatedAscending,
    WorkflowSort::NameAscending,
    WorkflowSort::FinishedDescending,
];

/// Rows in the order a list must have, told without looking at any driver.
fn expected(rows: &[WorkflowRow], query: &WorkflowQuery) -> Vec<String> {
    let mut rows: Vec<&WorkflowRow> = rows.iter().filter(|row| query.matches(row)).collect();
    match query.sort {
        WorkflowSort::CreatedAscending => rows.sort_by_key(|r| (r.created_at, r.uid.clone())),
        WorkflowSort::NameAscending => rows.sort_by_key(|r| (r.name.clone(), r.uid.clone())),
        WorkflowSort::CreatedDescending => {
            rows.sort_by_key(|r| std::cmp::Reverse((r.created_at, r.uid.clone())));
        }
        WorkflowSort::FinishedDescending => {
            rows.sort_by_key(|r| std::cmp::Reverse((r.finished_at, r.uid.clone())));
        }
    }
    rows.into_iter().map(|row| row.uid.clone()).collect()
}

/// Every filter in every order gives what its definition says.
pub async fn lists_agree_with_the_definition(pair: Pair) {
    let rows = fill(&pair).await;
    for query in queries() {
        for sort in SORTS {
            let query = WorkflowQuery { sort, ..query.clone() };
            let page = pair.b.list_workflows(query.clone()).await.unwrap();
            let uids: Vec<String> = page.items.iter().map(|row| row.uid.clone()).collect();
            assert_eq!(uids, expected(&rows, &query), "{query:?}");
            assert_eq!(page.next, None);
            assert!(page.items.iter().all(|item| rows.contains(item)));
        }
    }
}

/// A label that changes, goes or comes with its workflow is found as it is now.
pub async fn labels_are_found_as_they_are_now(pair: Pair) {
    let labelled = |pairs: &[(&str, &str)]| {
        let labels = pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        WorkflowRow { labels, ..row("w1") }
    };
    let find = async |key: &str, value: &str| {
        let labels = vec![LabelTerm::Equals(key.to_owned(), value.to_owned())];
        pair.b.list_workflows(WorkflowQuery { labels, ..WorkflowQuery::default() }).await.unwrap().items.len()
    };
    let mut append = create("w1", "a");
    append.workflow = Some(labelled(&[("team", "red"), ("keep", "1")]));
    if let Some(create) = &mut append.create {
        create.name = "w1".to_owned();
    }
    done(&pair.a, append).await;
    assert_eq!((find("team", "red").await, find("keep", "1").await), (1, 1));
    let mut append = more("w1", Epoch::FIRST, Seq(1));
    append.workflow = Some(labelled(&[("team", "blue"), ("keep", "1"), ("new", "")]));
    done(&pair.a, append).await;
    assert_eq!((find("team", "red").await, find("team", "blue").await), (0, 1));
    assert_eq!((find("keep", "1").await, find("new", "").await), (1, 1));
    let stream = stream("w1");
    pair.a.close(&stream, Epoch::FIRST).await.unwrap();
    pair.a.delete_workflow(&stream).await.unwrap();
    assert_eq!((find("team", "blue").await, find("keep", "1").await), (0, 0));
}

/// Pages together are the whole list; a cursor of another order is refused.
pub async fn lists_go_in_pages(pair: Pair) {
    let rows = fill(&pair).await;
    for sort in SORTS {
        for limit in [1, 3, 7, 39, 40] {
            let mut query = WorkflowQuery { sort, limit, ..WorkflowQuery::default() };
            let mut uids = Vec::new();
            loop {
                let page = pair.b.list_workflows(query.clone()).await.unwrap();
                assert!(page.items.len() <= limit);
                uids.extend(page.items.into_iter().map(|row| row.uid));
                query.cursor = page.next;
                if query.cursor.is_none() {
                    break;
                }
            }
            assert_eq!(uids, expected(&rows, &query), "{sort:?} {limit}");
        }
    }
    let first = WorkflowQuery { limit: 1, ..WorkflowQuery::default() };
    let cursor = pair.a.list_workflows(first).await.unwrap().next;
    let other = WorkflowQuery { cursor, sort: WorkflowSort::NameAscending, ..WorkflowQuery::default() };
    assert!(matches!(pair.a.list_workflows(other).await, Err(Error::Invalid(_))));
}

const HOSTILE: [&str; 14] = [
    "' OR 1=1 --",
    "'; DROP TABLE workflows; --",
    "\" OR \"\"=\"",
    "%",
    "_",
    "$.team",
    "team\") = 'red' OR (\"",
    "x') UNION SELECT * FROM streams --",
    "\\",
    "[\"a\"]",
    "{\"a\":1}",
    "?1",
    "\u{202e}",
    "w.name",
];

/// Hostile text in any filter, name or cursor is text.
pub async fn v36_filters_are_not_sql(pair: Pair) {
    let rows = fill(&pair).await;
    for (number, text) in HOSTILE.into_iter().enumerate() {
        let text = text.to_owned();
        for query in hostile_queries(&text) {
            let page = pair.a.list_workflows(query.clone()).await.unwrap();
            assert!(page.items.is_empty(), "{query:?}");
        }
        let cursor = WorkflowQuery { cursor: Some(Cursor(text.clone())), ..WorkflowQuery::default() };
        assert!(matches!(pair.a.list_workflows(cursor).await, Err(Error::Invalid(_))), "{text}");
        assert_eq!(pair.a.get_workflow(&text, &text).await, Ok(None));
        assert_eq!(pair.a.get_manifest(&text, &text, &text).await, Ok(None));
        assert_eq!(pair.a.get_memo(&text, &text).await, Ok(None));
        assert!(pair.a.take(&text, 0).await.unwrap().is_empty());
        assert!(pair.a.lock_state(&text).await.unwrap().holders.is_empty());
        let request = ClaimRequest::only(&text, TTL, at(1), stream("x"));
        let request = ClaimRequest { dead_owners: vec![text.clone()], ..request };
        assert!(pair.a.claim(request).await.unwrap().is_empty());
        let mut append = create(&format!("h{number}"), &text);
        append.create = Some(Create {
            namespace: text.clone(),
            name: text.clone(),
            idempotency_key: Some(text.clone()),
            lease: lease(&text),
        });
        append.workflow =
            Some(WorkflowRow { namespace: text.clone(), name: text.clone(), ..row(append.stream.key()) });
        done(&pair.a, append).await;
        assert_eq!(pair.b.get_workflow(&text, &text).await.unwrap().unwrap().name, text);
    }
    let all = pair.a.list_workflows(WorkflowQuery::default()).await.unwrap();
    assert_eq!(all.items.len(), rows.len() + HOSTILE.len());
    assert!(pair.a.verify().await.unwrap().is_clean());
}

fn hostile_queries(text: &str) -> Vec<WorkflowQuery> {
    let text = || text.to_owned();
    let base = WorkflowQuery::default;
    let labels = |term: LabelTerm| WorkflowQuery { labels: vec![term], ..base() };
    vec![
        WorkflowQuery { namespace: Some(text()), ..base() },
        WorkflowQuery { phases: vec![text()], ..base() },
        WorkflowQuery { phases: vec![text(), text()], ..base() },
        WorkflowQuery { name_prefix: Some(text()), ..base() },
        labels(LabelTerm::Equals(text(), text())),
        labels(LabelTerm::Equals("team".to_owned(), text())),
        labels(LabelTerm::In("team".to_owned(), vec![text()])),
        labels(LabelTerm::Exists(text())),
        WorkflowQuery { body_contains: vec![format!("hostile{}", text())], ..base() },
    ]
}
