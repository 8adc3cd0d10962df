//! A FAKE runner: processes of a pretended machine. They outlive engines, as real ones do under a supervisor.
//! Understands one program: `run SECONDS`, `fail SECONDS`, `daemon`, `say TEXT`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use runner_controller::Clock;
use runner_machine::Work;
use runner_runners::{
    AttemptId, AttemptSpec, BoxFuture, Error, Exit, ExitPhase, LogQuery, LogStream, Observation, Release,
    Runner, Sink,
};
use runner_store::{Store, StreamId};
use runner_workflows::spec::Outputs;
use tokio::sync::{mpsc, watch};

use super::VirtualClock;

/// Starts whose intent is looked for in the journal; each costs a replay.
const MOST_CHECKED: usize = 100;

struct Process {
    node: String,
    started: jiff::Timestamp,
    exit: watch::Receiver<Option<Exit>>,
    kill: mpsc::UnboundedSender<()>,
    daemon: bool,
}

#[derive(Default)]
struct Inner {
    processes: BTreeMap<AttemptId, Process>,
    /// Node names in the order in which processes were started.
    started: Vec<String>,
    ensured: u64,
    running: usize,
    most_running: usize,
    removed: Vec<AttemptId>,
    released: Vec<Release>,
    lost: BTreeSet<AttemptId>,
    unwilling: u32,
    early: Vec<String>,
}

/// The pretended machine.
pub(crate) struct World {
    clock: VirtualClock,
    store: Arc<dyn Store>,
    inner: Arc<Mutex<Inner>>,
}

impl World {
    pub(crate) fn new(clock: VirtualClock, store: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self { clock, store, inner: Arc::default() })
    }

    /// Attempts that were handed over before their intent was in the journal: must be none.
    pub(crate) fn early(&self) -> Vec<String> {
        self.inner.lock().unwrap().early.clone()
    }

    /// Looks into the journal, as often as is affordable, whether the attempt is intended there.
    async fn check_intent(&self, spec: &AttemptSpec) {
        if self.inner.lock().unwrap().started.len() > MOST_CHECKED {
            return;
        }
        let stream = StreamId::workflow(&spec.id.workflow_uid).unwrap();
        let intended = match runner_controller::load(self.store.as_ref(), &stream).await {
            Ok(snapshot) => {
                let node = snapshot.status.by_id(&spec.id.node_id).and_then(|ix| snapshot.status.node(ix));
                node.is_some_and(
                    |n| matches!(n.work, Work::Attempt { number, .. } if number == spec.id.attempt),
                )
            }
            Err(_) => false,
        };
        if !intended {
            self.inner.lock().unwrap().early.push(spec.id.to_string());
        }
    }

    /// Node names in the order in which processes were started: the ledger.
    pub(crate) fn started(&self) -> Vec<String> {
        self.inner.lock().unwrap().started.clone()
    }

    /// How often a process of that node was started.
    pub(crate) fn starts(&self, node: &str) -> usize {
        self.started().iter().filter(|name| *name == node).count()
    }

    pub(crate) fn ensured(&self) -> u64 {
        self.inner.lock().unwrap().ensured
    }

    pub(crate) fn running(&self) -> usize {
        self.inner.lock().unwrap().running
    }

    pub(crate) fn most_running(&self) -> usize {
        self.inner.lock().unwrap().most_running
    }

    pub(crate) fn released(&self) -> Vec<Release> {
        self.inner.lock().unwrap().released.clone()
    }

    pub(crate) fn removed(&self) -> Vec<AttemptId> {
        self.inner.lock().unwrap().removed.clone()
    }

    /// The machine goes down and up again: processes are gone without a record.
    pub(crate) fn reboot(&self) {
        let mut inner = self.inner.lock().unwrap();
        let ids: Vec<AttemptId> = inner.processes.keys().cloned().collect();
        inner.lost.extend(ids);
        inner.running = 0;
    }

    /// The next calls of `ensure` fail for a while.
    pub(crate) fn refuse(&self, times: u32) {
        self.inner.lock().unwrap().unwilling = times;
    }

    fn spawn(&self, spec: &AttemptSpec) {
        let container = spec.template.container.clone().unwrap_or_default();
        let args = container.args;
        let word = args.first().map_or("run", String::as_str);
        let seconds: f64 = args.get(1).and_then(|s| s.parse().ok()).unwrap_or(0.0);
        let (exit, reader) = watch::channel(None);
        let (kill, mut killed) = mpsc::unbounded_channel();
        let daemon = word == "daemon";
        let started = self.clock.now();
        let mut inner = self.inner.lock().unwrap();
        inner.started.push(spec.node_name.clone());
        inner.running += 1;
        inner.most_running = inner.most_running.max(inner.running);
        let process = Process { node: spec.node_name.clone(), started, exit: reader, kill, daemon };
        inner.processes.insert(spec.id.clone(), process);
        drop(inner);
        let fails = word == "fail";
        let said = (word == "say").then(|| args.get(1).cloned().unwrap_or_default());
        let (clock, inner) = (self.clock, Arc::clone(&self.inner));
        let life = if daemon { Duration::from_secs(1_000_000) } else { Duration::from_secs_f64(seconds) };
        let life = if said.is_some() { Duration::ZERO } else { life };
        tokio::spawn(async move {
            let was_killed = tokio::select! {
                biased;
                _ = killed.recv() => true,
                () = tokio::time::sleep(life) => false,
            };
            let (phase, code, message) = match (was_killed, fails) {
                (true, _) => (ExitPhase::Failed, 143, "main: Error (exit code 143)"),
                (false, true) => (ExitPhase::Failed, 1, "main: Error (exit code 1)"),
                (false, false) => (ExitPhase::Succeeded, 0, ""),
            };
            let outputs = Outputs { result: said, exit_code: Some(code.to_string()), ..Outputs::default() };
            let finished_at = clock.now();
            let message = message.to_owned();
            inner.lock().unwrap().running -= 1;
            exit.send_replace(Some(Exit {
                phase,
                message,
                exit_code: Some(code),
                started_at: started,
                finished_at,
                outputs,
                reason: None,
            }));
        });
    }

    /// Follows a process for one engine, as long as that engine listens.
    fn watch(&self, id: &AttemptId, sink: Sink) {
        let inner = self.inner.lock().unwrap();
        let Some(process) = inner.processes.get(id) else { return };
        if inner.lost.contains(id) {
            let reason = format!("lost: {} is gone", process.node);
            let _closed = sink.send((id.clone(), Observation::Lost { reason }));
            return;
        }
        let (mut exit, at, daemon) = (process.exit.clone(), process.started, process.daemon);
        let id = id.clone();
        tokio::spawn(async move {
            let host = "fake".to_owned();
            let started = Observation::Started { at, host, isolation: None };
            let _closed = sink.send((id.clone(), started));
            if daemon {
                let _closed = sink.send((id.clone(), Observation::Ready { at, ip: "127.0.0.1".to_owned() }));
            }
            let ended = exit.wait_for(Option::is_some).await.map(|exit| exit.clone());
            if let Ok(Some(exit)) = ended {
                let _closed = sink.send((id, Observation::Finished(exit)));
            }
        });
    }
}

impl Runner for World {
    fn ensure(&self, spec: AttemptSpec, sink: Sink) -> BoxFuture<'_, Result<(), Error>> {
        Box::pin(async move {
            {
                let mut inner = self.inner.lock().unwrap();
                inner.ensured += 1;
                if inner.unwilling > 0 {
                    inner.unwilling -= 1;
                    return Err(Error::Stopped);
                }
            }
            let known = self.inner.lock().unwrap().processes.contains_key(&spec.id);
            if !known {
                self.check_intent(&spec).await;
                self.spawn(&spec);
            }
            self.watch(&spec.id, sink);
            Ok(())
        })
    }

    fn cancel(&self, id: &AttemptId, _grace: Duration) -> BoxFuture<'_, Result<(), Error>> {
        if let Some(process) = self.inner.lock().unwrap().processes.get(id) {
            let _ended = process.kill.send(());
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn logs(&self, id: &AttemptId, _query: LogQuery) -> BoxFuture<'_, Result<LogStream, Error>> {
        let known = self.inner.lock().unwrap().processes.contains_key(id);
        let id = id.to_string();
        Box::pin(async move {
            if known { Ok(LogStream::new(mpsc::channel(1).1)) } else { Err(Error::NotFound(id)) }
        })
    }

    fn release(&self, release: Release) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.lock().unwrap().released.push(release);
        Box::pin(std::future::ready(Ok(())))
    }

    fn remove(&self, id: &AttemptId) -> BoxFuture<'_, Result<(), Error>> {
        self.inner.lock().unwrap().removed.push(id.clone());
        Box::pin(std::future::ready(Ok(())))
    }
}
