//! Logs of steps: which attempts, and following many at once.
//! Does not format lines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use runner_runners::{AttemptId, LogLine, LogQuery, LogStream, Runner, Stream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::catalog::Loaded;
use crate::output::view::NodeView;

/// A line with where it came from.
#[derive(Clone, Debug)]
pub struct Tagged {
    /// Id of the node.
    pub node_id: String,
    /// Pod name, or the node's name.
    pub label: String,
    /// When.
    pub at: Timestamp,
    /// Where it was written to.
    pub stream: Stream,
    /// The text.
    pub text: String,
}

impl Tagged {
    /// A line of that node.
    pub fn new(node: &Source, line: LogLine) -> Self {
        Self {
            node_id: node.id.clone(),
            label: node.label.clone(),
            at: line.at,
            stream: line.stream,
            text: line.text,
        }
    }
}

/// A node whose log is read.
#[derive(Clone, Debug)]
pub struct Source {
    uid: String,
    id: String,
    label: String,
    attempt: Option<u32>,
}

impl Source {
    /// Of a node of a workflow; `attempt` picks an earlier one.
    pub fn new(loaded: &Loaded, node: &NodeView, attempt: Option<u32>) -> Self {
        let label = if node.pod.is_empty() { node.name.clone() } else { node.pod.clone() };
        let attempt = attempt.or_else(|| loaded.attempts.get(&node.id).copied());
        Self { uid: loaded.uid.clone(), id: node.id.clone(), label, attempt }
    }

    /// Opens the log: of the attempt that is known, else of the last one that left any.
    pub async fn open(&self, runner: &dyn Runner, query: &LogQuery) -> Option<LogStream> {
        let id = |attempt| AttemptId { workflow_uid: self.uid.clone(), node_id: self.id.clone(), attempt };
        if let Some(attempt) = self.attempt {
            return runner.logs(&id(attempt), query.clone()).await.ok();
        }
        let mut last = None;
        for attempt in 0..MAX_ATTEMPTS {
            match runner.logs(&id(attempt), query.clone()).await {
                Ok(stream) => last = Some(stream),
                // numbers have no gaps but at the beginning, where earlier attempts were cleaned up
                Err(_) if last.is_some() || attempt >= FIRST_ATTEMPTS => break,
                Err(_) => {}
            }
        }
        last
    }
}

/// Attempts looked for under one node's name.
const MAX_ATTEMPTS: u32 = 1000;
/// Numbers tried before a node is taken to have no log.
const FIRST_ATTEMPTS: u32 = 8;
/// Logs followed at the same time.
const MAX_FOLLOWED: usize = 64;
/// How long the end of a log is waited for; one that does not end belongs to a step that nobody waits for.
const LATE: Duration = Duration::from_secs(2);
/// Lines that wait to be shown.
const WAITING_LINES: usize = 4096;

/// Follows the logs of the steps of one workflow as they start.
pub struct Pump {
    runner: Arc<dyn Runner>,
    query: LogQuery,
    only_running: bool,
    seen: BTreeSet<String>,
    tasks: JoinSet<()>,
    sender: mpsc::Sender<Tagged>,
    lines: mpsc::Receiver<Tagged>,
    /// Logs of steps that had ended when they were found, while they are read: what began later comes after them.
    ended: Vec<watch::Receiver<()>>,
}

impl Pump {
    /// Reads through `runner`; with `only_running`, steps that have ended already are passed over.
    pub fn new(runner: Arc<dyn Runner>, query: LogQuery, only_running: bool) -> Self {
        let (sender, lines) = mpsc::channel(WAITING_LINES);
        let query = LogQuery { follow: true, ..query };
        let (seen, tasks, ended) = (BTreeSet::new(), JoinSet::new(), Vec::new());
        Self { runner, query, only_running, seen, tasks, sender, lines, ended }
    }

    /// Starts to follow the nodes that are new.
    pub fn follow(&mut self, loaded: &Loaded) {
        let all = |_: &NodeView| true;
        self.follow_some(loaded, &all);
    }

    /// The same for the nodes that are wanted.
    pub fn follow_some(&mut self, loaded: &Loaded, wanted: &dyn Fn(&NodeView) -> bool) {
        while self.tasks.try_join_next().is_some() {}
        self.ended.retain(|reading| reading.has_changed().is_ok());
        let mut nodes: Vec<&NodeView> =
            loaded.view.nodes.values().filter(|node| self.ready(node) && wanted(node)).collect();
        nodes.sort_by_key(|node| node.started);
        for node in nodes {
            if self.tasks.len() >= MAX_FOLLOWED {
                return;
            }
            let key = format!("{}/{:?}", node.id, loaded.attempts.get(&node.id));
            self.seen.insert(key);
            self.seen.insert(node.id.clone());
            let source = Source::new(loaded, node, None);
            let (runner, query, sender) = (Arc::clone(&self.runner), self.query.clone(), self.sender.clone());
            let earlier = self.ended.clone();
            let (reading, read) = watch::channel(());
            if node.phase != "Running" {
                self.ended.push(read);
            }
            self.tasks.spawn(async move {
                // Open for as long as this one is read.
                let _reading = reading;
                let Some(mut stream) = source.open(runner.as_ref(), &query).await else { return };
                let all = async {
                    for mut one in earlier {
                        while one.changed().await.is_ok() {}
                    }
                };
                let _late = tokio::time::timeout(LATE, all).await;
                while let Some(Ok(line)) = stream.next().await {
                    if sender.send(Tagged::new(&source, line)).await.is_err() {
                        return;
                    }
                }
            });
        }
    }

    fn ready(&self, node: &NodeView) -> bool {
        let phase = match node.phase.as_str() {
            "Running" => true,
            "Succeeded" | "Failed" | "Error" => !self.only_running,
            _ => false,
        };
        phase && node.is_step() && node.started.is_some() && !self.seen.contains(&node.id)
    }

    /// The lines that have come.
    pub fn drain(&mut self) -> Vec<Tagged> {
        let mut out = Vec::new();
        while let Ok(line) = self.lines.try_recv() {
            out.push(line);
        }
        out.sort_by_key(|line| line.at);
        out
    }

    /// Waits a little for the last lines.
    pub async fn finish(mut self) -> Vec<Tagged> {
        drop(self.sender);
        let mut out = Vec::new();
        let all = async {
            while let Some(line) = self.lines.recv().await {
                out.push(line);
            }
        };
        let _late = tokio::time::timeout(LATE, all).await;
        out
    }
}
