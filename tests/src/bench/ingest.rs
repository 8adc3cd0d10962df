//! B6: events that are acknowledged after they are durable, through the daemon's real HTTP door, beside what the disk
//! allows with as many events in a commit as requests are in flight.
//! That none of them is lost is proven elsewhere (`cli/tests/events`).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::limits::{self, float};
use super::measure::{Bench, Inside, Metric, Sample, Side, Target};
use super::probe::peak_rss_kib;
use super::work::{FULL, PATIENCE};
use crate::binary::{Home, Running};

/// Bytes of a body, as the plan wants it.
const BODY_BYTES: usize = 300;
/// Where events go.
const PATH: &str = "/events/default/hook/e";
const SOURCE: &str = "apiVersion: argoproj.io/v1alpha1
kind: EventSource
metadata: {name: hook}
spec:
  webhook: {e: {endpoint: /e, method: POST, port: \"PORT\"}}
";
/// A workflow for each event, of one node without a process.
const SENSOR: &str = "---
apiVersion: argoproj.io/v1alpha1
kind: Sensor
metadata: {name: start}
spec:
  dependencies: [{name: d, eventSourceName: hook, eventName: e}]
  triggers:
  - template:
      name: start
      argoWorkflow:
        operation: submit
        source:
          resource:
            apiVersion: argoproj.io/v1alpha1
            kind: Workflow
            metadata: {generateName: w-}
            spec: {entrypoint: main, templates: [{name: main, suspend: {duration: \"0\"}}]}
";
const CONFIG: &str = "[events]\nrequests_per_second = 0\n[fuses]\ncicd = true\n";

/// A daemon that listens, and where.
struct Daemon {
    home: Home,
    running: Running,
    address: String,
}

impl Daemon {
    fn start(manifests: &str) -> Result<Self, String> {
        let home = Home::new("default")?;
        // Argo Events wants a port of each source; requests go to the main address
        let free = std::net::TcpListener::bind("127.0.0.1:0").and_then(|held| held.local_addr());
        let port = free.map_err(|error| error.to_string())?.port().to_string();
        let manifests = manifests.replace("PORT", &port);
        for (name, text) in [("events.yaml", manifests.as_str()), ("config.toml", CONFIG)] {
            std::fs::write(home.folder().join(name), text).map_err(|error| format!("{name}: {error}"))?;
        }
        let said = home.run(&["apply", "-f", "events.yaml"], PATIENCE)?;
        if said.code != Some(0) {
            return Err(format!("apply: {}", said.both()));
        }
        let mut running = home.start(home.folder(), &["events", "daemon", "--listen", "127.0.0.1:0"])?;
        let end = Instant::now() + PATIENCE;
        loop {
            let said = running.stderr();
            if let Some(address) = said.lines().find_map(|line| line.strip_prefix("listening on http://")) {
                let address = address.trim().to_owned();
                return Ok(Self { home, running, address });
            }
            if running.ended() || Instant::now() > end {
                return Err(format!("the daemon does not listen: {said}"));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

/// One connection: asks and waits, until all requests are taken. Microseconds of each.
async fn connection(
    address: String,
    left: Arc<AtomicUsize>,
    request: Arc<Vec<u8>>,
) -> Result<Vec<u32>, String> {
    let text = |error: std::io::Error| error.to_string();
    let mut stream = TcpStream::connect(&address).await.map_err(text)?;
    stream.set_nodelay(true).map_err(text)?;
    let (mut took, mut buffer) = (Vec::new(), vec![0; 4096]);
    while left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok() {
        let began = Instant::now();
        stream.write_all(&request).await.map_err(text)?;
        let mut filled = 0;
        loop {
            let read = stream.read(&mut buffer[filled..]).await.map_err(text)?;
            filled += read;
            let answer = String::from_utf8_lossy(&buffer[..filled]);
            if answer.ends_with('}') {
                if !answer.starts_with("HTTP/1.1 200") || !answer.contains("\"accepted\"") {
                    return Err(format!("not accepted: {answer}"));
                }
                break;
            }
            if read == 0 || filled == buffer.len() {
                return Err(format!("an answer that does not end: {answer}"));
            }
        }
        took.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
    }
    Ok(took)
}

/// Sends so many events over so many connections, each one after the answer to the one before.
fn send(address: &str, events: usize, connections: usize) -> Result<(f64, Inside), String> {
    let body = format!("{{\"kind\": \"bench\", \"text\": \"{}\"}}", "x".repeat(BODY_BYTES - 30));
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let request = Arc::new(format!("{head}{body}").into_bytes());
    let left = Arc::new(AtomicUsize::new(events));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let began = Instant::now();
    let took = runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..connections {
            all.spawn(connection(address.to_owned(), Arc::clone(&left), Arc::clone(&request)));
        }
        let mut took = Vec::with_capacity(events);
        while let Some(done) = all.join_next().await {
            took.extend(done.map_err(|error| error.to_string())??);
        }
        Ok::<_, String>(took)
    });
    let (seconds, mut took) = (began.elapsed().as_secs_f64(), took?);
    took.sort_unstable();
    let at = |part: usize| took.get(took.len() * part / 100).copied().map_or(0.0, f64::from);
    Ok((seconds, Inside { engine_ms: seconds * 1e3, gap_p50_us: at(50), gap_p99_us: at(99) }))
}

fn ingest(name: String, events: usize, connections: usize) -> Side {
    let run = move || {
        let daemon = Daemon::start(SOURCE)?;
        let (seconds, inside) = send(&daemon.address, events, connections)?;
        let rss_kib = peak_rss_kib(daemon.running.id());
        Ok(Sample { seconds, units: float(events), rss_kib, inside: Some(inside), ..Sample::default() })
    };
    Side { name, durability: FULL, ours: true, run: Box::new(run) }
}

/// Events that each start a workflow, until the last one has ended.
fn workflows(events: usize, connections: usize) -> Side {
    let run = move || {
        let daemon = Daemon::start(&format!("{SOURCE}{SENSOR}"))?;
        let began = Instant::now();
        let (_, inside) = send(&daemon.address, events, connections)?;
        let store = daemon.home.folder().join("store/runner.db");
        let end = Instant::now() + PATIENCE;
        while limits::finished(&store).is_none_or(|finished| finished < events) {
            if Instant::now() > end {
                return Err(format!("only {:?} of {events} workflows end", limits::finished(&store)));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let (seconds, rss_kib) = (began.elapsed().as_secs_f64(), peak_rss_kib(daemon.running.id()));
        Ok(Sample { seconds, units: float(events), rss_kib, inside: Some(inside), ..Sample::default() })
    };
    let name = format!("runner, {connections} connections, a workflow for each event");
    Side { name, durability: FULL, ours: true, run: Box::new(run) }
}

fn notes() -> Vec<String> {
    vec![
        format!(
            "Events of {BODY_BYTES} bytes over HTTP connections that are kept, each sent after the answer to the one before; the \
             sender is on the same processors. p50/p99 is the time from a request to its answer, \"engine ms\" that of all."
        ),
        "The limit writes one row for each event and nothing else; the daemon answers HTTP, and keeps, takes, judges and \
         settles each event."
            .to_owned(),
    ]
}

/// B6: so many connections at once. The bounds are half of what a server with one table and nothing else reached beside
/// the same limit (0.36, 0.5 and 0.6 of it with 1, 16 and 64 connections).
pub fn ingest_of(connections: usize) -> Bench {
    let (events, bound) = match connections {
        1 => (1_000, 0.18),
        16 => (4_000, 0.25),
        _ => (8_000, 0.30),
    };
    Bench {
        metric: Metric::Rate,
        unit: "events/s",
        sides: vec![
            ingest(format!("runner, {connections} connections"), events, connections),
            limits::event_commits(events, connections),
        ],
        targets: vec![Target { ours: 0, other: Some(1), bound }],
        notes: notes(),
    }
}

/// B6: ten times as many events at once as usual; memory must not follow.
pub fn burst() -> Bench {
    let mut notes = notes();
    notes.push(
        "Peak RSS of the second line beside the first: what ten times the events cost in memory.".to_owned(),
    );
    Bench {
        metric: Metric::Rate,
        unit: "events/s",
        sides: vec![
            ingest("runner, 64 connections, 4,000 events".to_owned(), 4_000, 64),
            ingest("runner, 250 connections, 40,000 events".to_owned(), 40_000, 250),
            limits::event_commits(40_000, 250),
        ],
        targets: Vec::new(),
        notes,
    }
}

/// B6: a workflow of one node for each event.
pub fn started() -> Bench {
    Bench {
        metric: Metric::Rate,
        unit: "workflows/s",
        sides: vec![workflows(1_000, 64), limits::event_commits(1_000, 64)],
        targets: vec![Target { ours: 0, other: None, bound: 5_000.0 }],
        notes: notes(),
    }
}
