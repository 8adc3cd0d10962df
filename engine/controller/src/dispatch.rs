//! Dispatch: attempts that are due wait for room, pass the gate and are handed to their runner.
//! Deliberately forgets nothing that a durable fact asked for: what fails for a while is tried again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::pin::Pin;
use std::sync::Arc;

use runner_machine::{NodeIx, Work};
use runner_runners::{AttemptId, Sink};
use tokio::sync::{AcquireError, OwnedSemaphorePermit, oneshot};
use tokio::task::JoinSet;

use crate::core::Core;
use crate::inbox::{Attempt, Letter, Start, was_seen};
use crate::launch::{self, Launch};
use crate::turn::Run;

type Permit = OwnedSemaphorePermit;
type PermitFuture = Pin<Box<dyn Future<Output = Result<Permit, AcquireError>> + Send>>;

/// The attempts of one workflow that this engine looks after.
pub(crate) struct Dispatch {
    core: Arc<Core>,
    sink: Sink,
    queue: VecDeque<Attempt>,
    entries: BTreeMap<Attempt, Entry>,
    /// The place in the line for room; kept over turns so that workflows are served in order.
    pub(crate) place: Option<PermitFuture>,
    /// Starts, cancels and cache look-ups under way. Dropped with the workflow.
    pub(crate) tasks: JoinSet<Letter>,
    starts: HashMap<tokio::task::Id, Attempt>,
}

struct Entry {
    state: State,
    permit: Option<Permit>,
    cancelled: bool,
}

enum State {
    /// Waits for room.
    Queued,
    /// On its way to the runner; the sender stops it if it is not there yet.
    Starting(Option<oneshot::Sender<()>>),
    /// With the runner.
    Started,
    /// Its end was observed; the fact is not durable yet.
    Ended,
    /// With the runner as far as is known, but what was observed since was lost with the status.
    Known,
}

impl Dispatch {
    pub(crate) fn new(core: Arc<Core>, sink: Sink) -> Self {
        Self {
            core,
            sink,
            queue: VecDeque::new(),
            entries: BTreeMap::new(),
            place: None,
            tasks: JoinSet::new(),
            starts: HashMap::new(),
        }
    }

    /// Nothing waits, runs or is under way.
    pub(crate) fn is_idle(&self) -> bool {
        self.entries.is_empty() && self.tasks.is_empty()
    }

    /// Attempts that are not known to have ended.
    pub(crate) fn open(&self) -> Vec<Attempt> {
        let open = |entry: &Entry| !matches!(entry.state, State::Ended);
        self.entries.iter().filter(|(_, entry)| open(entry)).map(|(attempt, _)| *attempt).collect()
    }

    /// An attempt is due. What an earlier engine saw running is adopted at once: it has its room already.
    pub(crate) fn ensure(&mut self, run: &Run, attempt: Attempt) {
        let known = match self.entries.get_mut(&attempt) {
            Some(Entry { state: State::Known, permit, .. }) => Some(permit.take()),
            Some(_) => return,
            None => None,
        };
        let seen = run.status.node(attempt.0).is_some_and(
            |node| matches!(&node.work, Work::Attempt { number, state } if *number == attempt.1 && was_seen(state)),
        );
        match known {
            Some(permit) => self.launch(run, attempt, permit, Launch::Adopt),
            None if seen => self.launch(run, attempt, None, Launch::Adopt),
            None => {
                self.queue.push_back(attempt);
                let entry = Entry { state: State::Queued, permit: None, cancelled: false };
                self.entries.insert(attempt, entry);
            }
        }
    }

    /// An attempt is to end.
    pub(crate) fn cancel(&mut self, run: &Run, attempt: Attempt) {
        let Some(entry) = self.entries.get_mut(&attempt) else {
            self.launch(run, attempt, None, Launch::Probe);
            self.mark_cancelled(attempt);
            return;
        };
        if entry.cancelled {
            return;
        }
        entry.cancelled = true;
        match &mut entry.state {
            State::Ended => {}
            State::Started => self.send_cancel(run, attempt),
            // The task either stops before the runner is asked, or reports that it was: then it is cancelled.
            State::Starting(stop) => {
                if let Some(stop) = stop.take()
                    && stop.send(()).is_err()
                {
                    tracing::trace!("the start is past the point where it can be stopped");
                }
            }
            State::Queued | State::Known => {
                let permit = entry.permit.take();
                self.queue.retain(|queued| *queued != attempt);
                self.launch(run, attempt, permit, Launch::Probe);
                self.mark_cancelled(attempt);
            }
        }
    }

    fn mark_cancelled(&mut self, attempt: Attempt) {
        if let Some(entry) = self.entries.get_mut(&attempt) {
            entry.cancelled = true;
        }
    }

    /// A touched attempt that is not due any more leaves the queue.
    pub(crate) fn forget_queued(&mut self, ix: NodeIx, due: &[Attempt]) {
        let gone: Vec<Attempt> = self
            .entries
            .range((ix, 0)..=(ix, u32::MAX))
            .filter(|(attempt, entry)| matches!(entry.state, State::Queued) && !due.contains(attempt))
            .map(|(attempt, _)| *attempt)
            .collect();
        for attempt in gone {
            self.entries.remove(&attempt);
            self.queue.retain(|queued| *queued != attempt);
        }
    }

    /// Starts what has room, and gets in line for the rest. With a permit that was waited for, the first.
    pub(crate) fn start_ready(&mut self, run: &Run, mut waited: Option<Permit>) {
        while let Some(attempt) = self.queue.front().copied() {
            let permit = match waited.take() {
                Some(permit) => permit,
                None if self.place.is_some() => return,
                None => match Arc::clone(&self.core.slots).try_acquire_owned() {
                    Ok(permit) => permit,
                    Err(_) => {
                        self.place = Some(Box::pin(Arc::clone(&self.core.slots).acquire_owned()));
                        return;
                    }
                },
            };
            self.queue.pop_front();
            self.launch(run, attempt, Some(permit), Launch::Start);
        }
        self.place = None;
    }

    fn launch(&mut self, run: &Run, attempt: Attempt, permit: Option<Permit>, how: Launch) {
        let (stop, stopped) = oneshot::channel();
        let task = launch::task(&self.core, run, attempt, how, self.sink.clone(), stopped);
        let handle = self.tasks.spawn(task);
        self.starts.insert(handle.id(), attempt);
        self.entries.insert(attempt, Entry { state: State::Starting(Some(stop)), permit, cancelled: false });
    }

    fn send_cancel(&mut self, run: &Run, attempt: Attempt) {
        let task = launch::cancel(&self.core, run, attempt);
        self.tasks.spawn(task);
    }

    /// A background task came to its end. A panic in a runner is the step's Error, not the engine's end.
    pub(crate) fn joined(
        &mut self,
        result: Result<(tokio::task::Id, Letter), tokio::task::JoinError>,
    ) -> Letter {
        match result {
            Ok((id, letter)) => {
                self.starts.remove(&id);
                letter
            }
            Err(error) => match self.starts.remove(&error.id()) {
                Some(attempt) => Letter::Started(attempt, Start::Refused("the runner panicked".to_owned())),
                None => Letter::Nothing,
            },
        }
    }

    /// What became of a start. True when it is news for the machine: the attempt did not run.
    pub(crate) fn started(&mut self, run: &Run, attempt: Attempt, start: &Start) -> bool {
        let Some(entry) = self.entries.get_mut(&attempt) else { return false };
        if !matches!(entry.state, State::Starting(_)) {
            return false;
        }
        match start {
            Start::Ensured => {
                entry.state = State::Started;
                if entry.cancelled {
                    self.send_cancel(run, attempt);
                }
                false
            }
            Start::Never | Start::Refused(_) => {
                entry.state = State::Ended;
                true
            }
        }
    }

    /// Which attempt of this workflow a runner speaks of.
    pub(crate) fn attempt_of(&self, run: &Run, id: &AttemptId) -> Option<Attempt> {
        let ix = run.status.by_id(&id.node_id)?;
        self.entries.contains_key(&(ix, id.attempt)).then_some((ix, id.attempt))
    }

    /// Its end was observed.
    pub(crate) fn ended(&mut self, attempt: Attempt) {
        if let Some(entry) = self.entries.get_mut(&attempt) {
            entry.state = State::Ended;
        }
    }

    /// A daemon is ready: it goes on without counting.
    pub(crate) fn ready(&mut self, attempt: Attempt) {
        if let Some(entry) = self.entries.get_mut(&attempt) {
            entry.permit = None;
        }
    }

    /// All that was observed is durable: ended attempts give their room back.
    pub(crate) fn settled(&mut self) {
        self.entries.retain(|_, entry| !matches!(entry.state, State::Ended));
    }

    /// The status was dropped and loaded again. Rooms are kept for what still is due.
    pub(crate) fn reloaded(&mut self) {
        self.queue.clear();
        self.entries.retain(|_, entry| !matches!(entry.state, State::Queued));
        for entry in self.entries.values_mut() {
            entry.cancelled = false;
            if matches!(entry.state, State::Started | State::Ended) {
                entry.state = State::Known;
            }
        }
    }

    /// What is still only known after everything that is due was asked for is not wanted any more.
    pub(crate) fn sweep(&mut self) {
        self.entries.retain(|_, entry| !matches!(entry.state, State::Known));
    }
}
