//! The server: listeners, limits before anything is allocated, and replies that are true.
//! Decides nothing about an event: `endpoint` says who may send, `payload` what it becomes, the bus keeps it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

use super::endpoint::Tls;
use super::handle::{self, Shared};
use super::table::Table;
use super::tls::Slot;

/// Time for the head of a request, and for an idle connection (F45).
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest life of a connection.
const LIFE: Duration = Duration::from_secs(600);
/// Largest head of a request, in bytes.
const HEAD_MAX_BYTES: usize = 64 * 1024;

/// Listens. When it is dropped nothing is accepted any more.
pub struct Server {
    shared: Arc<Shared>,
    table: Arc<RwLock<Arc<Table>>>,
    seats: Arc<Semaphore>,
    host: IpAddr,
    listeners: Mutex<BTreeMap<u16, Listener>>,
    main: JoinHandle<()>,
    address: SocketAddr,
    stop: watch::Sender<bool>,
}

/// The listener of a port.
struct Listener {
    task: JoinHandle<()>,
    tls: Arc<Slot>,
}

/// Which listener a request came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
    /// The main one: canonical paths, `/webhooks/SOURCE`, `/health`.
    Main,
    /// The one of a port that event sources name.
    Port(u16),
}

/// Where a request came in, and from whom.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The listener.
    pub(super) door: Door,
    /// The other end of the connection.
    pub(super) peer: IpAddr,
}

impl std::fmt::Debug for Server {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Server").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.send_replace(true);
        self.main.abort();
        for (_, listener) in
            std::mem::take(&mut *self.listeners.lock().unwrap_or_else(PoisonError::into_inner))
        {
            listener.task.abort();
        }
    }
}

impl Server {
    /// Listens on the main address. Ports of event sources are opened by [`Self::apply`] on the same host.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(address: SocketAddr, shared: Arc<Shared>) -> std::io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let table = Arc::new(RwLock::new(Arc::new(Table::default())));
        let seats = Arc::new(Semaphore::new(shared.limits.allowed().connections));
        let (stop, stopped) = watch::channel(false);
        let loop_ = accept(
            listener,
            Door::Main,
            Arc::clone(&shared),
            Arc::clone(&table),
            Arc::clone(&seats),
            Arc::new(Slot::default()),
            stopped,
        );
        Ok(Self {
            shared,
            table,
            seats,
            host: address.ip(),
            listeners: Mutex::default(),
            main: tokio::spawn(loop_),
            address,
            stop,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Puts a table into effect: opens ports that are new and closes ports that nobody needs. Answers the ports that
    /// could not be opened, and why; their endpoints are reached at their canonical paths.
    pub async fn apply(&self, table: Table) -> Vec<(u16, String)> {
        let ports = table.ports();
        *self.table.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(table);
        let mut failed = Vec::new();
        let mut wanted = Vec::new();
        {
            let mut listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
            listeners.retain(|port, listener| {
                let keep = ports.contains_key(port);
                if !keep {
                    listener.task.abort();
                }
                keep
            });
            for (port, tls) in ports {
                match listeners.get(&port) {
                    // a certificate that is renewed serves the next connection
                    Some(listener) => failed.extend(listener.tls.renew(tls).err().map(|why| (port, why))),
                    None if port == self.address.port() => {}
                    None => wanted.push((port, tls)),
                }
            }
        }
        for (port, tls) in wanted {
            if let Err(why) = self.open(port, tls).await {
                failed.push((port, why));
            }
        }
        failed
    }

    async fn open(&self, port: u16, tls: Option<Tls>) -> Result<(), String> {
        let slot = Arc::new(Slot::default());
        slot.renew(tls)?;
        let listener = TcpListener::bind((self.host, port)).await.map_err(|error| error.to_string())?;
        let (shared, table) = (Arc::clone(&self.shared), Arc::clone(&self.table));
        let (seats, tls) = (Arc::clone(&self.seats), Arc::clone(&slot));
        let stopped = self.stop.subscribe();
        let task = tokio::spawn(accept(listener, Door::Port(port), shared, table, seats, tls, stopped));
        let opened = Listener { task, tls: slot };
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).insert(port, opened);
        Ok(())
    }
}

async fn accept(
    listener: TcpListener,
    door: Door,
    shared: Arc<Shared>,
    table: Arc<RwLock<Arc<Table>>>,
    seats: Arc<Semaphore>,
    tls: Arc<Slot>,
    stopped: watch::Receiver<bool>,
) {
    loop {
        // a full house leaves the rest in the kernel's queue
        let Ok(permit) = Arc::clone(&seats).acquire_owned().await else { return };
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Some(seat) = shared.limits.connect(peer.ip()) else { continue };
        let place = Place { door, peer: peer.ip() };
        let (shared, table, tls) = (Arc::clone(&shared), Arc::clone(&table), tls.acceptor());
        let mut stopped = stopped.clone();
        tokio::spawn(async move {
            let _held = (permit, seat);
            let served = serve(stream, tls, place, shared, table);
            tokio::select! {
                () = served => {}
                () = tokio::time::sleep(LIFE) => {}
                _ = stopped.wait_for(|stop| *stop) => {}
            }
        });
    }
}

async fn serve(
    stream: TcpStream,
    tls: Option<tokio_rustls::TlsAcceptor>,
    place: Place,
    shared: Arc<Shared>,
    table: Arc<RwLock<Arc<Table>>>,
) {
    match tls {
        None => speak(TokioIo::new(stream), place, shared, table).await,
        Some(acceptor) => {
            if let Ok(Ok(stream)) = tokio::time::timeout(HEAD_TIMEOUT, acceptor.accept(stream)).await {
                speak(TokioIo::new(stream), place, shared, table).await;
            }
        }
    }
}

async fn speak<I>(io: I, place: Place, shared: Arc<Shared>, table: Arc<RwLock<Arc<Table>>>)
where
    I: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        let table = Arc::clone(&table.read().unwrap_or_else(PoisonError::into_inner));
        async move {
            Ok::<Response<Full<Bytes>>, Infallible>(handle::request(&shared, &table, place, request).await)
        }
    });
    let served = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX_BYTES)
        .serve_connection(io, service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "connection ended");
    }
}
