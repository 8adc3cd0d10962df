//! Physical limits: what the disk, SQLite and the kernel allow when nothing but the essential is done.
//! Holds no logic of workflows.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Instant;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use tokio::runtime::Runtime;

use super::measure::{Inside, Run, Sample, Side};
use super::work::FULL;
use crate::binary::Home;

/// Size to which the log is grown first, as the engine does.
const WAL_BYTES: u64 = 32 << 20;

fn runtime() -> Result<&'static Runtime, String> {
    static RUNTIME: OnceLock<Result<Runtime, String>> = OnceLock::new();
    let build = || tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string());
    RUNTIME.get_or_init(build).as_ref().map_err(Clone::clone)
}

const SCHEMA: &str = "
CREATE TABLE events (run INTEGER, seq INTEGER, at INTEGER, body BLOB, PRIMARY KEY (run, seq)) STRICT, WITHOUT ROWID;
CREATE TABLE state (run INTEGER, node INTEGER, as_of INTEGER, body BLOB, PRIMARY KEY (run, node)) STRICT, WITHOUT ROWID;
CREATE TRIGGER follow AFTER INSERT ON events BEGIN
  INSERT INTO state VALUES (new.run, new.seq, new.seq, new.body) ON CONFLICT DO UPDATE SET as_of = new.seq;
END;";
/// One event row of 120 bytes and one row of state, in one statement and one commit.
const ONE: &str = "INSERT INTO events VALUES (1, ?1, 0, zeroblob(120))";
/// So many of them at once.
const BATCH: &str = "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1 + ?2) \
     INSERT INTO events SELECT 1, i, 0, zeroblob(120) FROM n";

/// The same with keys all over the tree, as many workflows at once make them.
const SCATTERED: &str = "WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?1 + ?2) \
     INSERT INTO events SELECT 2 + (i * 7919) % 100003, i, 0, zeroblob(120) FROM n";

async fn open(path: &Path) -> sqlx::Result<SqliteConnection> {
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(true);
    let mut connection = options
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "FULL")
        .disable_statement_logging()
        .connect()
        .await?;
    sqlx::raw_sql(SCHEMA).execute(&mut connection).await?;
    // Grown, synced and recycled: a commit overwrites allocated blocks (fresh ones cost twice as much).
    let grow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1) \
                INSERT INTO events SELECT 0, i, 0, zeroblob(4000) FROM n";
    sqlx::query("PRAGMA wal_autocheckpoint = 0").execute(&mut connection).await?;
    let rows = i64::try_from(WAL_BYTES / 8192).unwrap_or(4096);
    sqlx::query(grow).bind(rows).execute(&mut connection).await?;
    sqlx::query("PRAGMA wal_checkpoint(RESTART)").execute(&mut connection).await?;
    sqlx::query("PRAGMA wal_autocheckpoint = 4000").execute(&mut connection).await?;
    Ok(connection)
}

async fn insert(
    connection: &mut SqliteConnection,
    sql: &'static str,
    count: i64,
    batch: i64,
) -> sqlx::Result<()> {
    let mut at = 0;
    while at < count {
        let size = batch.min(count - at);
        let query = sqlx::query(sql).bind(at);
        let query = if batch == 1 { query } else { query.bind(size) };
        query.execute(&mut *connection).await?;
        at += size;
    }
    Ok(())
}

/// What the store of a home says about the times of a run.
pub fn inside(store: &Path) -> Option<Inside> {
    const NODES: &str = "SELECT finished_at FROM nodes WHERE finished_at IS NOT NULL ORDER BY 1";
    const WHOLE: &str = "SELECT max(finished_at) - min(created_at) FROM workflows";
    let read = async {
        let options = SqliteConnectOptions::new().filename(store).read_only(true);
        let mut connection = options.connect().await?;
        let ends: Vec<i64> = sqlx::query_scalar(NODES).fetch_all(&mut connection).await?;
        let whole: Option<i64> = sqlx::query_scalar(WHOLE).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>((ends, whole))
    };
    let (ends, whole) = runtime().ok()?.block_on(read).ok()?;
    let mut gaps: Vec<i64> = ends.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    let microseconds =
        |at: usize| gaps.get(at).map_or(0.0, |gap| i32::try_from(*gap).map_or(0.0, f64::from) / 1e3);
    Some(Inside {
        engine_ms: f64::from(u32::try_from(whole? / 1_000).ok()?) / 1e3,
        gap_p50_us: microseconds(gaps.len() / 2),
        gap_p99_us: microseconds(gaps.len() * 99 / 100),
    })
}

fn commits(sql: &'static str, count: usize, batch: i64) -> Result<Sample, String> {
    let home = Home::new("default")?;
    let rows = i64::try_from(count).map_err(|error| error.to_string())?;
    let measured = runtime()?.block_on(async {
        let mut connection = open(&home.folder().join("limit.db")).await?;
        let began = Instant::now();
        insert(&mut connection, sql, rows, batch).await?;
        let seconds = began.elapsed().as_secs_f64();
        connection.close().await?;
        Ok::<_, sqlx::Error>(seconds)
    });
    let seconds = measured.map_err(|error: sqlx::Error| error.to_string())?;
    Ok(Sample { seconds, units: float(count), ..Sample::default() })
}

/// A count as a number.
pub fn float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

fn limit(name: &str, durability: &'static str, run: Run) -> Side {
    Side { name: name.to_owned(), durability, ours: false, run }
}

/// One event row and one state row per commit, one commit after the other.
pub fn single_commits(count: usize) -> Side {
    limit("limit: SQLite, 1 step per commit", FULL, Box::new(move || commits(ONE, count, 1)))
}

/// The same, 512 steps per commit, keys in order.
pub fn batched_commits(count: usize) -> Side {
    limit(
        "limit: SQLite, 512 steps per commit, keys in order",
        FULL,
        Box::new(move || commits(BATCH, count, 512)),
    )
}

/// The same with keys all over the tree: what the targets of the plan are made for.
pub fn scattered_commits(count: usize) -> Side {
    let run = Box::new(move || commits(SCATTERED, count, 512));
    limit("limit: SQLite, 512 steps per commit, scattered keys", FULL, run)
}

/// One row for each event, as many in a commit as requests are in flight; what is durable when they are answered.
pub fn event_commits(count: usize, in_flight: usize) -> Side {
    let batch = i64::try_from(in_flight).unwrap_or(1);
    let sql = if in_flight == 1 { ONE } else { SCATTERED };
    let name = format!("limit: SQLite, {in_flight} events per commit");
    limit(&name, FULL, Box::new(move || commits(sql, count, batch)))
}

/// Workflows of a store that have ended; none while it cannot be read.
pub fn finished(store: &Path) -> Option<usize> {
    const SQL: &str = "SELECT count(*) FROM workflows WHERE finished_at IS NOT NULL";
    let read = async {
        let mut connection = SqliteConnectOptions::new().filename(store).read_only(true).connect().await?;
        let count: i64 = sqlx::query_scalar(SQL).fetch_one(&mut connection).await?;
        connection.close().await?;
        Ok::<_, sqlx::Error>(count)
    };
    usize::try_from(runtime().ok()?.block_on(read).ok()?).ok()
}

fn shell() -> Result<std::process::Child, String> {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", "true"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().map_err(|error| format!("sh: {error}"))
}

/// Spawns `sh -c true` with two pipes, drains them and waits, so many in flight.
pub fn spawns(count: usize, in_flight: usize) -> Side {
    let run = move || {
        let began = Instant::now();
        let mut running = std::collections::VecDeque::new();
        for _ in 0..count {
            if running.len() == in_flight {
                finish(running.pop_front())?;
            }
            running.push_back(shell()?);
        }
        running.into_iter().try_for_each(|child| finish(Some(child)))?;
        Ok(Sample { seconds: began.elapsed().as_secs_f64(), units: float(count), ..Sample::default() })
    };
    limit("limit: posix_spawn `sh -c true`, pipes drained", "none", Box::new(run))
}

fn finish(child: Option<std::process::Child>) -> Result<(), String> {
    match child.map(std::process::Child::wait_with_output) {
        Some(Err(error)) => Err(format!("sh: {error}")),
        Some(Ok(_)) | None => Ok(()),
    }
}

/// `sh -c true` and then one commit, one after the other: the least a durable engine can do.
pub fn spawn_and_commit(count: usize) -> Side {
    let run = move || {
        let home = Home::new("default")?;
        let runtime = runtime()?;
        let text = |error: sqlx::Error| error.to_string();
        let mut connection = runtime.block_on(open(&home.folder().join("limit.db"))).map_err(text)?;
        let began = Instant::now();
        for at in 0..count {
            finish(Some(shell()?))?;
            let query = sqlx::query(ONE).bind(i64::try_from(at).unwrap_or(0));
            runtime.block_on(query.execute(&mut connection)).map_err(text)?;
        }
        let seconds = began.elapsed().as_secs_f64();
        runtime.block_on(connection.close()).map_err(text)?;
        Ok(Sample { seconds, units: float(count), ..Sample::default() })
    };
    limit("limit: posix_spawn and 1 commit per step", FULL, Box::new(run))
}

/// `make` with a chain of targets (`-j1`) or with independent ones.
pub fn make(count: usize, jobs: usize) -> Side {
    let run = move || {
        let home = Home::new("default")?;
        let mut text = "all: ".to_owned();
        if jobs == 1 {
            text += &format!("t{}\n", count.saturating_sub(1));
        } else {
            (0..count).for_each(|at| text += &format!("t{at} "));
            text.push('\n');
        }
        for at in 0..count {
            let before = if jobs == 1 && at > 0 { format!("t{}", at - 1) } else { String::new() };
            text += &format!("t{at}: {before}\n\t@sh -c true\n");
        }
        std::fs::write(home.folder().join("Makefile"), text).map_err(|error| error.to_string())?;
        let began = Instant::now();
        let mut command = Command::new("make");
        command.arg(format!("-j{jobs}")).current_dir(home.folder()).stdout(Stdio::null());
        let status = command.status().map_err(|error| format!("make: {error}"))?;
        if !status.success() {
            return Err(format!("make: {status}"));
        }
        Ok(Sample { seconds: began.elapsed().as_secs_f64(), units: float(count), ..Sample::default() })
    };
    limit(&format!("peer: make -j{jobs}"), "none", Box::new(run))
}
