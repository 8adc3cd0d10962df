//! How the task of a workflow ends: closed after its end, put away while it sleeps, given back at shutdown.
//! Deliberately ends no step of a workflow that goes on; its supervisor keeps it for the next engine.

use jiff::Timestamp;
use runner_store::{Append, Journal, Wakeup};

use super::{End, FIRST_PAUSE, Worker};
use crate::clock::{after, sleep};
use crate::collect::{self, Occasion};
use crate::inbox;
use crate::projection;
use crate::release;
use crate::turn::commit;

impl Worker {
    /// After the workflow's end: what still runs is ended, then the stream is closed.
    pub(super) async fn finish(&mut self) -> Result<(), End> {
        if !self.dispatch.is_idle() {
            for attempt in self.dispatch.open() {
                self.dispatch.cancel(&self.run, attempt);
            }
            return Ok(());
        }
        let store = self.core.store.as_ref();
        match inbox::commands(store, &self.lease.stream).await {
            Ok(commands) if commands.is_empty() => {}
            Ok(_) | Err(_) => {
                self.look_for_commands = true;
                return Ok(());
            }
        }
        // Before the stream is closed: an engine that dies here leaves it to the next one.
        let (plan, status) = (&self.run.plan, &self.run.status);
        if let Err(error) = collect::sweep(&self.core, plan, status, Occasion::Completion).await {
            tracing::warn!(stream = %self.lease.stream, %error, "artifacts are left until the workflow is deleted");
        }
        release::at_end(&self.core, &self.lease.stream, &self.run.plan, &self.run.status).await;
        match Journal::close(store, &self.lease.stream, self.lease.epoch).await {
            Ok(()) => {
                Err(End::Finished { delete_at: projection::delete_at(&self.run.plan, &self.run.status) })
            }
            Err(runner_store::Error::StaleEpoch { .. } | runner_store::Error::NotFound(_)) => {
                Err(End::Fenced)
            }
            Err(runner_store::Error::Closed) => Err(End::StoreClosed),
            Err(error) => {
                tracing::warn!(stream = %self.lease.stream, %error, "stream could not be closed yet");
                sleep(&self.core.clock, FIRST_PAUSE).await;
                Ok(())
            }
        }
    }

    /// Nothing runs, nothing waits for a lock or an answer: only time or a command can go on (F12).
    pub(super) fn is_asleep(&self) -> bool {
        let quiet = self.dispatch.is_idle() && self.batch.is_empty() && self.recalling.is_empty();
        let ended = self.run.status.phase.completed();
        self.core.options.adopt && quiet && !ended && self.locks.wanted().is_empty() && !self.wakes_soon()
    }

    pub(super) fn wakes_soon(&self) -> bool {
        let until = after(self.core.clock.now(), self.core.options.unload_after);
        self.run.status.next_timer().is_some_and(|at| at <= until)
    }

    pub(super) fn unload_at(&self) -> Timestamp {
        after(self.idle_since, self.core.options.unload_after)
    }

    /// Gives the lease back. The wakeup says when the next engine has something to do: at once when steps run and
    /// they are handed over, never when the workflow is parked, else at the earliest timer.
    pub(super) async fn release(&mut self, hand_over: bool) -> Result<(), End> {
        // First: once it is released, the keeper may find it gone before this task has ended.
        self.core.disown(&self.lease.stream);
        let store = self.core.store.as_ref();
        let busy = !self.dispatch.is_idle() || !self.locks.wanted().is_empty() || !self.batch.is_empty();
        let stopping = self.stop.is_some();
        let wakeup = match (stopping, hand_over) {
            (true, true) if busy => Wakeup::At(self.core.clock.now()),
            (true, false) => Wakeup::Clear,
            (true, true) | (false, _) => Wakeup::Keep,
        };
        if wakeup != Wakeup::Keep {
            let now = self.core.clock.now();
            let stream = self.lease.stream.clone();
            let mut append = Append::new(stream, self.lease.epoch, self.run.seq, now, Vec::new());
            append.wakeup = wakeup;
            if let Err(error) = commit(store, append).await {
                tracing::warn!(stream = %self.lease.stream, %error, "wakeup could not be written");
            }
        }
        if let Err(error) = Journal::release(store, std::slice::from_ref(&self.lease)).await {
            tracing::warn!(stream = %self.lease.stream, %error, "lease could not be given back; it will run out");
        }
        Err(End::Released)
    }
}
