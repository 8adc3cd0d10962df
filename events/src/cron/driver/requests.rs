//! What people ask of a CronWorkflow: its status, suspend, resume, a tick by hand, deletion.
//! Each is one turn that any process can take; none needs `cron run`.

use jiff::Timestamp;
use runner_store::{Catalog, Journal, Maintenance, Manifest, StreamId};

use super::error::{Error, Result};
use super::{Crons, KIND, stream};
use crate::cron::machine::{How, Input, Status, child_name, decide, fold};

/// The run of a tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Started {
    /// Its name.
    pub name: String,
    /// Its unique id; empty when it was deleted meanwhile.
    pub uid: String,
    /// The tick fired before.
    pub existing: bool,
}

impl Crons {
    async fn manifest(&self, namespace: &str, name: &str) -> Result<Manifest> {
        let found = Catalog::get_manifest(self.store.as_ref(), KIND, namespace, name).await?;
        found.ok_or_else(|| Error::NotFound(name.to_owned()))
    }

    /// The status, as if the manifest had just been seen. Writes nothing.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], what the store says.
    pub async fn status(&self, namespace: &str, name: &str) -> Result<Status> {
        let manifest = self.manifest(namespace, name).await?;
        let mut status = self.look(&StreamId::cron(namespace, name)?).await?;
        for fact in decide(&status, stream::applied(&manifest)?, self.clock.now())? {
            fold(&mut status, &fact)?;
        }
        Ok(status)
    }

    /// No ticks fire until it is resumed.
    ///
    /// # Errors
    /// As [`Self::status`]; [`Error::Busy`].
    pub async fn suspend(&self, namespace: &str, name: &str, by: &str) -> Result<()> {
        self.tell(namespace, name, Input::Suspend { by: by.to_owned() }).await.map(drop)
    }

    /// Ticks fire again.
    ///
    /// # Errors
    /// As [`Self::suspend`].
    pub async fn resume(&self, namespace: &str, name: &str, by: &str) -> Result<()> {
        self.tell(namespace, name, Input::Resume { by: by.to_owned() }).await.map(drop)
    }

    /// Takes the manifest into effect, and then a request.
    async fn tell(&self, namespace: &str, name: &str, input: Input) -> Result<Status> {
        let manifest = self.manifest(namespace, name).await?;
        let stream = StreamId::cron(namespace, name)?;
        self.forget_if_older(&stream, manifest.created_at).await;
        self.turn(&stream, vec![stream::applied(&manifest)?, input]).await
    }

    /// Fires a tick whatever schedule and policies say, also of the past. A tick that fired before is not fired
    /// again: then the run of that time is the answer.
    ///
    /// # Errors
    /// [`Error::Refused`] when no workflow can be made; as [`Self::suspend`].
    pub async fn fire(&self, namespace: &str, name: &str, slot: Timestamp, how: How) -> Result<Started> {
        let stream = StreamId::cron(namespace, name)?;
        let before = self.status(namespace, name).await?;
        let status = self.tell(namespace, name, Input::Fire { slot, how }).await?;
        let status = self.perform(&stream, status).await?;
        let child = child_name(name, slot);
        let row = Catalog::get_workflow(self.store.as_ref(), namespace, &child).await?;
        match row {
            Some(row) => Ok(Started { name: child, uid: row.uid, existing: before.has_fired(slot) }),
            None if before.has_fired(slot) => Ok(Started { name: child, uid: String::new(), existing: true }),
            None => Err(Error::Refused(status.problem.unwrap_or_else(|| format!("{child} was not made")))),
        }
    }

    /// Deletes a CronWorkflow and what is known of its ticks. Its runs stay.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Busy`], what the store says.
    pub async fn delete(&self, namespace: &str, name: &str) -> Result<()> {
        let store = self.store.as_ref();
        let found = Catalog::delete_manifest(store, KIND, namespace, name).await?;
        let stream = StreamId::cron(namespace, name)?;
        self.known.lock().await.remove(&stream);
        let Some(info) = Maintenance::stream(store, &stream).await? else {
            return if found { Ok(()) } else { Err(Error::NotFound(name.to_owned())) };
        };
        if !info.closed {
            let lease = self.claim(&stream).await?.ok_or_else(|| Error::Busy(stream.to_string()))?;
            Journal::close(store, &stream, lease.epoch).await?;
        }
        Ok(Catalog::delete_workflow(store, &stream).await?)
    }
}
