//! What all tasks of one controller share: the ports, the settings, the room for steps, the list of tasks.
//! Deliberately without behaviour of its own beyond looking after that list.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use runner_machine::WorkflowPhase;
use runner_machine::metrics::{Realtime, Registry as MetricRegistry};
use runner_store::{Epoch, Lease, Seq, Store, StreamId};
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;

use crate::clock::{Clock, Ids};
use crate::inbox::{Letter, Mailbox};
use crate::options::{FATAL_FAILURES, LOADS, Options};
use crate::runners::Runners;

/// How far a workflow is; for whoever waits for it in this process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) seq: Seq,
    pub(crate) phase: WorkflowPhase,
    pub(crate) message: String,
}

/// A workflow that this process leases.
pub(crate) struct Held {
    pub(crate) lease: Lease,
    pub(crate) mail: Mailbox,
    pub(crate) head: watch::Receiver<Head>,
    /// Why it is put aside, if it is: leased, but nothing is done with it (F13).
    pub(crate) quarantined: Option<String>,
    /// The locks it waits for.
    pub(crate) locks: BTreeSet<String>,
    /// Its gauges of passing time.
    gauges: Vec<Realtime>,
    abort: Option<AbortHandle>,
}

#[derive(Default)]
struct Registry {
    held: BTreeMap<StreamId, Held>,
    /// Workflows that this process is to run whenever it can, although it does not adopt.
    own: BTreeSet<StreamId>,
    /// Finished workflows with a time to live.
    doomed: BTreeSet<(Timestamp, StreamId)>,
    background: Vec<AbortHandle>,
}

/// Shared by all tasks.
pub(crate) struct Core {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) runners: Runners,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) options: Options,
    /// Room for running steps, given in the order of asking.
    pub(crate) slots: Arc<Semaphore>,
    /// Room for journals being replayed: a large takeover takes turns (F35).
    pub(crate) loads: Semaphore,
    /// The keeper has something to do.
    pub(crate) kick: Notify,
    /// There is a new time to live.
    pub(crate) doom: Notify,
    /// The list of tasks got shorter.
    pub(crate) gone: Notify,
    /// What the store last failed with, until it works again.
    trouble: watch::Sender<Option<String>>,
    /// Failures of the store since it last worked, of the kind that does not pass.
    io_failures: AtomicU32,
    /// Sums of custom metrics.
    counted: Mutex<MetricRegistry>,
    closing: AtomicBool,
    registry: Mutex<Registry>,
}

impl Core {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        runners: Runners,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn Ids>,
        options: Options,
    ) -> Self {
        let slots = Arc::new(Semaphore::new(options.max_running.clamp(1, Semaphore::MAX_PERMITS)));
        let (kick, doom, gone) = (Notify::new(), Notify::new(), Notify::new());
        let (closing, registry) = (AtomicBool::new(false), Mutex::default());
        let (loads, trouble) = (Semaphore::new(LOADS), watch::Sender::new(None));
        Self {
            store,
            runners,
            clock,
            ids,
            options,
            slots,
            loads,
            kick,
            doom,
            gone,
            trouble,
            io_failures: AtomicU32::new(0),
            counted: Mutex::default(),
            closing,
            registry,
        }
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sums of custom metrics.
    pub(crate) fn counted(&self) -> MutexGuard<'_, MetricRegistry> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the gauges of passing time of a workflow.
    pub(crate) fn set_gauges(&self, stream: &StreamId, gauges: Vec<Realtime>) {
        if let Some(held) = self.registry().held.get_mut(stream) {
            held.gauges = gauges;
        }
    }

    /// Gauges of passing time of all workflows of this process.
    pub(crate) fn gauges(&self) -> Vec<Realtime> {
        self.registry().held.values().flat_map(|held| held.gauges.iter().cloned()).collect()
    }

    /// The store fails.
    pub(crate) fn trouble(&self, error: &runner_store::Error) {
        let text = error.to_string();
        if matches!(error, runner_store::Error::Io(_)) {
            let failures = self.io_failures.fetch_add(1, Ordering::SeqCst) + 1;
            if let Some(tell) = self.options.on_fatal.as_ref().filter(|_| failures == FATAL_FAILURES) {
                tell(&text);
            }
        }
        self.trouble.send_if_modified(|known| {
            let news = known.as_ref() != Some(&text);
            *known = Some(text);
            news
        });
    }

    /// The store works.
    pub(crate) fn well(&self) {
        self.io_failures.store(0, Ordering::SeqCst);
        self.trouble.send_if_modified(|known| known.take().is_some());
    }

    pub(crate) fn troubles(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    pub(crate) fn close(&self) {
        self.closing.store(true, Ordering::SeqCst);
    }

    /// Puts a workflow on the list, or gives one that is on it a new mailbox.
    pub(crate) fn enter(&self, mut lease: Lease, mail: Mailbox, head: watch::Receiver<Head>) {
        let mut registry = self.registry();
        if let Some(before) = registry.held.get(&lease.stream).filter(|held| held.lease.epoch == lease.epoch)
        {
            lease.until = before.lease.until;
        }
        let held = Held {
            lease,
            mail,
            head,
            quarantined: None,
            locks: BTreeSet::new(),
            gauges: Vec::new(),
            abort: None,
        };
        registry.held.insert(held.lease.stream.clone(), held);
    }

    /// Notes how to stop the task of a workflow.
    pub(crate) fn attach(&self, stream: &StreamId, epoch: Epoch, abort: AbortHandle) {
        match self.registry().held.get_mut(stream).filter(|held| held.lease.epoch == epoch) {
            Some(held) => held.abort = Some(abort),
            None => abort.abort(),
        }
    }

    /// Takes a workflow off the list; only the one of that epoch.
    pub(crate) fn leave(&self, stream: &StreamId, epoch: Epoch) {
        let mut registry = self.registry();
        if registry.held.get(stream).is_some_and(|held| held.lease.epoch == epoch) {
            registry.held.remove(stream);
        }
        drop(registry);
        self.gone.notify_waiters();
    }

    /// Drops a workflow at once: its task ends where it is, nothing more is written or started.
    pub(crate) fn fence(&self, stream: &StreamId, epoch: Epoch) {
        let found = {
            let mut registry = self.registry();
            let same = registry.held.get(stream).is_some_and(|held| held.lease.epoch == epoch);
            if same { registry.held.remove(stream) } else { None }
        };
        if let Some(abort) = found.and_then(|held| held.abort) {
            abort.abort();
        }
        self.gone.notify_waiters();
    }

    /// Drops everything at once, as if the process had died.
    pub(crate) fn abandon(&self) {
        self.close();
        let registry = std::mem::take(&mut *self.registry());
        for abort in registry.held.into_values().filter_map(|held| held.abort).chain(registry.background) {
            abort.abort();
        }
        self.gone.notify_waiters();
    }

    /// Notes a task that lives as long as the controller.
    pub(crate) fn background(&self, abort: AbortHandle) {
        self.registry().background.push(abort);
    }

    /// Whether the lease of this epoch is held and has not run out.
    pub(crate) fn holds(&self, stream: &StreamId, epoch: Epoch) -> bool {
        let now = self.clock.now();
        let registry = self.registry();
        registry.held.get(stream).is_some_and(|held| held.lease.epoch == epoch && now < held.lease.until)
    }

    pub(crate) fn is_held(&self, stream: &StreamId) -> bool {
        self.registry().held.contains_key(stream)
    }

    pub(crate) fn leases(&self) -> Vec<Lease> {
        self.registry().held.values().map(|held| held.lease.clone()).collect()
    }

    /// Notes that leases were extended.
    pub(crate) fn extended(&self, leases: &[Lease], until: Timestamp) {
        let mut registry = self.registry();
        for lease in leases {
            if let Some(held) = registry.held.get_mut(&lease.stream)
                && held.lease.epoch == lease.epoch
            {
                held.lease.until = until;
            }
        }
    }

    /// Sends a letter; false when the workflow has no task here.
    pub(crate) fn post(&self, stream: &StreamId, letter: Letter) -> bool {
        self.registry().held.get(stream).is_some_and(|held| held.mail.send(letter).is_ok())
    }

    pub(crate) fn head(&self, stream: &StreamId) -> Option<watch::Receiver<Head>> {
        self.registry().held.get(stream).map(|held| held.head.clone())
    }

    pub(crate) fn own(&self, stream: StreamId) {
        self.registry().own.insert(stream);
    }

    pub(crate) fn disown(&self, stream: &StreamId) {
        self.registry().own.remove(stream);
    }

    /// Own workflows that have no task at present.
    pub(crate) fn lost(&self) -> Vec<StreamId> {
        let registry = self.registry();
        registry.own.iter().filter(|stream| !registry.held.contains_key(*stream)).cloned().collect()
    }

    /// Notes when a finished workflow is to be deleted.
    pub(crate) fn doom(&self, at: Timestamp, stream: StreamId) {
        self.registry().doomed.insert((at, stream));
        self.doom.notify_one();
    }

    pub(crate) fn next_doom(&self) -> Option<Timestamp> {
        self.registry().doomed.first().map(|(at, _)| *at)
    }

    /// Takes those whose time has come off the list.
    pub(crate) fn take_doomed(&self, now: Timestamp) -> Vec<StreamId> {
        let mut registry = self.registry();
        let mut due = Vec::new();
        while registry.doomed.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(registry.doomed.pop_first().map(|(_, stream)| stream));
        }
        due
    }

    pub(crate) fn quarantine(&self, stream: &StreamId, reason: String) {
        tracing::error!(%stream, reason, "workflow put aside");
        if let Some(held) = self.registry().held.get_mut(stream) {
            held.quarantined = Some(reason);
        }
        self.gone.notify_waiters();
    }

    pub(crate) fn quarantined(&self) -> BTreeMap<StreamId, String> {
        let registry = self.registry();
        let aside = registry.held.iter().filter_map(|(s, held)| Some((s.clone(), held.quarantined.clone()?)));
        aside.collect()
    }

    /// Whether every workflow still on the list is one that was put aside.
    pub(crate) fn is_quiet(&self) -> bool {
        self.registry().held.values().all(|held| held.quarantined.is_some())
    }

    /// Notes which locks a workflow waits for.
    pub(crate) fn waits_for(&self, stream: &StreamId, locks: BTreeSet<String>) {
        if let Some(held) = self.registry().held.get_mut(stream) {
            held.locks = locks;
        }
    }

    /// All locks that workflows of this process wait for.
    pub(crate) fn awaited_locks(&self) -> BTreeSet<String> {
        self.registry().held.values().flat_map(|held| held.locks.iter().cloned()).collect()
    }

    /// Locks moved (all, if it is not known which): whoever of this process is next in a queue looks again.
    pub(crate) async fn locks_moved(&self, names: Option<BTreeSet<String>>) {
        let mut awaited = self.awaited_locks();
        if let Some(names) = names {
            awaited.retain(|lock| names.contains(lock));
        }
        let mut heads = BTreeSet::new();
        for lock in awaited {
            match self.store.lock_state(&lock).await {
                Ok(state) => heads.extend(state.waiters.into_iter().next().map(|waiter| waiter.stream)),
                Err(error) => tracing::warn!(lock, %error, "lock could not be looked at"),
            }
        }
        for stream in heads {
            self.post(&stream, Letter::Locks);
        }
    }
}
