//! The one task that writes: takes what is waiting, commits it together, answers after the commit.
//! Deliberately retries nothing on the disk: after a failed write or sync it refuses everything.

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::Instant;

use sqlx::{Connection as _, SqliteConnection};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::write::{Answer, Write};
use super::{Options, codes, connect, transact};
use crate::{Append, Appended, Error, Result, fingerprint, limits, validate};

/// A request and where its answer goes.
pub(super) struct Request {
    pub(super) write: Write,
    pub(super) answer: oneshot::Sender<Result<Answer>>,
}

/// Ends a transaction.
pub(super) const COMMIT: &str = "COMMIT";

/// Pages a small commit dirties, in bytes; only used to decide when to checkpoint.
const COMMIT_BYTES: u64 = 16 * 1024;

pub(super) struct Writer {
    pub(super) connection: SqliteConnection,
    pub(super) path: PathBuf,
    pub(super) options: Options,
    pub(super) requests: mpsc::Receiver<Request>,
    /// Asks for a checkpoint beside the writer.
    pub(super) checkpoint: mpsc::Sender<()>,
    /// Set when one is done and a short one in here would finish it.
    pub(super) checkpointed: Arc<AtomicBool>,
    pub(super) written: u64,
    /// Whether the write-ahead log has not got its size yet.
    pub(super) log_grows: bool,
    /// The failure after which nothing is written any more.
    pub(super) dead: Option<Error>,
    #[cfg(test)]
    pub(super) faults: super::TestFaults,
}

/// How a transaction failed.
enum Failure {
    /// Nothing is durable.
    Before(sqlx::Error),
    /// Its answer was lost: what would have been answered may be durable.
    Lost(sqlx::Error, Vec<Result<Answer>>),
}

impl Writer {
    /// Runs on a thread of its own: it and the thread of its connection wake each other for every statement, which is
    /// dearer by way of the runtime's threads. The task ends with it.
    pub(super) fn start(self) -> Result<JoinHandle<()>> {
        let (runtime, (ended, end)) = (Handle::current(), oneshot::channel());
        let run = move || {
            runtime.block_on(self.run());
            // Nobody waits for a store that was not closed.
            let _ = ended.send(());
        };
        let thread = std::thread::Builder::new().name("store-writer".to_owned());
        thread.spawn(run).map_err(|e| Error::Io(format!("the writer's thread: {e}")))?;
        Ok(tokio::spawn(async move {
            // Without an answer it is gone as well.
            let _ = end.await;
        }))
    }

    /// Runs until every sender is gone and all requests are answered.
    async fn run(mut self) {
        let mut waiting = Vec::new();
        while self.log_grows && self.requests.is_empty() && !self.requests.is_closed() {
            self.grow_log().await;
        }
        while self.next(&mut waiting).await {
            while !waiting.is_empty() {
                let group: Vec<Request> = waiting.drain(..group_length(&waiting)).collect();
                self.commit_group(group).await;
            }
            while self.log_grows {
                self.grow_log().await;
                if !self.requests.is_empty() || self.requests.is_closed() {
                    break;
                }
            }
        }
        if let Err(error) = self.connection.close().await {
            tracing::warn!(%error, "closing the database");
        }
    }

    /// Takes what waits; false when nobody asks any more. What can wait is taken with the next that cannot.
    async fn next(&mut self, waiting: &mut Vec<Request>) -> bool {
        if self.requests.recv_many(waiting, limits::GROUP_COMMIT_MAX).await == 0 {
            return false;
        }
        let until = Instant::now() + limits::COMMIT_PATIENCE;
        while waiting.len() < limits::PATIENT_APPENDS && waiting.iter().all(|one| one.write.is_patient()) {
            let more = self.requests.recv_many(waiting, limits::GROUP_COMMIT_MAX);
            if !matches!(wait_until(more, until), Some(1..)) {
                break;
            }
        }
        true
    }

    async fn commit_group(&mut self, group: Vec<Request>) {
        let (writes, answers): (Vec<Write>, Vec<_>) = group.into_iter().map(|r| (r.write, r.answer)).unzip();
        let results = self.commit(&writes).await;
        for (answer, result) in answers.into_iter().zip(results) {
            // A caller that went away does not want to know.
            let _ = answer.send(result);
        }
        self.finish_checkpoint().await;
        self.written += COMMIT_BYTES + writes.iter().map(|w| 2 * w.bytes() as u64).sum::<u64>();
        if self.written >= limits::CHECKPOINT_AFTER_BYTES {
            self.written = 0;
            // When one is running already it will do.
            let _ = self.checkpoint.try_send(());
        }
    }

    /// Commits the requests together; when that fails for a reason that only one of them can have, one by one.
    async fn commit(&mut self, writes: &[Write]) -> Vec<Result<Answer>> {
        if let Some(error) = &self.dead {
            return writes.iter().map(|_| Err(error.clone())).collect();
        }
        let failure = match self.transaction(writes).await {
            Ok(results) => return results,
            Err(failure) => failure,
        };
        let (error, planned) = match failure {
            Failure::Before(error) => (error, None),
            Failure::Lost(error, planned) => (error, Some(planned)),
        };
        let told = codes::error(&error);
        if codes::is_disk_failure(&error) {
            tracing::error!(%error, "the database failed; refusing all further writes");
            self.dead = Some(told.clone());
            return writes.iter().map(|_| Err(told.clone())).collect();
        }
        if !codes::is_from_sqlite(&error) {
            return self.resolve(writes, planned, &told).await;
        }
        self.roll_back().await;
        if writes.len() == 1 || matches!(told, Error::Busy(_)) {
            return writes.iter().map(|_| Err(told.clone())).collect();
        }
        let mut results = Vec::with_capacity(writes.len());
        for write in writes {
            results.extend(Box::pin(self.commit(std::slice::from_ref(write))).await);
        }
        results
    }

    async fn transaction(&mut self, writes: &[Write]) -> std::result::Result<Vec<Result<Answer>>, Failure> {
        let mut results = Vec::with_capacity(writes.len());
        #[cfg(not(test))]
        let end = COMMIT;
        #[cfg(test)]
        let end = self.faults.end();
        let committed = transact::run(&mut self.connection, writes, end, &mut results).await;
        #[cfg(test)]
        let committed = self.faults.after_commit(committed);
        match committed {
            Ok(()) => Ok(results),
            // An error of SQLite leaves nothing behind, wherever it came from; but for failures of the disk.
            Err(error) if codes::is_from_sqlite(&error) || results.len() < writes.len() => {
                Err(Failure::Before(error))
            }
            Err(error) => Err(Failure::Lost(error, results)),
        }
    }

    /// One step; the next request waits for no more than that.
    async fn grow_log(&mut self) {
        let bytes = self.options.pregrow_wal_bytes;
        match connect::grow_log(&mut self.connection, &self.path, bytes).await {
            Ok(connect::Growth::Going) => {}
            Ok(connect::Growth::Done) => self.log_grows = false,
            Err(Error::Busy(reason)) => tracing::debug!(reason, "the log grows later"),
            Err(error) => {
                self.log_grows = false;
                tracing::error!(%error, "the database failed; refusing all further writes");
                self.dead.get_or_insert(error);
            }
        }
    }

    async fn roll_back(&mut self) {
        if let Err(error) = sqlx::query("ROLLBACK").execute(&mut self.connection).await {
            // SQLite has rolled back by itself after some errors; then there is nothing left to do.
            tracing::debug!(%error, "rollback");
        }
    }

    /// The answer to the commit was lost on the way: opens a fresh connection and looks what is there.
    async fn resolve(
        &mut self,
        writes: &[Write],
        planned: Option<Vec<Result<Answer>>>,
        told: &Error,
    ) -> Vec<Result<Answer>> {
        match connect::for_writing(&self.path, &self.options).await {
            Ok(fresh) => self.connection = fresh,
            Err(error) => {
                self.dead = Some(told.clone());
                tracing::error!(%error, "the database cannot be opened again; refusing all further writes");
                return writes.iter().map(|_| Err(told.clone())).collect();
            }
        }
        let Some(planned) = planned else { return writes.iter().map(|_| Err(told.clone())).collect() };
        let mut results = Vec::with_capacity(writes.len());
        for (write, result) in writes.iter().zip(planned) {
            let (Write::Append(append), Ok(Answer::Appended(Appended::Done(last)))) = (write, &result) else {
                results.push(if result.is_err() { result } else { Err(told.clone()) });
                continue;
            };
            let is_there = is_durable(&mut self.connection, append, last.0).await;
            results.push(if is_there.unwrap_or(false) { result } else { Err(told.clone()) });
        }
        results
    }

    /// After a checkpoint beside the writer only little is left; doing it here, where nobody writes, lets
    /// SQLite start again at the front of the log instead of growing it.
    async fn finish_checkpoint(&mut self) {
        if self.dead.is_none() && self.checkpointed.swap(false, Ordering::AcqRel) {
            let done = sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut self.connection).await;
            if let Err(error) = done {
                tracing::warn!(%error, "checkpoint");
            }
        }
    }
}

/// What a future gives, unless that takes too long. Blocks this thread, which is the writer's own, and needs no timer of
/// the runtime, which may be shut down.
fn wait_until<T>(future: impl Future<Output = T>, until: Instant) -> Option<T> {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(tokio::task::unconstrained(future));
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::park_timeout(left);
    }
}

/// How many of the waiting requests share the next commit.
fn group_length(waiting: &[Request]) -> usize {
    let mut weight = 0;
    for (count, request) in waiting.iter().enumerate() {
        weight += request.write.weight();
        if count > 0 && weight > limits::GROUP_COMMIT_MAX_RECORDS {
            return count;
        }
    }
    waiting.len()
}

/// Whether the last record of the append is in the journal, as it was given. An append without records leaves
/// nothing to recognize and counts as not written; the caller reloads.
async fn is_durable(connection: &mut SqliteConnection, append: &Append, last: u64) -> Result<bool> {
    let Some(record) = append.records.last() else { return Ok(false) };
    let found: Option<i64> = sqlx::query_scalar(
        "SELECT j.checksum FROM journal j JOIN streams s ON s.id = j.stream WHERE s.stream = ? AND j.seq = ?",
    )
    .bind(append.stream.as_str())
    .bind(last.cast_signed())
    .fetch_optional(connection)
    .await
    .map_err(|e| codes::error(&e))?;
    let at = validate::nanoseconds(append.at)?;
    let expected = fingerprint::of_record(append.stream.as_str(), last, &record.kind, at, &record.body);
    Ok(found == Some(i64::from(expected)))
}
