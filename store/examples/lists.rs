//! Measures lists over a million workflows: what fits, what hardly fits, what nothing fits, pages deep inside.
//! Deliberately no test: numbers depend on the machine. The last column is a limit of the same run: how long SQLite
//! takes to read every row once.
//!
//! `cargo run --release -p runner-store --example lists -- [ROWS] [FILE]` (a file that exists is used again)
#![expect(clippy::unwrap_used, reason = "a measurement")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use runner_store::conformance::create;
use runner_store::{
    Catalog as _, DurationRange, Journal as _, LabelTerm, Maintenance as _, Options, SqliteStore, TimeRange,
    WorkflowQuery,
};

fn at(seconds: usize) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + i64::try_from(seconds).unwrap()).unwrap()
}

async fn fill(store: &SqliteStore, rows: usize) {
    let start = Instant::now();
    for first in (0..rows).step_by(2_000) {
        let one = async |number: usize| {
            let uid = format!("{number:08x}-0000-4000-8000-000000000000");
            let mut append = create(&uid, "bench");
            let name = format!("{}-{number:07}", ["build", "deploy", "nightly", "report"][number % 4]);
            append.create.as_mut().unwrap().name.clone_from(&name);
            let row = append.workflow.as_mut().unwrap();
            row.name = name;
            row.phase = if number.is_multiple_of(1000) { "Failed" } else { "Succeeded" }.to_owned();
            row.created_at = at(number * 10);
            row.started_at = Some(at(number * 10));
            row.finished_at =
                Some(at(number * 10 + if number.is_multiple_of(5_000) { 1_000 } else { number % 300 }));
            row.labels = BTreeMap::from([
                ("team".to_owned(), format!("team-{}", number % 20)),
                ("ticket".to_owned(), format!("T-{}", number / 50)),
                ("workflows.argoproj.io/phase".to_owned(), row.phase.clone()),
                ("workflows.argoproj.io/completed".to_owned(), "true".to_owned()),
            ]);
            let env = ["prod", "test", "dev"][number % 3];
            row.body = format!("{{\"priority\":0,\"parameters\":{{\"env\":\"{env}\",\"n\":\"v{number}\"}}}}")
                .into_bytes();
            store.append(append).await.unwrap();
        };
        futures(first, rows.min(first + 2_000), one).await;
    }
    println!("{rows} workflows written in {:.0?}\n", start.elapsed());
}

/// Many at once, so that they share commits.
async fn futures<F: AsyncFn(usize)>(from: usize, to: usize, one: F) {
    let mut waiting: Vec<std::pin::Pin<Box<dyn Future<Output = ()> + '_>>> =
        (from..to).map(|number| Box::pin(one(number)) as _).collect();
    std::future::poll_fn(|context| {
        waiting.retain_mut(|future| future.as_mut().poll(context).is_pending());
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    })
    .await;
}

fn questions(rows: usize) -> Vec<(&'static str, WorkflowQuery)> {
    let base =
        || WorkflowQuery { namespace: Some("default".to_owned()), limit: 100, ..WorkflowQuery::default() };
    let label = |key: &str, value: &str| WorkflowQuery {
        labels: vec![LabelTerm::Equals(key.to_owned(), value.to_owned())],
        ..base()
    };
    let longer = |seconds: i64| DurationRange {
        from: Some(SignedDuration::from_secs(seconds)),
        to: None,
        now: at(rows * 10),
    };
    vec![
        ("newest", base()),
        ("phase Failed (1 of 1,000)", WorkflowQuery { phases: vec!["Failed".to_owned()], ..base() }),
        (
            "phases Failed, Error",
            WorkflowQuery { phases: vec!["Failed".to_owned(), "Error".to_owned()], ..base() },
        ),
        ("phase Running (none)", WorkflowQuery { phases: vec!["Running".to_owned()], ..base() }),
        ("label team (1 of 20)", label("team", "team-7")),
        ("label ticket (50)", label("ticket", "T-77")),
        ("label nobody has", label("ticket", "none")),
        ("prefix build- (1 of 4)", WorkflowQuery { name_prefix: Some("build-".to_owned()), ..base() }),
        ("prefix of ten", WorkflowQuery { name_prefix: Some("build-00012".to_owned()), ..base() }),
        ("prefix nobody has", WorkflowQuery { name_prefix: Some("none-".to_owned()), ..base() }),
        ("longer than 10m (1 of 5,000)", WorkflowQuery { duration: Some(longer(600)), ..base() }),
        (
            "longer than 10m and Failed",
            WorkflowQuery { duration: Some(longer(600)), phases: vec!["Failed".to_owned()], ..base() },
        ),
        (
            "created in an hour long ago",
            WorkflowQuery { created: TimeRange { from: Some(at(5_000)), to: Some(at(8_600)) }, ..base() },
        ),
        ("parameter of 1 in 3", WorkflowQuery { body_contains: vec!["\"prod\"".to_owned()], ..base() }),
        (
            "parameter of one (reads all)",
            WorkflowQuery { body_contains: vec!["\"v77\"".to_owned()], ..base() },
        ),
        ("another namespace (none)", WorkflowQuery { namespace: Some("other".to_owned()), ..base() }),
    ]
}

async fn timed(store: &SqliteStore, query: &WorkflowQuery) -> (Duration, Duration, usize) {
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..5 {
        let start = Instant::now();
        found = store.list_workflows(query.clone()).await.unwrap().items.len();
        times.push(start.elapsed());
    }
    let first = times[0];
    times.sort();
    (first, times[2], found)
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let rows: usize = args.next().map_or(1_000_000, |text| text.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = args.next().map_or_else(|| directory.path().join("lists.db"), PathBuf::from);
    let exists = path.exists();
    let store = SqliteStore::open(&path, Options::default()).await.unwrap();
    if !exists {
        fill(&store, rows).await;
    }
    let all =
        WorkflowQuery { body_contains: vec!["\"nothing has this\"".to_owned()], ..WorkflowQuery::default() };
    let (_, limit, _) = timed(&store, &all).await;
    println!("{:<32} {:>6} {:>12} {:>12} {:>10}", "question", "rows", "first", "median", "of reading");
    for (name, query) in questions(rows) {
        let (first, median, found) = timed(&store, &query).await;
        let part = median.as_secs_f64() / limit.as_secs_f64();
        println!("{name:<32} {found:>6} {first:>12.2?} {median:>12.2?} {:>9.2}%", part * 100.0);
    }
    let mut query = WorkflowQuery { limit: 1000, ..WorkflowQuery::default() };
    let (start, mut pages) = (Instant::now(), 0);
    while pages < 100 {
        let page = store.list_workflows(query.clone()).await.unwrap();
        pages += 1;
        query.cursor = page.next;
        if query.cursor.is_none() {
            break;
        }
    }
    println!("\n{pages} pages of 1,000 one after the other: {:.2?}", start.elapsed());
    println!("reading every row once: {limit:.2?}");
    store.shutdown().await.unwrap();
}
