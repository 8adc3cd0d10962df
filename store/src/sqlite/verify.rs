//! Checks a whole database, and makes a copy of it while it is in use.
//! Deliberately repairs nothing; what is wrong is listed.

use std::path::Path;

use sqlx::sqlite::SqlitePool;
use sqlx::{Connection as _, SqliteConnection};

use super::{codes, place, read};
use crate::{Digest, Error, Result, Seq, StreamInfo, StreamProblem, VerifyReport, limits};

/// Looks at every page, record and blob.
pub(super) async fn verify(readers: &SqlitePool) -> Result<VerifyReport> {
    let mut report = VerifyReport::default();
    let answers: sqlx::Result<Vec<String>> =
        sqlx::query_scalar("PRAGMA quick_check").fetch_all(readers).await;
    match answers {
        Ok(lines) => report.database = lines.into_iter().filter(|line| line != "ok").collect(),
        Err(error) => report.database.push(error.to_string()),
    }
    let mut after = String::new();
    loop {
        let streams = match read::streams(readers, &after, limits::PAGE_MAX_ROWS).await {
            Ok(streams) => streams,
            Err(error) => {
                report.database.push(error.to_string());
                break;
            }
        };
        let Some(last) = streams.last() else { break };
        last.stream.as_str().clone_into(&mut after);
        for stream in &streams {
            verify_stream(readers, stream, &mut report).await;
        }
    }
    if let Err(error) = verify_rest(readers, &mut report).await {
        report.database.push(error.to_string());
    }
    Ok(report)
}

async fn verify_stream(readers: &SqlitePool, info: &StreamInfo, report: &mut VerifyReport) {
    report.streams += 1;
    let mut problem = |problem: String| {
        report.problems.push(StreamProblem { stream: info.stream.to_string(), problem });
    };
    let mut seq = Seq::ZERO;
    while seq < info.last_seq {
        match read::records(readers, &info.stream, seq, limits::READ_MAX_RECORDS).await {
            Ok(records) => match records.last() {
                Some(last) => seq = last.seq,
                None => break,
            },
            Err(error) => {
                problem(error.to_string());
                break;
            }
        }
    }
    let ahead: sqlx::Result<i64> = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM workflows w WHERE w.stream = s.id AND w.as_of > ?2) \
         + (SELECT count(*) FROM nodes n WHERE n.stream = s.id AND n.as_of > ?2) \
         FROM streams s WHERE s.stream = ?1",
    )
    .bind(info.stream.as_str())
    .bind(info.last_seq.0.cast_signed())
    .fetch_one(readers)
    .await;
    match ahead {
        Ok(0) | Err(sqlx::Error::RowNotFound) => {}
        Ok(rows) => problem(format!("{rows} projection rows are ahead of the journal")),
        Err(error) => problem(error.to_string()),
    }
    report.records += seq.0;
}

/// Blobs, and rows that belong to no stream.
async fn verify_rest(readers: &SqlitePool, report: &mut VerifyReport) -> Result<()> {
    let mut problem = |stream: &str, problem: String| {
        report.problems.push(StreamProblem { stream: stream.to_owned(), problem });
    };
    let orphans: i64 = sqlx::query_scalar(
        "SELECT count(DISTINCT stream) FROM journal WHERE stream NOT IN (SELECT id FROM streams)",
    )
    .fetch_one(readers)
    .await
    .map_err(|e| codes::error(&e))?;
    if orphans > 0 {
        problem("", format!("records of {orphans} unknown streams"));
    }
    let mut last = 0_i64;
    loop {
        let next: Option<(i64, Vec<u8>, Vec<u8>)> =
            sqlx::query_as("SELECT id, digest, bytes FROM blobs WHERE id > ? ORDER BY id LIMIT 1")
                .bind(last)
                .fetch_optional(readers)
                .await
                .map_err(|e| codes::error(&e))?;
        let Some((id, digest, bytes)) = next else { return Ok(()) };
        last = id;
        report.blobs += 1;
        if Digest::of(&bytes).as_bytes()[..] != digest[..] {
            problem("", format!("blob {id} is damaged"));
        }
    }
}

/// A consistent copy at `target`: written under another name, synced, then linked into place.
pub(super) async fn backup(mut connection: SqliteConnection, target: &Path) -> Result<()> {
    if target.exists() {
        return Err(Error::Invalid(format!("{} exists", target.display())));
    }
    let directory = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        Some(_) | None => ".".into(),
    };
    let draft = place::beside(target, ".partial");
    remove_draft(&draft)?;
    place::create_private(&draft, &directory)?;
    let text = draft.to_str().ok_or_else(|| Error::Invalid("the path is not UTF-8".to_owned()))?;
    let copied = sqlx::query("VACUUM INTO ?").bind(text).execute(&mut connection).await;
    let closed = connection.close().await;
    if let Err(error) = copied.map(|_| ()).and(closed) {
        remove_draft(&draft)?;
        return Err(codes::error(&error));
    }
    let io = |e: std::io::Error| Error::Io(format!("{}: {e}", target.display()));
    std::fs::File::open(&draft).and_then(|file| file.sync_all()).map_err(io)?;
    let linked = std::fs::hard_link(&draft, target);
    remove_draft(&draft)?;
    linked.map_err(io)?;
    place::sync_directory(&directory)
}

fn remove_draft(draft: &Path) -> Result<()> {
    match std::fs::remove_file(draft) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(Error::Io(format!("{}: {error}", draft.display())))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
