//! The bus is the store: each event is a stream of its own, `event/<id>`, whose first record is the event and whose
//! later records say what came of it. What was published is durable, and is published once per key of its sender.
//! Knows no sensors: whoever takes an event says what came of it.
//!
//! Ids are UUIDs of version 7: they sort by the time at which events came, and so does [`Bus::list`].

mod back;
mod error;
mod event;
mod hand;
mod list;
mod note;
mod settled;
mod take;
mod trouble;
mod window;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;
use runner_controller::{Clock, Ids, IsDead};
use runner_store::{
    Append, Appended, Create, Epoch, FirstLease, Journal, Lease, NewRecord, Seq, Store, StreamId, Wakeup,
};

use crate::ingress::identity::sha256;

pub use error::{Error, Result};
pub use event::{Event, NewEvent, Only};
use hand::{Hand, Place};
pub use list::{History, Query};
pub use note::{Dated, Note, Outcome, State, TriggerVerdict, Verdict};
use settled::Settled;
pub use take::Taken;

/// Kind of the streams.
pub const STREAM_KIND: &str = "event";
/// How long events are kept unless the configuration says otherwise, in days (S4.12).
pub const RETENTION_DAYS: i64 = 30;

/// Where the milliseconds of an id of version 7 begin (RFC 9562), and by how many the clock may be behind the last id.
const TIME_BITS: u32 = 80;
const BEHIND_MS: u128 = 1000;

/// Answer to a publisher, given after the event is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// Id of the event; that of the first one when this one was published before.
    pub id: String,
    /// It was published before under the same key.
    pub duplicate: bool,
    /// The first one under this key has other content (F40).
    pub conflict: bool,
}

/// The events of a store. Cheap to clone.
#[derive(Clone)]
pub struct Bus {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    owner: String,
    is_dead: IsDead,
    routes: Arc<RwLock<Routes>>,
    latest: Arc<Mutex<u128>>,
    hand: Hand,
    settled: Settled,
}

/// EventSources, `<namespace>/<name>`, whose events travel by an EventBus, and which.
pub type Routes = BTreeMap<String, String>;

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").field("owner", &self.owner).finish_non_exhaustive()
    }
}

impl Bus {
    /// The bus of a store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, ids: Arc<dyn Ids>) -> Self {
        let is_dead = Arc::new(runner_controller::is_dead);
        let (owner, routes) = (runner_controller::this_process(), Arc::default());
        Self {
            store,
            clock,
            ids,
            owner,
            is_dead,
            routes,
            latest: Arc::default(),
            hand: Hand::default(),
            settled: Settled::default(),
        }
    }

    /// The same under another name in leases, with another proof of death.
    #[must_use]
    pub fn named(self, owner: String, is_dead: IsDead) -> Self {
        Self { owner, is_dead, ..self }
    }

    /// Name in leases.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The store.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// An id above all that this process gave: events that come in one millisecond keep their order.
    fn next_id(&self, now: Timestamp) -> String {
        let id = self.ids.uid(now);
        let Ok(new) = uuid::Uuid::parse_str(&id).map(|id| id.as_u128()) else { return id };
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        // a clock that was set back by more begins anew
        let behind = (*latest >> TIME_BITS).saturating_sub(new >> TIME_BITS);
        *latest = if new > *latest || behind > BEHIND_MS { new } else { latest.saturating_add(1) };
        uuid::Uuid::from_u128(*latest).to_string()
    }

    /// Says which events travel by which EventBus; those of all others are taken from the store.
    pub fn set_routes(&self, routes: Routes) {
        *self.routes.write().unwrap_or_else(PoisonError::into_inner) = routes;
    }

    fn route(&self, new: &NewEvent) -> Option<String> {
        let routes = self.routes.read().unwrap_or_else(PoisonError::into_inner);
        routes.get(&format!("{}/{}", new.namespace, new.source)).cloned()
    }

    /// Makes an event durable. When this returns it will be taken, whatever happens to this process (F41).
    ///
    /// # Errors
    /// What the store says; then the sender has to try again.
    pub async fn publish(&self, new: NewEvent) -> Result<Receipt> {
        let now = self.clock.now();
        let id = self.next_id(now);
        let whole = new.key.as_deref().map(|key| dedup_key(&new, key));
        let windowed = new.window_s > 0;
        let key = match &new.key {
            Some(key) if windowed => {
                if let Some(first) = self.first(&new, key, now).await? {
                    return Ok(first);
                }
                Some(dedup_key(&new, &window::part(key, new.window_s, now)))
            }
            _ => whole.clone(),
        };
        let carrier = if new.from_bus { None } else { self.route(&new) };
        let event = Event { carrier, ..Event::new(id.clone(), now, new) };
        match self.keep(&event, key).await? {
            Appended::Done(_) => {
                if let Some(key) = whole.filter(|_| windowed) {
                    self.remember(&event, key).await?;
                }
                Ok(Receipt { id, duplicate: false, conflict: false })
            }
            Appended::Exists { stream } => {
                let first = self.event(stream.key()).await?;
                Ok(Receipt { id: first.id, duplicate: true, conflict: first.digest != event.digest })
            }
        }
    }

    /// Makes the stream of an event. Where this process judges it, it is leased from the beginning.
    async fn keep(&self, event: &Event, key: Option<String>) -> Result<Appended> {
        let record = note::record(&Note::Received(Box::new(event.clone())))?;
        let place = event.carrier.is_none().then(|| self.hand.offer(record.body.len()));
        let until = event.time.saturating_add(take::TTL).unwrap_or(Timestamp::MAX);
        let lease = Lease { stream: stream(&event.id)?, epoch: Epoch::FIRST, until };
        let at_hand = place.as_ref().is_some_and(Place::is_at_hand);
        let epoch = if at_hand { Epoch::FIRST } else { Epoch::ZERO };
        let mut append = Append::new(lease.stream.clone(), epoch, Seq::ZERO, event.time, vec![record]);
        append.wakeup = Wakeup::At(event.time);
        append.create = Some(Create {
            namespace: event.namespace.clone(),
            name: event.id.clone(),
            idempotency_key: key,
            lease: at_hand.then(|| FirstLease { owner: self.owner.clone(), until }),
        });
        let place = match place {
            Some(place) if at_hand => place,
            passing => {
                let appended = Journal::append(self.store.as_ref(), append).await;
                drop(passing);
                self.hand.leave();
                return Ok(appended?);
            }
        };
        // Not undone with the sender, who may go away meanwhile: what is leased has to be judged.
        let (bus, event) = (self.clone(), event.clone());
        let kept = tokio::spawn(async move {
            let appended = Journal::append(bus.store.as_ref(), append).await?;
            if let Appended::Done(seq) = appended
                && let Some(taken) = place.keep(Taken::published(event, lease, seq))
            {
                let back = bus.put_back(taken, &[], bus.now()).await;
                back.unwrap_or_else(|error| tracing::warn!(%error, "an event is taken when its lease ends"));
            }
            Ok(appended)
        });
        kept.await.unwrap_or_else(|error| Err(runner_store::Error::Io(error.to_string()).into()))
    }

    /// An event.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Corrupt`], or what the store says.
    pub async fn event(&self, id: &str) -> Result<Event> {
        let missing = || Error::NotFound(id.to_owned());
        let stream = stream(id).map_err(|_| missing())?;
        let first = Journal::read(self.store.as_ref(), &stream, Seq::ZERO, 1).await?;
        match note::read(first.first().ok_or_else(missing)?)? {
            Note::Received(event) => Ok(*event),
            _ => Err(Error::Corrupt { id: id.to_owned(), why: "the first record is no event".to_owned() }),
        }
    }
}

/// Stream of an event.
fn stream(id: &str) -> Result<StreamId> {
    Ok(StreamId::parse(&format!("{STREAM_KIND}/{id}"))?)
}

/// A sender's key is its own: two events of two sources may have the same one.
fn dedup_key(new: &NewEvent, key: &str) -> String {
    sha256(format!("{}\n{}\n{key}", new.source, new.name).as_bytes())
}

/// A record and its kind, for `note`.
fn new_record(kind: &str, body: Vec<u8>) -> NewRecord {
    NewRecord { kind: kind.to_owned(), body }
}
