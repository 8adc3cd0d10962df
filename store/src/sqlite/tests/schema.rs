//! Migrations: all or nothing, never backwards, several processes at once.
//! Deliberately uses a made-up later version than the last real one.

use super::*;
use crate::conformance::{at, create};
use crate::{Append, Catalog as _, ClaimRequest, Create, Epoch, Error, Maintenance as _};

const SECOND: &str = "CREATE TABLE added_one (a INTEGER) STRICT;\n\nALTER TABLE memo ADD COLUMN extra TEXT;\n\n\
     CREATE INDEX added_index ON added_one (a);\n";

/// The real migrations and one more.
fn and(later: &str) -> Vec<&str> {
    migrate::MIGRATIONS.iter().copied().chain([later]).collect()
}

async fn version_of(path: &Path) -> u32 {
    let mut connection = connect::for_inspection(path, &small()).await.unwrap();
    migrate::check(&mut connection, &and(SECOND)).await.unwrap()
}

async fn schema_of(path: &Path) -> Vec<String> {
    let mut connection = connect::for_inspection(path, &small()).await.unwrap();
    let sql = "SELECT coalesce(sql, name) FROM sqlite_schema ORDER BY name";
    sqlx::query_scalar(sql).fetch_all(&mut connection).await.unwrap()
}

#[tokio::test]
async fn f62_a_migration_that_fails_at_any_statement_leaves_the_old_version() {
    let (_directory, path, store) = fresh().await;
    store.append(create("w1", "a")).await.unwrap();
    store.shutdown().await.unwrap();
    let before = schema_of(&path).await;
    let statements = migrate::split(SECOND);
    assert_eq!(statements.len(), 3);
    for failing in 0..=statements.len() {
        let mut broken: Vec<&str> = statements.clone();
        broken.insert(failing, "INSERT INTO no_such_table VALUES (1)");
        let broken = format!("{};\n", broken.join(";\n"));
        let opened = SqliteStore::open_with(&path, small(), &and(&broken)).await;
        assert!(matches!(opened, Err(Error::Corrupt(_))), "{opened:?}");
        let real = u32::try_from(migrate::MIGRATIONS.len()).unwrap();
        assert_eq!((version_of(&path).await, schema_of(&path).await), (real, before.clone()), "{failing}");
        let old = SqliteStore::open(&path, small()).await.unwrap();
        assert_eq!(length(&old, "w1").await, 1);
        old.shutdown().await.unwrap();
    }
    let new = SqliteStore::open_with(&path, small(), &and(SECOND)).await.unwrap();
    assert_eq!(length(&new, "w1").await, 1);
    assert!(new.verify().await.unwrap().is_clean());
    assert_eq!(version_of(&path).await as usize, migrate::MIGRATIONS.len() + 1);
}

#[tokio::test]
async fn f62_a_first_migration_that_fails_leaves_an_empty_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    for cut in [1, 7, 20] {
        let mut broken: Vec<&str> = migrate::split(migrate::MIGRATIONS[0]);
        broken.insert(cut, "SELECT no_such_function()");
        let broken = format!("{};\n", broken.join(";\n"));
        assert!(SqliteStore::open_with(&path, small(), &[&broken]).await.is_err());
        assert!(schema_of(&path).await.is_empty());
    }
    let store = SqliteStore::open(&path, small()).await.unwrap();
    store.append(create("w1", "a")).await.unwrap();
}

#[tokio::test]
async fn f63_an_older_binary_refuses_a_newer_schema_and_leaves_it_alone() {
    let (_directory, path, store) = fresh().await;
    store.append(create("w1", "a")).await.unwrap();
    store.shutdown().await.unwrap();
    let newer = and(SECOND);
    SqliteStore::open_with(&path, small(), &newer).await.unwrap().shutdown().await.unwrap();
    let before = std::fs::read(&path).unwrap();
    for _ in 0..2 {
        let refused = SqliteStore::open(&path, small()).await;
        let supported = u32::try_from(migrate::MIGRATIONS.len()).unwrap();
        assert_eq!(refused.unwrap_err(), Error::SchemaTooNew { found: supported + 1, supported });
    }
    assert!(std::fs::read(&path).unwrap() == before);
    let store = SqliteStore::open_with(&path, small(), &newer).await.unwrap();
    assert_eq!(length(&store, "w1").await, 1);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("other.db");
    place::prepare(&path, false).unwrap();
    execute(&path, "CREATE TABLE theirs (a)").await;
    let before = std::fs::read(&path).unwrap();
    let refused = SqliteStore::open(&path, small()).await;
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
    assert!(std::fs::read(&path).unwrap() == before);
    let text = directory.path().join("text.db");
    std::fs::write(&text, "this is not a database, and long enough to be recognized as none".repeat(20))
        .unwrap();
    let refused = SqliteStore::open(&text, small()).await;
    assert!(matches!(refused, Err(Error::Corrupt(_))), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_openers_of_a_new_database_agree() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a").join("b").join("store.db");
    let mut tasks = Vec::new();
    for number in 0..12 {
        let path = path.clone();
        tasks.push(tokio::spawn(async move {
            let store = SqliteStore::open(&path, small()).await.unwrap();
            store.append(create(&format!("w{number}"), "a")).await.unwrap();
            store
        }));
    }
    let mut stores = Vec::new();
    for task in tasks {
        stores.push(task.await.unwrap());
    }
    assert_eq!(stores[0].streams(None, 0).await.unwrap().len(), 12);
    assert!(stores[0].verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn f62_rows_of_the_first_version_are_found_by_label_after_the_migration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let label = crate::LabelTerm::Equals("team".to_owned(), "red".to_owned());
    let query = crate::WorkflowQuery { labels: vec![label], ..crate::WorkflowQuery::default() };
    let old = SqliteStore::open_with(&path, small(), &migrate::MIGRATIONS[..1]).await.unwrap();
    let mut append = create("w1", "a");
    let labels = [("team".to_owned(), "red".to_owned())].into();
    append.workflow.as_mut().unwrap().labels = labels;
    old.append(append).await.unwrap();
    old.shutdown().await.unwrap();
    let new = SqliteStore::open(&path, small()).await.unwrap();
    assert_eq!(new.list_workflows(query).await.unwrap().items.len(), 1);
    assert!(new.verify().await.unwrap().is_clean());
}

#[tokio::test]
async fn f62_wakeups_of_the_second_version_are_due_by_kind_after_the_migration() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let old = SqliteStore::open_with(&path, small(), &migrate::MIGRATIONS[..2]).await.unwrap();
    let mut free = Append { epoch: Epoch::ZERO, ..create("w1", "a") };
    free.create = free.create.map(|create| Create { lease: None, ..create });
    old.append(free).await.unwrap();
    old.shutdown().await.unwrap();
    execute(&path, "INSERT INTO wakeups (stream, due_at) SELECT id, 5 FROM streams").await;
    let new = SqliteStore::open(&path, small()).await.unwrap();
    let of = |kind: &str| ClaimRequest {
        kind: Some(kind.to_owned()),
        ..ClaimRequest::due("b", std::time::Duration::from_secs(9), at(9), 0)
    };
    assert!(new.claim(of("event")).await.unwrap().is_empty());
    assert_eq!(new.claim(of("workflow")).await.unwrap().len(), 1);
    assert!(new.verify().await.unwrap().is_clean());
}

/// There may be a hundred thousand of them: only the first are looked at, of whatever kind the others are.
#[tokio::test]
async fn what_is_due_is_claimed_without_a_look_at_all_streams() {
    let (_directory, path, _store) = fresh().await;
    let mut connection = connect::for_inspection(&path, &small()).await.unwrap();
    let plan = format!("EXPLAIN QUERY PLAN {}", crate::sqlite::write::CLAIM_DUE);
    let query = sqlx::query_as(sqlx::AssertSqlSafe(plan)).bind(1_i64).bind("[]").bind(64_i64).bind("event");
    let rows: Vec<(i64, i64, i64, String)> = query.fetch_all(&mut connection).await.unwrap();
    let of_all = |step: &str| {
        ["s", "l", "w", "streams", "wakeups"]
            .iter()
            .any(|t| step.starts_with(&format!("SCAN {t} ")) || step == format!("SCAN {t}"))
    };
    let scans: Vec<&String> = rows.iter().map(|(.., step)| step).filter(|step| of_all(step)).collect();
    assert!(scans.is_empty(), "{scans:?} in {rows:#?}");
    assert!(
        rows.iter().any(|(.., step)| step.contains("INDEX wakeups_kind_due (kind=? AND due_at<?)")),
        "{rows:#?}"
    );
}

#[test]
fn every_statement_of_every_migration_is_found() {
    for migration in migrate::MIGRATIONS {
        let semicolons = migration.lines().filter(|line| line.ends_with(';')).count();
        assert_eq!(migrate::split(migration).len(), semicolons);
        assert!(migration.ends_with(";\n"));
    }
}
