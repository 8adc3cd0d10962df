//! Taking events off the bus: a lease on each, notes while it is held, and its end.
//! Decides neither which sensors judge an event nor what they say.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use runner_store::{Append, Appended, ClaimRequest, Journal, Lease, Maintenance, NewRecord, Seq, Wakeup};
use serde_json::Value;

use super::note::{self};
use super::settled::Settling;
use super::{Bus, Error, Event, History, Note, Result, STREAM_KIND, State, stream};

/// Life of a lease on an event.
pub(super) const TTL: Duration = Duration::from_secs(60);
/// How often the store is looked at for what other processes left there.
const LOOK_EVERY: SignedDuration = SignedDuration::from_millis(250);

/// An event that this process has taken. Dropped without an end it is taken again after its lease.
#[derive(Clone, Debug)]
pub struct Taken {
    /// What is known of it.
    pub history: History,
    lease: Lease,
    seq: Seq,
}

impl Taken {
    /// An event that this process has just published with a lease of its own.
    pub(super) fn published(event: Event, lease: Lease, seq: Seq) -> Self {
        Self { history: History { event, notes: Vec::new() }, lease, seq }
    }

    /// When the lease ends.
    pub(super) fn until(&self) -> Timestamp {
        self.lease.until
    }
}

impl Bus {
    /// Takes events that wait, the earliest first: those that this process has at hand, and those in the store when it
    /// was not looked at for a while or this process left something there.
    ///
    /// # Errors
    /// What the store says.
    pub async fn take(&self, limit: usize) -> Result<Vec<Taken>> {
        let now = self.clock.now();
        let mut out = self.hand.take(limit, now);
        if self.hand.is_look_due(now, LOOK_EVERY) {
            out.extend(self.claim(limit, now).await?);
            out.extend(self.hand.take(limit.saturating_sub(out.len()), now));
        }
        Ok(out)
    }

    /// Takes events that wait in the store, the earliest first.
    async fn claim(&self, limit: usize, now: Timestamp) -> Result<Vec<Taken>> {
        self.hand.look(now);
        let mut request = ClaimRequest::due(&self.owner, TTL, now, limit);
        request.kind = Some(STREAM_KIND.to_owned());
        request.dead_owners = self.dead_owners().await?;
        let leases = Journal::claim(self.store.as_ref(), request).await?;
        let mut out = Vec::with_capacity(leases.len());
        for lease in leases {
            out.push(self.taken(lease).await?);
        }
        self.hand.looked(out.len() < limit);
        Ok(out)
    }

    /// From now on events that this process publishes are at hand: whoever calls this takes them, until
    /// [`Self::leave`].
    pub fn stay(&self) {
        self.hand.open();
    }

    /// Gives the events that are at hand back, for whoever takes them next.
    ///
    /// # Errors
    /// What the store says; then they are taken when their leases end.
    pub async fn leave(&self) -> Result<()> {
        let now = self.clock.now();
        for taken in self.hand.close() {
            self.put_back(taken, &[], now).await?;
        }
        Ok(())
    }

    /// Takes one event, whether it waits or is settled.
    ///
    /// # Errors
    /// [`Error::Busy`] when another process holds it; [`Error::NotFound`].
    pub async fn take_one(&self, id: &str) -> Result<Taken> {
        let stream = stream(id)?;
        Journal::reopen(self.store.as_ref(), &stream).await?;
        let mut request = ClaimRequest::only(&self.owner, TTL, self.clock.now(), stream);
        request.dead_owners = self.dead_owners().await?;
        let lease = Journal::claim(self.store.as_ref(), request).await?.into_iter().next();
        self.taken(lease.ok_or_else(|| Error::Busy(id.to_owned()))?).await
    }

    /// Puts a settled event back on the bus, to be taken again.
    ///
    /// # Errors
    /// As [`Self::take_one`].
    pub async fn replay(&self, id: &str, by: &str) -> Result<()> {
        self.event(id).await?;
        let taken = self.take_one(id).await?;
        let notes = [Note::Replayed { by: by.to_owned() }];
        self.append(&taken, &notes, Wakeup::At(self.clock.now())).await?;
        self.release(taken).await
    }

    /// Notes what came of an event, durable when this returns, and ends it.
    ///
    /// # Errors
    /// What the store says; then it is taken again later.
    pub async fn settle(&self, taken: Taken, notes: &[Note]) -> Result<()> {
        let settling = self.settled.begin(&taken.history.event.id);
        self.end(taken, notes, settling).await
    }

    /// The same, for others to wait for: it shares the commit of something else where it can. What is noted of the event
    /// meanwhile waits for it.
    pub fn settle_beside(
        &self,
        mut taken: Taken,
        notes: Vec<Note>,
    ) -> impl Future<Output = Result<()>> + use<> {
        let (bus, settling) = (self.clone(), self.settled.begin(&taken.history.event.id));
        // It may be large, and was judged.
        taken.history.event.data = Value::Null;
        async move { bus.end(taken, &notes, settling).await }
    }

    async fn end(&self, taken: Taken, notes: &[Note], settling: Settling) -> Result<()> {
        self.mark(&taken.history.event.id, notes).await?;
        let mut append = self.noted(&taken, notes)?;
        (append.closes, append.patient) = (true, true);
        if let Appended::Done(end) = Journal::append(self.store.as_ref(), append).await? {
            settling.done(end);
        }
        Ok(())
    }

    /// Gives an event back with what is known of it so far, to be taken again not before a time.
    ///
    /// # Errors
    /// What the store says.
    pub async fn put_back(&self, taken: Taken, notes: &[Note], at: Timestamp) -> Result<()> {
        self.append(&taken, notes, Wakeup::At(at)).await?;
        self.release(taken).await
    }

    /// Notes that the EventBus brought an event, durable when this returns: sensors may judge it now. A second time changes
    /// nothing (F39). Answers whether the event is known.
    ///
    /// # Errors
    /// [`Error::Busy`] while a process holds it; what the store says.
    pub async fn carried(&self, id: &str) -> Result<bool> {
        let history = match self.history(id).await {
            Err(Error::NotFound(_)) => return Ok(false),
            found => found?,
        };
        if history.awaited_from().is_none() {
            return Ok(true);
        }
        let taken = self.take_one(id).await?;
        if taken.history.awaited_from().is_some() {
            let now = Wakeup::At(self.clock.now());
            self.append(&taken, &[Note::Carried], now).await?;
        }
        self.release(taken).await?;
        Ok(true)
    }

    /// Adds notes to an event that may be settled. One that is held or gone is left as it is: these notes are for
    /// people, what counts is in the stream of the sensor.
    ///
    /// # Errors
    /// What the store says.
    pub async fn annotate(&self, id: &str, notes: &[Note]) -> Result<()> {
        // One after the other: whoever finds the event held leaves it as it is.
        let (end, settling) = self.settled.turn(id).await;
        if let Some(end) = end {
            self.mark(id, notes).await?;
            if let Some(end) = self.afterword(id, end, notes).await? {
                settling.done(end);
                return Ok(());
            }
        }
        match self.take_one(id).await {
            Ok(taken) if taken.history.state() == State::Received => {
                self.append(&taken, notes, Wakeup::Keep).await?;
                self.release(taken).await
            }
            Ok(taken) => self.settle(taken, notes).await,
            Err(Error::Busy(_) | Error::NotFound(_) | Error::Store(runner_store::Error::NotFound(_))) => {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Adds notes to an event that this process settled, without taking it again; answers the new end of its stream, or
    /// nothing when somebody else wrote since.
    async fn afterword(&self, id: &str, end: Seq, notes: &[Note]) -> Result<Option<Seq>> {
        let records = notes.iter().map(note::record).collect::<Result<Vec<NewRecord>>>()?;
        let mut append = Append::afterword(stream(id)?, end, self.clock.now(), records);
        append.patient = true;
        match Journal::append(self.store.as_ref(), append).await {
            Ok(Appended::Done(end)) => Ok(Some(end)),
            Ok(Appended::Exists { .. }) | Err(_) => Ok(None),
        }
    }

    async fn release(&self, taken: Taken) -> Result<()> {
        Journal::release(self.store.as_ref(), &[taken.lease]).await?;
        self.hand.leave();
        Ok(())
    }

    async fn append(&self, taken: &Taken, notes: &[Note], wakeup: Wakeup) -> Result<()> {
        self.mark(&taken.history.event.id, notes).await?;
        let mut append = self.noted(taken, notes)?;
        append.wakeup = wakeup;
        Journal::append(self.store.as_ref(), append).await?;
        Ok(())
    }

    fn noted(&self, taken: &Taken, notes: &[Note]) -> Result<Append> {
        let records = notes.iter().map(note::record).collect::<Result<Vec<NewRecord>>>()?;
        let Lease { stream, epoch, .. } = &taken.lease;
        Ok(Append::new(stream.clone(), *epoch, taken.seq, self.clock.now(), records))
    }

    async fn taken(&self, lease: Lease) -> Result<Taken> {
        let history = self.history(lease.stream.key()).await?;
        let seq = Seq(u64::try_from(history.notes.len()).unwrap_or(u64::MAX).saturating_add(1));
        Ok(Taken { history, lease, seq })
    }

    /// Owners of leases of which there is proof that they are dead.
    pub(crate) async fn dead_owners(&self) -> Result<Vec<String>> {
        let mut owners = Maintenance::owners(self.store.as_ref()).await?;
        owners.retain(|owner| *owner != self.owner && (self.is_dead)(owner));
        Ok(owners)
    }
}
