//! What one address and all of them together may hold and ask for: connections, requests per second, bytes of bodies
//! (F45, F46, V24). All of it is counted before anything is allocated.
//! Believes nobody and closes nothing: `server` and `handle` do that with what it says.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// Addresses that are remembered at once; those beyond share one budget.
const ADDRESSES: usize = 8192;
/// Unit of the budget for bodies, in bytes.
const KIB: usize = 1024;

/// How much is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Allowed {
    /// Connections of all addresses; more wait in the kernel's queue.
    pub connections: usize,
    /// Connections of one address; more are closed.
    pub connections_per_address: usize,
    /// Requests of one address in a second, for a while; 0 is any number.
    pub requests_per_second: u32,
    /// Requests of one address at once after it was quiet.
    pub burst: u32,
    /// Bytes of bodies that are being read, of all addresses.
    pub body_bytes: usize,
    /// Bytes of bodies that are being read, of one address.
    pub body_bytes_per_address: usize,
}

impl Default for Allowed {
    fn default() -> Self {
        Self {
            connections: 1024,
            connections_per_address: 256,
            requests_per_second: 1000,
            burst: 5000,
            body_bytes: 128 * KIB * KIB,
            body_bytes_per_address: 64 * KIB * KIB,
        }
    }
}

/// What is counted.
#[derive(Debug)]
pub struct Limits {
    allowed: Allowed,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    body_bytes: usize,
    addresses: BTreeMap<Option<IpAddr>, Address>,
}

#[derive(Debug)]
struct Address {
    connections: usize,
    body_bytes: usize,
    tokens: f64,
    seen: Instant,
}

impl Address {
    fn new(allowed: &Allowed, now: Instant) -> Self {
        Self { connections: 0, body_bytes: 0, tokens: f64::from(allowed.burst), seen: now }
    }

    fn refill(&mut self, allowed: &Allowed, now: Instant) {
        let passed = now.saturating_duration_since(self.seen).as_secs_f64();
        let more = passed * f64::from(allowed.requests_per_second);
        self.tokens = (self.tokens + more).min(f64::from(allowed.burst));
        self.seen = now;
    }

    fn is_idle(&self, allowed: &Allowed) -> bool {
        self.connections == 0 && self.body_bytes == 0 && self.tokens >= f64::from(allowed.burst)
    }
}

impl Limits {
    /// For so much.
    #[must_use]
    pub fn new(allowed: Allowed) -> Self {
        Self { allowed, inner: Mutex::default() }
    }

    /// How much is allowed.
    #[must_use]
    pub fn allowed(&self) -> &Allowed {
        &self.allowed
    }

    /// A connection of an address, unless it has too many.
    pub(super) fn connect(self: &Arc<Self>, peer: IpAddr) -> Option<Seat> {
        let limit = self.allowed.connections_per_address;
        let key = self.with(peer, |address, key| {
            (address.connections < limit).then(|| {
                address.connections += 1;
                key
            })
        })?;
        Some(Seat { limits: Arc::clone(self), key })
    }

    /// Whether an address may ask once more now.
    pub(super) fn ask(&self, peer: IpAddr) -> bool {
        if self.allowed.requests_per_second == 0 {
            return true;
        }
        self.with(peer, |address, _| {
            let may = address.tokens >= 1.0;
            if may {
                address.tokens -= 1.0;
            }
            may
        })
    }

    /// Room for a body of at most so many bytes, if there is room.
    pub(super) fn room(self: &Arc<Self>, peer: IpAddr, bytes: usize) -> Option<Room> {
        let (all, limit) = (self.allowed.body_bytes, self.allowed.body_bytes_per_address);
        let key = self.with(peer, |address, key| {
            let after = address.body_bytes.saturating_add(bytes);
            (after <= limit).then(|| {
                address.body_bytes = after;
                key
            })
        })?;
        let mut inner = self.inner();
        inner.body_bytes = inner.body_bytes.saturating_add(bytes);
        let fits = inner.body_bytes <= all;
        drop(inner);
        // a room that does not fit gives both back at once
        let room = Room { limits: Arc::clone(self), key, bytes };
        fits.then_some(room)
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The account of an address, refilled.
    fn with<T>(&self, peer: IpAddr, then: impl FnOnce(&mut Address, Option<IpAddr>) -> T) -> T {
        let now = Instant::now();
        let mut inner = self.inner();
        let mut key = Some(network(peer));
        if !inner.addresses.contains_key(&key) && inner.addresses.len() >= ADDRESSES {
            let allowed = self.allowed;
            inner.addresses.retain(|_, address| {
                address.refill(&allowed, now);
                !address.is_idle(&allowed)
            });
            if inner.addresses.len() >= ADDRESSES {
                key = None;
            }
        }
        let address = inner.addresses.entry(key).or_insert_with(|| Address::new(&self.allowed, now));
        address.refill(&self.allowed, now);
        then(address, key)
    }

    fn give_back(&self, key: Option<IpAddr>, then: impl FnOnce(&mut Inner, Option<IpAddr>)) {
        let mut inner = self.inner();
        then(&mut inner, key);
        if self.allowed.requests_per_second == 0
            && inner.addresses.get(&key).is_some_and(|one| one.connections == 0 && one.body_bytes == 0)
        {
            inner.addresses.remove(&key);
        }
    }
}

/// A customer of IPv6 has a whole network of 64 bits: it is one address.
fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            let prefix = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(prefix.into())
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// A connection that is counted for its address.
#[derive(Debug)]
pub(super) struct Seat {
    limits: Arc<Limits>,
    key: Option<IpAddr>,
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.limits.give_back(self.key, |inner, key| {
            if let Some(address) = inner.addresses.get_mut(&key) {
                address.connections = address.connections.saturating_sub(1);
            }
        });
    }
}

/// Bytes that are counted while a body is read.
#[derive(Debug)]
pub(super) struct Room {
    limits: Arc<Limits>,
    key: Option<IpAddr>,
    bytes: usize,
}

impl Drop for Room {
    fn drop(&mut self) {
        let bytes = self.bytes;
        self.limits.give_back(self.key, |inner, key| {
            if let Some(address) = inner.addresses.get_mut(&key) {
                address.body_bytes = address.body_bytes.saturating_sub(bytes);
            }
            inner.body_bytes = inner.body_bytes.saturating_sub(bytes);
        });
    }
}
