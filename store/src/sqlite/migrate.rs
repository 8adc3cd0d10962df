//! Brings a database to the schema of this binary, one version at a time, each all or nothing.
//! Deliberately has no way back: an older binary refuses a newer file and leaves it alone.

use sqlx::{Connection as _, SqliteConnection};

use super::codes;
use crate::{Error, Result};

/// The migrations in order; the version of the first is 1. Released ones never change.
pub(super) const MIGRATIONS: &[&str] = &[
    include_str!("../../migrations/0001_initial.sql"),
    include_str!("../../migrations/0002_lists.sql"),
    include_str!("../../migrations/0003_due_by_kind.sql"),
    include_str!("../../migrations/0004_counters.sql"),
];

/// Marks the file as ours: "RNNR".
const APPLICATION_ID: i64 = 0x524E_4E52;

const VERSION_TABLE: &str = "CREATE TABLE IF NOT EXISTS schema_version \
     (version INTEGER PRIMARY KEY, statements INTEGER NOT NULL) STRICT";

/// The version of the file: 0 when it is empty. Only reads.
///
/// # Errors
/// [`Error::SchemaTooNew`], or [`Error::Corrupt`] when it is some other program's database.
pub(super) async fn check(connection: &mut SqliteConnection, migrations: &[&str]) -> Result<u32> {
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM sqlite_schema")
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| codes::error(&e))?;
    if tables == 0 {
        return Ok(0);
    }
    let id: i64 = sqlx::query_scalar("PRAGMA application_id")
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| codes::error(&e))?;
    if id != APPLICATION_ID {
        return Err(Error::Corrupt("not a database of this program".to_owned()));
    }
    let found: i64 = sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM schema_version")
        .fetch_one(&mut *connection)
        .await
        .map_err(|e| codes::error(&e))?;
    let found = u32::try_from(found).map_err(|_| Error::Corrupt(format!("schema version {found}")))?;
    let supported = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    if found > supported { Err(Error::SchemaTooNew { found, supported }) } else { Ok(found) }
}

/// Applies what is missing. Several processes may do this at once: the version is read again inside each
/// transaction.
pub(super) async fn apply(connection: &mut SqliteConnection, migrations: &[&str]) -> Result<()> {
    while (check(connection, migrations).await? as usize) < migrations.len() {
        let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await.map_err(|e| codes::error(&e))?;
        let version = check(&mut transaction, migrations).await?;
        let Some(migration) = migrations.get(version as usize) else { continue };
        let statements = split(migration);
        let run = |sql: &str| sqlx::query(sqlx::AssertSqlSafe(sql.to_owned()));
        run(VERSION_TABLE).execute(&mut *transaction).await.map_err(|e| codes::error(&e))?;
        for statement in &statements {
            run(statement)
                .execute(&mut *transaction)
                .await
                .map_err(|e| failed(version + 1, statement, &e))?;
        }
        sqlx::query("INSERT INTO schema_version (version, statements) VALUES (?, ?)")
            .bind(i64::from(version) + 1)
            .bind(i64::try_from(statements.len()).unwrap_or(i64::MAX))
            .execute(&mut *transaction)
            .await
            .map_err(|e| codes::error(&e))?;
        run(&format!("PRAGMA application_id = {APPLICATION_ID}"))
            .execute(&mut *transaction)
            .await
            .map_err(|e| codes::error(&e))?;
        transaction.commit().await.map_err(|e| codes::error(&e))?;
    }
    Ok(())
}

fn failed(version: u32, statement: &str, error: &sqlx::Error) -> Error {
    let first: String = statement.lines().find(|line| !line.starts_with("--")).unwrap_or("").to_owned();
    match codes::error(error) {
        Error::Io(text) | Error::Invalid(text) => {
            Error::Corrupt(format!("migration {version} failed at `{first}`: {text}"))
        }
        other => other,
    }
}

/// The statements of a migration: each ends with a semicolon at the end of a line.
pub(super) fn split(migration: &str) -> Vec<&str> {
    migration.split(";\n").map(str::trim).filter(|statement| !statement.is_empty()).collect()
}
