//! Moves committed pages from the write-ahead log into the database, beside the writer.
//! Deliberately passive: it waits for nobody and nobody waits for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::mpsc;

/// Checkpoints once per request until the writer is gone.
pub(super) async fn run(
    mut connection: SqliteConnection,
    mut requests: mpsc::Receiver<()>,
    done: Arc<AtomicBool>,
) {
    while requests.recv().await.is_some() {
        match sqlx::query("PRAGMA wal_checkpoint(PASSIVE)").execute(&mut connection).await {
            Ok(_) => done.store(true, Ordering::Release),
            Err(error) => tracing::warn!(%error, "checkpoint"),
        }
    }
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "closing the checkpoint connection");
    }
}
