//! The task of one leased workflow: wait for anything, decide, append, act, again.
//! Deliberately acts only on what an append has made durable, and drops its status when one fails.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_machine::{Action, Fact, Input, NodeIx};
use runner_runners::{AttemptId, Observation};
use runner_store::{Append, Appended, Journal, Lease, LockChange, Maintenance, Wakeup};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::clock::{after, sleep};
use crate::core::{Core, Head};
use crate::dispatch::Dispatch;
use crate::error::Error;
use crate::inbox::{self, Incoming, Letter, Urgency};
use crate::load;
use crate::locks::Locks;
use crate::memo;
use crate::options::LONGEST_PAUSE;
use crate::projection;
use crate::timers::Timers;
use crate::turn::{Decision, Run, Unusable, commit};

/// First wait before a store that failed is asked again.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// Why a task ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The workflow ended and its stream is closed.
    Finished {
        /// When its time to live is over.
        delete_at: Option<Timestamp>,
    },
    /// The lease was given back; nothing is due here.
    Released,
    /// The lease is somebody else's.
    Fenced,
    /// Journal or machine cannot go on.
    Unusable(String),
    /// The store is closed.
    StoreClosed,
}

/// One workflow at work.
pub(crate) struct Worker {
    core: Arc<Core>,
    lease: Lease,
    run: Run,
    mail: mpsc::UnboundedReceiver<Letter>,
    seen: mpsc::UnboundedReceiver<(AttemptId, Observation)>,
    head: watch::Sender<Head>,
    dispatch: Dispatch,
    locks: Locks,
    timers: Timers,
    batch: Vec<Incoming>,
    /// Something in the batch has somebody waiting for it.
    urgent: bool,
    /// Since when the batch holds only what nobody waits for.
    lazy_since: Option<Timestamp>,
    look_for_commands: bool,
    look_at_locks: bool,
    /// Caches that were asked and have not answered.
    recalling: BTreeSet<NodeIx>,
    stop: Option<bool>,
    idle_since: Timestamp,
}

/// What a task starts from.
pub(crate) enum Origin {
    /// Just submitted: durable, with what its first turn is owed.
    Submitted(Box<Run>, Vec<Action>),
    /// Claimed: everything is in the journal.
    Claimed,
}

enum Event {
    Letter(Letter),
    Seen(AttemptId, Observation),
    Room(Option<OwnedSemaphorePermit>),
    Time,
}

/// The ends of the channels that outlive one incarnation of a task.
pub(crate) struct Channels {
    pub(crate) mail: mpsc::UnboundedReceiver<Letter>,
    pub(crate) head: watch::Sender<Head>,
}

/// Runs a workflow until there is nothing more to do for this process.
pub(crate) async fn work(core: Arc<Core>, lease: Lease, origin: Origin, channels: Channels) -> End {
    let (run, actions) = match origin {
        Origin::Submitted(run, actions) => (*run, Some(actions)),
        Origin::Claimed => match reload(&core, &lease, Duration::ZERO).await {
            Ok(run) => (run, None),
            Err(end) => return end,
        },
    };
    let (sink, seen) = mpsc::unbounded_channel();
    let mut worker = Worker {
        dispatch: Dispatch::new(Arc::clone(&core), sink),
        locks: Locks::new(lease.stream.key()),
        idle_since: core.clock.now(),
        core,
        lease,
        run,
        mail: channels.mail,
        seen,
        head: channels.head,
        timers: Timers::default(),
        batch: Vec::new(),
        urgent: false,
        lazy_since: None,
        look_for_commands: true,
        look_at_locks: false,
        recalling: BTreeSet::new(),
        stop: None,
    };
    let begun = match actions {
        Some(actions) => {
            worker.publish();
            worker.locks.note(&actions, &[]);
            worker.act(&actions, None);
            Ok(())
        }
        None => worker.begin().await,
    };
    match begun {
        Ok(()) => worker.serve().await,
        Err(end) => end,
    }
}

/// Loads the workflow, as often as it takes. The epoch is checked afterwards: whoever lost the lease stops here.
async fn reload(core: &Arc<Core>, lease: &Lease, mut pause: Duration) -> Result<Run, End> {
    loop {
        sleep(&core.clock, pause).await;
        pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
        let store = core.store.as_ref();
        let loaded = match load::load(store, &lease.stream).await {
            Ok(snapshot) => Maintenance::stream(store, &lease.stream).await.map(|info| (snapshot, info)),
            Err(Error::Store(error)) => Err(error),
            Err(error) => return Err(End::Unusable(error.to_string())),
        };
        match loaded {
            Ok((snapshot, Some(info)))
                if info.epoch == lease.epoch && info.owner.as_ref() == Some(&core.options.owner) =>
            {
                return Ok(Run::loaded(lease.stream.clone(), lease.epoch, snapshot));
            }
            Ok(_) => return Err(End::Fenced),
            Err(runner_store::Error::Closed) => return Err(End::StoreClosed),
            Err(runner_store::Error::Corrupt(reason)) => return Err(End::Unusable(reason)),
            Err(error) => tracing::warn!(stream = %lease.stream, %error, "workflow could not be loaded yet"),
        }
    }
}

impl Worker {
    /// The first turn after loading: waiting commands, then whatever is due (a turn that was cut off, places in
    /// queues), then everything outstanding is dispatched. This is all there is to recovery.
    async fn begin(&mut self) -> Result<(), End> {
        loop {
            self.batch.clear();
            self.collect_commands().await?;
            if !self.run.status.phase.completed() {
                self.batch.push(Incoming::Input(Input::Begin));
            }
            let now = self.core.clock.now();
            let batch = std::mem::take(&mut self.batch);
            let decision = self.run.decide(batch, now).map_err(unusable)?;
            let outstanding = self.run.outstanding();
            self.locks.note(&outstanding, &[]);
            let mut changes = self.locks.requests();
            changes.extend(self.locks.changes(&decision.facts));
            if decision.is_empty() && changes.is_empty() {
                self.publish();
                self.act(&outstanding, None);
                return Ok(());
            }
            let append = self.run.append(&decision, changes, now).map_err(unusable)?;
            if self.append(append).await? {
                self.done(&decision, now).await;
                self.act(&outstanding, None);
                return Ok(());
            }
        }
    }

    /// Until the end: wait, then turn.
    async fn serve(mut self) -> End {
        loop {
            match self.round().await {
                Ok(()) => {}
                Err(end) => return end,
            }
        }
    }

    async fn round(&mut self) -> Result<(), End> {
        self.dispatch.start_ready(&self.run, None);
        if !self.is_pressing() {
            let event = self.wait().await;
            self.take(event);
            while let Some(event) = self.ready() {
                self.take(event);
            }
        }
        if self.look_for_commands {
            self.collect_commands().await?;
        }
        if self.urgent {
            self.turn().await?;
        }
        if self.look_at_locks {
            self.turn_locks().await?;
        }
        if self.run.status.phase.completed() && !self.urgent {
            self.finish().await?;
        }
        if let Some(hand_over) = self.stop {
            return self.release(hand_over).await;
        }
        if self.is_asleep() && self.core.clock.now() >= self.unload_at() {
            return self.release(false).await;
        }
        Ok(())
    }

    fn is_pressing(&self) -> bool {
        let ended = self.run.status.phase.completed() && self.dispatch.is_idle();
        self.urgent || self.look_for_commands || self.look_at_locks || self.stop.is_some() || ended
    }

    /// Waits for the next thing that happens. The order is fixed, so that a simulation repeats itself.
    async fn wait(&mut self) -> Event {
        let wake = self.wake_at();
        let sleep = wake.map(|at| self.core.clock.sleep_until(at));
        let Dispatch { tasks, place, .. } = &mut self.dispatch;
        tokio::select! {
            biased;
            Some(letter) = self.mail.recv() => Event::Letter(letter),
            Some(joined) = tasks.join_next_with_id() => Event::Letter(self.dispatch.joined(joined)),
            Some((id, seen)) = self.seen.recv() => Event::Seen(id, seen),
            permit = async { match place { Some(place) => place.await.ok(), None => None } }, if place.is_some() => {
                Event::Room(permit)
            }
            () = async { match sleep { Some(sleep) => sleep.await, None => std::future::pending().await } } => {
                Event::Time
            }
        }
    }

    /// What happened meanwhile, if anything.
    fn ready(&mut self) -> Option<Event> {
        if let Ok(letter) = self.mail.try_recv() {
            return Some(Event::Letter(letter));
        }
        if let Some(joined) = self.dispatch.tasks.try_join_next_with_id() {
            return Some(Event::Letter(self.dispatch.joined(joined)));
        }
        self.seen.try_recv().ok().map(|(id, seen)| Event::Seen(id, seen))
    }

    fn take(&mut self, event: Event) {
        let now = self.core.clock.now();
        match event {
            Event::Letter(letter) => self.read(letter, now),
            Event::Seen(id, seen) => self.see(&id, seen, now),
            Event::Room(permit) => {
                self.dispatch.place = None;
                self.dispatch.start_ready(&self.run, permit);
            }
            Event::Time => {
                if self.timers.next(self.run.status.next_timer()).is_some_and(|at| at <= now) {
                    self.batch.push(Incoming::Input(Input::Tick));
                    self.urgent = true;
                }
                if self.lazy_since.is_some_and(|since| after(since, self.core.options.linger) <= now) {
                    self.urgent = true;
                }
            }
        }
    }

    fn read(&mut self, letter: Letter, now: Timestamp) {
        match letter {
            Letter::Commands => self.look_for_commands = true,
            Letter::Locks => self.look_at_locks = true,
            Letter::Stop { hand_over } => self.stop = Some(hand_over),
            Letter::Started(attempt, start) => {
                if self.dispatch.started(&self.run, attempt, &start)
                    && let Some(input) = inbox::not_run(attempt, start, now)
                {
                    self.batch.push(Incoming::Input(input));
                    self.urgent = true;
                }
            }
            Letter::Memo(node, entry) => {
                self.recalling.remove(&node);
                self.batch.push(Incoming::Input(Input::Memo { node, entry }));
                self.urgent = true;
            }
            Letter::Nothing => {}
        }
    }

    fn see(&mut self, id: &AttemptId, seen: Observation, now: Timestamp) {
        let Some(attempt) = self.dispatch.attempt_of(&self.run, id) else { return };
        let (input, urgency) = inbox::observed(attempt, seen);
        match urgency {
            Urgency::Lazy => {
                self.lazy_since.get_or_insert(now);
            }
            Urgency::Ready => {
                self.dispatch.ready(attempt);
                self.urgent = true;
            }
            Urgency::Ended => {
                self.dispatch.ended(attempt);
                self.urgent = true;
            }
        }
        self.batch.push(Incoming::Input(input));
    }

    /// The next moment at which something is due without anybody saying so.
    fn wake_at(&self) -> Option<Timestamp> {
        let timer = self.timers.next(self.run.status.next_timer());
        let linger = self.lazy_since.map(|since| after(since, self.core.options.linger));
        let unload = self.is_asleep().then(|| self.unload_at());
        [timer, linger, unload].into_iter().flatten().min()
    }

    async fn collect_commands(&mut self) -> Result<(), End> {
        self.look_for_commands = false;
        match inbox::commands(self.core.store.as_ref(), &self.lease.stream).await {
            Ok(commands) => {
                self.urgent |= !commands.is_empty();
                self.batch.extend(commands);
            }
            Err(Error::Store(runner_store::Error::Closed)) => return Err(End::StoreClosed),
            Err(error) => {
                tracing::warn!(stream = %self.lease.stream, %error, "commands could not be read yet")
            }
        }
        Ok(())
    }

    /// One turn: everything that is in the batch, in one append.
    async fn turn(&mut self) -> Result<(), End> {
        let now = self.core.clock.now();
        let batch = std::mem::take(&mut self.batch);
        let ticked = batch.iter().any(|incoming| matches!(incoming, Incoming::Input(Input::Tick)));
        (self.urgent, self.lazy_since) = (false, None);
        let decision = self.run.decide(batch, now).map_err(unusable)?;
        if !decision.facts.is_empty() {
            self.timers.fruitful();
        } else if ticked {
            self.timers.fruitless(now);
        }
        self.settle(decision, None, now).await.map(|_| ())
    }

    /// Makes a decision durable, then acts on it. False when it was lost and everything was loaded again.
    async fn settle(
        &mut self,
        decision: Decision,
        grant: Option<LockChange>,
        now: Timestamp,
    ) -> Result<bool, End> {
        if decision.is_empty() {
            self.dispatch.settled();
            return Ok(true);
        }
        self.locks.note(&decision.actions, &decision.touched);
        let mut changes = self.locks.changes(&decision.facts);
        changes.extend(grant);
        let append = self.run.append(&decision, changes, now).map_err(unusable)?;
        if !self.append(append).await? {
            self.begin().await?;
            return Ok(false);
        }
        self.done(&decision, now).await;
        self.act(&decision.actions, Some(&decision.touched));
        Ok(true)
    }

    /// Appends. False when the status was dropped and loaded again.
    async fn append(&mut self, append: Append) -> Result<bool, End> {
        match commit(self.core.store.as_ref(), append).await {
            Ok(Appended::Done(seq)) => {
                self.run.seq = seq;
                return Ok(true);
            }
            Ok(Appended::Exists { .. }) | Err(runner_store::Error::StaleEpoch { .. }) => {
                return Err(End::Fenced);
            }
            Err(runner_store::Error::Closed) => return Err(End::StoreClosed),
            Err(runner_store::Error::LockBusy { lock, holder }) => {
                tracing::debug!(lock, holder, "somebody else was faster");
                self.look_at_locks = true;
                self.run = reload(&self.core, &self.lease, Duration::ZERO).await?;
            }
            Err(error) => {
                tracing::warn!(stream = %self.lease.stream, %error, "append failed, loading the workflow again");
                self.run = reload(&self.core, &self.lease, FIRST_PAUSE).await?;
            }
        }
        // Nothing observed since the last append is known any more; all of it is asked for again.
        self.dispatch.reloaded();
        self.locks = Locks::new(self.lease.stream.key());
        self.recalling.clear();
        self.batch.clear();
        (self.urgent, self.lazy_since) = (false, None);
        Ok(false)
    }

    /// What follows from facts that are durable now.
    async fn done(&mut self, decision: &Decision, now: Timestamp) {
        self.idle_since = now;
        self.dispatch.settled();
        memo::keep(self.core.store.as_ref(), &self.run.status, &decision.facts, now).await;
        self.publish();
        let locks = |fact: &Fact| {
            matches!(fact, Fact::LockReleased { .. } | Fact::LockGranted { .. } | Fact::LockRequested { .. })
        };
        if decision.facts.iter().any(locks) {
            let moved = self.locks.moved(&decision.facts);
            self.core.waits_for(&self.lease.stream, self.locks.wanted());
            self.core.locks_moved(moved).await;
        }
    }

    fn publish(&self) {
        let status = &self.run.status;
        let head = Head { seq: self.run.seq, phase: status.phase, message: status.message.clone() };
        self.head.send_replace(head);
    }

    /// Does what is owed. `touched` says which nodes the list is about; without it, it is complete.
    fn act(&mut self, actions: &[Action], touched: Option<&[NodeIx]>) {
        let mut due = Vec::new();
        let ended = self.run.status.phase.completed();
        for action in actions {
            match action {
                // What still runs after the workflow's end is ended too.
                Action::Ensure { node, attempt } if ended => {
                    self.dispatch.cancel(&self.run, (*node, *attempt));
                }
                Action::Ensure { node, attempt } => {
                    due.push((*node, *attempt));
                    self.dispatch.ensure(&self.run, (*node, *attempt));
                }
                Action::Cancel { node, attempt } => self.dispatch.cancel(&self.run, (*node, *attempt)),
                Action::Acquire { .. } => self.look_at_locks = true,
                Action::Recall { node, cache, key } => self.recall(*node, cache, key),
                Action::Wake { .. } => {}
            }
        }
        match touched {
            Some(touched) => touched.iter().for_each(|ix| self.dispatch.forget_queued(*ix, &due)),
            None => {
                self.dispatch.sweep();
                self.core.waits_for(&self.lease.stream, self.locks.wanted());
            }
        }
    }

    fn recall(&mut self, node: NodeIx, cache: &str, key: &str) {
        if !self.recalling.insert(node) {
            return;
        }
        let cache = memo::cache_name(&self.run.status.namespace, cache);
        let (core, key) = (Arc::clone(&self.core), key.to_owned());
        let task = async move { Letter::Memo(node, memo::recall(core.store.as_ref(), &cache, &key).await) };
        self.dispatch.tasks.spawn(task);
    }

    /// Takes the locks that can be had, one holder per append, and tells the others that they cannot.
    async fn turn_locks(&mut self) -> Result<(), End> {
        self.look_at_locks = false;
        let survey = self.locks.survey(self.core.store.as_ref()).await;
        if !survey.inputs.is_empty() {
            let now = self.core.clock.now();
            let inputs = survey.inputs.into_iter().map(Incoming::Input).collect();
            let decision = self.run.decide(inputs, now).map_err(unusable)?;
            if !self.settle(decision, None, now).await? {
                return Ok(());
            }
        }
        if let Some((holder, grant)) = survey.available {
            let now = self.core.clock.now();
            let inputs = vec![Incoming::Input(Input::LockAvailable(holder))];
            let decision = self.run.decide(inputs, now).map_err(unusable)?;
            let granted =
                decision.facts.iter().any(|f| matches!(f, Fact::LockGranted { ix } if *ix == holder));
            self.settle(decision, granted.then_some(grant), now).await?;
            // Somebody else of this workflow may be next in the same queue.
            self.look_at_locks |= granted && !self.locks.wanted().is_empty();
        }
        Ok(())
    }

    /// After the workflow's end: what still runs is ended, then the stream is closed.
    async fn finish(&mut self) -> Result<(), End> {
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
    fn is_asleep(&self) -> bool {
        let quiet = self.dispatch.is_idle() && self.batch.is_empty() && self.recalling.is_empty();
        let ended = self.run.status.phase.completed();
        self.core.options.adopt && quiet && !ended && self.locks.wanted().is_empty() && !self.wakes_soon()
    }

    fn wakes_soon(&self) -> bool {
        let until = after(self.core.clock.now(), self.core.options.unload_after);
        self.run.status.next_timer().is_some_and(|at| at <= until)
    }

    fn unload_at(&self) -> Timestamp {
        after(self.idle_since, self.core.options.unload_after)
    }

    /// Gives the lease back. The wakeup says when the next engine has something to do: at once when steps run and
    /// they are handed over, never when the workflow is parked, else at the earliest timer.
    async fn release(&mut self, hand_over: bool) -> Result<(), End> {
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

fn unusable(Unusable(reason): Unusable) -> End {
    End::Unusable(reason)
}
