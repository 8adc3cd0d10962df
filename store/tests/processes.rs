//! Real processes on one file: killed while they write, and passing commands to each other.
//! Deliberately starts this test binary again as the child, so that nothing has to be built beside it.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use runner_store::conformance::{create, more};
use runner_store::{
    Append, Appended, ClaimRequest, Inbox as _, Journal as _, Maintenance as _, NewCommand, NewRecord,
    Options, Seq, SqliteStore, StreamId,
};

const STREAMS: usize = 6;
const PATH: &str = "STORE_CHILD_PATH";

/// This binary again, running only the named (ignored) test.
fn child(test: &str, path: &Path, wrapper: &[String]) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrapper.split_first() {
        None => Command::new(this),
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
    };
    command.args(["--exact", test, "--ignored", "--nocapture", "--test-threads", "1"]).env(PATH, path);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

fn uid(number: usize) -> String {
    format!("w{number}")
}

fn stream(number: usize) -> StreamId {
    StreamId::workflow(&uid(number)).unwrap()
}

fn body(number: usize, seq: u64) -> Vec<u8> {
    // Every tenth body is large enough to become a blob.
    let size = if seq.is_multiple_of(10) { 40_000 } else { 100 };
    format!("{number}/{seq};").into_bytes().into_iter().cycle().take(size).collect()
}

/// Child: writes into all streams at once, for ever, and says what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the child of another test"]
async fn child_writes_until_killed() {
    let Ok(path) = std::env::var(PATH) else { return };
    let store = Arc::new(SqliteStore::open(path, Options::default()).await.unwrap());
    let owner = format!("child-{}", std::process::id());
    let mut tasks = Vec::new();
    for number in 0..STREAMS {
        let (store, owner) = (Arc::clone(&store), owner.clone());
        tasks.push(tokio::spawn(async move {
            let known = store.stream(&stream(number)).await.unwrap();
            if known.is_none() {
                let mut first = create(&uid(number), "parent");
                first.records = vec![NewRecord { kind: "K".to_owned(), body: body(number, 1) }];
                store.append(first).await.unwrap();
            }
            let dead_owners = store.owners().await.unwrap();
            let now = Timestamp::now();
            let request = ClaimRequest {
                dead_owners,
                ..ClaimRequest::only(&owner, Duration::from_secs(60), now, stream(number))
            };
            let lease = store.claim(request).await.unwrap().pop().unwrap();
            let mut seen = store.stream(&stream(number)).await.unwrap().unwrap().last_seq;
            loop {
                let mut append = more(&uid(number), lease.epoch, seen);
                append.records = (1..=3)
                    .map(|n| NewRecord { kind: "K".to_owned(), body: body(number, seen.0 + n) })
                    .collect();
                let Appended::Done(seq) = store.append(append).await.unwrap() else { return };
                seen = seq;
                let line = format!("ack {number} {}\n", seq.0);
                std::io::stdout().write_all(line.as_bytes()).unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
}

/// Reads acknowledgements until the pipe closes; answers the last of each stream.
fn acknowledged(child: &mut Child) -> std::thread::JoinHandle<BTreeMap<usize, u64>> {
    let mut lines = BufReader::new(child.stdout.take().unwrap());
    std::thread::spawn(move || {
        let (mut last, mut line) = (BTreeMap::new(), String::new());
        while lines.read_line(&mut line).unwrap_or(0) > 0 {
            let words: Vec<&str> = line.split_whitespace().collect();
            // A line that the kill cut in half has no end.
            if let (["ack", number, seq], true) = (words.as_slice(), line.ends_with('\n')) {
                last.insert(number.parse().unwrap(), seq.parse().unwrap());
            }
            line.clear();
        }
        last
    })
}

/// Nothing acknowledged is lost, nothing is torn: groups of three, right bodies, no gaps.
async fn check(path: &Path, acknowledged: &BTreeMap<usize, u64>) -> u64 {
    let store = SqliteStore::open(path, Options::brief()).await.unwrap();
    let mut total = 0;
    for number in 0..STREAMS {
        let (mut seen, mut count) = (Seq::ZERO, 0);
        loop {
            let records = store.read(&stream(number), seen, 0).await.unwrap();
            let Some(last) = records.last() else { break };
            seen = last.seq;
            count += records.len() as u64;
            assert!(records.iter().all(|r| r.body == body(number, r.seq.0)), "stream {number}");
        }
        let promised = acknowledged.get(&number).copied().unwrap_or(0);
        assert!(count >= promised, "stream {number}: {promised} acknowledged, {count} there");
        assert!(count == 0 || count % 3 == 1, "stream {number}: a torn append, {count} records");
        total += count;
    }
    let report = store.verify().await.unwrap();
    assert!(report.is_clean(), "{report:?}");
    store.shutdown().await.unwrap();
    total
}

#[tokio::test]
async fn f7_kill_9_loses_nothing_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let (mut last, mut promised) = (0, 0);
    for round in 0..12_u64 {
        let mut child = child("child_writes_until_killed", &path, &[]).spawn().unwrap();
        let lines = acknowledged(&mut child);
        tokio::time::sleep(Duration::from_millis(80 + (round * 37) % 160)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        let acknowledged = lines.join().unwrap();
        promised += acknowledged.len();
        let total = check(&path, &acknowledged).await;
        assert!(total >= last, "records disappeared: {last} before, {total} now");
        last = total;
    }
    assert!(promised > 0 && last > 100, "the children wrote too little: {last}");
    println!("{last} records survived 12 kills");
}

/// The child under strace with this injection, until it ends by itself; what it said and how much is there.
async fn run_injected(path: &Path, inject: String) -> (BTreeMap<usize, u64>, u64) {
    let wrapper = ["strace", "-f", "-qq", "-e", "trace=fdatasync,fsync", "-e", &inject].map(str::to_owned);
    let mut child = Killed(child("child_writes_until_killed", path, &wrapper).spawn().unwrap());
    let lines = acknowledged(&mut child.0);
    let deadline = Instant::now() + Duration::from_secs(60);
    while child.0.try_wait().unwrap().is_none() {
        assert!(Instant::now() < deadline, "the child goes on after {inject}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let acknowledged = lines.join().unwrap();
    let total = check(path, &acknowledged).await;
    (acknowledged, total)
}

fn strace_is_missing() -> bool {
    let missing = !Command::new("strace").arg("-V").output().is_ok_and(|out| out.status.success());
    if missing {
        println!("skipped: strace is not installed");
    }
    missing
}

#[tokio::test]
async fn f7_kill_9_at_every_sync_loses_nothing_acknowledged() {
    if strace_is_missing() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("store.db");
    let (mut promised, mut last) = (0, 0);
    for number in 1..=24 {
        let inject = format!("inject=fdatasync,fsync:signal=KILL:when={number}");
        let (acknowledged, total) = run_injected(&path, inject).await;
        promised += acknowledged.len();
        assert!(total >= last, "records disappeared: {last} before, {total} now");
        last = total;
    }
    assert!(promised > 0 && last > 0);
    println!("{last} records after 24 kills, each at another sync");
}

#[tokio::test]
async fn f18_a_failing_sync_ends_the_writer_and_loses_nothing_acknowledged() {
    if strace_is_missing() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let path: PathBuf = directory.path().join("store.db");
    let (mut promised, mut last) = (0, 0);
    for number in 1..=16 {
        let inject = format!("inject=fdatasync,fsync:error=EIO:when={number}+");
        let (acknowledged, total) = run_injected(&path, inject).await;
        promised += acknowledged.len();
        assert!(total >= last, "records disappeared: {last} before, {total} now");
        last = total;
    }
    assert!(promised > 0 && last > 0);
    println!("{last} records after 16 broken disks");
}

/// A child that does not outlive the test, however the test ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Child: owns the stream, looks for commands every 50 ms and answers each with a record.
#[tokio::test]
#[ignore = "the child of another test"]
async fn child_answers_commands() {
    let Ok(path) = std::env::var(PATH) else { return };
    let store = SqliteStore::open(path, Options::brief()).await.unwrap();
    let request = ClaimRequest::only("child", Duration::from_secs(60), Timestamp::now(), stream(0));
    let request = ClaimRequest { dead_owners: vec!["parent".to_owned()], ..request };
    let lease = store.claim(request).await.unwrap().pop().unwrap();
    let mut seen = store.stream(&stream(0)).await.unwrap().unwrap().last_seq;
    std::io::stdout().write_all(b"\nready\n").unwrap();
    // Counters first, commands second: what is posted in between moves the counters again.
    let mut changes = None;
    loop {
        let now = store.changes().await.unwrap();
        if changes != Some(now) {
            changes = Some(now);
            for command in store.take("child", 0).await.unwrap() {
                let append = more(&uid(0), lease.epoch, seen);
                let append = Append { consumed: vec![command.id], ..append };
                if let Appended::Done(seq) = store.append(append).await.unwrap() {
                    seen = seq;
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_command_reaches_another_process_within_200_ms() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store.db");
    let store = SqliteStore::open(&path, Options::brief()).await.unwrap();
    store.append(create(&uid(0), "parent")).await.unwrap();
    let mut child = Killed(child("child_answers_commands", &path, &[]).spawn().unwrap());
    let mut lines = BufReader::new(child.0.stdout.take().unwrap());
    let mut line = String::new();
    while line != "ready\n" {
        line.clear();
        assert!(lines.read_line(&mut line).unwrap() > 0, "the child ended early");
    }
    let mut times = Vec::new();
    for number in 1..=7_u64 {
        let body = b"{}".to_vec();
        let command = NewCommand { stream: stream(0), body, client_key: None, at: Timestamp::now() };
        store.post(command).await.unwrap();
        let posted = Instant::now();
        while store.read(&stream(0), Seq(number), 0).await.unwrap().is_empty() {
            assert!(posted.elapsed() < Duration::from_secs(20), "no answer");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        times.push(posted.elapsed());
    }
    drop(child);
    drop(lines.read_to_string(&mut line));
    assert!(store.pending(&stream(0)).await.unwrap().is_empty());
    times.sort();
    println!("command to answer, across processes: {times:?}");
    assert!(times[5] < Duration::from_millis(200), "{times:?}");
}
