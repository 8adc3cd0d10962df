//! One thread that sleeps in epoll until a supervisor ends, and one that cleans up behind the dead.
//! Never polls; reports what the record says, or that there is none.

use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fs::inotify;

use crate::attempt::{AttemptDir, Handle, ROOT, SIGNAL, Signal};
use crate::beneath::{Beneath, Links};
use crate::error::Doing;
use crate::limits::SWEEP;
use crate::sweep::{Home, Mark, kill_all};
use crate::{AttemptId, Error, Observation, Sink};

/// A supervisor that is being watched.
pub(super) struct Watched {
    pub(super) id: AttemptId,
    pub(super) path: PathBuf,
    pub(super) pidfd: OwnedFd,
    /// Set when it is a child of this process and has to be waited for.
    pub(super) child: Option<Child>,
    pub(super) sinks: Vec<Sink>,
    pub(super) boot_id: String,
    /// Whether it may say something while it runs, and what it said last.
    pub(super) signals: Option<Signal>,
}

/// Work for the second thread.
pub(super) enum Task {
    /// The attempt has ended: its private root is not needed any more.
    Clean { path: PathBuf },
    /// The supervisor died without a record: kill what is left, then say so.
    Bury {
        path: PathBuf,
        id: AttemptId,
        handle: Option<Handle>,
        boot_id: String,
        reason: String,
        sinks: Vec<Sink>,
    },
}

#[derive(Default)]
struct Table {
    next: u64,
    by_token: HashMap<u64, Watched>,
    by_name: HashMap<String, u64>,
    /// Directories that are watched for signals.
    by_watch: HashMap<i32, u64>,
}

/// Watches supervisors.
pub(super) struct Watcher {
    table: Arc<Mutex<Table>>,
    epoll: Arc<OwnedFd>,
    stop: Arc<OwnedFd>,
    signals: Arc<OwnedFd>,
    tasks: mpsc::Sender<Task>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The thread ends by itself with the process if it cannot be told.
        let _ = rustix::io::write(&*self.stop, &1u64.to_ne_bytes());
    }
}

const STOP: u64 = 0;
const SIGNALS: u64 = 1;

impl Watcher {
    /// Starts both threads.
    pub(super) fn start(keep_root: bool) -> Result<Self, Error> {
        let making = || "watch processes".to_owned();
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC).doing(making)?);
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).doing(making)?);
        epoll::add(&*epoll, &*stop, epoll::EventData::new_u64(STOP), epoll::EventFlags::IN).doing(making)?;
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let signals = Arc::new(inotify::init(flags).doing(making)?);
        epoll::add(&*epoll, &*signals, epoll::EventData::new_u64(SIGNALS), epoll::EventFlags::IN)
            .doing(making)?;
        let table = Arc::new(Mutex::new(Table { next: SIGNALS + 1, ..Table::default() }));
        let (tasks, todo) = mpsc::channel();
        let thread = |name: &str| std::thread::Builder::new().name(name.to_owned());
        thread("undertaker")
            .spawn(move || todo.into_iter().for_each(|task| work(task, keep_root)))
            .doing(making)?;
        let (inner, poller, sender) = (Arc::clone(&table), Arc::clone(&epoll), tasks.clone());
        let heard = Arc::clone(&signals);
        thread("watcher").spawn(move || watch(&poller, &heard, &inner, &sender)).doing(making)?;
        Ok(Self { table, epoll, stop, signals, tasks })
    }

    /// Adds a listener to an attempt that is watched already; false when it is not.
    pub(super) fn join(&self, name: &str, id: &AttemptId, sink: &Sink) -> bool {
        let mut table = lock(&self.table);
        let Some(token) = table.by_name.get(name).copied() else { return false };
        let Some(watched) = table.by_token.get_mut(&token) else { return false };
        if !watched.sinks.iter().any(|known| known.same_channel(sink)) {
            watched.sinks.push(sink.clone());
        }
        if let Ok(Some(dir)) = AttemptDir::open(&watched.path)
            && let Ok(Some(Some(handle))) = dir.handle()
        {
            let (at, host, isolation) = (handle.started_at, handle.host, Some(handle.isolation));
            // A closed sink belongs to somebody who does not want to know any more.
            let _ = sink.send((id.clone(), Observation::Started { at, host, isolation }));
            if let Some(said) = &watched.signals {
                say(id, sink, &Signal::default(), said);
            }
        }
        true
    }

    /// Watches a supervisor until it ends.
    pub(super) fn watch(&self, watched: Watched) -> Result<(), Error> {
        let mut table = lock(&self.table);
        let token = table.next;
        table.next += 1;
        let data = epoll::EventData::new_u64(token);
        epoll::add(&*self.epoll, &watched.pidfd, data, epoll::EventFlags::IN)
            .doing(|| format!("watch attempt {}", watched.id))?;
        table.by_name.insert(watched.id.storage_name(), token);
        let listen = watched.signals.is_some();
        let path = watched.path.clone();
        table.by_token.insert(token, watched);
        if listen {
            let flags = inotify::WatchFlags::MOVED_TO;
            match inotify::add_watch(&*self.signals, &path, flags) {
                Ok(watch) => drop(table.by_watch.insert(watch, token)),
                // It runs all the same; its progress is not seen.
                Err(error) => tracing::warn!(%error, "the signals of a step cannot be watched"),
            }
            // What was said before anybody listened.
            if let Some(watched) = table.by_token.get_mut(&token) {
                tell(watched);
            }
        }
        Ok(())
    }

    /// Queues work for the second thread.
    pub(super) fn task(&self, task: Task) {
        // It lives as long as this sender.
        let _ = self.tasks.send(task);
    }
}

fn lock(table: &Mutex<Table>) -> std::sync::MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tells what is new in the signal file of an attempt.
fn tell(watched: &mut Watched) {
    let Some(before) = &watched.signals else { return };
    let said = AttemptDir::open(&watched.path).ok().flatten().and_then(|dir| dir.read_json(SIGNAL).ok()?);
    let Some(Ok(said)) = said else { return };
    for sink in &watched.sinks {
        say(&watched.id, sink, before, &said);
    }
    watched.signals = Some(said);
}

fn say(id: &AttemptId, sink: &Sink, before: &Signal, said: &Signal) {
    if let Some((done, total)) = said.progress.filter(|_| said.progress != before.progress) {
        // See `join`.
        let _ = sink.send((id.clone(), Observation::Progress { done, total }));
    }
    if said.paused != before.paused {
        // See `join`.
        let _ = sink
            .send((id.clone(), Observation::Waiting { message: said.paused.clone().unwrap_or_default() }));
    }
    if let Some((at, ip)) = said.ready.clone().filter(|_| said.ready != before.ready) {
        // See `join`.
        let _ = sink.send((id.clone(), Observation::Ready { at, ip }));
    }
}

/// Stops listening to an attempt that has ended.
fn forget(signals: &OwnedFd, table: &mut Table, token: u64) {
    table.by_watch.retain(|watch, of| {
        if *of == token {
            // Gone by itself when the directory is.
            let _ = inotify::remove_watch(signals, *watch);
        }
        *of != token
    });
}

/// Reads who has something to say.
fn hear(signals: &OwnedFd, table: &Mutex<Table>) {
    let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
    let mut reader = inotify::Reader::new(signals, &mut buffer);
    loop {
        let (watch, gone) = match reader.next() {
            Ok(event) => (event.wd(), event.events().contains(inotify::ReadFlags::IGNORED)),
            Err(rustix::io::Errno::INTR) => continue,
            Err(_nothing_left) => return,
        };
        let mut table = lock(table);
        if gone {
            table.by_watch.remove(&watch);
            continue;
        }
        let token = table.by_watch.get(&watch).copied();
        if let Some(watched) = token.and_then(|token| table.by_token.get_mut(&token)) {
            tell(watched);
        }
    }
}

fn watch(poller: &OwnedFd, signals: &OwnedFd, table: &Mutex<Table>, tasks: &mpsc::Sender<Task>) {
    let mut events: Vec<epoll::Event> = Vec::with_capacity(64);
    loop {
        events.clear();
        match epoll::wait(poller, rustix::buffer::spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => {
                tracing::error!(%error, "watching processes failed");
                return;
            }
        }
        for event in &events {
            let token = event.data.u64();
            if token == STOP {
                return;
            }
            if token == SIGNALS {
                hear(signals, table);
                continue;
            }
            let ended = {
                let mut table = lock(table);
                let ended = table.by_token.remove(&token);
                if let Some(ended) = &ended {
                    table.by_name.remove(&ended.id.storage_name());
                    // Gone from the set anyway once its descriptor is closed.
                    let _ = epoll::delete(poller, &ended.pidfd);
                    if ended.signals.is_some() {
                        forget(signals, &mut table, token);
                    }
                }
                ended
            };
            if let Some(ended) = ended {
                report(ended, tasks);
            }
        }
    }
}

/// The supervisor has ended: its record is the truth, and no record means lost.
fn report(mut ended: Watched, tasks: &mpsc::Sender<Task>) {
    if let Some(child) = &mut ended.child
        && let Err(error) = child.wait()
    {
        tracing::warn!(attempt = %ended.id, %error, "a supervisor could not be waited for");
    }
    let (exit, handle) = match AttemptDir::open(&ended.path) {
        Ok(Some(dir)) => (dir.recover_exit(), dir.handle().ok().flatten().flatten()),
        Ok(None) => (Ok(None), None),
        Err(error) => (Err(error), None),
    };
    let reason = match exit {
        Ok(Some(exit)) => {
            for sink in &ended.sinks {
                // A closed sink belongs to somebody who does not want to know any more.
                let _ = sink.send((ended.id.clone(), Observation::Finished(exit.clone())));
            }
            // Ends with the runner otherwise.
            let _ = tasks.send(Task::Clean { path: ended.path });
            return;
        }
        Ok(None) => "the supervisor of the step ended without leaving a record".to_owned(),
        Err(error) => format!("the record of the step cannot be read: {error}"),
    };
    let Watched { id, path, sinks, boot_id, .. } = ended;
    // Ends with the runner otherwise; the next one finds the attempt in the same state.
    let _ = tasks.send(Task::Bury { path, id, handle, boot_id, reason, sinks });
}

fn work(task: Task, keep_root: bool) {
    let (path, id) = match &task {
        Task::Clean { path } => (path.clone(), None),
        Task::Bury { path, id, .. } => (path.clone(), Some(id.clone())),
    };
    if let Task::Bury { handle, boot_id, reason, sinks, .. } = task {
        let clean = bury(&path, handle.as_ref(), &boot_id);
        let reason = if clean { reason } else { format!("{reason}; processes of it could not be killed") };
        for sink in sinks {
            if let Some(id) = &id {
                // See `report`.
                let _ = sink.send((id.clone(), Observation::Lost { reason: reason.clone() }));
            }
        }
    }
    if !keep_root && let Err(error) = remove_tree(&path.join(ROOT)) {
        tracing::warn!(path = %path.display(), %error, "a private root could not be removed");
    }
}

/// Kills what a dead supervisor left running. After a reboot nothing is looked at, let alone signalled.
fn bury(path: &Path, handle: Option<&Handle>, boot_id: &str) -> bool {
    if handle.is_some_and(|handle| handle.boot_id != boot_id) {
        return true;
    }
    // Gone after the first burial: then there is nobody left who lives in it.
    let home = Home::at(&path.join(ROOT).join("home"));
    let mark = Mark { home, variable: Mark::variable_of(path), ancestor: None };
    kill_all(&mark, SWEEP, || {})
}

/// Removes a directory of the engine with all that is in it.
pub(super) fn remove_tree(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return Ok(()) };
    match Beneath::open(parent, Links::Refused) {
        Ok(parent) => parent.remove(Path::new(name)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}
