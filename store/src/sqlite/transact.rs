//! One transaction of the writer, from its beginning to its end.
//! Deliberately refuses single requests and never all: what fails here fails for everybody.

use sqlx::SqliteConnection;

use super::plan::{Plan, Verdict};
use super::write::{self, Answer, Write};
use super::{flush, locks};
use crate::{Append, Appended, Epoch, Result, StreamId};

/// A transaction. Runs of appends are planned and written together, and so are runs of closes; the last of them goes to
/// SQLite together with `end`, the commit.
pub(super) async fn run(
    connection: &mut SqliteConnection,
    writes: &[Write],
    end: &'static str,
    results: &mut Vec<Result<Answer>>,
) -> sqlx::Result<()> {
    let mut rest = writes;
    let mut begin = writes.first().is_some_and(|first| as_append(first).is_some());
    if !begin {
        sqlx::query("BEGIN IMMEDIATE").execute(&mut *connection).await?;
    }
    while let Some(first) = rest.first() {
        let appends: Vec<&Append> = rest.iter().map_while(as_append).collect();
        let closes: Vec<(&StreamId, Epoch)> = rest.iter().map_while(as_close).collect();
        rest = rest.get((appends.len() + closes.len()).max(1)..).unwrap_or_default();
        if !appends.is_empty() {
            let mut plan = Plan::load(connection, &appends, std::mem::take(&mut begin)).await?;
            judge(connection, &appends, &mut plan, results).await?;
            if rest.is_empty() {
                return flush::write(connection, &plan, end).await;
            }
            flush::write(connection, &plan, "").await?;
        } else if !closes.is_empty() {
            results.extend(write::close(connection, &closes).await?);
        } else {
            results.push(write::run(connection, first).await?);
        }
    }
    sqlx::query(end).execute(connection).await?;
    Ok(())
}

fn as_close(write: &Write) -> Option<(&StreamId, Epoch)> {
    if let Write::Close { stream, epoch } = write { Some((stream, *epoch)) } else { None }
}

fn as_append(write: &Write) -> Option<&Append> {
    if let Write::Append(append) = write { Some(append) } else { None }
}

/// Adds the appends to the plan, and says what comes of each once that is written.
async fn judge<'a>(
    connection: &mut SqliteConnection,
    appends: &[&'a Append],
    plan: &mut Plan<'a>,
    results: &mut Vec<Result<Answer>>,
) -> sqlx::Result<()> {
    for append in appends {
        let result = match plan.check(append) {
            Err(error) => Err(error),
            Ok(Verdict::Answer(appended)) => Ok(appended),
            Ok(Verdict::Go(stream)) => {
                let locked = if append.locks.is_empty() {
                    Ok(())
                } else {
                    locks::apply(connection, stream, append).await?
                };
                locked.and_then(|()| plan.add(append)).map(Appended::Done)
            }
        };
        results.push(result.map(Answer::Appended));
    }
    Ok(())
}
