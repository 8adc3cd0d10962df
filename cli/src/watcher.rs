//! Looks at a workflow again and again, whichever process runs it.
//! Does not show anything.

use std::sync::Arc;

use runner_controller::{Controller, Snapshot};
use tokio::sync::watch;

use crate::catalog::Loaded;
use crate::exit::{Code, Failure, Result};

/// Where a workflow is looked at.
pub struct Watcher {
    snapshots: watch::Receiver<Arc<Snapshot>>,
    /// Following ends with the controller.
    _controller: Controller,
}

impl Watcher {
    /// Follows a workflow through a controller.
    pub async fn open(controller: Controller, uid: &str) -> Result<Self> {
        let snapshots = controller.subscribe(uid).await?;
        Ok(Self { snapshots, _controller: controller })
    }

    /// The workflow as it is now.
    pub fn look(&mut self) -> Loaded {
        let snapshot = Arc::clone(&self.snapshots.borrow_and_update());
        Loaded::new(&snapshot, false)
    }

    /// Waits until there is something new.
    pub async fn changed(&mut self) -> Result<()> {
        let gone = |_| {
            Failure::new(
                Code::Failed,
                "the workflow cannot be followed any more: it was deleted, or its engine failed",
            )
        };
        self.snapshots.changed().await.map_err(gone)
    }
}
