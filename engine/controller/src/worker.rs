//! The task of one leased workflow: wait for anything, decide, append, act, again.
//! Deliberately acts only on what an append has made durable, and drops its status when one fails.

mod leave;
mod settle;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_machine::{Action, Input, NodeIx};
use runner_runners::{AttemptId, Observation};
use runner_store::{Lease, Maintenance};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use crate::clock::{after, sleep};
use crate::core::{Core, Head};
use crate::dispatch::Dispatch;
use crate::error::Error;
use crate::inbox::{self, Incoming, Letter, Urgency};
use crate::load;
use crate::locks::Locks;
use crate::options::LONGEST_PAUSE;
use crate::timers::Timers;
use crate::turn::{Run, Unusable};

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
    /// How long to wait before a store that fails is tried again.
    pause: Duration,
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
        pause: FIRST_PAUSE,
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
        let _turn = core.loads.acquire().await;
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

    fn publish(&self) {
        let status = &self.run.status;
        let head = Head { seq: self.run.seq, phase: status.phase, message: status.message.clone() };
        self.head.send_replace(head);
    }
}

fn unusable(Unusable(reason): Unusable) -> End {
    End::Unusable(reason)
}
